"""The command `coopgap report`: make a saved run's report again without fitting."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from coopgap.app.command import run_command, some_of
from coopgap.core.atomic import FIGURES, FORMATS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coopgap report",
        description="Make the report of a saved run again, from its tables; nothing is fitted.",
        epilog="Exit: 0 done; 2 the folder is no run or is damaged, nothing written.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that coopgap fit wrote")
    parser.add_argument(
        "--formats",
        type=some_of(FORMATS),
        default=("html", "md"),
        metavar="LIST",
        help=f"any of {','.join(FORMATS)} (default: html,md)",
    )
    parser.add_argument(
        "--figures",
        type=some_of(FIGURES),
        default=(),
        metavar="LIST",
        help=f"every figure also as {','.join(FIGURES)}",
    )
    parser.add_argument("--verbose", action="store_true", help="name every file that was written")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = _parser().parse_args(argv)
    return run_command(lambda: _again(args))


def _again(args: argparse.Namespace) -> int:
    from coopgap.report.saved import rewrite
    from coopgap.report.terminal import paths_to_tell

    written = rewrite(args.folder, args.formats, args.figures)
    for path in paths_to_tell(args.folder, written, verbose=args.verbose):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
