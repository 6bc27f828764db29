"""Every command by name: its arguments, and what becomes an exit code and one line."""

from __future__ import annotations

import argparse
import errno
import gc
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple, NoReturn

from coopgap import __version__
from coopgap.app import commands
from coopgap.core.atomic import FIGURES, FORMATS
from coopgap.core.errors import InputError, WorkerError, shortened

SEED: Final = 20200131

DESIGNS: Final = ("default", "small", "empty_cell")
"""Names of `coopgap.calibration.designs.DESIGNS`, without what that imports."""

_ENDS: Final = "130 interrupted; 143 terminated; 1 a fault of coopgap."


def at_least(least: int) -> Callable[[str], int]:
    """Type of an argument: a whole number not below `least`."""

    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    integer.__name__ = "whole number"
    return integer


def some_of(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Type of an argument: some of the words allowed, separated by commas."""

    def names(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        unknown = [name for name in found if name not in allowed]
        if unknown or not found:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown) or 'nothing'}; allowed: {', '.join(allowed)}"
            )
        return found

    names.__name__ = "list"
    return names


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
    """Run a command of `COMMANDS` with these arguments, or the process's own: its exit code."""
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


FAULT = 1
INPUT_ERROR = 2
INTERRUPTED = 130
TERMINATED = 143

_MACHINE: Final = {
    errno.ENOSPC: "make room, or name another --out",
    errno.EDQUOT: "make room, or name another --out",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ENOMEM: "give it more memory (ulimit -v), or fewer --jobs",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EROFS: "name another --out",
}
"""What a machine may refuse at any moment, and what helps; nothing of it is a fault of coopgap."""

_NO_MEMORY: Final = ("failed to map segment", "can't start new thread")


class _Terminated(KeyboardInterrupt):
    """SIGTERM: everything that Ctrl-C cleans up is cleaned up."""


_OBJECTS: Final = 100_000
"""New objects after which cycles are looked for: of the thousands of records of a run none makes
one, and looking takes a twentieth of its time."""


def run_command(work: Callable[[], int]) -> int:
    """Do a command's work and turn what goes wrong into an exit code.

    That of the work where it ends by itself; 2 with one line on stderr where the input cannot be
    used or the machine has no room for the work; 130 where interrupted and 143 where terminated;
    1 with the traceback for a fault of coopgap.
    """
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    try:
        with _terminable():
            return work()
    except InputError as error:
        return _refused(str(error))
    except _Terminated:
        print("coopgap: terminated; nothing was written", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print("coopgap: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place that turns a fault into exit 1
        reason = _of_the_machine(error)
        if reason is not None:
            return _refused(reason)
        traceback.print_exc()
        return FAULT


def _refused(line: str) -> int:
    print(f"coopgap: {line}", file=sys.stderr)
    return INPUT_ERROR


def _of_the_machine(error: BaseException) -> str | None:
    """One line for an error that comes of the machine's limits."""
    more = _MACHINE[errno.ENOMEM]
    # Errors of the loader and of the interpreter have no type for want of memory.
    if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
        return f"the memory allowed is not enough; {more}"
    if isinstance(error, WorkerError):
        return f"{error}: it was killed, or the memory allowed is not enough; {more}"
    if isinstance(error, OSError) and error.errno in _MACHINE:
        where = shortened(error.filename or "")
        found = f"{where}: {error.strerror}" if where else str(error.strerror)
        return f"{found}; {_MACHINE[error.errno]}"
    # An import, a thread or a library's own error may stand in front of it.
    behind = error.__cause__ or error.__context__
    return None if behind is None else _of_the_machine(behind)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises as Ctrl-C does, once: what cleans up is not cut short by a second one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        raise _Terminated

    former = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
