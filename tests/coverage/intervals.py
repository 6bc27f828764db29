"""The intervals whose coverage is counted, of the gap at each threshold."""

from __future__ import annotations

import numpy as np
from scipy import stats
from simulate import Simulated

from coopgap.regression.bootstrap import bootstrap_margins
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.standardise import standardise

__all__ = ["bootstrap_ends", "wald_ends"]

RESAMPLES = 399
_KINDS = {
    "CR1 t(G-1)": ("CR1", True, False),
    "CR1S t(G-1)": ("CR1S", True, False),
    "CR2 Satterthwaite": ("CR2", True, False),
    "CR1 strata t(G-H)": ("CR1", True, True),
    "CR2 strata Satterthwaite": ("CR2", True, True),
    "HC1 normal": ("HC1", False, False),
}


def _contrasts(n_levels: int) -> np.ndarray:
    """Members minus comparison at or above each threshold, shape (J - 1, 2J)."""
    above = (np.arange(n_levels) >= np.arange(1, n_levels)[:, None]).astype(float)
    return np.hstack([above, -above])


def wald_ends(survey: Simulated, strata: bool) -> dict[str, np.ndarray]:
    """(estimate, std_error, lower, upper), shape (4, J - 1), by name of the interval."""
    cells = survey.cells
    fit = fit_ordinal(survey.x, cells.counts)
    rows = _contrasts(cells.counts.shape[1])
    found = {}
    for name, (kind, clustered, stratified) in _KINDS.items():
        if stratified and not strata:
            continue
        margins = standardise(
            fit,
            survey.x,
            0,
            survey.x[:, 0],
            cells.counts,
            cells.squares,
            survey.cluster if clustered else None,
            kind=kind,
            strata=survey.region if stratified else None,
            people=cells.people,
        )
        estimate = rows @ np.concatenate([margins.member, margins.comparison])
        std_error = np.sqrt(np.einsum("qj,jk,qk->q", rows, margins.cov, rows))
        df = [margins.df if margins.df_of is None else margins.df_of(row) for row in rows]
        half = stats.t.ppf(0.975, df) * std_error
        found[name] = np.array([estimate, std_error, estimate - half, estimate + half])
    return found


def bootstrap_ends(survey: Simulated, strata: bool, seed: int) -> dict[str, np.ndarray]:
    """The same for percentile and basic intervals of resampled clusters."""
    cells = survey.cells
    rows = _contrasts(cells.counts.shape[1])
    found = bootstrap_margins(
        survey.x,
        0,
        survey.x[:, 0],
        cells.counts,
        survey.cluster,
        seed=seed,
        replicates=RESAMPLES,
        strata=survey.region if strata else None,
    )
    estimate, draws = rows @ found.estimate, found.margins @ rows.T
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    spread = draws.std(axis=0, ddof=1)
    kind = "strata" if strata else "overall"
    return {
        f"bootstrap percentile, {kind}": np.array([estimate, spread, low, high]),
        f"bootstrap basic, {kind}": np.array(
            [estimate, spread, 2 * estimate - high, 2 * estimate - low]
        ),
    }
