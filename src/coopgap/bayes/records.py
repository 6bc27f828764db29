"""What the hierarchical model is given and what it gives back; nothing here samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.vocabulary import Population


@dataclass(frozen=True, slots=True, kw_only=True)
class SdPrior:
    """Half-t prior on a standard deviation; half-normal with infinite degrees of freedom."""

    scale: float
    df: float = np.inf


_NORMAL = ("beta_sd", "slope_sd", "threshold_shift_sd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Priors on the latent scale: log odds, or probits.

    `beta_sd`, `slope_sd` and `threshold_shift_sd` are SDs of normals: of beta, of each slope of a
    numeric covariate (for one SD of its column), and of each shift by membership, or by mode, of
    the log increments between thresholds. The others are priors on SDs: of the regions' levels, of
    the regions' gaps, of each covariate's levels, of the zones' levels, and of the zones' gaps.

    The default of a slope lets a column move people as far from each other as a covariate's levels
    do: SDs of levels are half-normal with scale 0.5, whose root mean square is 0.5.
    """

    beta_sd: float = 1.0
    region_sd: SdPrior = field(default_factory=lambda: SdPrior(scale=0.5))
    gap_sd: SdPrior = field(default_factory=lambda: SdPrior(scale=0.5))
    covariate_sd: SdPrior = field(default_factory=lambda: SdPrior(scale=0.5))
    slope_sd: float = 0.5
    zone_sd: SdPrior = field(default_factory=lambda: SdPrior(scale=0.5))
    zone_gap_sd: SdPrior = field(default_factory=lambda: SdPrior(scale=0.5))
    threshold_shift_sd: float = 0.5

    @classmethod
    def with_scales(cls, scales: Mapping[str, float]) -> Priors:
        """The defaults, with the scales that a model file sets."""
        changes: dict[str, Any] = {
            name: scale if name in _NORMAL else SdPrior(scale=scale)
            for name, scale in scales.items()
        }
        return replace(cls(), **changes)

    def choices(self, *, slopes: bool) -> dict[str, Any]:
        """What digests read: without slopes, what they read before there were any."""
        return {name: one for name, one in asdict(self).items() if slopes or name != "slope_sd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Which parts the model has.

    Attributes
    ----------
    link
        Latent distribution.
    shifts
        Whether the distances between thresholds may differ by membership; without it the model
        has proportional odds.
    region_gaps
        Whether regions have gaps of their own.
    zones
        Whether zones have levels and gaps of their own.
    mode
        The covariate of two levels, in person and by phone, by which the distances between
        thresholds may differ as they may by membership; None where none does. Its shifts have the
        prior of membership's.
    """

    link: Literal["logit", "probit"] = "logit"
    shifts: bool = True
    region_gaps: bool = True
    zones: bool = True
    mode: str | None = None

    @property
    def choices(self) -> dict[str, Any]:
        """What digests read: without a mode, what they read before there was one."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateItem:
    """One thing the gate looked at: the worst value found and the bar it must pass."""

    name: str
    value: float
    bar: float
    passed: bool
    note: str = ""


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
class HierarchicalFit:
    """Draws of everything that is reported, and whether they may be.

    Attributes
    ----------
    member, comparison
        Shape (G, chains, draws, J): outcome distribution of members and of the same people as
        comparison, for all (first) and for each region, standardised over members.
    elsewhere
        By other population, the same two for all, each of shape (chains, draws, J).
    parameters
        By term, shape (chains, draws): coefficients on their reported scale.
    region_gap
        Shape (R, chains, draws): the log-odds gap of each region.
    gate
        Every item; the fit passes if all of them do.
    draws
        Draws of the model's parameters, as in `coopgap.bayes.layout`.
    stats
        What the sampler says of itself.
    seconds
        Wall time of sampling.
    retried
        Whether the first attempt failed the gate and a longer one was made.
    """

    member: FloatArray
    comparison: FloatArray
    elsewhere: Mapping[Population, tuple[FloatArray, FloatArray]]
    parameters: Mapping[str, FloatArray]
    region_gap: FloatArray
    gate: tuple[GateItem, ...]
    draws: Mapping[str, FloatArray]
    stats: SamplerStats
    seconds: float
    retried: bool

    @property
    def passed(self) -> bool:
        """Whether anything of it may be shown; False where nothing was looked at."""
        return bool(self.gate) and all(item.passed for item in self.gate)
