"""A process of its own for each hierarchical model: `python -m coopgap.bayes.worker IN OUT`.

Its own process keeps PyMC out of the command's, lets two models run side by side, and starts
the same on every system. What goes in and out are arrays and JSON, never pickles.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from coopgap.bayes.records import GateItem, HierarchicalFit, Priors, RegionCells

__all__ = ["Request", "main", "read_fit", "write_request"]

type Request = dict[str, Any]
"""Plain values: draws, target_accept, seed, smallest_gap, priors."""

_CELL_ARRAYS = ("counts", "member", "region", "covariates")


def write_request(path: Path, cells: RegionCells, request: Request) -> None:
    """Write what a worker needs: arrays, and names and choices as JSON."""
    names = {"levels": cells.levels, "regions": cells.regions, "terms": dict(cells.terms)}
    np.savez(
        path,
        header=np.array(json.dumps(request | {"names": names})),
        **{name: getattr(cells, name) for name in _CELL_ARRAYS},
    )


def _read_request(path: Path) -> tuple[RegionCells, Request]:
    with np.load(path, allow_pickle=False) as stored:
        request: Request = json.loads(str(stored["header"]))
        arrays = {name: stored[name] for name in _CELL_ARRAYS}
    names = request.pop("names")
    cells = RegionCells(
        levels=tuple(names["levels"]),
        regions=tuple(names["regions"]),
        terms={name: tuple(levels) for name, levels in names["terms"].items()},
        **arrays,
    )
    return cells, request


def _write_fit(path: Path, fit: HierarchicalFit) -> None:
    header = {
        "gate": [asdict(item) for item in fit.gate],
        "seconds": dict(fit.seconds),
        "retried": fit.retried,
        "parameters": list(fit.parameters),
    }
    np.savez(
        path,
        header=np.array(json.dumps(header)),
        member=fit.member,
        comparison=fit.comparison,
        region_gap=fit.region_gap,
        parameters=np.stack(list(fit.parameters.values())),
    )


def read_fit(path: Path) -> HierarchicalFit:
    """Read what a worker wrote."""
    with np.load(path, allow_pickle=False) as stored:
        header = json.loads(str(stored["header"]))
        return HierarchicalFit(
            member=stored["member"],
            comparison=stored["comparison"],
            region_gap=stored["region_gap"],
            parameters=dict(zip(header["parameters"], stored["parameters"], strict=True)),
            gate=tuple(
                GateItem(**{item.name: one[item.name] for item in fields(GateItem)})
                for one in header["gate"]
            ),
            seconds=header["seconds"],
            retried=header["retried"],
        )


@contextmanager
def compile_cache() -> Iterator[Path]:
    """A persistent compile cache that no other process uses meanwhile.

    The caches of PyTensor and numba are not safe between processes, so each process takes the
    first numbered cache that is free and holds its lock until it ends.
    """
    from filelock import FileLock, Timeout
    from platformdirs import user_cache_path

    root = user_cache_path("coopgap", appauthor=False) / "compiled"
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1000):
        lock = FileLock(root / f"{number}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield root / str(number)
        finally:
            lock.release()
        return
    raise RuntimeError(f"no free compile cache under {root}")


def _end_with_parent() -> None:
    """End when the parent's end of stdin closes: nobody waits for the draws any more."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main(arguments: list[str]) -> int:
    """Fit one request."""
    Thread(target=_end_with_parent, daemon=True).start()
    source, target = (Path(argument) for argument in arguments)
    cells, request = _read_request(source)
    with compile_cache() as cache:
        # Both must be set before PyTensor is imported. Fast-math would give other draws on a
        # cold cache than on a warm one.
        flags = f"base_compiledir={cache},numba__fastmath=False"
        os.environ["PYTENSOR_FLAGS"] = flags
        from coopgap.bayes.fit import fit_hierarchical

        fit = fit_hierarchical(cells, Priors(**request.pop("priors")), **request)
    _write_fit(target, fit)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
