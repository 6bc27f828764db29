from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coopgap.core.errors import NotEstimable
from coopgap.matching.balance import level_balance
from coopgap.matching.cardinality import cardinality_match
from coopgap.matching.dispatch import match, stratum_codes
from coopgap.study.spec import Matching

people = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 2)), min_size=2, max_size=10
)


def differences(rows, weight, name):
    """Standardised differences of every level that somebody has and not everybody."""
    found = level_balance(
        rows.factors[name], len(rows.factor_levels[name]), rows.member, np.ones(rows.n), weight
    )
    return found.smd_after


def balanced(rows, kept, limit):
    member, other = kept & rows.member, kept & ~rows.member
    fine = [np.bincount(rows.factors["s"][g], minlength=2) for g in (member, other)]
    if not np.array_equal(*fine):
        return False
    shares = [
        [(rows.factors["a"][g] == level).mean() for level in range(3)]
        for g in (member, other, rows.member, ~rows.member)
    ]
    for one, two, before_one, before_two in zip(*shares, strict=True):
        width = np.sqrt((before_one * (1 - before_one) + before_two * (1 - before_two)) / 2)
        if abs(one - two) > limit * width + 1e-9:
            return False
    return True


# The fixture is a plain function: sharing it between examples changes nothing.
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("limit", [0.01, 0.6])
@given(people=people)
def test_no_larger_sample_is_balanced(make_rows, limit, people):
    member, stratum, level = (np.array(column) for column in zip(*people, strict=True))
    if member.all() or not member.any():
        return
    rows = make_rows({"s": stratum, "a": level}, member)
    largest = 0
    for keep in product((False, True), repeat=rows.n):
        kept = np.array(keep)
        size = int((kept & member).sum())
        if size > largest and balanced(rows, kept, limit):
            largest = size
    if not largest:
        with pytest.raises(NotEstimable, match="is balanced within"):
            cardinality_match(rows, stratum, ("a",), limit=limit, time_limit=60)
        return
    matched = cardinality_match(rows, stratum, ("a",), limit=limit, time_limit=60)
    kept = matched.weight > 0
    assert int((kept & member).sum()) == int((kept & ~member).sum()) == largest
    assert balanced(rows, kept, limit)


def test_limits_hold_and_a_tighter_one_keeps_fewer(random_rows, make_rows):
    rows = make_rows(random_rows.factors, random_rows.member)
    sizes = []
    for limit in (0.2, 0.05, 0.001):
        matching = Matching(
            method="cardinality", on=("region",), covariates=("age", "sex"), limit=limit
        )
        matched = match(rows, matching)
        for name in ("age", "sex"):
            assert np.abs(differences(rows, matched.weight, name)).max() <= limit + 1e-9
        assert np.abs(differences(rows, matched.weight, "region")).max() < 1e-9
        sizes.append(int((matched.weight > 0).sum()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1] > 0


def test_sampling_weights_weight_the_comparison_group_within_strata(random_rows):
    rows = random_rows
    matched = cardinality_match(
        rows, stratum_codes(rows, ("region",)), ("age",), limit=0.1, time_limit=60
    )
    kept = matched.weight > 0
    shares = []
    for group in (rows.member, ~rows.member):
        here = group & kept
        combined = rows.weight[here] * matched.weight[here]
        total = np.bincount(rows.factors["region"][here], weights=combined)
        shares.append(total / total.sum())
    assert shares[0] == pytest.approx(shares[1])


def test_without_strata_there_are_no_sets(random_rows):
    matched = cardinality_match(
        random_rows, np.zeros(random_rows.n, dtype=int), ("age",), limit=0.1, time_limit=60
    )
    assert matched.n_sets == 0
    assert (matched.set_id == -1).all()


def test_nothing_in_common_says_so_with_the_counts(make_rows):
    rows = make_rows({"a": [0, 0, 1]}, [True, True, False])
    with pytest.raises(NotEstimable, match="2 members and 1 comparison people is balanced"):
        cardinality_match(rows, np.zeros(3, dtype=int), ("a",), limit=0.1, time_limit=60)
