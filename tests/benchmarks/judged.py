"""What a benchmark found beside what is asked of it, and where it was found."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = ("coopgap", "numpy", "scipy", "statsmodels", "numba", "nutpie", "pymc")
R_PACKAGES = ("ordinal", "MatchIt", "brms", "rstan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One number of a benchmark.

    Attributes
    ----------
    what
        What was measured.
    found
        The number with its unit.
    target
        What is asked of it; empty where nothing is.
    met
        Whether it is met; None without a target or where it could not be measured.
    """

    what: str
    found: str
    target: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """Met, missed, not measured, or empty where nothing is asked."""
        if self.met is None:
            return "not measured" if self.target else ""
        return "met" if self.met else "missed"

    @property
    def line(self) -> str:
        """One line for a terminal."""
        asked = f"{self.target:<20}{self.verdict}" if self.target else ""
        return f"  {self.what:<58}{self.found:>12}   {asked}".rstrip()


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,} {unit}".strip()
    digits = 3 if value < 1 else 2 if value < 10 else 1
    return f"{value:,.{digits}f} {unit}".strip()


def at_least(what: str, value: float | None, bar: float | None, unit: str) -> Judged:
    """Judge a number that is to reach a bar, if any; None where it could not be measured."""
    return _judge(what, value, bar, unit, "at least", lambda: value >= bar)


def at_most(what: str, value: float | None, bar: float | None, unit: str) -> Judged:
    """Judge a number that is to stay within a bar, if any; None where it is not measured."""
    return _judge(what, value, bar, unit, "at most", lambda: value <= bar)


def beside(what: str, value: float | None, unit: str) -> Judged:
    """A number that nothing is asked of; None where it could not be measured."""
    return Judged(what=what, found=_text(value, unit))


def _judge(
    what: str,
    value: float | None,
    bar: float | None,
    unit: str,
    words: str,
    reached: Callable[[], bool],
) -> Judged:
    if bar is None:
        return beside(what, value, unit)
    target = f"{words} {bar:g} {unit}".strip()
    met = None if value is None else reached()
    return Judged(what=what, found=_text(value, unit), target=target, met=met)


def arguments(doc: str | None, **defaults: object) -> argparse.ArgumentParser:
    """The options every benchmark has, and some of its own by their defaults."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--results", type=Path, help="append what was found to this file, as JSON")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser


def main(doc: str | None, judge: Callable[..., list[Judged]], **defaults: object) -> None:
    """Time, print and judge, with the options named."""
    options = vars(arguments(doc, **defaults).parse_args())
    results = options.pop("results")
    finish(judge(**options), results)


def timed[T](call: Callable[[], T], clock: Callable[[], float] = time.perf_counter):
    """A result and the seconds it took, of wall or of another clock."""
    start = clock()
    result = call()
    return result, clock() - start


def fastest(call: Callable[[], object], repeats: int) -> float:
    """Least seconds of several calls."""
    return min(timed(call)[1] for _ in range(repeats))


def by_r(script: str, *given: object, cwd: Path | None = None) -> list[float] | None:
    """The numbers that an R script of this folder prints; None without R or what it needs."""
    if shutil.which("Rscript") is None:
        return None
    command = ["Rscript", str(Path(__file__).with_name(script)), *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    return None if done.returncode else [float(one) for one in done.stdout.split()]


def finish(found: list[Judged], results: Path | None) -> None:
    """Print what was found, and keep it where a file is named."""
    for one in found:
        print(one.line, flush=True)
    if results is not None:
        with results.open("a", encoding="utf-8") as file:
            for one in found:
                file.write(json.dumps(dataclasses.asdict(one)) + "\n")


def load(results: Path) -> list[Judged]:
    """What benchmarks have written."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return [Judged(**json.loads(line)) for line in lines]


def markdown(found: list[tuple[str, list[Judged]]]) -> str:
    """A table a benchmark, under the machine and the versions it ran with."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench ARGS=--write`; each benchmark runs in a process of its own.",
        "",
        *(f"- {line}" for line in _machine()),
    ]
    for name, rows in found:
        lines += ["", f"## {name}", "", "| what | found | asked | |", "|---|---|---|---|"]
        lines += [f"| {r.what} | {r.found} | {r.target} | {r.verdict} |" for r in rows]
    return "\n".join(lines) + "\n"


def _machine() -> list[str]:
    info = Path("/proc/cpuinfo")
    model = platform.processor() or platform.machine()
    if info.exists():
        named = [x for x in info.read_text("utf-8").splitlines() if x.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    lines = [
        f"{model}, {os.cpu_count()} cores, {platform.system()}",
        f"Python {platform.python_version()}, {versions}",
    ]
    return [*lines, _r_versions()]


def _r_versions() -> str:
    if shutil.which("Rscript") is None:
        return "R is not installed"
    listed = ", ".join(f"'{name}'" for name in R_PACKAGES)
    code = (
        f"cat('R', as.character(getRversion())); for (p in c({listed})) "
        "if (requireNamespace(p, quietly = TRUE)) cat(',', p, as.character(packageVersion(p)))"
    )
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
    return done.stdout.replace(" ,", ",")
