import numpy as np
import pytest

from coopgap.matching.dispatch import match
from coopgap.matching.feasibility import feasibility_rows, pairs_possible, stratum_counts
from coopgap.study.spec import Matching
from coopgap.survey.records import Drop


def findings(rows, matching):
    return by_name(feasibility_rows(rows, matching, match(rows, matching), model="m", source="s"))


def by_name(rows):
    """By diagnostic, and by what it is about where it is about a level or a stratum."""
    return {
        f"{row.diagnostic}: {row.about}{row.category and f'={row.category}'}"
        if row.about and not row.diagnostic.startswith("largest_smd")
        else row.diagnostic: row
        for row in rows
    }


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


def test_unequal_groups_get_the_other_sentences(make_rows):
    matching = Matching(method="exact", on=())
    few = make_rows({"a": [0] * 30}, [True] * 10 + [False] * 20)
    many = make_rows({"a": [0] * 30}, [True] * 20 + [False] * 10)
    notes = [
        by_name(feasibility_rows(rows, matching, None, model="m", source="s"))[
            "pairs_ignoring_strata"
        ].note
        for rows in (few, many)
    ]
    assert "choose 10 of 20 comparison people" in notes[0]
    assert "leave the comparison group as it is" in notes[1]


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


def test_an_impossible_design_still_gets_its_counts(make_rows):
    rows = make_rows({"s": [0, 1]}, [True, False])
    found = by_name(
        feasibility_rows(rows, Matching(method="exact", on=("s",)), None, model="m", source="s")
    )
    assert found["strata_members_only"].value == 1
    assert found["pairs_possible"].value == 0
    assert "ess_comparison" not in found


def test_unbalanced_covariate_fails_its_bar(peru):
    matching = Matching(method="exact", on=("sex",))
    found = findings(peru, matching)
    assert found["largest_smd_after"].passed is False
    assert "age=" in found["largest_smd_after"].note


def test_strata_count_people_not_weights(make_rows):
    rows = make_rows({"s": [0, 0, 1]}, [True, False, False], weight=[5, 5, 5])
    strata = stratum_counts(rows, ("s",))
    assert strata.member.tolist() == [1, 0]
    assert strata.comparison.tolist() == [1, 1]


def test_positivity_and_losses_by_level_by_hand(make_rows):
    # s=0: 12 members, 3 comparison; s=1: 11 members alone; s=2: 4 members, 5 comparison.
    people = [(0, True)] * 12 + [(0, False)] * 3 + [(1, True)] * 11 + [(2, True)] * 4
    people += [(2, False)] * 5
    rows = make_rows(
        {"s": [s for s, _ in people], "t": [s % 2 for s, _ in people]}, [m for _, m in people]
    )
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


def test_a_design_that_changes_nothing_says_so(make_rows):
    rows = make_rows({"s": [0, 0, 1, 1] * 10}, [True, False] * 20)
    matching = Matching(method="optimal", on=(), covariates=("s",))
    found = findings(rows, matching)
    assert found["comparison_weight_moved"].value == 0
    assert found["member_weight_moved"].value == 0
    assert found["comparison_weight_moved"].note.startswith("this design changes nothing")


def test_a_design_that_trims_members_does_not_change_nothing(make_rows):
    # Every comparison person is used once, so none of their weight moves; half the members go.
    member = np.arange(3000) < 2000
    rows = make_rows({"s": np.random.default_rng(4).integers(0, 4, 3000)}, member)
    matching = Matching(method="optimal", on=(), covariates=("s",))
    found = findings(rows, matching)
    assert found["members_without_comparison"].value == 1000
    assert found["comparison_weight_moved"].value == pytest.approx(0)
    assert found["member_weight_moved"].value == pytest.approx(0.5)
    notes = [row.note for name, row in found.items() if name.endswith("_moved")]
    assert not any("changes nothing" in note for note in notes)


def small_and_large(make_rows):
    """By (s, t): members and comparison people; the first two cells have nobody beside members."""
    cells = {
        (0, 0): (12, 0),
        (0, 1): (3, 0),
        (1, 0): (20, 4),
        (1, 1): (9, 1),
        (2, 0): (30, 25),
        (2, 1): (0, 40),
    }
    people = [
        (s, t, member)
        for (s, t), counts in cells.items()
        for member, count in zip((True, False), counts, strict=True)
        for _ in range(count)
    ]
    s, t, member = zip(*people, strict=True)
    return make_rows({"s": s, "t": t}, member)


def test_strata_are_named_with_their_members(make_rows):
    rows = small_and_large(make_rows)
    matching = Matching(method="exact", on=("s", "t"))
    found = findings(rows, matching)
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
    assert found["members_lost: s=s0"].value == 15
    assert found["members_lost: t=t0"].value == 12
    assert found["members_lost: t=t1"].value == 3
    assert found["members_lost: t=t1"].note == "of 12 members"


def test_pairs_by_level_of_every_stratum_variable(make_rows):
    rows = small_and_large(make_rows)
    matching = Matching(method="exact", on=("s", "t"))
    found = findings(rows, matching)
    pairs = {
        name.partition(": ")[2]: row.value
        for name, row in found.items()
        if name.startswith("pairs_possible: ")
    }
    # s0 has nobody to pair with; s1 five comparison people; the levels of t: 4 + 25 and 1.
    assert pairs == {"s=s0": 0, "s=s1": 5, "s=s2": 25, "t=t0": 29, "t=t1": 1}
    assert found["pairs_possible"].value == 30


def test_without_strata_there_is_no_stratum_to_name(make_rows):
    rows = make_rows({"s": [0] * 6}, [True] * 4 + [False] * 2)
    matching = Matching(method="nearest", on=(), covariates=("s",))
    found = findings(rows, matching)
    assert found["strata_few_comparison"].value == 1
    assert not any(name.startswith("stratum_") for name in found)
