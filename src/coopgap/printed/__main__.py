"""The command `python -m coopgap.printed`: re-analyse the numbers that a report prints."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from coopgap.app.command import run_command
from coopgap.app.fit import EXCEPTIONS, formats_of
from coopgap.core.atomic import FORMATS


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
    from coopgap.app.printed import find_registry, save_printed
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


if __name__ == "__main__":
    sys.exit(main())
