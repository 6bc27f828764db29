"""Weighted shares: by hand, person by person, over simulated surveys, and what must not matter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from coopgap.core.errors import NotEstimable
from coopgap.regression.sampled import Sampled
from coopgap.regression.shares import share_margins, weighted_shares
from coopgap.survey.cells import collapse

from .conftest import Survey
from .conftest import people as make_people

CONTRASTS = (np.array([0, 1.0, 1.0, 0, -1.0, -1.0]), np.array([0, 0, 1.0, 0, 0, 0]))


def answered(**more):
    """Three answers, membership, weights and zones of made people."""
    member, _, _, zone, outcome, weight = make_people(n=700, zones=12, **more)
    return outcome, member == 1, weight, zone


def test_shares_of_two_levels_are_a_saturated_logit():
    outcome, member, weight, zone = answered()
    outcome = np.minimum(outcome, 1)
    found = share_margins(outcome, member, weight, 2, zone, kind="CR2")
    cells = collapse([member.astype(np.int64), zone], outcome, 2, weight)
    made = Survey(cells.codes[:, :1].astype(float), cells, cells.codes[:, 1])
    logit = made.margins(target=np.ones(len(made.x)), kind="CR2", fixed=True)
    assert found.cov == pytest.approx(logit.cov, rel=1e-8, abs=1e-14)
    for contrast in (np.array([0, 1.0, 0, -1.0]), np.array([0, 1.0, 0, 0])):
        assert found.df_of(contrast) == pytest.approx(logit.df_of(contrast), rel=1e-8)


def test_shares_person_by_person():
    """CR2 of least squares on two group dummies, each cluster's residual projection inverted."""
    outcome, member, weight, zone = answered()
    found = share_margins(outcome, member, weight, 3, zone, kind="CR2")
    sides = np.column_stack([member, ~member]).astype(float)
    root = np.sqrt(weight)[:, None] * sides
    bread = np.linalg.inv(root.T @ root)
    answers = np.eye(3)[outcome]
    shares = bread @ (weight[:, None] * sides).T @ answers
    residual = answers - sides @ shares
    influence = []
    for g in np.unique(zone):
        here = zone == g
        hat = root[here] @ bread @ root[here].T
        adjusted = np.real(np.linalg.inv(sqrtm(np.eye(here.sum()) - hat)))
        moved = adjusted @ (np.sqrt(weight[here])[:, None] * residual[here])
        influence.append((bread @ root[here].T @ moved).ravel())
    expected = np.array(influence).T @ np.array(influence)
    assert found.cov == pytest.approx(expected, rel=1e-7, abs=1e-14)
    assert np.concatenate([found.member, found.comparison]) == pytest.approx(shares.ravel())
    for kind in ("CR1", "CR2"):
        with pytest.raises(NotEstimable, match="1 cluster"):
            share_margins(outcome, member, weight, 3, 0 * zone, kind=kind)
    with pytest.raises(NotEstimable, match="nobody to standardise over"):
        share_margins(outcome, member & False, weight, 3, zone)
    with pytest.raises(NotEstimable, match="a group has nobody"):
        share_margins(outcome, member | True, weight, 3, zone)


@dataclasses.dataclass(frozen=True)
class Matched:
    """People in eight strata with matching weights, and a design of two main terms."""

    outcome: np.ndarray
    member: np.ndarray
    strata: np.ndarray
    weight: np.ndarray
    zone: np.ndarray

    def cells(self, *, people=False, weight=None):
        """Cells, or one row a person."""
        codes = [self.member.astype(np.int64), self.strata, self.zone]
        codes += [np.arange(self.outcome.size)] if people else []
        return collapse(codes, self.outcome, 3, self.weight if weight is None else weight)

    def margins(self, z=True, cluster=True, cells=True, swapped=False, made=None, **more):
        made = made or self.cells(people=not cells)
        member, strata, zone = made.codes[:, :3].T
        return weighted_shares(
            (member == 1) != swapped,
            made.counts,
            made.squares,
            Sampled(cluster=zone if cluster else None, people=made.people),
            z=dummies(strata) if z else None,
            **more,
        )


def dummies(strata):
    """Main terms of a factor of two levels and of one of four."""
    return np.column_stack([strata % 2, *(strata // 2 == level for level in (1, 2, 3))]).astype(
        float
    )


def matched(seed=1, n=900, zones=20, spread=0.0):
    """Members are rare in some strata: comparison people weigh from 0.2 to 4."""
    rng = np.random.default_rng(seed)
    strata, zone = rng.integers(0, 8, n), rng.integers(0, zones, n)
    member = rng.random(n) < np.linspace(0.15, 0.75, 8)[strata]
    level = rng.normal(0, spread, zones)[zone] + 0.5 * member + 0.3 * strata
    outcome = np.digitize(level + rng.logistic(size=n), [0.8, 2.4])
    members, others = (np.bincount(strata, side, minlength=8) for side in (member, ~member))
    ratio = np.divide(members, others, out=np.zeros(8), where=others > 0)
    weight = np.where(member, (others > 0)[strata], ratio[strata])
    weight[~member] *= (weight[~member] > 0).sum() / weight[~member].sum()
    return Matched(outcome, member, strata, weight, zone)


def test_matched_shares_of_exact_strata_are_the_stratified_mean():
    data = matched()
    found = data.margins()
    expected = np.zeros((2, 3))
    for stratum in range(8):
        here = data.strata == stratum
        part = (here & data.member).sum() / data.member.sum()
        for at, side in enumerate((data.member, ~data.member)):
            mean = [(data.outcome[here & side] == level).mean() for level in range(3)]
            expected[at] += part * np.array(mean)
    assert found.member == pytest.approx(expected[0])
    assert found.comparison == pytest.approx(expected[1])


def by_hand(data, *, balanced=True, fixed=False, target=None):
    """Each person's contribution to both groups' shares, shape (n, 6)."""
    answers = np.eye(3)[data.outcome]
    target = data.member.astype(float) if target is None else target
    design = np.column_stack([np.ones(len(answers)), dummies(data.strata)])
    blocks = []
    for side in (data.member, ~data.member):
        own = side * data.weight
        share = own @ answers / own.sum()
        if balanced:
            hat = design[side] @ np.linalg.pinv(design[side])
            g = design @ (np.linalg.pinv(design[side]) @ answers[side])
            scale = np.ones(len(answers))
            scale[side] = 1 / np.sqrt(1 - np.diag(hat))
        else:
            g, scale = np.broadcast_to(share, answers.shape), np.ones(len(answers))
        block = (own * scale)[:, None] * (answers - g) / own.sum()
        if not fixed:
            block = block + (target * data.weight)[:, None] * (g - share) / (target @ data.weight)
        blocks.append(block)
    return np.hstack(blocks)


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("cluster", [False, True])
def test_covariance_person_by_person(cluster, fixed):
    """Least squares of each group, residuals over (1 − h)^(1/2), the target's spread beside."""
    data = matched(spread=0.4)
    found = data.margins(cluster=cluster, fixed=fixed)
    each = by_hand(data, fixed=fixed)
    if cluster:
        sums = np.array([each[data.zone == zone].sum(axis=0) for zone in range(20)])
        expected = 20 / 19 * sums.T @ sums
    else:
        expected = each.T @ each
    assert found.cov == pytest.approx(expected, rel=1e-9, abs=1e-15)
    assert found.df == (19 if cluster else np.inf)
    # Without the residuals' scale, and without z, it is another number.
    assert np.diag(found.cov) != pytest.approx(np.diag(data.margins(False, cluster).cov), rel=1e-3)


def test_weights_that_balance_nothing_are_taken_as_fixed():
    data = matched()
    tilted = dataclasses.replace(data, weight=data.weight * (1 + 0.2 * (data.strata % 2)))
    tilted.weight[data.member] = data.weight[data.member]
    found = tilted.margins()
    # The members are the target, so that theirs are balanced whatever they are.
    assert found.cov[3:, 3:] == pytest.approx(tilted.margins(z=False).cov[3:, 3:], rel=1e-12)
    assert found.cov[:3, :3] == pytest.approx(data.margins().cov[:3, :3], rel=1e-12)
    each = np.hstack([by_hand(tilted)[:, :3], by_hand(tilted, balanced=False)[:, 3:]])
    sums = np.array([each[data.zone == zone].sum(axis=0) for zone in range(20)])
    assert found.cov == pytest.approx(20 / 19 * sums.T @ sums, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("kind", ["CR1", "CR2", "HC0", "HC3"])
def test_influence_sums_to_the_covariance(kind):
    data = matched(spread=0.4)
    cluster = kind.startswith("CR")
    found = data.margins(cluster=cluster, kind=kind)
    cells = data.cells()
    each = data.weight[:, None] * found.influence[cells.index, data.outcome]
    if cluster:
        each = np.array([each[data.zone == zone].sum(axis=0) for zone in range(20)])
    factor = 20 / 19 if kind == "CR1" else 1.0
    assert factor * each.T @ each == pytest.approx(found.cov, rel=1e-9, abs=1e-15)
    if kind == "CR1":  # residuals over (1 − h)^(1/2) sum to nearly nothing
        scale = np.sqrt(np.diag(found.cov))
        assert each.sum(axis=0) == pytest.approx(np.zeros(6), abs=0.05 * scale.min())
        plain = data.margins(z=False)
        total = np.einsum("cj,cjq->q", cells.counts, plain.influence)
        assert total == pytest.approx(np.zeros(6), abs=1e-12)


def test_kinds_without_clusters_differ_as_their_factors_say():
    data = matched()
    plain, hc1, hc3 = (data.margins(False, False, kind=kind) for kind in ("HC0", "HC1", "HC3"))
    n = int((data.weight > 0).sum())
    assert hc1.cov == pytest.approx(n / (n - 2) * plain.cov, rel=1e-12)
    each = by_hand(data, balanced=False)
    for block, side in ((slice(0, 3), data.member), (slice(3, 6), ~data.member)):
        each[side, block] /= (1 - data.weight / data.weight[side].sum())[side, None]
    assert hc3.cov == pytest.approx(each.T @ each, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("zones", "kind"), [(10, "CR2"), (60, "CR1")])
def test_the_standard_error_is_the_spread_over_surveys(zones, kind):
    """Strata, zones and members are drawn anew, weights made anew; zones have levels of own."""
    gaps, errors = [], []
    for seed in range(150):
        found = matched(seed, n=500, zones=zones, spread=0.3).margins(kind=kind)
        contrast = CONTRASTS[0]
        gaps.append(contrast[:3] @ found.member + contrast[3:] @ found.comparison)
        errors.append(np.sqrt(contrast @ found.cov @ contrast))
    # The SD of 150 draws is known to 6 percent; three of those.
    assert np.mean(errors) == pytest.approx(np.std(gaps, ddof=1), rel=0.18)


@st.composite
def surveys(draw):
    return matched(draw(st.integers(0, 2**32 - 1)), n=draw(st.integers(80, 200)), zones=7)


@given(surveys(), st.integers(0, 1000), st.floats(1e-3, 1e3), st.sampled_from(["CR1", "CR2"]))
@settings(max_examples=15, deadline=None)
def test_order_cells_labels_and_scale_of_weights_change_nothing(data, seed, scale, kind):
    here = data.margins(kind=kind)
    order = np.random.default_rng(seed).permutation(data.outcome.size)
    again = dataclasses.replace(
        data, **{field.name: getattr(data, field.name)[order] for field in dataclasses.fields(data)}
    )
    again = dataclasses.replace(again, weight=scale * again.weight, zone=91 - 3 * again.zone)
    for other in (again.margins(kind=kind), data.margins(kind=kind, cells=False)):
        assert other.member == pytest.approx(here.member, abs=1e-12)
        assert other.comparison == pytest.approx(here.comparison, abs=1e-12)
        assert other.cov == pytest.approx(here.cov, rel=1e-8, abs=1e-12)
        for contrast in CONTRASTS:
            assert other.df_for(contrast) == pytest.approx(here.df_for(contrast), rel=1e-6)


@given(surveys())
@settings(max_examples=15, deadline=None)
def test_reversed_levels_and_swapped_groups_turn_the_margins(data):
    here = data.margins()
    back = dataclasses.replace(data, outcome=2 - data.outcome).margins()
    turn = [2, 1, 0, 5, 4, 3]
    assert back.member == pytest.approx(here.member[::-1])
    assert back.cov == pytest.approx(here.cov[np.ix_(turn, turn)], rel=1e-8, abs=1e-13)
    # The same weights and the same target: the two groups change places.
    target = data.cells().codes[:, 0].astype(float)
    swapped = data.margins(swapped=True, target=target)
    turn = [3, 4, 5, 0, 1, 2]
    assert swapped.member == pytest.approx(here.comparison)
    assert swapped.cov == pytest.approx(here.cov[np.ix_(turn, turn)], rel=1e-8, abs=1e-13)


def test_a_ratio_is_another_weight_of_its_own_group():
    data = matched()
    made = data.cells(weight=np.ones(900))
    by_stratum = data.weight[np.unique(data.strata + 8 * data.member, return_index=True)[1]]
    ratio = by_stratum[made.codes[:, 1] + 8 * made.codes[:, 0]]
    target = (made.codes[:, 0] == 1) * ratio
    found, plain = data.margins(made=made, target=target, ratio=ratio), data.margins()
    assert found.comparison == pytest.approx(plain.comparison)
    assert found.cov == pytest.approx(plain.cov, rel=1e-9, abs=1e-15)
