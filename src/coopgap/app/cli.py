"""Every command by name: its arguments, and the work that is imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from coopgap import __version__
from coopgap.app import commands
from coopgap.app.command import at_least, run_command, some_of
from coopgap.core.atomic import FIGURES, FORMATS
from coopgap.core.errors import shortened

SEED: Final = 20200131

DESIGNS: Final = ("default", "small", "empty_cell")
"""Names of `coopgap.calibration.designs.DESIGNS`, without what that imports."""

_ENDS: Final = "130 interrupted; 143 terminated; 1 a fault of coopgap."


def _survey(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FILE", help="survey file; overrides the study's own")


def _encoding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoding", metavar="NAME", help="of the file's text, where it is not detected"
    )


def _out(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"output folder ({default})")


def _formats(parser: argparse.ArgumentParser, *default: str) -> None:
    parser.add_argument(
        "--formats",
        type=some_of(FORMATS),
        default=default,
        metavar="LIST",
        help=f"any of {','.join(FORMATS)} (default: {','.join(default)})",
    )


def _figures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--figures",
        type=some_of(FIGURES),
        default=(),
        metavar="LIST",
        help=f"every figure also as {','.join(FIGURES)}",
    )


def _processes(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--seed", type=at_least(0), default=SEED, metavar="N")
    parser.add_argument("--jobs", type=at_least(1), metavar="N", help="processes (default: cores)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help=f"a Dask scheduler {what}")


def _fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "study", nargs="?", default="peru", help="a study folder or a shipped study (default: peru)"
    )
    _survey(parser)
    _encoding(parser)
    _out(parser, "default: reports/STUDY")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="MODEL", help="fit these models only"
    )
    parser.add_argument("--checks", choices=("quick", "full"), default="quick")
    _formats(parser, "csv", "html", "md")
    _figures(parser)
    _processes(parser, "in place of processes, for multiverses")
    parser.add_argument(
        "--draws", type=at_least(100), metavar="N", help="posterior draws a chain, for every model"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read, validate, show the plan; fit nothing"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, no table of headlines")
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="say where the time goes, name every file; of a dry run, say all that is known",
    )


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that coopgap fit wrote")
    _formats(parser, "html", "md")
    _figures(parser)
    parser.add_argument("--verbose", action="store_true", help="name every file that was written")


def _printed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "registry",
        nargs="?",
        default="peru",
        help="a shipped registry (kenya, peru, philippines, poland), a CSV file, or a study folder "
        "that names one (default: peru)",
    )
    _out(parser, "default: reports/printed_REGISTRY")
    _formats(parser, "csv", "html", "md")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--verbose", action="store_true", help="say where the time goes")


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a survey file")
    _encoding(parser)


def _init(parser: argparse.ArgumentParser) -> None:
    _describe(parser)
    _out(parser, "default: models/FILE without its ending")


def _schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", choices=("study", "model"), nargs="?", default="study")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there")
    parser.add_argument("--keys", action="store_true", help="the keys as a table in Markdown")


def _example(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="ends in .csv, .parquet, .sav or .dta"
    )
    parser.add_argument("--n", type=int, default=2007, help="people in person (default: 2007)")
    parser.add_argument("--seed", type=int, metavar="N", help="default: the shipped example's")
    parser.add_argument(
        "--mode",
        choices=("calibrated", "free"),
        help="calibrated: printed totals exactly, for n = 2007 (default there); free: they vary",
    )


def _calibrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", default="ses", help="a model file's stem (default: ses)"
    )
    parser.add_argument("--study", default="peru", help="a study folder or a shipped study")
    _survey(parser)
    parser.add_argument("--design", choices=DESIGNS, default="default")
    parser.add_argument("--sims", type=at_least(1), default=500, metavar="N", help="replicates")
    parser.add_argument("--draws", type=at_least(50), default=500, help="a chain (default: 500)")
    parser.add_argument("--tune", type=at_least(50), default=400, help="a chain (default: 400)")
    parser.add_argument("--target-accept", type=float, default=0.95, help="default: 0.95")
    _processes(parser, "in place of processes")
    _out(parser, "default: reports/calibration")
    parser.add_argument("--quiet", action="store_true", help="no progress")


class Command(NamedTuple):
    """A command: what it does in a line and in full, how it ends, its arguments and its work."""

    summary: str
    description: str
    epilog: str
    arguments: Callable[[argparse.ArgumentParser], None]
    work: Callable[[argparse.Namespace], int]


COMMANDS: Final[dict[str, Command]] = {
    "fit": Command(
        "estimate the gaps of a study and write its report",
        "Estimate the gap between co-operative members and non-members.",
        "Exit: 0 done; 2 the input cannot be used, nothing written; 3 done, with rows "
        f"withheld or not estimable; {_ENDS}",
        _fit,
        commands.fit,
    ),
    "report": Command(
        "make the report of a saved run again, without fitting",
        "Make the report of a saved run again, from its tables; nothing is fitted.",
        "Exit: 0 done; 2 the folder is no run or is damaged, nothing written.",
        _report,
        commands.report,
    ),
    "init": Command(
        "write a study folder from a survey file, to be edited",
        "Write a whole study folder from a survey file: study.toml, and a model file for each of a "
        "few questions that may be outcomes. Name the question of membership; every other decision "
        "is drafted and marked EDIT.",
        "Exit: 0 done; 2 the file cannot be used, or the folder is not empty; nothing written.",
        _init,
        commands.init,
    ),
    "describe": Command(
        "draft a study.toml from a survey file's own labels",
        "Draft a study.toml from a survey file's own labels, for you to edit.",
        "The draft goes to standard output: coopgap describe FILE > study.toml",
        _describe,
        commands.describe,
    ),
    "schema": Command(
        "print the JSON Schema of study.toml or of a model file",
        "Print the JSON Schema of study.toml, or of a model file.",
        "There are two: coopgap schema study --out study.schema.json, and coopgap schema model "
        "--out model.schema.json. An editor that knows TOML schemas completes and checks the keys "
        "of a file whose first line is #:schema study.schema.json",
        _schema,
        commands.schema,
    ),
    "example": Command(
        "write the example survey",
        "Write the example survey: EXAMPLE DATA rebuilt from printed margins, with known true "
        "gaps. It is not a survey of Peru.",
        "",
        _example,
        commands.example,
    ),
    "printed": Command(
        "re-analyse the numbers that a report prints",
        "Re-analyse the numbers that a report prints: every comparison with intervals, rounding "
        "bounds and design effects. Nothing is read but the printed numbers.",
        "Exit: 0 done; 2 the input cannot be used, nothing written; 3 done, with ratios that do "
        f"not exist; {_ENDS}",
        _printed,
        commands.printed,
    ),
    "calibrate": Command(
        "simulation-based calibration of a model by region",
        "Draw truths from the prior and answers from the truths, fit each, and see whether the "
        "truths' ranks among the posterior draws are uniform.",
        "Replicates are kept one file each: the same command goes on where it stopped. Exit: 0 "
        "done; 3 done, and some gap's ranks are not uniform; 2 the input cannot be used.",
        _calibrate,
        commands.calibrate,
    ),
}


def run(name: str, argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    name
        A key of `COMMANDS`.
    argv
        Its arguments; those of the process if None.

    Returns
    -------
    int
        Exit code: 0 done, 3 done with exceptions, 2 the input cannot be used, 130 interrupted,
        143 terminated, 1 a fault of coopgap.
    """
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"coopgap {name}", description=command.description, epilog=command.epilog
    )
    command.arguments(parser)
    parser.add_argument("--version", action="version", version=f"coopgap {__version__}")
    return run_command(partial(command.work, parser.parse_args(argv)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named first: `coopgap COMMAND …`."""
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or [""]
    if name == "--version":
        print(f"coopgap {__version__}")
        return 0
    if name in COMMANDS:
        return run(name, rest)
    if name and not name.startswith("-"):
        near = get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.5)
        guess = f"did you mean {near[0]}? " if near else ""
        allowed = f"{guess}allowed: {', '.join(COMMANDS)}"
        print(f"coopgap: {shortened(name)}: no such command; {allowed}", file=sys.stderr)
        return 2
    asked = name in ("-h", "--help")
    lines = [f"  {name:<9} {command.summary}" for name, command in COMMANDS.items()]
    usage = ["usage: coopgap COMMAND …", "", *lines, "", "coopgap COMMAND --help says more."]
    print("\n".join(usage), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2
