"""The gate: nothing leaves the sampler unless every reported quantity can be trusted.

It fails closed. Finite draws are asked for first, because diagnostics of a NaN or of a constant
compare as if nothing were wrong. R-hat and effective sizes alone let through chains that are copies
of one another, chains whose means lie a quarter of a standard deviation apart, a chain that stands
still at its end, and draws without a variance: each of these has an item of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.special import chdtrc

from coopgap.bayes.records import GateItem, SamplerStats
from coopgap.core.arrays import FloatArray

_NEVER_ALIKE: Final = 0.95
"""Correlation of two chains that is too high however short they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What must hold.

    `false_alarm` is the probability that sound chains are found apart, over everything reported.
    On draws of effective size 1,000 and more without a fault, 300 quantities at a time, the largest
    `chains_alike` was .14, the largest `pareto_k` .07 (.27 of a lognormal with σ .5), the smallest
    `moving` .38; a variance is infinite from `pareto_k` .5 on.
    """

    chains: int = 4
    r_hat: float = 1.01
    ess: float = 1000.0
    chains_alike: float = 0.3
    false_alarm: float = 0.01
    mean_error: float = 0.06
    moving: float = 0.1
    pareto_k: float = 0.4
    probability_error: float = 0.01
    e_bfmi: float = 0.3

    def of_share(self, share: float) -> Bars:
        """Bars for a share, at most one, of a fit's draws: as strict, for what fewer draws show."""
        root = float(np.sqrt(share))
        return replace(
            self,
            ess=self.ess * share,
            chains_alike=min(self.chains_alike / root, _NEVER_ALIKE),
            mean_error=self.mean_error / root,
            moving=self.moving * share,
            pareto_k=self.pareto_k / root,
        )


BARS = Bars()

ESS_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "bulk": {"method": "bulk"},
    "tail": {"method": "tail", "prob": (0.05, 0.95)},
}
"""How bulk and tail effective sizes are asked for."""

_TAILS: Final = 20
"""Quantities whose tails are looked at: variances are infinite at k = .5, where among 8,000 draws
some lie dozens of quartile ranges away."""

_PARTS: Final = 20
"""A stop of a tenth of a chain holds one of them, wherever it begins."""


def check(
    quantities: Mapping[str, FloatArray],
    probabilities: Mapping[str, FloatArray],
    stats: SamplerStats,
    bars: Bars = BARS,
) -> tuple[GateItem, ...]:
    """Look at everything that would be reported.

    Parameters
    ----------
    quantities
        By name, shape (chains, draws): reported continuous quantities, ratios as logarithms.
    probabilities
        By name, shape (chains, draws): zeros and ones whose mean is reported.
    stats
        Of the sampler.
    bars
        What must hold.

    Returns
    -------
    tuple of GateItem
        The fit may be shown only if all pass. Where draws are missing, not finite or not in
        enough chains, the items after those fail too, with NaN as value.

    References
    ----------
    Vehtari et al. (2021), Rank-normalization, folding, and localization: an improved R-hat.
    Bayesian Analysis 16, 667-718. Vehtari et al. (2024), Pareto smoothed importance sampling.
    Journal of Machine Learning Research 25(72), for k. Betancourt (2016), Diagnosing suboptimal
    cotangent disintegrations in Hamiltonian Monte Carlo, for E-BFMI.
    """
    return tuple(_items(quantities, probabilities, stats, bars))


def _items(
    quantities: Mapping[str, FloatArray],
    probabilities: Mapping[str, FloatArray],
    stats: SamplerStats,
    bars: Bars,
) -> Iterator[GateItem]:
    every = {**quantities, **probabilities}
    shape = stats.energy.shape
    broken = [name for name, draws in every.items() if not _usable(draws, shape)]
    yield GateItem(
        name="finite_draws",
        value=float(len(every) - len(broken)),
        bar=float(len(every)),
        passed=bool(quantities) and not broken,
        note=""
        if quantities and not broken
        else f"not finite, or not a draw for each energy: {', '.join(broken[:3]) or 'nothing'}",
    )
    sound = {name: draws for name, draws in every.items() if name not in broken}
    chains = min((draws.shape[0] for draws in sound.values()), default=0)
    yield GateItem(
        name="chains", value=float(chains), bar=float(bars.chains), passed=chains >= bars.chains
    )
    continuous = {k: v for k, v in sound.items() if k in quantities}
    yield from _convergence(continuous, bars)
    yield from _soundness(continuous, bars)
    yield _probability_error({k: v for k, v in sound.items() if k in probabilities}, bars)
    yield GateItem(
        name="divergences", value=float(stats.divergences), bar=0.0, passed=stats.divergences == 0
    )
    yield GateItem(
        name="tree_depth_reached", value=float(stats.deepest), bar=0.0, passed=stats.deepest == 0
    )
    e_bfmi = _e_bfmi(stats.energy)
    yield GateItem(name="e_bfmi", value=e_bfmi, bar=bars.e_bfmi, passed=e_bfmi >= bars.e_bfmi)


def _usable(draws: FloatArray, shape: tuple[int, ...]) -> bool:
    """Whether draws are finite and stand in chains as the sampler's energy does."""
    two = draws.ndim == 2 and draws.size > 0 and draws.shape == shape
    return two and bool(np.isfinite(draws).all())


def _convergence(quantities: Mapping[str, FloatArray], bars: Bars) -> Iterator[GateItem]:
    """Worst R-hat and effective sizes; a quantity that never moves has NaN and fails."""
    r_hat = diagnose("rhat", quantities)
    yield _worst("r_hat", r_hat, bars.r_hat, highest=True)
    for method, options in ESS_OPTIONS.items():
        sizes = diagnose("ess", quantities, **options)
        moving = {k: v if np.ptp(quantities[k]) > 0 else np.nan for k, v in sizes.items()}
        yield _worst(f"ess_{method}", moving, bars.ess, highest=False)


def _soundness(quantities: Mapping[str, FloatArray], bars: Bars) -> Iterator[GateItem]:
    """What R-hat and effective sizes do not see."""
    alike = {key: _alike(draws) for key, draws in quantities.items()}
    yield _worst("chains_alike", alike, bars.chains_alike, highest=True)
    apart = {key: _chains_apart(draws) for key, draws in quantities.items()}
    adjusted = {key: min(1.0, len(apart) * p) for key, (p, _) in apart.items()}
    yield _worst("chains_agree", adjusted, bars.false_alarm, highest=False)
    yield _worst("mean_error", {k: e for k, (_, e) in apart.items()}, bars.mean_error, highest=True)
    moving = {key: _least_moving(draws) for key, draws in quantities.items()}
    yield _worst("moving", moving, bars.moving, highest=False)
    tails = {key: _pareto_k(quantities[key]) for key in _farthest(quantities)}
    yield _worst("pareto_k", tails, bars.pareto_k, highest=True)


def _alike(draws: FloatArray) -> float:
    """Largest correlation of two chains, or share of a chain's draws that are another's too."""
    if len(draws) < 2:
        return float("nan")
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.asarray(np.corrcoef(draws))[np.triu_indices(len(draws), 1)]
    distinct = [np.unique(chain) for chain in draws]
    shared = sum(chain.size for chain in distinct) - np.unique(np.concatenate(distinct)).size
    return float(max(np.abs(correlation).max(), shared / draws.shape[1]))


def _chains_apart(draws: FloatArray) -> tuple[float, float]:
    """P-value that the chains have one mean, and the error of the mean that their means show.

    The error is in posterior standard deviations. The chains' own Monte Carlo error comes from
    their autocorrelation about their own means, which a difference between them leaves alone.
    """
    means = draws.mean(axis=1)
    inside = draws - means[:, None]
    variance, apart = float(inside.var()), float(np.square(means - means.mean()).sum())
    free = len(draws) - 1
    if not variance > 0 or not free:
        return float("nan"), float("nan")
    size = diagnose("ess", {"": inside}, method="mean")[""] / len(draws)
    error = np.sqrt(apart / free / len(draws) / draws.var())
    return float(chdtrc(free, apart * size / variance)), float(error)


def _least_moving(draws: FloatArray) -> float:
    """Smallest variance of a twentieth of a chain, over that of all draws."""
    width = max(draws.shape[1] // _PARTS, 2)
    starts = range(0, draws.shape[1] - width + 1, width)
    least = min(draws[:, at : at + width].var(axis=1).min() for at in starts)
    return float(least / draws.var()) if draws.var() > 0 else float("nan")


def _farthest(quantities: Mapping[str, FloatArray]) -> list[str]:
    """The quantities whose draws reach farthest: a heavy tail is among them."""
    reach = {}
    for key, draws in quantities.items():
        low, middle, high = np.quantile(draws, (0.25, 0.5, 0.75))
        far = float(np.abs(draws - middle).max())
        reach[key] = far / (high - low) if high > low else np.inf
    return sorted(reach, key=lambda key: -reach[key])[:_TAILS]


def _pareto_k(draws: FloatArray) -> float:
    """Shape of the heavier tail; NaN where there are too few draws for one."""
    from arviz_stats.base import array_stats

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return float(array_stats.pareto_khat(draws, chain_axis=0, draw_axis=1))
        except ValueError:  # a tail of one value
            return float("nan")


def diagnose(name: str, draws: Mapping[str, FloatArray], **options: Any) -> dict[str, float]:
    """`arviz.rhat` or `arviz.ess` of each quantity, unrounded."""
    from arviz_stats.base import array_stats

    function = getattr(array_stats, name)
    with warnings.catch_warnings():
        # A constant or a too short chain warns and returns NaN, which fails the gate.
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        return {
            key: float(function(values, chain_axis=0, draw_axis=1, **options))
            for key, values in draws.items()
        }


def _worst(name: str, values: Mapping[str, float], bar: float, *, highest: bool) -> GateItem:
    if not values:
        return GateItem(name=name, value=np.nan, bar=bar, passed=False, note="nothing to look at")
    broken = [key for key, value in values.items() if not np.isfinite(value)]
    if broken:
        return GateItem(name=name, value=np.nan, bar=bar, passed=False, note=f"of {broken[0]}")
    where = (max if highest else min)(values, key=lambda key: values[key])
    value = values[where]
    passed = value <= bar if highest else value >= bar
    return GateItem(name=name, value=value, bar=bar, passed=passed, note=f"of {where}")


def _probability_error(probabilities: Mapping[str, FloatArray], bars: Bars) -> GateItem:
    """Largest Monte Carlo error of a reported probability; none for one that is 0 or 1."""
    moving = {key: draws for key, draws in probabilities.items() if np.ptp(draws) > 0}
    sizes = diagnose("ess", moving, method="mean")
    errors = {
        key: float(np.sqrt(draws.mean() * (1 - draws.mean()) / sizes[key]))
        for key, draws in moving.items()
    }
    if not errors:
        return GateItem(
            name="probability_error", value=0.0, bar=bars.probability_error, passed=True
        )
    return _worst("probability_error", errors, bars.probability_error, highest=True)


def _e_bfmi(energy: FloatArray) -> float:
    """Lowest energy Bayesian fraction of missing information over chains; NaN if undefined."""
    if energy.ndim != 2 or energy.shape[1] < 2 or not np.isfinite(energy).all():
        return float("nan")
    variance = energy.var(axis=1)
    if not (variance > 0).all():
        return float("nan")
    return float((np.square(np.diff(energy, axis=1)).mean(axis=1) / variance).min())
