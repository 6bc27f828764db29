"""The posterior of one replicate, through the same density, sampler and gate as a fit."""

from __future__ import annotations

from dataclasses import dataclass

from coopgap.arrays import FloatArray
from coopgap.bayes.gate import BARS, check
from coopgap.bayes.mode import density_of
from coopgap.bayes.sample import attempts
from coopgap.calibration.replicate import Setup, calibrated
from coopgap.study.spec import Hierarchical

__all__ = ["Posterior", "posterior"]


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
    The gate's bars are those of a fit for the share of a fit's draws that a replicate has, so that
    replicates may be shorter and fail as often.
    """
    usual = Hierarchical().draws
    bars = BARS.of_share(min(1.0, setup.draws / usual))
    tries = attempts(
        density_of(setup.cells, setup.fitted, setup.form),
        draws=setup.draws,
        tune=setup.tune,
        seed=seed,
        target_accept=setup.target_accept,
    )
    for found in tries:
        quantities = calibrated(found.draws, setup.cells, setup.form)
        items = check(quantities, {}, found.stats, bars)
        failed = tuple(item.name for item in items if not item.passed)
        if not failed:
            break
    return Posterior(
        quantities=quantities,
        passed=not failed,
        failed=failed,
        retried=found.retried,
        seconds=found.seconds,
    )
