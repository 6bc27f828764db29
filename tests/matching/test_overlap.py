import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.matching.balance import level_balance
from coopgap.matching.dispatch import match
from coopgap.matching.weighting import overlap_match
from coopgap.study.spec import Matching


@pytest.mark.parametrize("on", [(), ("region",)])
def test_every_term_has_the_same_mean_in_both_groups(random_rows, on):
    rows = random_rows
    matched = match(rows, Matching(method="overlap", on=on, covariates=("age", "sex")))
    for name in ("age", "sex", *on):
        found = level_balance(
            rows.factors[name],
            len(rows.factor_levels[name]),
            rows.member,
            rows.weight,
            matched.weight,
        )
        # The score equations, solved to the last digits.
        assert found.member == pytest.approx(found.comparison_after, abs=1e-10)


def test_weights_are_the_probability_of_the_other_group_by_hand(make_rows):
    # Level 0: 1 of 4 are members, level 1: 2 of 3. Saturated, so the scores are these shares.
    level = [0, 0, 0, 0, 1, 1, 1]
    member = np.array([1, 0, 0, 0, 1, 1, 0], dtype=bool)
    matched = overlap_match(make_rows({"a": level}, member), np.zeros(7, dtype=int), ("a",))
    scores = np.array([1 / 4] * 4 + [2 / 3] * 3)
    raw = np.where(member, 1 - scores, scores)
    for group in (member, ~member):
        raw[group] *= group.sum() / raw[group].sum()
    assert matched.weight == pytest.approx(raw)
    assert matched.n_sets == 0


def test_strata_with_one_group_only_are_left_out(make_rows):
    rows = make_rows(
        {"a": [0, 0, 1, 1, 0, 1], "s": [0, 0, 0, 0, 1, 1]}, [True, False, True, False, True, True]
    )
    matched = overlap_match(rows, rows.factors["s"], ("a",))
    assert (matched.weight > 0).tolist() == [True] * 4 + [False] * 2


def test_refusals_say_what_is_wrong(make_rows):
    rows = make_rows({"a": [0, 0, 1, 1]}, [True, False, True, True])
    with pytest.raises(NotEstimable, match=r"propensity score: .*a"):
        overlap_match(rows, np.zeros(4, dtype=int), ("a",))
    with pytest.raises(NotEstimable, match="3 members and 1 comparison people in 2 strata"):
        overlap_match(
            make_rows({"a": [0] * 4}, [True, False, True, True]), np.array([0, 1, 0, 0]), ("a",)
        )
