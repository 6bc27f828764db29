"""The posterior of one replicate, through the same density, sampler and gate as a fit."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Final

from coopgap.arrays import FloatArray
from coopgap.bayes.density import make_density
from coopgap.bayes.fit import DRAWS
from coopgap.bayes.gate import BARS, check
from coopgap.bayes.sample import sample
from coopgap.calibration.replicate import Setup, calibrated

__all__ = ["Posterior", "posterior"]

_ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Draws of the gaps that are ranked, and what the gate says of them."""

    quantities: dict[str, FloatArray]
    passed: bool
    failed: tuple[str, ...]
    retried: bool
    seconds: float


def posterior(setup: Setup, seed: int) -> Posterior:
    """Sample a replicate's posterior, with one longer attempt as a fit has.

    Notes
    -----
    The gate's bar for effective sizes is that of a fit times the share of a fit's draws that a
    replicate has, so that replicates may be shorter and fail as often.
    """
    density = make_density(setup.cells, setup.fitted, setup.form)
    bars = changed(BARS, ess=BARS.ess * min(1.0, setup.draws / DRAWS))
    seconds = 0.0
    for number in range(_ATTEMPTS):
        found = sample(
            density,
            draws=setup.draws << number,
            tune=setup.tune << number,
            seed=seed + number,
            target_accept=1 - (1 - setup.target_accept) / (1 + number),
        )
        seconds += found.seconds
        quantities = calibrated(found.draws, setup.cells, setup.form)
        items = check(quantities, {}, found.stats, bars)
        failed = tuple(item.name for item in items if not item.passed)
        if not failed:
            break
    return Posterior(
        quantities=quantities,
        passed=not failed,
        failed=failed,
        retried=number > 0,
        seconds=seconds,
    )
