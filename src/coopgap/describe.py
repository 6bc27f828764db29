"""The command `python -m coopgap.describe`: draft a study.toml from a survey file."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from coopgap.app.command import run_command
from coopgap.survey.read import FORMATS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coopgap describe",
        description="Draft a study.toml from a survey file's own labels, for you to edit.",
        epilog="The draft goes to standard output: coopgap describe FILE > study.toml",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help=", ".join(FORMATS))
    parser.add_argument(
        "--encoding", metavar="NAME", help="of the file's text, where it is not detected"
    )
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
        Exit code: 0 done, 2 the file cannot be used, 130 interrupted.
    """
    args = _parser().parse_args(argv)
    return run_command(lambda: _draft(args))


def _draft(args: argparse.Namespace) -> int:
    from coopgap.survey.draft import draft_study
    from coopgap.survey.read import read_table

    raw = read_table(args.file, None, args.encoding)
    text = draft_study(raw, str(args.file.resolve()))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # TOML is UTF-8 whatever the terminal.
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
