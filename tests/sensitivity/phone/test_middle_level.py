"""A level that few people gave by phone, between two thresholds that many reach."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.sensitivity.keys import BESIDE, Keys
from coopgap.sensitivity.phone.data import PhoneData, small_categories, stack
from coopgap.sensitivity.phone.equivalence import equivalence_rows
from coopgap.sensitivity.phone.gaps import gap_rows_with_phone
from coopgap.sensitivity.phone.reference import reference_rows
from coopgap.sensitivity.phone.rows import borrowed_rows
from coopgap.vocabulary import Check

KEYS = Keys(model="m", outcome="y", source="s")
MEMBERS, IN_PERSON = (60, 60, 60, 60), (70, 70, 70, 70)
# At E, D, C and B: "D or higher" has 80 people on its smaller side, "C or higher" 83.
CALLED = (80, 3, 90, 60)


@pytest.fixture
def build(make_rows):
    def people(member, *groups):
        codes = np.concatenate([np.repeat(np.arange(4), group) for group in groups])
        flags = np.repeat([member, False], [sum(groups[0]), codes.size - sum(groups[0])])
        zone = np.random.default_rng(4).integers(0, 20, codes.size)
        age = np.arange(codes.size) % 2
        return make_rows({"age": age}, flags, codes, sizes={"age": 2}, n_levels=4, zone=zone)

    def of(members, in_person, called):
        return PhoneData(in_person=people(True, members, in_person), phone=people(False, called))

    return of


def blank(rows, check, variant):
    """Notes by category of the rows of a version that have no numbers."""
    found = [row for row in rows if row.check is check and row.variant == variant and row.category]
    assert {row.category for row in found} == {">=B", ">=C", ">=D"}
    return {row.category: row.note for row in found if row.estimate is None}


def test_one_of_the_two_thresholds_is_suppressed_in_every_check(build, spec):
    data = build(MEMBERS, IN_PERSON, CALLED)
    versions = [
        (equivalence_rows(data, ("age",), 0.1, KEYS), Check.PHONE_EQUIVALENCE, "unadjusted"),
        (equivalence_rows(data, ("age",), 0.1, KEYS), Check.PHONE_EQUIVALENCE, "adjusted"),
        (gap_rows_with_phone(data, ("age",), KEYS), Check.PHONE_REPLACES, "phone"),
        (gap_rows_with_phone(data, ("age",), KEYS), Check.PHONE_JOINS, "phone and in person"),
        (
            reference_rows(data, ("age",), None, KEYS, 1),
            Check.PHONE_SUBSAMPLE_REFERENCE,
            "unadjusted",
        ),
    ]
    for rows, check, variant in versions:
        assert blank(rows, check, variant) == {">=D": BESIDE}, (check, variant)
    borrowed = borrowed_rows(data, spec, "s")
    hidden = {row.category: row.note for row in borrowed if row.estimate is None}
    assert hidden == {">=D": BESIDE}
    assert {row.category for row in borrowed} == {">=B", ">=C", ">=D"}


def test_what_is_shown_of_either_mode_gives_no_small_level_away(build):
    data = build(MEMBERS, IN_PERSON, CALLED)
    rows = reference_rows(data, (), None, KEYS, 1)
    shares = [row for row in rows if row.variant == "unadjusted" and row.quantity == "share"]
    counts = sorted(row.estimate * 233 for row in shares if row.estimate is not None)
    assert counts == pytest.approx([60, 150])
    overall = [row for row in rows if row.quantity == "phone_superiority"]
    assert {row.estimate for row in overall} == {None}


def test_together_less_by_phone_are_those_in_person(build):
    # In person few are at D, by phone many: the joined shares less the phone's would show them.
    data = build(MEMBERS, CALLED, IN_PERSON)
    rows = gap_rows_with_phone(data, ("age",), KEYS)
    assert blank(rows, Check.PHONE_JOINS, "phone and in person") == {">=D": BESIDE}
    assert blank(rows, Check.PHONE_JOINS, "in person") == {">=D": BESIDE}
    assert blank(rows, Check.PHONE_REPLACES, "phone") == {}


def test_a_regression_shows_what_it_did(build):
    data = build(MEMBERS, IN_PERSON, CALLED)
    counts = stack(data.members, data.called)
    assert small_categories(counts) == {">=D": BESIDE}
    assert small_categories(counts, raw=False) == {}
