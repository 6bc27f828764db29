"""No method, and no family estimated on it, depends on the order in which people stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from coopgap.core.errors import NotEstimable
from coopgap.families.cumulative import estimate_matched
from coopgap.families.plan import sample_for
from coopgap.families.sets import estimate_conditional, estimate_linear
from coopgap.matching.dispatch import match
from coopgap.matching.flow import optimal_pairs
from coopgap.matching.nearest import count_tied, nearest_match, nearest_pairs
from coopgap.study.spec import Matching, ModelSpec
from coopgap.survey.ties import record_ties

from .conftest import on_a_line

DESIGNS = {
    "exact": Matching(method="exact", on=("region", "sex")),
    "entropy": Matching(method="entropy", on=("region", "sex")),
    "overlap": Matching(method="overlap", on=("region",), covariates=("age", "sex")),
    "cardinality": Matching(method="cardinality", on=("region",), covariates=("age",)),
    "nearest": Matching(method="nearest", covariates=("age", "sex"), order="largest"),
    "nearest, random": Matching(method="nearest", on=("sex",), covariates=("age",), ratio=2),
    "nearest, caliper": Matching(
        method="nearest", distance="mahalanobis", covariates=("age", "region"), caliper=0.3
    ),
    "replaced": Matching(method="nearest", covariates=("age", "sex"), replace=True, ratio=2),
    "replaced, all": Matching(
        method="nearest", covariates=("age", "sex"), replace=True, ties="all"
    ),
    "optimal": Matching(method="optimal", distance="mahalanobis", covariates=("age", "sex")),
    "optimal, strata": Matching(method="optimal", on=("region",), covariates=("age",), ratio=2),
    "full": Matching(method="full", covariates=("age", "sex"), max_comparison=3),
    "full, strata": Matching(method="full", on=("region",), covariates=("age",)),
}
CHOOSING = [name for name, one in DESIGNS.items() if one.has_ties]
SAME = {"rel": 1e-9, "abs": 1e-9}
"""Methods that choose compute in one order; the others' sums, and every fit, run in another."""


def people(make_rows, seed, n=90):
    rng = np.random.default_rng(seed)
    age, sex = rng.integers(0, 3, n), rng.integers(0, 2, n)
    return make_rows(
        {"region": rng.integers(0, 2, n), "age": age, "sex": sex},
        rng.random(n) < 0.3 + 0.15 * age,
        weight=rng.choice([0.5, 1.0, 2.0], n),
        outcome=(rng.random(n) < 0.5).astype(int),
        zone=rng.integers(0, 12, n),
        tie=record_ties([np.arange(n, dtype=np.uint64)]),
    )


def matched(rows, matching):
    try:
        return match(rows, matching)
    except NotEstimable as error:
        return error.reason


def estimates(rows, matching):
    """Every number of the families that rest on a matching, or why there is none."""
    spec = ModelSpec(name="m", outcome="y", covariates=("age", "sex"), matching=matching)
    found = []
    for family in (estimate_matched, estimate_linear, estimate_conditional):
        try:
            one = family(sample_for(rows, spec))
        except NotEstimable as error:
            found.append(error.reason)
            continue
        shown = [i for i in one.intervals.values() if i is not None]
        found.append([number for i in shown for number in (i.estimate, i.std_error)])
    return found


def same_sets(one, other):
    """Whether two labellings are the same partition, with the same people in no set."""
    pairs = np.unique(np.column_stack([one, other]), axis=0)
    apart = pairs[(pairs >= 0).all(axis=1)]
    both = np.array_equal(one < 0, other < 0)
    return both and len(apart) == np.unique(apart[:, 0]).size == np.unique(apart[:, 1]).size


# The fixture is a plain function: sharing it between examples changes nothing.
@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("name", DESIGNS)
@given(seed=st.integers(0, 10**6))
def test_shuffled_people_have_the_same_weights_sets_and_gaps(make_rows, name, seed):
    rows, matching = people(make_rows, seed), DESIGNS[name]
    order = np.random.default_rng(seed).permutation(rows.n)
    turned = rows.take(order)
    one, other = matched(rows, matching), matched(turned, matching)
    if isinstance(one, str):
        assert other == one
        return
    assert other.weight == pytest.approx(one.weight[order], **SAME)
    assert same_sets(one.set_id[order], other.set_id)
    assert (other.n_sets, other.n_tied) == (one.n_sets, one.n_tied)
    for first, second in zip(estimates(rows, matching), estimates(turned, matching), strict=True):
        assert second == (first if isinstance(first, str) else pytest.approx(first, **SAME))


@pytest.mark.parametrize("name", CHOOSING)
def test_another_key_takes_other_people_as_near(make_rows, name):
    rows, matching = people(make_rows, 3), DESIGNS[name]
    one, other = match(rows, matching), match(rows, replace(matching, seed=1))
    assert not np.array_equal(one.weight, other.weight) or not same_sets(one.set_id, other.set_id)
    again = match(rows, replace(matching, seed=1))
    assert np.array_equal(other.weight, again.weight)


def test_rows_that_are_no_people_cannot_be_chosen_from(make_rows):
    rows = replace(people(make_rows, 0), tie=None)
    assert match(rows, DESIGNS["exact"]).n_sets
    with pytest.raises(ValueError, match="chooses people"):
        match(rows, DESIGNS["optimal"])


# Ties by hand, and counted one by one


def one_by_one(stratum, member, place, pairs, caliper):
    """Members with somebody as near as one of theirs who is not theirs."""
    tied = set()
    for one, chosen in pairs:
        own = {b for a, b in pairs if a == one}
        tied |= {
            one
            for j in np.flatnonzero(~member)
            if stratum[j] == stratum[one]
            and j not in own
            and abs(place[j] - place[one]) == abs(place[chosen] - place[one]) <= caliper
        }
    return len(tied)


crowd = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.integers(0, 5)), min_size=2, max_size=24
)


@settings(max_examples=60, deadline=None)
@given(people=crowd, ratio=st.integers(1, 2), caliper=st.sampled_from([np.inf, 1.5]))
def test_ties_are_counted_as_one_by_one(people, ratio, caliper):
    stratum, member, place = (np.array(column) for column in zip(*people, strict=True))
    distance = on_a_line(place, caliper)
    for choose, more in (
        (nearest_pairs, {}),
        (nearest_pairs, {"replace": True}),
        (optimal_pairs, {}),
    ):
        try:
            pairs = choose(stratum, member, distance, ratio=ratio, **more)
        except NotEstimable:
            assume(False)
        expected = one_by_one(stratum, member, place, pairs.tolist(), caliper)
        assert count_tied(stratum, member, distance, pairs) == expected


def test_everybody_as_near_as_the_last_one_sought_shares_a_members_weight():
    # Member 0 at 0 seeks two: person 2 at 1 and one of 3, 4 at 2, so all three have a third of 0.
    # Member 1 at 10 has 5 and 6 at 10 and nobody else: a half each. Scaled to sum to five people.
    member = np.array([True, True, False, False, False, False, False])
    found = nearest_match(
        np.zeros(7, dtype=int),
        member,
        np.ones(7),
        on_a_line([0, 10, 1, -2, 2, 10, 10]),
        ratio=2,
        replace=True,
        ties="all",
    )
    third, half = 5 / 2 / 3, 5 / 2 / 2
    assert found.weight == pytest.approx([1, 1, third, third, third, half, half])
    assert (found.n_sets, found.n_tied) == (2, 1)


def test_sampling_weights_share_in_proportion():
    member = np.array([True, False, False])
    found = nearest_match(
        np.zeros(3, dtype=int),
        member,
        np.array([2.0, 1.0, 3.0]),
        on_a_line([0, 0, 0]),
        replace=True,
        ties="all",
    )
    # One member of weight 2, comparison people of 1 and 3 together: the same factor for both.
    assert found.weight == pytest.approx([1, 1, 1])
    assert found.n_tied == 1


def test_all_of_equals_is_the_mean_over_keys(make_rows):
    rows = people(make_rows, 8)
    rows = replace(rows, weight=np.ones(rows.n))
    design = replace(DESIGNS["replaced"], ratio=1)
    shared = match(rows, replace(design, ties="all")).weight
    keys = 150
    shares = np.zeros(rows.n)
    for seed in range(keys):
        weight = match(rows, replace(design, seed=seed)).weight
        shares += np.where(rows.member, 0.0, weight / weight[~rows.member].sum()) / keys
    expected = np.where(rows.member, 0.0, shared / shared[~rows.member].sum())
    # A person's share in one key spreads by about the largest share; four standard errors of a
    # mean over 150 keys are a third of that.
    assert shares == pytest.approx(expected, abs=0.33 * expected.max())
    assert np.corrcoef(shares[~rows.member], expected[~rows.member])[0, 1] > 0.97


def test_all_of_equals_without_replacement_is_no_matching():
    with pytest.raises(ValueError, match="without replacement"):
        nearest_match(
            np.zeros(2, dtype=int),
            np.array([True, False]),
            np.ones(2),
            on_a_line([0, 0]),
            ties="all",
        )
