"""Power-scaling: how much the headline gap moves if priors or answers counted a little more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from coopgap.bayes.draws import thresholds_at
from coopgap.bayes.layout import Draws, Layout
from coopgap.bayes.records import Priors, SdPrior
from coopgap.core.arrays import FloatArray
from coopgap.regression.links import LINKS
from coopgap.study.spec import LinkName


def log_priors(draws: Draws, layout: Layout, priors: Priors, link: LinkName) -> FloatArray:
    """Log-density of the top-level priors, shape (chains, draws), up to a constant.

    Top-level are beta, the slopes, the SDs, the shifts and the thresholds between the groups; the
    levels that the SDs govern belong to the model and are not scaled.
    """
    found = -0.5 * np.square(draws["beta"] / priors.beta_sd)
    for block in layout.blocks:
        found = found + _log_half(draws[f"{block.name}_sd"], layout.prior(block, priors))
    for name in layout.shifts:
        found = found - 0.5 * np.square(draws[name] / priors.threshold_shift_sd).sum(axis=-1)
    if "slopes" in draws:
        found = found - 0.5 * np.square(draws["slopes"] / priors.slope_sd).sum(axis=-1)
    cuts = thresholds_at(draws, layout.n_cuts + 1, 0.0)
    return np.asarray(found + LINKS[link].log_density(cuts).sum(axis=-1))


def _log_half(spread: FloatArray, prior: SdPrior) -> FloatArray:
    ratio = np.square(spread / prior.scale)
    if np.isinf(prior.df):
        return np.asarray(-0.5 * ratio)
    return np.asarray(-0.5 * (prior.df + 1) * np.log1p(ratio / prior.df))


def power_scaling(
    quantities: Mapping[str, FloatArray], log_prior: FloatArray, log_lik: FloatArray
) -> dict[str, tuple[float, float]]:
    """Sensitivity of each quantity to the top-level priors and to the answers.

    Parameters
    ----------
    quantities
        By name, shape (chains, draws).
    log_prior, log_lik
        Shape (chains, draws).

    Returns
    -------
    dict
        By name: sensitivity to the priors, and to the answers; 0.05 is the usual bar.

    References
    ----------
    Kallioinen, Paananen, Bürkner & Vehtari (2024), Detecting and diagnosing prior and likelihood
    sensitivity with power-scaling. Statistics and Computing 34, 57.
    """
    import xarray as xr
    from arviz_stats import psense

    def dataset(values: Mapping[str, FloatArray]) -> xr.Dataset:
        return xr.Dataset({name: (("chain", "draw"), one) for name, one in values.items()})

    tree = xr.DataTree.from_dict(
        {
            "posterior": dataset(quantities),
            "log_prior": dataset({"top": log_prior}),
            "log_likelihood": dataset({"survey": log_lik}),
        }
    )
    prior, answers = (psense(tree, group=group) for group in ("prior", "likelihood"))
    return {name: (float(prior[name]), float(answers[name])) for name in quantities}
