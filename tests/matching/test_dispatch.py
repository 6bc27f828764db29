import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.matching.dispatch import match, stratum_codes
from coopgap.matching.sample import combined_weight
from coopgap.study.spec import Matching


def test_exact_cells_of_declared_variables(random_rows):
    rows = random_rows
    matched = match(rows, Matching(method="exact", on=("region", "age")))
    assert matched.method == "exact"
    sets = matched.set_id[matched.set_id >= 0]
    for number in range(matched.n_sets):
        inside = matched.set_id == number
        assert set(rows.member[inside]) == {True, False}
        assert len(set(rows.factors["region"][inside])) == 1
        assert len(set(rows.factors["age"][inside])) == 1
    assert sets.max() + 1 == matched.n_sets


def test_exact_and_entropy_are_one_for_one_variable(random_rows):
    exact, entropy = (
        match(random_rows, Matching(method=method, on=("age",))) for method in ("exact", "entropy")
    )
    assert entropy.weight == pytest.approx(exact.weight)


def test_relabelled_strata_change_nothing(random_rows, make_rows):
    rows = random_rows
    turned = {name: codes.max() - codes for name, codes in rows.factors.items()}
    other = make_rows(turned, rows.member, weight=rows.weight)
    matching = Matching(method="exact", on=("region", "age", "sex"))
    assert match(other, matching).weight == pytest.approx(match(rows, matching).weight)


def test_weighted_outcome_is_the_standardised_one(random_rows):
    # Weighting the comparison group equals averaging its stratum means over the members' strata.
    rows = random_rows
    outcome = np.random.default_rng(2).random(rows.n)
    matched = match(rows, Matching(method="exact", on=("age", "sex")))
    weight = combined_weight(rows.weight, matched.weight)
    other = ~rows.member
    strata = stratum_codes(rows, ("age", "sex"))
    total = mass = 0.0
    for stratum in np.unique(strata):
        people = strata == stratum
        if not (people & rows.member).any() or not (people & other).any():
            continue
        members = rows.weight[people & rows.member].sum()
        mean = np.average(outcome[people & other], weights=rows.weight[people & other])
        total, mass = total + members * mean, mass + members
    assert np.average(outcome[other], weights=weight[other]) == pytest.approx(total / mass)


def test_an_empty_group_is_not_estimable(make_rows):
    rows = make_rows({"a": [0, 0]}, [True, True])
    with pytest.raises(NotEstimable, match="2 members and 0 comparison people"):
        match(rows, Matching(method="exact", on=("a",)))
