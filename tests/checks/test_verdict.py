"""Verdicts follow the interval of the difference, never two asterisks."""

import numpy as np
import pytest

from coopgap.checks.compare import compared, judge, shifted
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Interval
from coopgap.core.vocabulary import Check, Quantity, Verdict

SMALLEST = 0.05


def interval(estimate, half):
    return Interval(estimate, half / 1.96, estimate - half, estimate + half, np.nan)


@pytest.mark.parametrize(
    ("again", "difference", "verdict"),
    [
        # Significant beside not significant, and hardly apart: nothing changes.
        (interval(0.039, 0.045), interval(-0.011, 0.015), Verdict.HOLDS),
        # Clear of zero, and more than half of the smallest gap.
        (interval(0.02, 0.045), interval(-0.03, 0.02), Verdict.CHANGES),
        # Clear of zero, but less than half of it.
        (interval(0.03, 0.045), interval(-0.02, 0.01), Verdict.HOLDS),
        # Not clear of zero, and it could be more than the smallest gap.
        (interval(0.02, 0.06), interval(-0.03, 0.04), Verdict.UNDECIDED),
        # The difference is uncertain, but both gaps are clear and of opposite signs.
        (interval(-0.05, 0.04), interval(-0.10, 0.11), Verdict.CHANGES),
        # Up to the smallest gap is not within it.
        (interval(0.05, 0.04), interval(0.0, 0.05), Verdict.UNDECIDED),
    ],
)
def test_each_way_to_a_verdict(again, difference, verdict):
    declared = interval(0.05, 0.04)
    found = judge(declared, again, difference, Quantity.RISK_DIFFERENCE, SMALLEST)
    assert found is verdict


def test_a_point_of_superiority_counts_double():
    """Of two levels superiority is one half plus half the difference: verdicts agree."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        first, second, gap = (interval(*row) for row in rng.uniform(0, 0.1, (3, 2)))
        half = [
            Interval(0.5 + one.estimate / 2, 0, 0.5 + one.lower / 2, 0.5 + one.upper / 2, np.nan)
            for one in (first, second)
        ]
        apart = Interval(gap.estimate / 2, 0, gap.lower / 2, gap.upper / 2, np.nan)
        assert judge(first, second, gap, Quantity.RISK_DIFFERENCE, SMALLEST) is judge(
            *half, apart, Quantity.SUPERIORITY, SMALLEST
        )


def test_swapping_the_groups_changes_no_verdict():
    rng = np.random.default_rng(1)

    def turned(one):
        return Interval(-one.estimate, one.std_error, -one.upper, -one.lower, np.nan)

    seen = set()
    for _ in range(300):
        three = [interval(*row) for row in rng.normal(0, 0.05, (3, 2)) * [1, 0] + [0, 0.03]]
        found = judge(*three, Quantity.RISK_DIFFERENCE, SMALLEST)
        seen.add(found)
        assert found is judge(*map(turned, three), Quantity.RISK_DIFFERENCE, SMALLEST)
    assert seen == {Verdict.HOLDS, Verdict.CHANGES, Verdict.UNDECIDED}


def test_the_row_has_what_it_was_compared_with():
    row = SensitivityRow(
        check=Check.VARIANT, model="m", outcome="y", quantity=Quantity.RISK_DIFFERENCE, source="s"
    )
    declared, again = interval(0.10, 0.03), interval(0.06, 0.03)
    found = compared(row, declared, again, shifted(declared, again), SMALLEST)
    assert (found.reference, found.difference) == (0.10, pytest.approx(-0.04))
    assert found.difference_lower == found.difference_upper == found.difference
    assert found.verdict is Verdict.CHANGES
