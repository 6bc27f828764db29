"""What a run tells of the people it read, kept and left aside."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pandas as pd
import pytest

from coopgap.disclosure import FEW, is_few
from coopgap.meta import run_meta
from coopgap.people import NOT_SHOWN, People, drop_entries, people_of, told
from coopgap.plan import make_plan
from coopgap.report.plan import plan_text
from coopgap.survey.example import make_example
from coopgap.survey.records import Drop, Survey

NAMES = [field.name for field in dataclasses.fields(People)]


def survey_of(members=60, comparison=70, called=30, members_called=0, lost=()):
    """A survey of these people, and the people it left out."""
    sizes = [members, comparison, called - members_called, members_called]
    member = np.repeat([True, False, False, True], sizes)
    phone = np.repeat([False, False, True, True], sizes)
    return Survey(
        source="s.csv",
        sha256="",
        is_example=False,
        member=member,
        phone=phone,
        codes={},
        variables={},
        zone=None,
        zone_labels=(),
        weight=None,
        person=None,
        n_read=member.size + sum(lost),
        encoding="",
        dropped=drops(*lost),
    )


def drops(*counts):
    return tuple(Drop(reason=f"reason {k}", count=count) for k, count in enumerate(counts))


def test_everything_is_told_where_nothing_is_few():
    found = people_of(survey_of(lost=(12,), members_called=11), [drops(20), ()])
    assert found == People(n_read=172, n_member=60, n_comparison=70, n_phone=30, n_phone_member=11)


@pytest.mark.parametrize(
    ("survey", "models", "hidden"),
    [
        ({"lost": (3,)}, [()], {"n_read"}),
        ({"lost": (3, 40)}, [()], {"n_read"}),
        # Ten people in two parts: no part is known.
        ({"lost": (4, 6)}, [()], set()),
        ({"members_called": 4}, [()], {"n_read", "n_phone"}),
        ({"called": 5}, [()], {"n_read"}),
        ({"called": 5, "lost": (6,)}, [()], set()),
        ({}, [drops(4)], {"n_read", "n_member", "n_comparison"}),
        ({}, [drops(4, 20), drops(5)], {"n_read", "n_member", "n_comparison"}),
        # The other model's people and its losses give everybody anyway.
        ({}, [drops(4), drops(20)], set()),
        ({}, [drops(4, 8)], set()),
        # The first hides its losses, though together they are many.
        ({}, [drops(4, 8), drops(5)], {"n_read", "n_member", "n_comparison"}),
    ],
)
def test_totals_that_would_give_few_away_are_not_told(survey, models, hidden):
    found = people_of(survey_of(**survey), models)
    assert {name for name in NAMES if getattr(found, name) == NOT_SHOWN} == hidden


def test_small_parts_are_no_total_less_a_total():
    """Every survey of small parts: no hidden part is what the numbers told leave."""
    few = (0, 3, 9, 10, 30)
    told_less = 0
    for lost, called, model, phone in itertools.product(few, repeat=4):
        if called > phone:
            continue
        survey = survey_of(lost=(lost,), called=phone, members_called=called)
        found = people_of(survey, [drops(model)])
        shown = dataclasses.asdict(found)
        entries = [entry["count"] for entry in drop_entries(survey.dropped)]
        others = [shown["n_member"], shown["n_comparison"], shown["n_phone"], *entries]
        if shown["n_read"] != NOT_SHOWN:
            left = shown["n_read"] - sum(one for one in others if isinstance(one, int))
            assert not is_few(left)
            assert not is_few(called)
            assert not is_few(model)
            told_less += left > 0
        if is_few(lost):
            assert entries == [FEW]
        if is_few(phone):
            assert shown["n_phone"] == (NOT_SHOWN if is_few(called) else FEW)
        if is_few(called):
            assert shown["n_phone_member"] == FEW
            # The comparison people called stand in the phone checks.
            assert shown["n_phone"] == NOT_SHOWN
        if is_few(model):
            asked = [shown["n_member"], shown["n_comparison"]]
            assert asked == [NOT_SHOWN, NOT_SHOWN]
    # Two small numbers that are many together: (3, 9), (9, 3) and (9, 9), of models 0, 10 and 30.
    assert told_less == 9


def test_few_people_called_are_told_as_few():
    found = people_of(survey_of(called=5), [()])
    assert (found.n_phone, found.n_phone_member) == (FEW, 0)


def test_few_are_told_as_few_and_nobody_as_none():
    assert [told(number) for number in (0, 1, 9, 10)] == [0, FEW, FEW, 10]


@pytest.fixture
def thinned():
    """The example with three people whose trust is not known."""
    frame = make_example().data
    frame["trust"] = frame["trust"].astype("Int64")
    frame.loc[frame.index[frame["mode"] != "phone"][:3], "trust"] = pd.NA
    return frame


def test_plan_and_run_json_hold_no_small_count(thinned):
    plan = make_plan("peru", thinned, ["trust"])
    (model,) = plan.models
    (lost,) = model.rows.dropped
    assert lost.count == 3
    n = plan.survey.n_read
    text = plan_text(plan)
    assert "dropped: trust missing: -  fewer than 10 people left out" in text
    assert "survey    EXAMPLE DATA: (not shown) rows read" in text
    assert "(not shown) members, (not shown) comparison people in person, 250 by phone" in text
    assert f"{n:,}" not in text
    meta = run_meta(plan, checks="quick", seed=1, draws=None, seconds={})
    again = json.loads(json.dumps(meta))
    assert again["models"][0]["dropped"] == [{"reason": "trust missing", "count": FEW}]
    assert [again[name] for name in NAMES] == [NOT_SHOWN, NOT_SHOWN, NOT_SHOWN, 250, 0]
    assert again["models"][0]["n"] == n - 250 - 3
