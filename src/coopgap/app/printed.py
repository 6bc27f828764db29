"""The command `coopgap printed`: find the registry, re-analyse its numbers, write the report."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from coopgap.app.command import run_command
from coopgap.app.fit import EXCEPTIONS, formats_of
from coopgap.core.atomic import FORMATS
from coopgap.core.errors import StudyError

if TYPE_CHECKING:
    from coopgap.datasets.registry import Registry
    from coopgap.printed.rows import PrintedResult
    from coopgap.study.spec import Benchmark


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coopgap printed",
        description="Re-analyse the numbers that a report prints: every comparison with intervals, "
        "rounding bounds and design effects. Nothing is read but the printed numbers.",
        epilog="Exit: 0 done; 2 the input cannot be used, nothing written; 3 done, with ratios "
        "that do not exist; 130 interrupted; 1 a fault of coopgap.",
    )
    parser.add_argument(
        "registry",
        nargs="?",
        default="peru",
        help="a shipped registry (kenya, peru, philippines, poland), a CSV file, or a study folder "
        "that names one (default: peru)",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="output folder (default: reports/printed_REGISTRY)"
    )
    parser.add_argument(
        "--formats",
        type=formats_of,
        default=("csv", "html", "md"),
        metavar="LIST",
        help=f"any of {','.join(FORMATS)} (default: csv,html,md)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--verbose", action="store_true", help="say where the time goes")
    parser.add_argument("--version", action="version", version=f"coopgap {version('coopgap')}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv
        Arguments; those of the process if None.

    Returns
    -------
    int
        Exit code: 0, 1, 2, 3 or 130.
    """
    args = _parser().parse_args(argv)
    return run_command(lambda: _printed(args))


def _printed(args: argparse.Namespace) -> int:
    from coopgap.core.atomic import check_target
    from coopgap.core.progress import progress
    from coopgap.core.vocabulary import Status
    from coopgap.printed.rows import analyse

    with progress(quiet=args.quiet, verbose=args.verbose) as notify:
        notify("reading the printed numbers")
        registry, source, title, benchmarks = find_registry(args.registry)
        target = Path(args.out) if args.out else Path("reports") / f"printed_{registry.name}"
        check_target(target)
        notify("comparing")
        started = time.perf_counter()
        result = analyse(registry, benchmarks)
        seconds = {"printed": time.perf_counter() - started}
        notify("writing tables, figures and report")
        written = save_printed(result, source, title, target, args.formats, seconds)
    for path in written:
        print(path)
    blank = [row for row in result.gaps if row.status is Status.NOT_ESTIMABLE]
    if blank:
        row = blank[0]
        where = ", ".join(part for part in (row.model, row.quantity, row.category) if part)
        rows = "1 row" if len(blank) == 1 else f"{len(blank)} rows"
        print(f"coopgap: {rows} {row.status}: a share is 0 or 1; first {where}", file=sys.stderr)
    return EXCEPTIONS if blank else 0


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
    """The registry that a user names.

    Parameters
    ----------
    named
        A shipped registry, a CSV file, or a study folder whose study.toml names one. A file or
        folder of a shipped registry's name wins.

    Raises
    ------
    StudyError
        If there is none such, or what is there cannot be used.
    """
    from coopgap.datasets.registry import SHIPPED, load_registry
    from coopgap.study.load import load_printed, load_study, shipped_studies

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

    Parameters
    ----------
    result
        What was found.
    source
        Where the registry is: a shipped name or a file.
    title
        Of the report.
    target
        Made if absent. An existing folder is replaced only if it is empty or holds an earlier run.
    formats
        Any of `coopgap.core.atomic.FORMATS`; csv is always written.
    seconds
        Wall time of the stages before.

    Raises
    ------
    OutputError
        If the folder holds something else, or cannot be written.
    """
    from coopgap.app.meta import printed_meta
    from coopgap.core.atomic import replace_folder
    from coopgap.core.estimate import TABLES, to_frame
    from coopgap.printed.rows import registry_frame
    from coopgap.report.printed import printed_study
    from coopgap.report.sheets import write_csv
    from coopgap.report.write import write_report

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


if __name__ == "__main__":
    sys.exit(main())
