"""Draws that passed the gate, kept as netCDF in ArviZ's layout and reused if nothing changed.

No answers are kept beside them. A file says what the draws were made from, and carries a checksum
over its own content: a half-written or altered file is refused.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from coopgap.arrays import FloatArray
from coopgap.bayes.layout import Draws
from coopgap.bayes.records import SamplerStats
from coopgap.errors import CoopgapError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DRAWS_FOLDER", "DrawsError", "StoredDraws", "load_draws", "save_draws"]

DRAWS_FOLDER: Final = "draws"
"""Where an output folder keeps them."""

_ENGINE: Final = "h5netcdf"
_OWN: Final = ("digest", "seconds", "retried", "divergences", "deepest")


class DrawsError(CoopgapError):
    """A file of draws cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDraws:
    """Draws of one model with what they were made from.

    Attributes
    ----------
    digest
        Of the request, as `coopgap.bayes.fit.Request.digest`.
    draws
        As `coopgap.bayes.layout.Draws`.
    stats
        Of the sampler.
    seconds, retried
        Of the fit.
    """

    digest: str
    draws: Draws
    stats: SamplerStats
    seconds: float
    retried: bool


def save_draws(path: Path, stored: StoredDraws) -> None:
    """Write draws under a temporary name, bring them to disk, rename.

    Parameters
    ----------
    path
        Ends in `.nc`; its folder exists.
    stored
        What to keep.
    """
    import xarray as xr

    attributes: dict[str, Any] = {
        "digest": stored.digest,
        "seconds": stored.seconds,
        "retried": int(stored.retried),
        "divergences": stored.stats.divergences,
        "deepest": stored.stats.deepest,
    }
    attributes["checksum"] = _checksum(stored.draws, stored.stats.energy, attributes)
    tree = xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=attributes),
            "/posterior": _dataset(stored.draws),
            "/sample_stats": _dataset({"energy": stored.stats.energy}),
        }
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        tree.to_netcdf(temporary, engine=_ENGINE)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_draws(path: Path, digest: str) -> StoredDraws:
    """Read draws that were made for a request.

    Parameters
    ----------
    path
        A file of `save_draws`.
    digest
        Of the request that the draws are wanted for.

    Raises
    ------
    DrawsError
        If the file is absent, is not such a file, was altered, or was made for another request.
    """
    import xarray as xr

    if not path.is_file():
        raise DrawsError(f"{path.name}: no draws are kept")
    try:
        with xr.open_datatree(path, engine=_ENGINE) as tree:
            attributes = {name: _plain(value) for name, value in tree.attrs.items()}
            draws = {str(k): v.to_numpy() for k, v in tree["posterior"].data_vars.items()}
            energy = tree["sample_stats"]["energy"].to_numpy()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DrawsError(f"{path.name}: is not a file of draws, or is damaged") from error
    kept: dict[str, Any] = {name: attributes.get(name) for name in _OWN}
    if attributes.get("checksum") != _checksum(draws, energy, kept):
        raise DrawsError(f"{path.name}: its content is not what was written")
    if kept["digest"] != digest:
        raise DrawsError(f"{path.name}: was made from another survey, model, seed or version")
    return StoredDraws(
        digest=digest,
        draws=draws,
        stats=SamplerStats(
            energy=energy,
            divergences=int(kept["divergences"]),
            deepest=int(kept["deepest"]),
        ),
        seconds=float(kept["seconds"]),
        retried=bool(kept["retried"]),
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _dataset(draws: Mapping[str, FloatArray]) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        {
            name: (("chain", "draw", *(f"{name}_dim_{k}" for k in range(values.ndim - 2))), values)
            for name, values in draws.items()
        }
    )


def _checksum(
    draws: Mapping[str, FloatArray], energy: FloatArray, attributes: Mapping[str, Any]
) -> str:
    """SHA-256 over names, shapes and bytes of everything in the file."""
    found = hashlib.sha256()
    for name in _OWN:
        found.update(f"{name}={attributes.get(name)!r};".encode())
    for name, values in sorted({**draws, "energy": energy}.items()):
        found.update(f"{name}{values.shape}".encode())
        found.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return found.hexdigest()
