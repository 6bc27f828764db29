"""Cross-levels of declared interactions: their shares, and that they count as balance."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.matching.balance import balance_rows, with_interactions
from coopgap.matching.dispatch import match
from coopgap.matching.feasibility import feasibility_rows
from coopgap.study.spec import Matching


def crossed_over(make_rows):
    """Both variables are balanced alone, their cross-levels are not."""
    cells = {(0, 0): (40, 10), (0, 1): (10, 40), (1, 0): (10, 40), (1, 1): (40, 10)}
    people = [
        (a, b, member)
        for (a, b), counts in cells.items()
        for member, count in zip((True, False), counts, strict=True)
        for _ in range(count)
    ]
    a, b, member = zip(*people, strict=True)
    return make_rows({"a": a, "b": b}, member)


def test_cross_levels_have_shares_of_their_own(make_rows):
    rows = with_interactions(crossed_over(make_rows), [("b", "a")])
    assert rows.factor_levels["b:a"] == ("b0:a0", "b0:a1", "b1:a0", "b1:a1")
    matched = match(rows, Matching(on=("a",)))
    found = balance_rows(rows, matched, model="m", group="all", source="s", nominal=["b:a"])
    mine = {row.level: row for row in found if row.covariate == "b:a"}
    assert [row.member_mean for row in mine.values()] == pytest.approx([0.4, 0.1, 0.1, 0.4])
    # (.4 - .1) over the root of the mean of .4 x .6 and .1 x .9.
    expected = 0.3 / np.sqrt((0.24 + 0.09) / 2)
    assert mine["b0:a0"].smd_after == pytest.approx(expected)
    assert mine["b0:a1"].smd_after == pytest.approx(-expected)
    assert mine["b0:a0"].ks_after is None
    alone = [row for row in found if row.covariate in ("a", "b")]
    assert max(abs(row.smd_before) for row in alone) == pytest.approx(0)


def test_cross_levels_that_nobody_has_have_no_row(make_rows):
    rows = make_rows({"a": [0, 0, 1], "b": [0, 1, 1]}, [True, False, True])
    crossed = with_interactions(rows, [("a", "b")])
    assert crossed.factor_levels["a:b"] == ("a0:b0", "a0:b1", "a1:b1")
    assert crossed.factors["a:b"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("interactions", [(), (("a", "b"),)])
def test_the_largest_difference_counts_declared_interactions(make_rows, interactions):
    rows = crossed_over(make_rows)
    matching = Matching(on=("a",), interactions=interactions)
    found = {
        row.diagnostic: row
        for row in feasibility_rows(rows, matching, match(rows, matching), model="m", source="s")
    }
    assert found["largest_smd_after"].passed == (not interactions)
    assert ("a:b=" in found["largest_smd_after"].note) == bool(interactions)


def test_exact_cells_balance_their_own_interaction(make_rows):
    rows = crossed_over(make_rows)
    matching = Matching(on=("a", "b"), interactions=(("a", "b"),))
    found = {
        row.diagnostic: row
        for row in feasibility_rows(rows, matching, match(rows, matching), model="m", source="s")
    }
    assert found["largest_smd_before"].value > 0.7
    assert found["largest_smd_after"].value == pytest.approx(0, abs=1e-12)
