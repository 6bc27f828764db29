"""Draws that passed the gate, kept as netCDF in ArviZ's layout and reused if nothing changed.

Levels stand by their names. No answers are kept beside them. A file says what the draws were made
from, and its SHA-256 stands beside it, as `sha256sum` writes it. HDF5 never opens a file that is
not what was written: on one flipped bit it can wait for ever.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coopgap.bayes.gate import SamplerStats
from coopgap.bayes.layout import Draws, Names
from coopgap.core.errors import CoopgapError

if TYPE_CHECKING:
    import xarray as xr

DRAWS_FOLDER: Final = "draws"
"""Where an output folder keeps them."""

_ENGINE: Final = "h5netcdf"
_SUM: Final = ".sha256"


class DrawsError(CoopgapError):
    """A file of draws cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDraws:
    """Draws of one model with what they were made from.

    Attributes
    ----------
    digest
        Of the request, as `coopgap.bayes.fit.Request.digest`.
    draws, names
        As `coopgap.bayes.layout.Draws`, and what their levels are called.
    stats
        Of the sampler.
    seconds, retried
        Of the fit.
    content
        The file they were read from, which is written as it is.
    """

    digest: str
    draws: Draws
    stats: SamplerStats
    seconds: float
    retried: bool
    names: Names = Names({}, {})
    content: bytes | None = field(default=None, repr=False)

    def tree(self) -> xr.DataTree:
        """The draws as ArviZ takes them: groups `posterior` and `sample_stats`."""
        import xarray as xr

        attributes: dict[str, Any] = {
            "digest": self.digest,
            "seconds": self.seconds,
            "retried": int(self.retried),
            "divergences": self.stats.divergences,
            "deepest": self.stats.deepest,
        }
        posterior = {}
        for name, values in self.draws.items():
            own = (self.names.dims.get(name, f"{name}_dim"),) if values.ndim > 2 else ()
            posterior[name] = (("chain", "draw", *own), values)
        used = {dim for dims, _ in posterior.values() for dim in dims[2:]}
        chains, draws = self.stats.energy.shape
        places = {"chain": range(chains), "draw": range(draws)}
        labels = {k: list(v) for k, v in self.names.coords.items() if k in used}
        energy = {"energy": (("chain", "draw"), self.stats.energy)}
        return xr.DataTree.from_dict(
            {
                "/": xr.Dataset(attrs=attributes),
                "/posterior": xr.Dataset(posterior, coords={**places, **labels}),
                "/sample_stats": xr.Dataset(energy, coords=places),
            }
        )


def save_draws(path: Path, stored: StoredDraws) -> list[Path]:
    """Write draws and their SHA-256, each under a temporary name that is then renamed.

    `path` ends in `.nc`; its folder exists. Returns what was written.
    """
    content = stored.content or bytes(stored.tree().to_netcdf(None, engine=_ENGINE))
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"
    return [_write(path, content), _write(_sum_of(path), line.encode())]


def _sum_of(path: Path) -> Path:
    return path.with_name(path.name + _SUM)


def _write(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


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
    content = _unaltered(path)
    try:
        stored = _parsed(content)
    except Exception as error:
        raise DrawsError(f"{path.name}: is not a file of draws") from error
    if stored.digest != digest:
        raise DrawsError(f"{path.name}: was made from another survey, model, seed or version")
    return stored


def _unaltered(path: Path) -> bytes:
    """The file's bytes, if they are those that were written."""
    if not path.is_file():
        raise DrawsError(f"{path.name}: no draws are kept")
    try:
        noted = _sum_of(path).read_bytes()[: hashlib.sha256().digest_size * 2]
        content = path.read_bytes()
    except OSError as error:
        raise DrawsError(f"{path.name}: it or its SHA-256 cannot be read") from error
    if hashlib.sha256(content).hexdigest().encode() != noted:
        raise DrawsError(f"{path.name}: is damaged or was altered")
    return content


def _parsed(content: bytes) -> StoredDraws:
    """The draws in a file; with xarray the packages that read it take a second to import."""
    import h5netcdf

    with h5netcdf.File(io.BytesIO(content), "r") as file:
        posterior, attributes = file["posterior"], file.attrs
        variables = {name: (one.dimensions, one[...]) for name, one in posterior.variables.items()}
        labelled = sorted((posterior.dims.keys() & variables.keys()) - {"chain", "draw"})
        return StoredDraws(
            digest=str(attributes["digest"]),
            draws={k: values for k, (_, values) in variables.items() if k not in posterior.dims},
            names=Names(
                {k: dims[2] for k, (dims, _) in variables.items() if len(dims) > 2},
                {k: tuple(map(bytes.decode, variables[k][1])) for k in labelled},
            ),
            stats=SamplerStats(
                energy=file["sample_stats"]["energy"][...],
                divergences=int(attributes["divergences"]),
                deepest=int(attributes["deepest"]),
            ),
            seconds=float(attributes["seconds"]),
            retried=bool(attributes["retried"]),
            content=content,
        )
