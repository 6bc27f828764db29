from dataclasses import replace

import numpy as np
import pytest

from coopgap.estimate import SensitivityRow, to_frame
from coopgap.sensitivity.phone.data import PhoneData
from coopgap.sensitivity.phone.rows import PHONE_CHECKS, phone_rows
from coopgap.vocabulary import Check, Verdict


def test_every_check_is_answered_and_rows_are_unique(make_phone, spec, make_study):
    data = make_phone(np.random.default_rng(0), n_levels=3, zones=30)
    rows = phone_rows(data, spec, make_study(y=0.1), "EXAMPLE DATA")
    assert {row.check for row in rows} == set(PHONE_CHECKS)
    keys = [(row.check, row.variant, row.quantity, row.category, row.comparator) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row.source for row in rows} == {"EXAMPLE DATA"}
    assert len(to_frame("sensitivity", rows)) == len(rows)


def test_the_margin_of_the_outcome_is_used(make_phone, spec, make_study):
    data = make_phone(np.random.default_rng(1))
    for study, threshold in ((make_study(y=0.2), 0.2), (make_study(other=0.2), None)):
        row = next(
            row
            for row in phone_rows(data, spec, study, "s")
            if row.check is Check.PHONE_EQUIVALENCE and row.variant == "unadjusted"
        )
        assert (row.threshold == threshold) == (threshold is not None)
        assert (row.verdict is Verdict.NOT_ASSESSED) == (threshold is None)


def none(data):
    return PhoneData(in_person=data.in_person, phone=data.phone.take(data.phone.outcome < 0))


def test_no_phone_rows_are_not_applicable(make_phone, spec, make_study):
    rows = phone_rows(none(make_phone(np.random.default_rng(2))), spec, make_study(), "s")
    assert [row.check for row in rows] == list(PHONE_CHECKS)
    assert {row.verdict for row in rows} == {Verdict.NOT_APPLICABLE}
    assert all(row.note and row.estimate is None for row in rows)


def test_members_called_are_left_aside(make_phone, spec, make_study):
    data = make_phone(np.random.default_rng(3))
    called = replace(data.phone, member=np.ones(data.phone.n, bool))
    rows = phone_rows(replace(data, phone=called), spec, make_study(), "s")
    assert {row.verdict for row in rows} == {Verdict.NOT_APPLICABLE}


def test_a_handful_of_interviews_is_not_assessed(make_phone, spec, make_study):
    data = make_phone(np.random.default_rng(4), n=(100, 100, 9))
    rows = phone_rows(data, spec, make_study(y=0.1), "s")
    assert [row.verdict for row in rows] == [Verdict.NOT_ASSESSED] * 4
    assert {row.note for row in rows} == {"There are fewer than 10 complete phone interviews."}


def test_few_zones_are_not_assessed_but_composition_is_shown(make_phone, spec, make_study):
    data = make_phone(np.random.default_rng(5), zones=4)
    rows = phone_rows(data, spec, make_study(y=0.1), "s")
    for check in PHONE_CHECKS[1:]:
        (row,) = [row for row in rows if row.check is check]
        assert row.verdict is Verdict.NOT_ASSESSED
        assert "4 zones" in row.note
    test = next(row for row in rows if row.quantity == "rao_scott_f")
    assert isinstance(test, SensitivityRow)
    assert test.p_value is None


def test_row_order_does_not_matter(make_phone, spec, make_study):
    data = make_phone(np.random.default_rng(6), zones=20)
    order = np.random.default_rng(0).permutation(data.in_person.n)
    in_person = data.in_person
    shuffled = replace(
        in_person,
        outcome=in_person.outcome[order],
        member=in_person.member[order],
        factors={name: codes[order] for name, codes in in_person.factors.items()},
        zone=in_person.zone[order],
    )
    one = phone_rows(data, spec, make_study(y=0.1), "s")
    two = phone_rows(replace(data, in_person=shuffled), spec, make_study(y=0.1), "s")
    assert [row.verdict for row in one] == [row.verdict for row in two]
    for left, right in zip(one, two, strict=True):
        # Entropy balancing stops at 1e-10 on the margins.
        assert right.estimate == pytest.approx(left.estimate, abs=1e-7)
