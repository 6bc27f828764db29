"""From parameter draws to outcome distributions of members and comparison people."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.layout import COVARIATE, MODE_SHIFT, Draws
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.regression.links import LINKS
from coopgap.study.spec import LinkName

_NODES: Final = 9
_CHUNK: Final = 100_000
_ALL_ROWS: Final = 32_000_000
"""Draws of rows held at once: a numeric covariate gives almost every person a row."""
_BLOCK: Final = 20_000
"""Of a chunk, what stays in the processor's cache; larger ones take twice as long."""
_NO_OVERFLOW: Final = 300.0
"""Largest latent distance whose exponential is finite when it is squared."""
_SEED: Final = 20200131


def mode_of(draws: Draws, cells: HierarchicalCells) -> str | None:
    """The covariate that moves the thresholds in these draws; None without one."""
    for name in cells.terms:
        if f"{MODE_SHIFT}{name}" in draws:
            return name
    return None


def asked_by(draws: Draws, mode: str, c: float) -> Draws:
    """Draws for people asked in person (c = -1/2) or by phone, with shifts in the increments."""
    key = f"{MODE_SHIFT}{mode}"
    kept = {name: values for name, values in draws.items() if name != key}
    return kept | {"increments": draws["increments"] + c * draws[key]}


def in_person(draws: Draws, cells: HierarchicalCells) -> tuple[Draws, HierarchicalCells]:
    """Draws and cells as if everybody had been asked in person; as they are without mode shifts."""
    mode = mode_of(draws, cells)
    if mode is None:
        return draws, cells
    codes = cells.covariates.copy()
    codes[:, list(cells.terms).index(mode)] = 0
    return asked_by(draws, mode, -0.5), replace(cells, covariates=np.ascontiguousarray(codes))


def thresholds_at(draws: Draws, n_levels: int, m: float) -> FloatArray:
    """Thresholds of a group, shape (chains, draws, J - 1), for m = +1/2, -1/2 or 0."""
    location = draws["location"][..., None]
    if n_levels == 2:
        return location
    sizes = np.exp(draws["increments"] + (draws["shift"] * m if "shift" in draws else 0.0))
    ladder = np.concatenate([np.zeros_like(location), np.cumsum(sizes, axis=-1)], axis=-1)
    return np.asarray(ladder - ladder.mean(axis=-1, keepdims=True) + location)


def _of_departments(draws: Draws, cells: HierarchicalCells, name: str, area: str) -> FloatArray:
    """What departments have beside their region, shape (chains, draws, D); zeros without any."""
    found = draws.get(name, np.zeros((*draws["beta"].shape, len(cells.departments))))
    return np.asarray(found + draws[area] @ cells.areas if area in draws else found)


def place_gaps(draws: Draws, cells: HierarchicalCells) -> FloatArray:
    """Gap of each region, or of each department where they are told apart, on the latent scale.

    Shape (chains, draws, R or D).
    """
    own = draws.get("gap", np.zeros((*draws["beta"].shape, len(cells.regions))))
    gaps = np.asarray(draws["beta"][..., None] + own)
    if cells.department is None:
        return gaps
    within = _of_departments(draws, cells, "department_gap", "area_gap")
    return np.asarray(gaps[..., cells.department_region] + within)


def region_gaps(draws: Draws, cells: HierarchicalCells) -> FloatArray:
    """Gap of each region on the latent scale, shape (chains, draws, R).

    With departments the mean of theirs over the region's members; over its people without any.
    """
    gaps = place_gaps(draws, cells)
    if cells.department is None:
        return gaps
    weight = np.zeros((len(cells.departments), len(cells.regions)))
    people = [cells.people(r, d) for _, r, d in cells.groups[1 + len(cells.regions) :]]
    weight[np.arange(len(people)), cells.department_region] = [members for _, members in people]
    empty = weight.sum(axis=0) == 0
    weight[:, empty] = (cells.department_region[:, None] == np.arange(empty.size)[empty]) * (
        np.array(people).sum(axis=1)[:, None]
    )
    return np.asarray(gaps @ (weight / weight.sum(axis=0)))


def headline_gap(draws: Draws, cells: HierarchicalCells) -> FloatArray:
    """Members-weighted mean of the regions' gaps on the latent scale, shape (chains, draws)."""
    return np.asarray(region_gaps(draws, cells) @ _member_shares(cells))


def superpopulation_gap(draws: Draws, n_regions: int) -> FloatArray:
    """Mean gap of the distribution that regions come from, shape (chains, draws); seeded.

    Notes
    -----
    Gaps of R regions that are independent draws of a normal with mean mu and SD s are their own
    mean plus levels that sum to zero, and the two are independent. The model has beta for that
    mean; given it, mu is normal around it with variance s²/R, with a flat prior on mu.
    """
    beta = draws["beta"]
    if "gap_sd" not in draws:
        return beta
    noise = np.random.default_rng(_SEED).normal(size=beta.shape)
    return np.asarray(beta + draws["gap_sd"] / np.sqrt(n_regions) * noise)


def _member_shares(cells: HierarchicalCells) -> FloatArray:
    members = np.bincount(cells.region, weights=cells.members_by_row, minlength=len(cells.regions))
    return np.asarray(members / members.sum())


def row_levels(draws: Draws, cells: HierarchicalCells, which: IntArray | BoolArray) -> FloatArray:
    """What region, department and covariates of some rows add up to, shape (chains, draws, k)."""
    eta = draws["region"][..., cells.region[which]]
    if cells.department is not None:
        within = _of_departments(draws, cells, "department", "area")
        eta = eta + within[..., cells.department[which]]
    for k, name in enumerate(cells.terms):
        eta = eta + draws[f"{COVARIATE}{name}"][..., cells.covariates[which, k]]
    if cells.columns:
        eta = eta + draws["slopes"] @ cells.standardised[:, which]
    return np.asarray(eta)


def zone_spread(draws: Draws) -> FloatArray:
    """SD over zones of a person's latent mean as a member, or as a comparison person."""
    if "zone_sd" not in draws:
        return np.zeros_like(draws["beta"])
    return np.asarray(np.sqrt(draws["zone_sd"] ** 2 + draws["zone_gap_sd"] ** 2 / 4))


def cell_cuts(draws: Draws, cells: HierarchicalCells, which: slice) -> FloatArray:
    """Cut points threshold - eta of k cells, with their zones, shape (chains, draws, k, J - 1)."""
    member, row = cells.member[which], cells.row[which]
    gap = place_gaps(draws, cells)[..., cells.place[row]]
    eta = row_levels(draws, cells, row)
    if "zone" in draws and cells.zone is not None:
        eta = eta + draws["zone"][..., cells.zone[which]]
        gap = gap + draws["zone_gap"][..., cells.zone[which]]
    eta = eta + gap * (member - 0.5)
    side, ways = member.astype(np.int64), [draws]
    mode = mode_of(draws, cells)
    if mode is not None:
        side = side + 2 * cells.covariates[row, list(cells.terms).index(mode)]
        ways = [asked_by(draws, mode, c) for c in (-0.5, 0.5)]
    n_levels = len(cells.levels)
    sides = [thresholds_at(one, n_levels, m) for one in ways for m in (-0.5, 0.5)]
    return np.asarray(np.stack(sides, axis=-2)[..., side, :] - eta[..., None])


def cell_levels(draws: Draws, cells: HierarchicalCells, link: LinkName, which: slice) -> FloatArray:
    """Probability of each level in some cells, shape (chains, draws, k, J)."""
    below = LINKS[link].distribution(cell_cuts(draws, cells, which))
    edge = np.zeros((*below.shape[:-1], 1))
    return np.diff(np.concatenate([edge, below, edge + 1], axis=-1), axis=-1)


def draw_margins(
    draws: Draws,
    cells: HierarchicalCells,
    link: LinkName,
    weight: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Outcome distributions standardised over members' covariates, for each group of the cells.

    Parameters
    ----------
    draws
        Posterior draws.
    cells
        The cells the model was fitted on.
    link
        Of the model.
    weight
        Shape (r,): how much each row of region and covariates counts; its members if absent.

    Returns
    -------
    member, comparison : FloatArray
        Shape (1 + R + D, chains, draws, J): the same people as members and as comparison people
        of their region and department, in zones drawn anew from the model's distribution of
        zones; all asked in person where the mode moves thresholds. First all, then each region,
        then each department; a region of no weight has NaN. A department without members has,
        where no `weight` is given, the covariates of its region's members.
    """
    draws, cells = in_person(draws, cells)
    people = cells.members_by_row.astype(np.float64) if weight is None else weight
    standing = cells.lent(people) if weight is None else people
    used = standing > 0
    place, share = cells.place[used], standing[used] / standing.sum()
    n_places = len(cells.regions if cells.department is None else cells.departments)
    n_chains, n_draws = draws["beta"].shape
    step = max(1, _ALL_ROWS // (n_chains * place.size))
    sides: dict[float, list[FloatArray]] = {0.5: [], -0.5: []}
    for start in range(0, n_draws, step):
        some = {name: values[:, start : start + step] for name, values in draws.items()}
        eta, spread = row_levels(some, cells, used), zone_spread(some)
        gaps = place_gaps(some, cells)[..., place]
        for m, parts in sides.items():
            cuts = thresholds_at(some, len(cells.levels), m)
            mean = eta + gaps * m
            parts.append(standardised(mean, cuts, spread, place, share, n_places, link))
    member, comparison = (
        _over_departments(np.concatenate(parts, axis=2), cells, people) for parts in sides.values()
    )
    return member, comparison


def _over_departments(
    found: FloatArray, cells: HierarchicalCells, people: FloatArray
) -> FloatArray:
    """All, regions and departments from departments, shape (1 + D, ...), by the people of rows."""
    if cells.department is None:
        return np.ascontiguousarray(found)
    of = np.bincount(cells.department, people, minlength=len(cells.departments))
    inside = cells.department_region == np.arange(len(cells.regions))[:, None]
    weight = np.concatenate([np.ones((1, of.size)), inside]) * of
    with np.errstate(invalid="ignore"):
        weight = weight / weight.sum(axis=1, keepdims=True)
    known = np.nan_to_num(found[1:])
    return np.concatenate([np.tensordot(weight, known, axes=1), found[1:]])


def standardised(
    eta: FloatArray,
    thresholds: FloatArray,
    spread: FloatArray,
    region: IntArray,
    share: FloatArray,
    n_regions: int,
    link: LinkName,
) -> FloatArray:
    """Weighted mean over rows of each level's probability, for all and by region.

    `eta` has shape (chains, draws, r), `thresholds` (chains, draws, J - 1), `spread` (chains,
    draws): the SD of a normal that is added to `eta` and averaged over. `share` sums to one. The
    result has shape (1 + R, chains, draws, J).

    Notes
    -----
    The normal is averaged over by Gauss-Hermite quadrature with nine nodes, right to 2e-6 of a
    probability for SDs up to one.
    """
    shape, cuts = eta.shape[:-1], thresholds.shape[-1]
    flat, edges = eta.reshape(-1, eta.shape[-1]), thresholds.reshape(-1, cuts)
    width = spread.reshape(-1, 1)
    by_region = np.zeros((share.size, n_regions))
    by_region[np.arange(share.size), region] = share
    below = np.zeros((flat.shape[0], cuts, n_regions))
    step = max(1, _CHUNK // max(flat.shape[1], 1))
    for start in range(0, flat.shape[0], step):
        here = slice(start, start + step)
        for j in range(cuts):
            at = edges[here, j, None] - flat[here]
            below[here, j] = _mixed(at, width[here], link) @ by_region
    total = by_region.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        groups = np.concatenate([below.sum(axis=-1, keepdims=True), below / total], axis=-1)
    ends = np.zeros((flat.shape[0], 1, 1 + n_regions)), np.ones((flat.shape[0], 1, 1 + n_regions))
    levels = np.diff(np.concatenate([ends[0], groups, ends[1]], axis=1), axis=1)
    return np.moveaxis(levels, -1, 0).reshape(1 + n_regions, *shape, cuts + 1)


def _mixed(at: FloatArray, width: FloatArray, link: LinkName) -> FloatArray:
    """Mean of F over normals around `at`, shape (k, r), of SDs `width`, shape (k, 1); in place."""
    nodes, weights = np.zeros(1), np.ones(1)
    if width.any():
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        weights = weights / weights.sum()
    distribution = LINKS[link].distribution
    step = max(1, _BLOCK // max(at.shape[1], 1))
    for start in range(0, at.shape[0], step):
        here = slice(start, start + step)
        moved = width[here] * nodes
        far = max(np.abs(at[here]).max(), np.abs(moved).max())
        if link == "logit" and nodes.size > 1 and far < _NO_OVERFLOW:
            at[here] = _logistic_mixed(at[here], moved, weights)
        else:
            at[here] = sum(
                weight * distribution(at[here] - moved[:, [k]]) for k, weight in enumerate(weights)
            )
    return at


def _logistic_mixed(at: FloatArray, moved: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted mean of 1/(1 + exp(moved − at)), nodes of even weight on both sides of a middle one.

    Notes
    -----
    With E = exp(−at) and g = exp(moved) of a node, 1/(1 + E g) + 1/(1 + E/g) is
    (2 + E s)/(1 + E s + E²), s = g + 1/g: one exponential a row in place of one a node.
    """
    middle = weights.size // 2
    ratio = np.exp(-at)
    square = ratio * ratio
    square += 1.0
    total = weights[middle] / (1.0 + ratio)
    upper, lower = np.empty_like(ratio), np.empty_like(ratio)
    for k in range(middle):
        np.multiply(ratio, 2 * np.cosh(moved[:, [k]]), out=upper)
        np.add(square, upper, out=lower)
        upper += 2.0
        upper *= weights[k]
        upper /= lower
        total += upper
    return np.asarray(total)


def reported_parameters(draws: Draws, cells: HierarchicalCells) -> dict[str, FloatArray]:
    """Coefficients as the tables name them, each of shape (chains, draws).

    `member` is the members-weighted mean of the regions' gaps, `member:region=NAME` the gap of a
    region, `member:department=NAME` of a department, `member:superpopulation` as in
    `superpopulation_gap`, and `member:>=B` the mean gap at
    a threshold. Then `VARIABLE=LEVEL`, slopes of numeric covariates as the regressions name them
    and on the variable's own scale, those of the departments' areas in the same way (`AREA` of
    levels, `member:AREA` of gaps), `LEVEL|LEVEL` (thresholds between the groups, m = 0),
    `sd_superpopulation` (SD of the regional gaps' distribution), `sd_finite` (SD of these
    regions' gaps, weighted by members), `sd_department`, `sd_department_gap`, `sd_zone`,
    `sd_zone_gap` and `sd_threshold_shift` (root
    mean square of the shifts: how far the posterior is from proportional odds). SDs of the levels
    of regions and covariates are not reported. Where the mode moves thresholds they are those of
    people asked in person, and `sd_mode_shift` says in the same way how far it moves them.
    """
    mode = mode_of(draws, cells)
    by_mode = {} if mode is None else {"sd_mode_shift": _size(draws[f"{MODE_SHIFT}{mode}"])}
    draws, _ = in_person(draws, cells)
    gaps, shares = region_gaps(draws, cells), _member_shares(cells)
    mean = gaps @ shares
    found: dict[str, FloatArray] = {"member": mean}
    n_levels = len(cells.levels)
    if "shift" in draws:
        moved = thresholds_at(draws, n_levels, -0.5) - thresholds_at(draws, n_levels, 0.5)
        found |= {
            f"member:>={cells.levels[j]}": mean + moved[..., j - 1] for j in range(1, n_levels)
        }
    if "gap" in draws:
        found |= {f"member:region={name}": gaps[..., r] for r, name in enumerate(cells.regions)}
    if "department" in draws:
        found |= _by_department(draws, cells)
    found["member:superpopulation"] = superpopulation_gap(draws, len(cells.regions))
    for name, levels in cells.terms.items():
        values = draws[f"{COVARIATE}{name}"]
        found |= {f"{name}={level}": values[..., k] for k, level in enumerate(levels)}
    for k, (term, column) in enumerate(cells.columns.items()):
        found[term] = draws["slopes"][..., k] / column.scale
    found |= {f"region={name}": draws["region"][..., r] for r, name in enumerate(cells.regions)}
    cuts = thresholds_at(draws, n_levels, 0.0)
    pairs = pairwise(cells.levels)
    found |= {f"{low}|{high}": cuts[..., j] for j, (low, high) in enumerate(pairs)}
    if "gap" in draws:
        found["sd_superpopulation"] = draws["gap_sd"]
        found["sd_finite"] = np.sqrt(np.square(gaps - mean[..., None]) @ shares)
    for name in ("department", "zone"):
        if f"{name}_sd" in draws:
            found |= {f"sd_{one}": draws[f"{one}_sd"] for one in (name, f"{name}_gap")}
    if "shift" in draws:
        found["sd_threshold_shift"] = _size(draws["shift"])
    return found | by_mode


def _by_department(draws: Draws, cells: HierarchicalCells) -> dict[str, FloatArray]:
    """Gaps and levels of departments, and what their areas say of both."""
    gaps = place_gaps(draws, cells)
    levels = _of_departments(draws, cells, "department", "area")
    names = [*enumerate(cells.departments)]
    found = {f"member:department={name}": gaps[..., d] for d, name in names}
    found |= {f"department={name}": levels[..., d] for d, name in names}
    for k, (name, column) in enumerate(cells.area.items()):
        found[name] = draws["area"][..., k] / column.scale
        found[f"member:{name}"] = draws["area_gap"][..., k] / column.scale
    return found


def _size(shifts: FloatArray) -> FloatArray:
    """Root mean square over the last axis."""
    return np.asarray(np.sqrt(np.square(shifts).mean(axis=-1)))
