import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopgap.core.errors import NotEstimable
from coopgap.matching.sample import combined_weight, effective_size, exact_match


def test_weights_by_hand():
    # Stratum 0: 2 members, 1 comparison; stratum 1: 1 and 3; stratum 2: a member only;
    # stratum 3: a comparison person only. k = (1 + 3) / (2 + 1) = 4/3.
    stratum = np.array([0, 0, 0, 1, 1, 1, 1, 2, 3])
    member = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0], dtype=bool)
    matched = exact_match(stratum, member, np.ones(9))
    assert matched.weight == pytest.approx([1, 1, 8 / 3, 1, 4 / 9, 4 / 9, 4 / 9, 0, 0])
    assert matched.set_id.tolist() == [0, 0, 0, 1, 1, 1, 1, -1, -1]
    assert matched.n_sets == 2


def test_sampling_weights_by_hand():
    # M = (3, 2), C = (4, 4), k = 8/5: stratum 0 gets 8/5 * 3/4, stratum 1 gets 8/5 * 2/4.
    stratum = np.array([0, 0, 0, 1, 1])
    member = np.array([1, 0, 0, 1, 0], dtype=bool)
    matched = exact_match(stratum, member, np.array([3.0, 1.0, 3.0, 2.0, 4.0]))
    assert matched.weight == pytest.approx([1, 1.2, 1.2, 1, 0.8])


def test_no_stratum_in_common_is_not_estimable_with_the_counts():
    with pytest.raises(NotEstimable, match="2 members and 1 comparison people in 3 strata"):
        exact_match(np.array([0, 1, 2]), np.array([True, True, False]), np.ones(3))


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.floats(0.1, 10)), min_size=2, max_size=60
    )
)
def test_matched_strata_have_the_members_shares(people):
    stratum = np.array([item[0] for item in people])
    member = np.array([item[1] for item in people])
    weight = np.array([item[2] for item in people])
    try:
        matched = exact_match(stratum, member, weight)
    except NotEstimable:
        assert not set(stratum[member]) & set(stratum[~member])
        return
    combined = combined_weight(weight, matched.weight)
    side = [np.bincount(stratum, weights=combined * group) for group in (member, ~member)]
    assert side[0] / side[0].sum() == pytest.approx(side[1] / side[1].sum())
    kept = matched.weight > 0
    assert combined[~member].sum() == pytest.approx(weight[~member & kept].sum())
    assert set(matched.weight[member]) <= {0.0, 1.0}
    assert np.array_equal(matched.set_id >= 0, kept)


def test_rescaled_sampling_weights_change_nothing():
    rng = np.random.default_rng(1)
    stratum, member = rng.integers(0, 4, 80), rng.random(80) < 0.5
    weight = rng.uniform(0.5, 3, 80)
    one, ten = (exact_match(stratum, member, weight * scale) for scale in (1.0, 10.0))
    assert one.weight == pytest.approx(ten.weight)


def test_effective_size_by_hand():
    assert effective_size(np.array([1.0, 1.0, 0.0])) == 2
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(1.6)
    assert effective_size(np.zeros(3)) == 0
