"""What a design can do, counted before anything is fitted."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.matching.feasibility import pairs_possible, stratum_counts
from coopgap.study.spec import Matching
from coopgap.survey.records import Drop

from .conftest import findings, of_cells

CHANGES_NOTHING = "this design changes nothing"


def test_exact_age_pairs_of_the_printed_margins(peru):
    # WDDCM Peru, Table 1: 80 + 142 + 183 + 216 + 113 + 69.
    assert pairs_possible(peru, ("age",)) == 803
    assert pairs_possible(peru, ()) == 1003


def test_one_to_one_on_almost_equal_groups_changes_nothing(peru):
    matching = Matching(method="exact", on=("age",))
    found = findings(peru, matching)
    assert found["pairs_ignoring_strata"].value == 1003
    assert found["pairs_ignoring_strata"].note.startswith(
        "one-to-one matching without replacement on these people changes nothing"
    )
    assert found["pairs_possible"].value == 803
    assert (found["pairs_possible"].n, found["pairs_possible"].of) == (803, 1004)
    assert (found["rows_complete"].n, found["rows_complete"].of) == (1004, 2007)
    assert found["ess_comparison"].of == 1003
    assert (found["strata_members_only"].n, found["strata_members_only"].of) == (0, 6)
    # Weights k*M/C by age: sum of w over comparison people is 1003, ESS = 1003^2 / sum w^2.
    members, others = [80, 142, 183, 219, 185, 195], [183, 209, 213, 216, 113, 69]
    squares = sum((1003 / 1004 * m) ** 2 / c for m, c in zip(members, others, strict=True))
    assert found["ess_comparison"].value == pytest.approx(1003**2 / squares)
    assert found["matched_sets"].value == 6


def test_unequal_groups_get_the_other_sentences():
    for cells, words in (
        ({(0,): (10, 20)}, "choose 10 of 20 comparison people"),
        ({(0,): (20, 10)}, "leave the comparison group as it is"),
    ):
        found = findings(of_cells(cells), Matching(method="exact", on=()), None)
        assert words in found["pairs_ignoring_strata"].note


@pytest.mark.parametrize("times", [1, 2, 10])
def test_counts_by_hand(make_rows, times):
    # s=0: two members, one comparison; s=1: a member only; s=2: two comparison people only.
    rows = make_rows(
        {"s": [0, 0, 1, 0, 2, 2] * times},
        [True, True, True, False, False, False] * times,
        dropped=(Drop(reason="no answer to s", count=4 * times),),
    )
    matching = Matching(method="exact", on=("s",))
    found = findings(rows, matching)
    values = {name: row.value for name, row in found.items()}
    assert values["rows_complete"] == 6 * times
    assert values["strata_members_only"] == 1
    assert values["strata_comparison_only"] == 1
    assert values["ess_comparison"] == times
    assert values["matched_sets"] == 1
    assert values["pairs_possible"] == times
    assert values["members_without_comparison"] == times
    assert found["members_without_comparison_share"].note == f"{times} of {3 * times} members"
    assert values["members_without_comparison_share"] == pytest.approx(1 / 3)
    assert values["member_weight_moved"] == pytest.approx(1 / 3)
    assert values["comparison_unused"] == 2 * times
    assert values["dropped: no answer to s"] == 4 * times
    assert values["largest_smd_after"] == pytest.approx(0)
    assert found["largest_smd_after"].passed is True


def test_an_impossible_design_still_gets_its_counts():
    rows = of_cells({(0,): (1, 0), (1,): (0, 1)})
    found = findings(rows, Matching(method="exact", on=("s",)), None)
    assert found["strata_members_only"].value == 1
    assert found["pairs_possible"].value == 0
    assert "ess_comparison" not in found


def test_strata_count_people_not_weights(make_rows):
    rows = make_rows({"s": [0, 0, 1]}, [True, False, False], weight=[5, 5, 5])
    strata = stratum_counts(rows, ("s",))
    assert strata.member.tolist() == [1, 0]
    assert strata.comparison.tolist() == [1, 1]


def test_positivity_and_losses_by_level_by_hand():
    # Members of s=1 are alone; t is s modulo 2.
    rows = of_cells({(0, 0): (12, 3), (1, 1): (11, 0), (2, 0): (4, 5)})
    matching = Matching(method="exact", on=("s",))
    found = findings(rows, matching)
    assert found["strata_few_comparison"].value == 1
    assert found["members_lost: s=s1"].value == 11
    assert found["members_lost: s=s1"].note == "of 11 members"
    assert (found["members_lost: s=s1"].about, found["members_lost: s=s1"].category) == ("s", "s1")
    assert (found["members_lost: s=s1"].n, found["members_lost: s=s1"].of) == (11, 11)
    for name in ("members_without_comparison", "members_without_comparison_share"):
        assert (found[name].n, found[name].of) == (11, 27)
    assert found["members_lost: t=t1"].value == 11
    # Nobody of s=0 and s=2 is lost.
    assert {name for name in found if name.startswith("members_lost")} == {
        "members_lost: s=s1",
        "members_lost: t=t1",
    }
    assert [found[f"pairs_possible: s=s{level}"].value for level in (0, 1, 2)] == [3, 0, 4]
    assert found["pairs_possible: s=s0"].note == "of 12 members and 3 comparison people"
    # Comparison weights go from 3/8 and 5/8 to the members' 12/16 and 4/16.
    assert found["comparison_weight_moved"].value == pytest.approx(3 / 8)
    before = found["largest_smd_before"]
    assert before.value > found["largest_smd_after"].value == 0


def test_a_design_that_changes_nothing_says_so_and_one_that_trims_members_does_not(make_rows):
    pairs = Matching(method="optimal", on=(), covariates=("s",))
    found = findings(of_cells({(0,): (20, 20), (1,): (20, 20)}), pairs)
    assert found["comparison_weight_moved"].value == found["member_weight_moved"].value == 0
    assert found["comparison_weight_moved"].note.startswith(CHANGES_NOTHING)
    # Every comparison person is used once, so none of their weight moves; half the members go.
    levels = np.random.default_rng(4).integers(0, 4, 3000)
    found = findings(make_rows({"s": levels}, np.arange(3000) < 2000), pairs)
    assert found["members_without_comparison"].value == 1000
    assert found["comparison_weight_moved"].value == pytest.approx(0)
    assert found["member_weight_moved"].value == pytest.approx(0.5)
    notes = [row.note for name, row in found.items() if name.endswith("_moved")]
    assert not any("changes nothing" in note for note in notes)


SMALL_AND_LARGE = {
    (0, 0): (12, 0),
    (0, 1): (3, 0),
    (1, 0): (20, 4),
    (1, 1): (9, 1),
    (2, 0): (30, 25),
    (2, 1): (0, 40),
}
"""By (s, t): members and comparison people; the first two cells have nobody beside members."""


def test_strata_are_named_with_their_members_and_pairs_counted_by_level():
    rows = of_cells(SMALL_AND_LARGE)
    found = findings(rows, Matching(method="exact", on=("s", "t")))
    named = {name: row for name, row in found.items() if name.startswith("stratum_")}
    assert {name: row.value for name, row in named.items()} == {
        "stratum_members_only: s0 x t0": 12,
        "stratum_members_only: s0 x t1": 3,
        "stratum_few_comparison: s1 x t0": 20,
        "stratum_few_comparison: s1 x t1": 9,
    }
    assert named["stratum_members_only: s0 x t1"].note == "members and no comparison person"
    assert named["stratum_few_comparison: s1 x t0"].note == "members and 1 to 4 comparison people"
    # 15 members of s0 are lost, three of them of t1.
    lost = {name: found[f"members_lost: {name}"].value for name in ("s=s0", "t=t0", "t=t1")}
    assert lost == {"s=s0": 15, "t=t0": 12, "t=t1": 3}
    assert found["members_lost: t=t1"].note == "of 12 members"
    pairs = {
        name.partition(": ")[2]: row.value
        for name, row in found.items()
        if name.startswith("pairs_possible: ")
    }
    # s0 has nobody to pair with; s1 five comparison people; the levels of t: 4 + 25 and 1.
    assert pairs == {"s=s0": 0, "s=s1": 5, "s=s2": 25, "t=t0": 29, "t=t1": 1}
    assert found["pairs_possible"].value == 30
    # Without strata there is none to name.
    few = findings(of_cells({(0,): (4, 2)}), Matching(method="nearest", on=(), covariates=("s",)))
    assert few["strata_few_comparison"].value == 1
    assert not any(name.startswith("stratum_") for name in few)
