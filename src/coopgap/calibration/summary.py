"""Are ranks uniform: one row a ranked gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from coopgap.calibration.replicate import RANKED_DRAWS, Setup
from coopgap.core.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

SHOWN, REJECTED = 0.95, 0.999
_CENTRAL: Final = (0.5, 0.8, 0.95)
_BAND_DRAWS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRow:
    """What the ranks of one gap say.

    `inside_95` and `inside_999`: whether the empirical distribution of the ranks stays within a
    band that a calibrated model leaves in 5 % and 0.1 % of calibrations. `mean_z` is the mean
    rank's distance from the middle in standard errors; `within_50` to `within_95` the share of
    truths inside the central intervals.
    """

    model: str
    design: str
    n_levels: int
    quantity: str
    category: str
    group: str
    n_sims: int
    n_withheld: int
    n_retried: int
    draws: int
    target_accept: float
    mean_z: float
    within_50: float
    within_80: float
    within_95: float
    inside_95: bool
    inside_999: bool


def ranks_by_quantity(replicates: Sequence[Mapping[str, Any]]) -> dict[str, IntArray]:
    """Ranks of the replicates that pass the gate, by gap."""
    passed = [one for one in replicates if one["passed"]]
    names = dict.fromkeys(name for one in passed for name in one["ranks"])
    return {name: np.array([one["ranks"][name] for one in passed]) for name in names}


def uniform(ranks: IntArray) -> FloatArray:
    """Ranks as values that are uniform on (0, 1) if the ranks are uniform; seeded."""
    rng = np.random.default_rng(ranks.size)
    return np.asarray((ranks + rng.uniform(size=ranks.size)) / (RANKED_DRAWS + 1))


def band(values: FloatArray, prob: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Empirical distribution of `values` with a simultaneous band for uniform ones.

    Returns
    -------
    points, ecdf, lower, upper : FloatArray
        Shape (k,).

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022), Graphical test for discrete uniformity and its
    applications in goodness-of-fit evaluation and multiple sample comparison. Statistics and
    Computing 32, 32.
    """
    from arviz_stats.ecdf_utils import ecdf_pit

    rng = np.random.default_rng(0)
    points, ecdf, lower, upper = ecdf_pit(np.sort(values), prob, _BAND_DRAWS, rng=rng)
    return points, ecdf, lower, upper


def summarise(
    replicates: Sequence[Mapping[str, Any]], setup: Setup, model: str, design: str
) -> list[RankRow]:
    """One row a gap.

    Parameters
    ----------
    replicates
        As `coopgap.calibration.replicate.replicate` returns them.
    setup
        What they share.
    model, design
        Names for the rows.
    """
    rows = []
    for name, ranks in ranks_by_quantity(replicates).items():
        quantity, category, group = name.split("|")
        values = uniform(ranks)
        within = [float((np.abs(values - 0.5) < prob / 2).mean()) for prob in _CENTRAL]
        rows.append(
            RankRow(
                model=model,
                design=design,
                n_levels=len(setup.cells.levels),
                quantity=quantity,
                category=category,
                group=group,
                n_sims=len(replicates),
                n_withheld=len(replicates) - ranks.size,
                n_retried=sum(one["retried"] for one in replicates),
                draws=setup.draws,
                target_accept=setup.target_accept,
                mean_z=round(float((values.mean() - 0.5) * np.sqrt(12 * values.size)), 3),
                within_50=round(within[0], 4),
                within_80=round(within[1], 4),
                within_95=round(within[2], 4),
                inside_95=_inside(values, SHOWN),
                inside_999=_inside(values, REJECTED),
            )
        )
    return rows


def _inside(values: FloatArray, prob: float) -> bool:
    """Whether the ranks lie in their band; one rank, or none, shows nothing."""
    if values.size < 2:
        return False
    _, ecdf, lower, upper = band(values, prob)
    return bool(((ecdf >= lower) & (ecdf <= upper)).all())


def to_frame(rows: Sequence[RankRow]) -> pd.DataFrame:
    """The rows as a table."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows], columns=[f.name for f in fields(RankRow)])
