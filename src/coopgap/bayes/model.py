"""The hierarchical model as a PyMC model on cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from coopgap.bayes.records import Priors, RegionCells

__all__ = ["build_model"]


def build_model(cells: RegionCells, priors: Priors) -> Any:
    """Cumulative logit with regional gaps.

    Parameters
    ----------
    cells
        Distinct rows with counts.
    priors
        Prior scales.

    Returns
    -------
    pymc.Model
        Free variables: beta; region_sd, region_raw; gap_sd, gap_raw; for each covariate k
        sd_k, raw_k; location; and for more than two levels increments, shift_sd, shift_raw.

    Notes
    -----
    With m = +1/2 for members and -1/2 for the comparison group,
    P(Y <= j) = logistic(threshold_j(m) - eta) and
    eta = sum of covariate levels + region level + (beta + regional gap) m.
    Increments between thresholds are exp(increments + shift m), cumulated and centred to mean
    zero, plus one location, so that beta is the mean log odds ratio over the cuts and the prior
    reads the same from both ends of the scale. Region levels, regional gaps and the levels of
    each covariate sum to zero; all are non-centred.

    The thresholds at m = 0 have the prior that a uniform Dirichlet on the level probabilities at
    eta = 0 induces: the density of the logistic at each threshold, times the Jacobian of the
    increments.

    The likelihood uses F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)): one log-logistic a threshold
    and cell.
    """
    import pymc as pm
    import pytensor.tensor as pt

    n_levels, n_regions = len(cells.levels), len(cells.regions)
    counts = cells.counts.astype(np.float64)
    side = cells.member.astype(np.int64)
    with pm.Model() as model:
        beta = pm.Normal("beta", 0.0, priors.beta_sd)
        region = _levels(pm, "region", n_regions, priors.region_sd)
        gap = _levels(pm, "gap", n_regions, priors.gap_sd)
        eta = region[cells.region] + (beta + gap[cells.region]) * (side - 0.5)
        for k, (name, levels) in enumerate(cells.terms.items()):
            level = _levels(pm, f"covariate_{name}", len(levels), priors.covariate_sd)
            eta = eta + level[cells.covariates[:, k]]
        location = pm.Flat("location", initval=0.0)
        base = location + pt.zeros(1)
        thresholds = pt.stack([base, base])
        log_prior: Any = 0.0
        inner: Any = 0.0
        if n_levels > 2:
            steps = pm.Flat("increments", shape=n_levels - 2, initval=np.zeros(n_levels - 2))
            spread = pm.HalfNormal("shift_sd", priors.threshold_shift_sd)
            raw = pm.Normal("shift_raw", 0.0, 1.0, shape=n_levels - 2)
            sizes = [pt.exp(steps + spread * raw * m) for m in (-0.5, 0.5)]
            thresholds = pt.stack([_cuts(pt, size, location) for size in sizes])
            base = _cuts(pt, pt.exp(steps), location)
            log_prior = steps.sum()
            for m, size in enumerate(sizes):
                inside = counts[side == m, 1:-1].sum(axis=0)
                inner = inner + (inside * pt.log1mexp(-size)).sum()
        pm.Potential(
            "induced_dirichlet",
            log_prior - (pt.softplus(base) + pt.softplus(-base)).sum(),
        )
        z = thresholds[side] - eta[:, None]
        at_or_below, above = counts[:, :-1], counts[:, 1:]
        outer = -((at_or_below + above) * pt.softplus(-z) + above * z).sum()
        pm.Potential("cells", outer + inner)
    return model


def _levels(pm: Any, name: str, n: int, scale: float) -> Any:
    """Zero-sum levels with their own SD, non-centred; zero where there is one level."""
    spread = pm.HalfNormal(f"{name}_sd", scale)
    raw = pm.ZeroSumNormal(f"{name}_raw", 1.0, shape=n)
    return spread * raw


def _cuts(pt: Any, sizes: Any, location: Any) -> Any:
    ladder = pt.concatenate([pt.zeros(1), pt.cumsum(sizes)])
    return ladder - ladder.mean() + location
