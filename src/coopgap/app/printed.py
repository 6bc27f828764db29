"""`coopgap printed`: find the registry, re-analyse its numbers, write the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from coopgap.app.meta import printed_meta
from coopgap.core.atomic import replace_folder
from coopgap.core.errors import StudyError
from coopgap.core.estimate import TABLES, to_frame
from coopgap.datasets.registry import SHIPPED, Registry, load_registry
from coopgap.printed.rows import PrintedResult, registry_frame
from coopgap.report.printed import printed_study
from coopgap.report.sheets import write_csv
from coopgap.report.write import write_report
from coopgap.study.load import load_printed, load_study, shipped_studies
from coopgap.study.spec import Benchmark

_TITLES: Final = {
    "peru": "What Difference Do Cooperatives Make? Peru: the printed numbers",
    "kenya": "What Difference Do Cooperatives Make? Kenya: numbers printed elsewhere",
    "philippines": "What Difference Do Cooperatives Make? Philippines: numbers printed elsewhere",
    "poland": "What Difference Do Cooperatives Make? Poland: numbers printed elsewhere",
}


class Named(NamedTuple):
    """A registry, where it is, its report's title, and outside shares that its study declares."""

    registry: Registry
    source: str | Path
    title: str
    benchmarks: tuple[Benchmark, ...] = ()


def find_registry(named: str) -> Named:
    """The registry that a user names: a shipped one, a CSV file, or a study folder that names one.

    A file or folder of a shipped registry's name wins.
    """
    if not named.strip():
        raise StudyError("registry", "is empty", f"shipped registries: {', '.join(SHIPPED)}")
    path = Path(named)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise StudyError(named, "cannot be read", error.strerror or "check it") from error
    if is_file:
        registry = load_registry(path)
        return Named(registry, path, f"{registry.name}: the printed numbers")
    if is_folder:
        alone = load_printed(path)
        if alone is not None:
            return Named(load_registry(alone[1]), alone[1], f"{alone[0]}: the printed numbers")
        study = load_study(path)
        if study.printed is None:
            raise StudyError(
                f"{named}: printed", "is absent in study.toml", 'give printed = "FILE.csv"'
            )
        title = f"{study.title}: the printed numbers"
        return Named(load_registry(study.printed), study.printed, title, study.benchmarks)
    if named in SHIPPED:
        outside = load_study(named).benchmarks if named in shipped_studies() else ()
        return Named(load_registry(named), named, _TITLES[named], outside)
    raise StudyError(
        named, "no such registry, file or folder", f"shipped registries: {', '.join(SHIPPED)}"
    )


def save_printed(
    result: PrintedResult,
    source: str | Path,
    title: str,
    target: Path,
    formats: Collection[str],
    seconds: Mapping[str, float],
) -> list[Path]:
    """Write tables, figures and report; the folder appears whole or not at all.

    It is replaced only if it is empty or holds an earlier run. `source` is a shipped name or a
    file; csv is always written; `seconds` are those of the stages before.
    """
    frames = {name: to_frame(name, getattr(result, name)) for name in TABLES}
    with replace_folder(target) as temporary:
        written = write_report(
            frames,
            printed_study(result, source, title),
            printed_meta(result, title=title, seconds=seconds),
            temporary,
            formats,
            "printed_report.md.j2",
        )
        written += write_csv({"registry": registry_frame(result.traced)}, temporary)
        kept = [path.relative_to(temporary) for path in written]
    return [target / name for name in kept]
