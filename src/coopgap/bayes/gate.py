"""The gate: nothing leaves the sampler unless every reported quantity can be trusted.

It fails closed. Finite draws are asked for first, because diagnostics of a NaN or of a constant
compare as if nothing were wrong. R-hat and effective sizes alone let through chains that are copies
of one another, chains whose means lie a quarter of a standard deviation apart, a chain that stands
still at its end, and draws without a variance: each of these has an item of its own.

R-hat and effective sizes are ArviZ's, for all quantities in one pass: a test holds them to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import chdtrc, ndtri

from coopgap.core.arrays import FloatArray

_NEVER_ALIKE: Final = 0.95
"""Correlation of two chains that is too high however short they are."""

_TAIL: Final = (0.05, 0.95)
_TOGETHER: Final = 64
"""Quantities diagnosed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateItem:
    """One thing the gate looked at: the worst value found and the bar it must pass."""

    name: str
    value: float
    bar: float
    passed: bool
    note: str = ""

    @property
    def of_correction(self) -> bool:
        """Whether it is about the correction of weighted draws, not about the sampler."""
        return self.name in _OF_CORRECTION


_OF_CORRECTION: Final = frozenset(
    f"correction_{name}" for name in ("positive", "condition", "narrowest", "widest")
)


def passes(items: Collection[GateItem]) -> bool:
    """Whether every item passes; False where nothing was looked at."""
    return bool(items) and all(item.passed for item in items)


class Convergence(NamedTuple):
    """Rank-normalised R-hat of one quantity, its bulk effective size, and that of its tails."""

    r_hat: float
    ess_bulk: float
    ess_tail: float


class Verdict(NamedTuple):
    """What the gate says: all it looked at, and the convergence of each continuous quantity."""

    items: tuple[GateItem, ...]
    convergence: Mapping[str, Convergence]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerStats:
    """What the sampler says of itself.

    Attributes
    ----------
    energy
        Shape (chains, draws).
    divergences
        After tuning.
    deepest
        Trajectories that reached the maximum tree depth.
    """

    energy: FloatArray
    divergences: int
    deepest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What must hold.

    `narrowest` and `widest` are of what a correction may make of a width, and `condition` of the
    largest over the smallest change of a variance: beyond them zones are too few for the model's
    parameters, or a few people carry the weights.

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
    narrowest: float = 0.25
    widest: float = 10.0
    condition: float = 1e6

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
) -> Verdict:
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
    Verdict
        The fit may be shown only if all items pass. Where draws are missing, not finite or not in
        enough chains, the items after those fail too, with NaN as value.

    References
    ----------
    Vehtari et al. (2021), Rank-normalization, folding, and localization: an improved R-hat.
    Bayesian Analysis 16, 667-718. Vehtari et al. (2024), Pareto smoothed importance sampling.
    Journal of Machine Learning Research 25(72), for k. Betancourt (2016), Diagnosing suboptimal
    cotangent disintegrations in Hamiltonian Monte Carlo, for E-BFMI.
    """
    every = {**quantities, **probabilities}
    shape = stats.energy.shape
    broken = [name for name, draws in every.items() if not _usable(draws, shape)]
    whole = bool(quantities) and not broken
    listed = "" if whole else f"{', '.join(broken[:3]) or 'nothing'}"
    sound = {name: draws for name, draws in every.items() if name not in broken}
    chains = min((draws.shape[0] for draws in sound.values()), default=0)
    continuous = {k: v for k, v in sound.items() if k in quantities}
    convergence = diagnose(continuous)
    items = [
        GateItem(
            name="finite_draws",
            value=float(len(every) - len(broken)),
            bar=float(len(every)),
            passed=whole,
            note=listed and f"not finite, or not a draw for each energy: {listed}",
        ),
        GateItem(
            name="chains", value=float(chains), bar=float(bars.chains), passed=chains >= bars.chains
        ),
        _worst("r_hat", {k: v.r_hat for k, v in convergence.items()}, bars.r_hat, highest=True),
        _worst("ess_bulk", {k: v.ess_bulk for k, v in convergence.items()}, bars.ess),
        _worst("ess_tail", {k: v.ess_tail for k, v in convergence.items()}, bars.ess),
        *_soundness(continuous, bars),
        _probability_error({k: v for k, v in sound.items() if k in probabilities}, bars),
        *_sampler(stats, bars),
    ]
    return Verdict(tuple(items), convergence)


def check_correction(
    values: FloatArray,
    before: Mapping[str, FloatArray],
    after: Mapping[str, FloatArray],
    bars: Bars = BARS,
) -> tuple[GateItem, ...]:
    """Look at a correction of weighted draws: its variance ratios (q,), quantities on both sides.

    Anything but finite, positive ratios and draws fails.
    """
    positive = bool((values > 0).all())
    broken = [name for name, draws in after.items() if not np.isfinite(draws).all()]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = {name: float(after[name].std() / before[name].std()) for name in after}
    condition = float(values.max() / values.min()) if positive else float("nan")
    return (
        GateItem(
            name="correction_positive",
            value=float(values.min()),
            bar=0.0,
            passed=positive and not broken,
            note="" if positive else "the corrected covariance is not positive definite",
        ),
        _worst("correction_condition", {"the correction": condition}, bars.condition, highest=True),
        _worst("correction_narrowest", ratios, bars.narrowest),
        _worst("correction_widest", ratios, bars.widest, highest=True),
    )


def _usable(draws: FloatArray, shape: tuple[int, ...]) -> bool:
    """Whether draws are finite and stand in chains as the sampler's energy does."""
    two = draws.ndim == 2 and draws.size > 0 and draws.shape == shape
    return two and bool(np.isfinite(draws).all())


def diagnose(draws: Mapping[str, FloatArray]) -> dict[str, Convergence]:
    """R-hat and effective sizes of quantities, all of one shape (chains, draws).

    NaN where there are fewer than two chains or four draws, and for a quantity that never moves.
    """
    names, found = list(draws), dict[str, Convergence]()
    for start in range(0, len(names), _TOGETHER):
        some = names[start : start + _TOGETHER]
        values = _convergence(np.stack([draws[name] for name in some]))
        found |= {
            name: Convergence(*map(float, one)) for name, one in zip(some, values, strict=True)
        }
    return found


def _convergence(draws: FloatArray) -> FloatArray:
    """R-hat, bulk and tail effective size of draws of shape (k, chains, draws): shape (k, 3)."""
    if draws.shape[1] < 2 or draws.shape[2] < 4:
        return np.full((len(draws), 3), np.nan)
    halves = _split(draws)
    ranked = _z_scale(halves)
    middle = np.median(halves, axis=(1, 2), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        r_hat = np.fmax(_r_hat(ranked), _r_hat(_z_scale(np.abs(halves - middle))))
    ends = np.quantile(draws, _TAIL, axis=(1, 2))
    tails = [_size(_split((draws <= end[:, None, None]).astype(np.float64))) for end in ends]
    found = np.column_stack([r_hat, _size(ranked), np.minimum(*tails)])
    found[np.ptp(draws, axis=(1, 2)) == 0] = np.nan
    return found


def mean_size(draws: FloatArray) -> FloatArray:
    """Effective size for the mean of draws, shape (..., chains, draws)."""
    sizes = _size(_split(draws.reshape(-1, *draws.shape[-2:])))
    return np.asarray(sizes.reshape(draws.shape[:-2]))


def _split(draws: FloatArray) -> FloatArray:
    """Halves of chains as chains of their own; a draw in the middle is left out."""
    half = draws.shape[-1] // 2
    return np.concatenate([draws[..., :half], draws[..., -half:]], axis=-2)


def _z_scale(draws: FloatArray) -> FloatArray:
    """Normal scores of the ranks of each quantity over all its chains; ties have their mean."""
    flat = draws.reshape(len(draws), -1)
    order, size = np.argsort(flat, axis=1), flat.shape[1]
    ordered = np.take_along_axis(flat, order, axis=1)
    place, apart = np.arange(size), ordered[:, 1:] != ordered[:, :-1]
    edge = np.ones((len(flat), 1), dtype=np.bool_)
    first = np.maximum.accumulate(np.where(np.hstack([edge, apart]), place, 0), axis=1)
    last = np.where(np.hstack([apart, edge]), place, size)[:, ::-1]
    last = np.minimum.accumulate(last, axis=1)[:, ::-1]
    # Twice the ranks are whole numbers: there are few scores.
    scores = ndtri((np.arange(2, 2 * size + 1) / 2 - 0.375) / (size + 0.25))
    result = np.empty_like(flat)
    np.put_along_axis(result, order, scores[first + last], axis=1)
    return result.reshape(draws.shape)


def _r_hat(draws: FloatArray) -> FloatArray:
    n = draws.shape[-1]
    between = n * draws.mean(axis=-1).var(axis=-1, ddof=1)
    return np.asarray(np.sqrt((between / draws.var(axis=-1, ddof=1).mean(axis=-1) + n - 1) / n))


def _size(draws: FloatArray) -> FloatArray:
    """Effective size of draws of shape (k, chains, draws), by Geyer's initial monotone sequence."""
    _, chains, n = draws.shape
    means = draws.mean(axis=-1)
    spectrum = rfft(draws - means[..., None], next_fast_len(2 * n, real=True))
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    covariance = irfft(power, next_fast_len(2 * n, real=True))[:, :n] / n
    within = covariance[:, :1] * n / (n - 1)
    total = covariance[:, :1] + means.var(axis=1, ddof=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = 1.0 - (within - covariance) / total
    rho[:, 0] = 1.0
    looked_at = (n - 1) // 2
    even = rho[:, ::2][:, :looked_at]
    pairs = even + rho[:, 1::2][:, :looked_at]
    # Pairs before the first that is not positive, each at most the smallest so far.
    ends = np.logical_or(pairs <= 0, np.isnan(pairs))
    last = np.where(ends.any(axis=1), ends.argmax(axis=1), pairs.shape[1] - 1)
    kept = np.arange(pairs.shape[1]) < last[:, None]
    sums = np.where(kept, np.minimum.accumulate(pairs, axis=1), 0.0).sum(axis=1)
    beyond = np.maximum(np.take_along_axis(even, last[:, None], axis=1)[:, 0], 0.0)
    size = float(chains * n)
    sizes = size / np.maximum(2 * sums - 1 + beyond, 1 / np.log10(size))
    sizes[~np.isfinite(rho).all(axis=1)] = np.nan
    sizes[np.ptp(draws, axis=(1, 2)) == 0] = size
    return np.asarray(sizes)


def _soundness(quantities: Mapping[str, FloatArray], bars: Bars) -> Iterator[GateItem]:
    """What R-hat and effective sizes do not see."""
    alike = {key: _alike(draws) for key, draws in quantities.items()}
    yield _worst("chains_alike", alike, bars.chains_alike, highest=True)
    p_values, errors = _chains_apart(quantities)
    yield _worst("chains_agree", p_values, bars.false_alarm)
    yield _worst("mean_error", errors, bars.mean_error, highest=True)
    moving = {key: _least_moving(draws) for key, draws in quantities.items()}
    yield _worst("moving", moving, bars.moving)
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


def _chains_apart(
    quantities: Mapping[str, FloatArray],
) -> tuple[dict[str, float], dict[str, float]]:
    """P-values that chains have one mean (Bonferroni), and the error of it that their means show.

    The error is in posterior standard deviations. The chains' own Monte Carlo error comes from
    their autocorrelation about their own means, which a difference between them leaves alone.
    """
    p_values, errors = {}, {}
    for key, draws in quantities.items():
        means, free = draws.mean(axis=1), len(draws) - 1
        inside = draws - means[:, None]
        variance, apart = float(inside.var()), float(np.square(means - means.mean()).sum())
        p_values[key] = errors[key] = float("nan")
        if variance > 0 and free and draws.shape[1] >= 4:
            size = float(mean_size(inside)) / len(draws)
            p_value = float(chdtrc(free, apart * size / variance))
            p_values[key] = min(1.0, len(quantities) * p_value)
            errors[key] = float(np.sqrt(apart / free / len(draws) / draws.var()))
    return p_values, errors


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


def _worst(
    name: str, values: Mapping[str, float], bar: float, *, highest: bool = False
) -> GateItem:
    """The highest of some values against a bar from above, or the lowest against one from below."""
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
    errors = {}
    for key, draws in probabilities.items():
        if np.ptp(draws) > 0:
            mean = draws.mean()
            errors[key] = float(np.sqrt(mean * (1 - mean) / mean_size(draws)))
    if not errors:
        return GateItem(
            name="probability_error", value=0.0, bar=bars.probability_error, passed=True
        )
    return _worst("probability_error", errors, bars.probability_error, highest=True)


def _sampler(stats: SamplerStats, bars: Bars) -> Iterator[GateItem]:
    """What the sampler says of itself; the lowest E-BFMI of a chain, NaN where it has none."""
    from arviz_stats.base import array_stats

    for name, count in (("divergences", stats.divergences), ("tree_depth_reached", stats.deepest)):
        yield GateItem(name=name, value=float(count), bar=0.0, passed=count == 0)
    energy, lowest = stats.energy, float("nan")
    whole = energy.ndim == 2 and energy.shape[1] > 1 and bool(np.isfinite(energy).all())
    if whole and bool((energy.var(axis=1) > 0).all()):
        lowest = float(np.min(array_stats.bfmi(energy, chain_axis=0, draw_axis=1)))
    yield GateItem(name="e_bfmi", value=lowest, bar=bars.e_bfmi, passed=lowest >= bars.e_bfmi)
