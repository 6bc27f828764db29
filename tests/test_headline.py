"""What is put first, by one definition."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coopgap.core.estimate import GapRow
from coopgap.core.gap import contrasts
from coopgap.core.vocabulary import Family, IntervalKind, Population, Quantity, Status
from coopgap.families.headline import (
    control_models,
    declared_at,
    declared_headlines,
    headline_contrast,
    headline_first,
    headline_models,
    headline_positions,
)
from coopgap.study.load import load_study
from coopgap.study.spec import Headline

CLASSES = ("E", "D", "C", "B", "A")


@pytest.fixture(scope="module")
def study():
    return load_study("peru")


@pytest.mark.parametrize(
    ("levels", "at", "quantity", "level"),
    [
        (("no", "yes"), "", Quantity.RISK_DIFFERENCE, 1),
        (CLASSES, "", Quantity.SUPERIORITY, 0),
        (CLASSES, ">=C", Quantity.RISK_DIFFERENCE, 2),
        (CLASSES, ">=A", Quantity.RISK_DIFFERENCE, 4),
    ],
)
def test_the_contrast_that_is_put_first(levels, at, quantity, level):
    found = headline_contrast(levels, at)
    assert (found.quantity, found.category, found.level) == (quantity, at, level)
    assert found in contrasts(levels)
    assert found.is_threshold_gap == (quantity is Quantity.RISK_DIFFERENCE)


def test_the_rest_of_the_distribution_follows():
    named = [one.category for one in headline_first(CLASSES, ">=C")]
    assert named == [">=C", "", ">=A", ">=B", ">=D"]
    assert [one.category for one in headline_first(CLASSES)] == ["", ">=A", ">=B", ">=C", ">=D"]
    assert [one.quantity for one in headline_first(("no", "yes"))] == [Quantity.RISK_DIFFERENCE]


def row(model, outcome, quantity, category="", family=Family.MATCHED_ORDINAL, **changes):
    return GapRow(
        **{
            "model": model,
            "family": family,
            "outcome": outcome,
            "comparator": "comparison",
            "group": "all",
            "population": Population.MEMBERS,
            "quantity": quantity,
            "category": category,
            "source": "made",
        }
        | changes
    )


def test_one_row_a_question_is_its_headline(study):
    gap, higher = Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY
    rows = [
        row("ses", "ses_class", gap, ">=B"),
        row("ses", "ses_class", gap, ">=C"),
        row("ses", "ses_class", higher),
        row("ses", "ses_class", gap, ">=C", Family.UNADJUSTED),
        row("ses", "ses_class", gap, ">=C", group="region=Lima"),
        row("ses", "ses_class", gap, ">=C", interval_kind=IntervalKind.JOINT),
        row("ses_top", "ses_top", gap, family=Family.MATCHED_LOGIT),
        row("trust", "trust", gap, ">=agree", status=Status.SUPPRESSED),
        row("trusted_person", "trusted_person", gap, family=Family.MATCHED_LOGIT),
        row("neighbours", "neighbours", gap, family=Family.MATCHED_LOGIT),
    ]
    assert headline_positions(rows, study) == (1, 8)
    plain = replace(study, headline=study.headline | {"ses_class": (Headline(model="ses"),)})
    assert headline_positions(rows, plain) == (2, 8)


def test_every_model_knows_its_threshold_and_its_place(study):
    assert [declared_at(study, name) for name in ("ses", "ses_top", "trust")] == [
        ">=C",
        "",
        ">=agree",
    ]
    assert declared_at(study, "no such model") == ""
    named = [model for _, model in headline_models(study)]
    assert named == ["ses", "ses_top", "trust", "trust_agree", "trusted_person", "neighbours"]
    assert list(declared_headlines(study)) == ["ses_class", "trust", "trusted_person"]
    assert control_models(study) == {"neighbours": "neighbours"}
    second = replace(study.models[0], name="a_second")
    more = replace(study, models=(second, *study.models))
    assert control_models(more) == {"neighbours": "neighbours"}
    assert control_models(replace(more, headline={})) == {"neighbours": "a_second"}
