"""The hierarchical model as a PyMC model: what `coopgap.bayes.kernel` computes, to be read.

Fits use the compiled kernel; a test holds both to the same density. This is for those who want
to read the model, to change it, or to sample it with PyMC.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.layout import COVARIATE, MODE_SHIFT, Form, Priors, SdPrior
from coopgap.core.arrays import FloatArray


def build_model(
    cells: HierarchicalCells, priors: Priors | None = None, form: Form | None = None
) -> Any:
    """Cumulative model with regional gaps, zones and membership-shifted thresholds.

    Parameters
    ----------
    cells
        Distinct rows with counts.
    priors
        Prior scales; the defaults if absent.
    form
        Which parts the model has; all if absent.

    Returns
    -------
    pymc.Model
        Free variables: beta; for each block of levels (region, gap, department, department_gap,
        zone, zone_gap, one a covariate) NAME_sd and NAME_raw; with numeric covariates slopes; with
        an area of departments area and area_gap; location; and for more than two levels
        increments, shift, and with a mode shift_by_MODE.

    Notes
    -----
    With m = +1/2 for members and -1/2 for the comparison group, P(Y <= j) = F(threshold_j(m) -
    eta) and eta = covariate levels + slopes · columns + region level + zone level + (beta +
    regional gap + zone gap) m. A department adds its level + area · z to its region's level, and
    its gap + area_gap · z to its region's gap; z is what is known of it, standardised over
    departments. Columns are those of numeric covariates, standardised. Increments
    between thresholds are exp(increments + shift m), cumulated and centred to
    mean zero, plus one location, so that beta is the mean log odds ratio over the cuts and the
    prior reads the same from both ends of the scale. Region levels, regional gaps and the levels
    of each covariate sum to zero; those of departments and zones do not. All are non-centred
    here; the compiled density centres levels in part, another parametrisation of the same model.
    The SD of the shifts is given: learned from the few there are, it would draw them to none.

    With a mode in the form, c = +1/2 for people asked by phone and -1/2 for those in person, the
    increments are exp(increments + shift m + shift_by_MODE c): the mode moves the distances
    between thresholds, and its level as a covariate their location.

    The thresholds at m = 0, and c = 0, have the prior that a uniform Dirichlet on the level
    probabilities at eta = 0 induces: the density of the link at each threshold, times the
    Jacobian of the increments.
    """
    import pymc as pm
    import pytensor.tensor as pt

    priors, form = priors or Priors(), form or Form()
    side = cells.member.astype(np.int64)
    m = side - 0.5
    with pm.Model() as model:
        beta = pm.Normal("beta", 0.0, priors.beta_sd)
        region = cells.cell_region
        eta = _levels(pm, "region", len(cells.regions), priors.region_sd)[region] + beta * m
        if form.region_gaps:
            eta += _levels(pm, "gap", len(cells.regions), priors.gap_sd)[region] * m
        for k, (name, levels) in enumerate(cells.terms.items()):
            level = _levels(pm, f"{COVARIATE}{name}", len(levels), priors.covariate_sd)
            eta += level[cells.covariates[cells.row, k]]
        if cells.columns:
            slopes = pm.Normal("slopes", 0.0, priors.slope_sd, shape=len(cells.columns))
            eta += pt.dot(slopes, cells.standardised)[cells.row]
        if form.departments and cells.department is not None:
            n, department = len(cells.departments), cells.department[cells.row]
            level = _levels(pm, "department", n, priors.department_sd, zero_sum=False)
            gap = _levels(pm, "department_gap", n, priors.department_gap_sd, zero_sum=False)
            if cells.area:
                shape = len(cells.area)
                level += pt.dot(pm.Normal("area", 0.0, priors.slope_sd, shape=shape), cells.areas)
                of_gap = pm.Normal("area_gap", 0.0, priors.slope_sd, shape=shape)
                gap += pt.dot(of_gap, cells.areas)
            eta += level[department] + gap[department] * m
        if form.zones and cells.zone is not None:
            n = cells.n_zones
            eta += _levels(pm, "zone", n, priors.zone_sd, zero_sum=False)[cells.zone]
            gap = _levels(pm, "zone_gap", n, priors.zone_gap_sd, zero_sum=False)[cells.zone]
            eta += gap * m
        mode = form.mode_among(cells)
        if mode is not None:
            side = side + 2 * cells.covariates[cells.row, list(cells.terms).index(mode)]
        thresholds = _thresholds(pm, pt, len(cells.levels), priors, form, mode)
        share = _level_shares(pt, thresholds[side] - eta[:, None], form.link)
        counts = cells.counts.astype(np.float64)
        pm.Potential("cells", pt.where(counts > 0, counts * pt.log(share), 0.0).sum())
    return model


def _half(pm: Any, name: str, prior: SdPrior) -> Any:
    if np.isinf(prior.df):
        return pm.HalfNormal(name, prior.scale)
    return pm.HalfStudentT(name, nu=prior.df, sigma=prior.scale)


def _levels(pm: Any, name: str, n: int, prior: SdPrior, *, zero_sum: bool = True) -> Any:
    """Levels with their own SD, non-centred."""
    spread = _half(pm, f"{name}_sd", prior)
    normal = pm.ZeroSumNormal if zero_sum else pm.Normal
    return spread * (normal(f"{name}_raw", sigma=1.0, shape=n))


def _thresholds(
    pm: Any, pt: Any, n_levels: int, priors: Priors, form: Form, mode: str | None
) -> Any:
    """Thresholds of the comparison group and of members; with a mode again of both by phone."""
    location = pm.Flat("location", initval=0.0)
    if n_levels == 2:
        pm.Potential("induced_dirichlet", _log_density(pt, location, form.link))
        return pt.stack([location, location])[:, None]
    n = n_levels - 2
    steps = pm.Flat("increments", shape=n, initval=np.zeros(n))
    base = _cuts(pt, pt.exp(steps), location)
    pm.Potential("induced_dirichlet", _log_density(pt, base, form.link).sum() + steps.sum())
    sd, zero = priors.threshold_shift_sd, pt.zeros(n)
    shift = pm.Normal("shift", 0.0, sd, shape=n) if form.shifts else zero
    by_mode = pm.Normal(f"{MODE_SHIFT}{mode}", 0.0, sd, shape=n) if mode is not None else zero
    ways = (0.0,) if mode is None else (-0.5, 0.5)
    sides = [steps + shift * m + by_mode * c for c in ways for m in (-0.5, 0.5)]
    return pt.stack([_cuts(pt, pt.exp(one), location) for one in sides])


def _log_density(pt: Any, x: Any, link: str) -> Any:
    return -0.5 * x**2 if link == "probit" else -pt.softplus(x) - pt.softplus(-x)


def _level_shares(pt: Any, z: Any, link: str) -> Any:
    """P(Y = j) from the cut points, shape (c, J)."""
    below = pt.sigmoid(z) if link == "logit" else 0.5 * pt.erfc(-z / np.sqrt(2))
    edge = pt.zeros_like(below[:, :1])
    return pt.diff(pt.concatenate([edge, below, edge + 1], axis=1), axis=1)


def _cuts(pt: Any, sizes: Any, location: Any) -> Any:
    ladder = pt.concatenate([pt.zeros(1), pt.cumsum(sizes)])
    return ladder - ladder.mean() + location


def draws_of(posterior: Any) -> dict[str, FloatArray]:
    """Draws of this model from a posterior that PyMC sampled, as in `coopgap.bayes.layout`."""
    found = {str(name): array.to_numpy() for name, array in posterior.data_vars.items()}
    raw = {
        name.removesuffix("_raw"): found.pop(name) for name in list(found) if name.endswith("_raw")
    }
    return found | {name: found[f"{name}_sd"][..., None] * levels for name, levels in raw.items()}
