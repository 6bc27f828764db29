from dataclasses import replace

import numpy as np
import pytest

from coopgap.gap import share_margins
from coopgap.sensitivity.keys import Keys
from coopgap.sensitivity.phone.equivalence import equivalence_rows
from coopgap.sensitivity.tipping import (
    PhoneShift,
    Shares,
    phone_shifts,
    threshold_shares,
    tipping_rows,
    tipping_share,
)
from coopgap.vocabulary import Verdict

KEYS = Keys(model="m", outcome="y", source="s")


def simple(p1, n1, p0, n0):
    return Shares(
        member=p1,
        comparison=p0,
        var_member=p1 * (1 - p1) / n1,
        var_comparison=p0 * (1 - p0) / n0,
        covariance=0.0,
        quantile=1.959964,
    )


def test_printed_trust_gap_tips_near_its_lower_limit():
    # WDDCM Peru: 40 % of 1,004 against 27 % of 1,003. At the tipping share the interval of the
    # moved table touches zero; the lower limit itself is .0893.
    shares = simple(0.40, 1004, 0.27, 1003)
    off = tipping_share(shares)
    moved = 0.27 + off
    error = np.sqrt(0.4 * 0.6 / 1004 + moved * (1 - moved) / 1003)
    assert 0.40 - moved - 1.959964 * error == pytest.approx(0, abs=1e-10)
    assert shares.limit(0.0) == pytest.approx(0.0893, abs=5e-4)
    assert off == pytest.approx(shares.limit(0.0), abs=0.003)


def test_brute_force_flips_one_answer_at_a_time():
    # Turn answers of the comparison group from no to yes until the interval holds zero.
    outcome = np.concatenate([np.repeat([1, 0], [240, 360]), np.repeat([1, 0], [180, 420])])
    member = np.arange(1200) < 600
    ones = np.ones(1200)

    def shares_after(flips):
        answers = outcome.copy()
        answers[780 : 780 + flips] = 1
        return threshold_shares(share_margins(answers, member, ones, 2), 1)

    flips = next(k for k in range(200) if shares_after(k).limit(0.0) <= 0)
    off = tipping_share(shares_after(0))
    assert flips - 1 < off * 600 <= flips


def test_negative_gap_moves_the_other_way():
    up, down = simple(0.40, 1004, 0.27, 1003), simple(0.60, 1004, 0.73, 1003)
    assert tipping_share(down) == pytest.approx(-tipping_share(up))


def test_interval_that_holds_zero_has_no_tipping_share():
    assert tipping_share(simple(0.30, 100, 0.27, 100)) is None
    assert tipping_share(simple(0.3, 100, 0.3, 100)) is None


def test_covariance_of_shared_clusters_narrows_the_interval():
    alone = simple(0.40, 1004, 0.27, 1003)
    together = replace(alone, covariance=1e-4)
    assert tipping_share(together) > tipping_share(alone)


def pick(rows, **wanted):
    (row,) = [
        row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())
    ]
    return row


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [
        (PhoneShift(0.0, -0.02, 0.02, 0.9), Verdict.HOLDS),
        (PhoneShift(0.10, 0.02, 0.18, 0.9), Verdict.INCONCLUSIVE),
        (PhoneShift(0.30, 0.25, 0.35, 0.9), Verdict.CHANGES),
        (PhoneShift(-0.30, -0.35, -0.25, 0.9), Verdict.HOLDS),
    ],
)
def test_verdict_against_the_phone_interval(make_phone, shift, verdict):
    rows = make_phone(np.random.default_rng(0)).in_person
    found = tipping_rows(rows, rows.weight, KEYS, {"": shift})
    row = pick(found, variant="interval reaches zero", quantity="share_off")
    assert 0.05 < row.estimate < 0.2
    assert row.verdict is verdict


def test_rows_of_a_binary_outcome(make_phone):
    rows = make_phone(np.random.default_rng(1)).in_person
    found = tipping_rows(rows, rows.weight, KEYS)
    p1, p0 = rows.outcome[rows.member].mean(), rows.outcome[~rows.member].mean()
    half = pick(found, variant="gap halves", quantity="share_off")
    assert half.estimate == pytest.approx((p1 - p0) / 2)
    middle = (p1 + p0) / 2
    odds = pick(found, variant="gap halves", quantity="odds_multiple")
    assert odds.estimate == pytest.approx(middle / (1 - middle) * (1 - p0) / p0)
    zero = pick(found, variant="interval reaches zero", quantity="share_off")
    assert zero.verdict is None
    assert "limit nearer to zero" in zero.note


def test_phone_rows_feed_the_tipping_point(make_phone):
    data = make_phone(np.random.default_rng(2), n_levels=3, zones=30)
    shifts = phone_shifts(equivalence_rows(data, ("age",), None, KEYS))
    assert set(shifts) == {">=C", ">=D"}
    found = tipping_rows(data.in_person, data.in_person.weight, KEYS, shifts)
    beside = pick(found, variant="phone minus in person", category=">=C")
    assert beside.estimate == shifts[">=C"].estimate


def test_small_counts_have_no_tipping_point(make_rows):
    rows = make_rows({"a": [0] * 40}, np.arange(40) < 20, [0] * 35 + [1] * 5)
    (row,) = tipping_rows(rows, rows.weight, KEYS)
    assert row.verdict is Verdict.NOT_APPLICABLE
