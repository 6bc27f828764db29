"""The gate, for draws of any model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from coopgap.bayes.gate import GateItem, SamplerStats, check, passes
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import InputError, NotEstimable
from coopgap.core.vocabulary import Status

if TYPE_CHECKING:
    import xarray as xr

REPORTED: Final = "reported"
"""Group of the draws of everything that is reported: what the gate looks at."""


@dataclass(frozen=True, slots=True, repr=False)
class Gate:
    """What must hold before a number of some draws is shown.

    Attributes
    ----------
    items
        Each thing looked at, the worst value found and the bar it must pass.

    Examples
    --------
    With `h` as in `hierarchical`:

    >>> h.gate.passed  # so few draws cannot be trusted
    False
    """

    items: tuple[GateItem, ...]

    @property
    def passed(self) -> bool:
        """Whether every item passes; False where nothing was looked at.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> h.gate.passed
        False
        """
        return passes(self.items)

    def to_frame(self) -> pd.DataFrame:
        """Columns name, value, bar, passed and note.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> h.gate.to_frame()["name"].tolist()[:3]
        ['finite_draws', 'chains', 'r_hat']
        """
        return pd.DataFrame(
            [(one.name, one.value, one.bar, one.passed, one.note) for one in self.items],
            columns=["name", "value", "bar", "passed", "note"],
        )

    def raise_if_failed(self) -> None:
        """Do nothing where every item passes.

        Raises
        ------
        NotEstimable
            With the names of the items that fail.

        Examples
        --------
        With `h` as in `hierarchical`:

        >>> try:
        ...     h.gate.raise_if_failed()
        ... except cg.NotEstimable as error:
        ...     print(str(error).partition(":")[0])
        the draws cannot be trusted
        """
        if not self.passed:
            failed = ", ".join(item.name for item in self.items if not item.passed) or "nothing"
            raise NotEstimable(f"the draws cannot be trusted: {failed}", Status.WITHHELD)

    def __repr__(self) -> str:
        return str(self.to_frame().to_string(index=False))


def gate(idata: xr.DataTree) -> Gate:
    """Look at draws before a number of them is shown.

    Parameters
    ----------
    idata
        Draws as ArviZ has them, with `sample_stats.energy`. Of `hierarchical` everything that is
        reported is looked at; of other models every value of the group `posterior`.

    Returns
    -------
    Gate
        `passed`, `items`, `to_frame` and `raise_if_failed`.

    Raises
    ------
    InputError
        Without a posterior or the sampler's energy.

    Notes
    -----
    Beside rank-normalised R-hat, bulk and tail effective sizes, divergences, tree depth and E-BFMI:
    chains that are copies of one another, that lie apart, or that stand still, and draws without a
    variance.

    References
    ----------
    Vehtari et al. (2021), Bayesian Analysis 16, 667-718. Betancourt (2016), arXiv 1604.00695.

    Examples
    --------
    With `h` as in `hierarchical`:

    >>> cg.gate(h.idata).passed == h.gate.passed
    True
    """
    children = getattr(idata, "children", {})
    if "posterior" not in children or "energy" not in getattr(
        children.get("sample_stats"), "data_vars", {}
    ):
        raise InputError(
            "idata", "has no posterior with the sampler's energy", "give draws of NUTS"
        )
    if REPORTED in children:
        kept = children[REPORTED]
        quantities, events = _named(kept["quantities"]), _named(kept["events"])
    else:
        quantities, events = _values(children["posterior"]), {}
    return Gate(check(quantities, events, sampler_stats(idata)).items)


def _named(array: Any) -> dict[str, FloatArray]:
    """Draws by name along the last dimension."""
    names = array[array.dims[-1]].to_numpy()
    return {str(name): array.to_numpy()[..., at] for at, name in enumerate(names)}


def _values(group: Any) -> dict[str, FloatArray]:
    """Every number of every variable, shape (chains, draws) each."""
    found = {}
    for name, array in group.data_vars.items():
        draws = array.transpose("chain", "draw", ...).to_numpy().astype(np.float64)
        for at in np.ndindex(*draws.shape[2:]):
            label = f"{name}[{', '.join(map(str, at))}]" if at else str(name)
            found[label] = draws[(..., *at)]
    return found


def sampler_stats(idata: Any) -> SamplerStats:
    """What a sampler says of itself, under the names of PyMC, nutpie or `StoredDraws`."""
    stats = idata["sample_stats"]

    def count(names: tuple[str, ...], attribute: str) -> int:
        for name in names:
            if name in stats.data_vars:
                return int(stats[name].to_numpy().sum())
        return int(idata.attrs.get(attribute, 0))

    return SamplerStats(
        energy=stats["energy"].to_numpy().astype(np.float64),
        divergences=count(("diverging",), "divergences"),
        deepest=count(("reached_max_treedepth", "maxdepth_reached"), "deepest"),
    )
