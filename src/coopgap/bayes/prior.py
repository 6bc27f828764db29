"""Draws from the prior: what the model allows before it sees data, and truths to recover."""

from __future__ import annotations

import numpy as np

from coopgap.bayes.layout import Layout
from coopgap.bayes.records import Priors, SdPrior
from coopgap.core.arrays import FloatArray
from coopgap.regression.links import LINKS
from coopgap.study.spec import LinkName


def prior_draws(
    layout: Layout, priors: Priors, link: LinkName, n: int, rng: np.random.Generator
) -> FloatArray:
    """Free values drawn from the prior, shape (1, n, p).

    Parameters
    ----------
    layout
        Of the free values.
    priors
        Prior scales.
    link
        Of the model.
    n
        Number of draws.
    rng
        Generator.

    Notes
    -----
    A uniform Dirichlet on the level probabilities at eta = 0 makes the thresholds at m = 0 the
    order statistics of J - 1 independent draws from the latent distribution.
    """
    x = rng.normal(size=(n, layout.size))
    x[:, 0] *= priors.beta_sd
    cuts = layout.n_cuts
    thresholds = np.sort(LINKS[link].quantile(rng.uniform(size=(n, cuts))), axis=1)
    x[:, 1] = thresholds.mean(axis=1)
    x[:, 2 : 1 + cuts] = np.log(np.diff(thresholds, axis=1))
    for at in layout.shifts.values():
        x[:, at : at + cuts - 1] *= priors.threshold_shift_sd
    for block in layout.blocks:
        x[:, block.start - 1] = _log_sds(layout.prior(block, priors), n, rng)
    x[:, layout.slopes] *= priors.slope_sd
    return x[None]


def _log_sds(prior: SdPrior, n: int, rng: np.random.Generator) -> FloatArray:
    """Logarithms of n draws of a half-t or half-normal SD."""
    draws = rng.normal(size=n) if np.isinf(prior.df) else rng.standard_t(prior.df, size=n)
    return np.asarray(np.log(prior.scale * np.abs(draws)))
