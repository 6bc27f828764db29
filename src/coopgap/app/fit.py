"""The command `python -m coopgap.fit`: parse, call, exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from coopgap.app.command import at_least, run_command, some_of
from coopgap.core.atomic import FIGURES, FORMATS

EXCEPTIONS = 3

formats_of = some_of(FORMATS)
"""Type of an argument: formats of a report, separated by commas."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coopgap fit",
        description="Estimate the gap between co-operative members and non-members.",
        epilog="Exit: 0 done; 2 the input cannot be used, nothing written; 3 done, with rows "
        "withheld or not estimable; 130 interrupted; 143 terminated; 1 a fault of coopgap.",
    )
    parser.add_argument(
        "study", nargs="?", default="peru", help="a study folder or a shipped study (default: peru)"
    )
    parser.add_argument("--data", metavar="FILE", help="survey file; overrides the study's own")
    parser.add_argument(
        "--encoding", metavar="NAME", help="of the survey file's text, where it is not detected"
    )
    parser.add_argument("--out", metavar="DIR", help="output folder (default: reports/STUDY)")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="MODEL", help="fit these models only"
    )
    parser.add_argument("--checks", choices=("quick", "full"), default="quick")
    parser.add_argument(
        "--formats",
        type=formats_of,
        default=("csv", "html", "md"),
        metavar="LIST",
        help=f"any of {','.join(FORMATS)} (default: csv,html,md)",
    )
    parser.add_argument(
        "--figures",
        type=some_of(FIGURES),
        default=(),
        metavar="LIST",
        help=f"every figure also as {','.join(FIGURES)}",
    )
    parser.add_argument("--seed", type=at_least(0), default=20200131, metavar="N")
    parser.add_argument(
        "--draws", type=at_least(100), metavar="N", help="posterior draws a chain, for every model"
    )
    parser.add_argument("--jobs", type=at_least(1), metavar="N", help="processes (default: cores)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask scheduler for multiverses, in their place"
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
        Exit code: 0, 1, 2, 3, 130 or 143.
    """
    args = _parser().parse_args(argv)
    return run_command(lambda: _dry_run(args) if args.dry_run else _fit(args))


def _dry_run(args: argparse.Namespace) -> int:
    from coopgap.app.plan import make_plan
    from coopgap.families.plan import foreseen
    from coopgap.report.plan import plan_text

    plan = make_plan(args.study, args.data, args.only, args.encoding)
    exceptions = foreseen(plan)
    print(plan_text(plan, exceptions, verbose=args.verbose))
    return EXCEPTIONS if exceptions else 0


def _fit(args: argparse.Namespace) -> int:
    from coopgap.app.pipeline import execute, stages
    from coopgap.app.plan import make_plan
    from coopgap.bayes.store import DRAWS_FOLDER
    from coopgap.core.atomic import check_target
    from coopgap.core.executor import executor
    from coopgap.core.progress import progress
    from coopgap.report.data import make_results
    from coopgap.report.terminal import paths_to_tell, show_headlines

    plan_args = (args.study, args.data, args.only, args.encoding)
    with progress(quiet=args.quiet, verbose=args.verbose) as notify:
        notify("reading the study and the survey")
        plan = make_plan(*plan_args)
        target = Path(args.out) if args.out else Path("reports") / plan.study.name
        check_target(target)
        notify.expect(stages(plan, args.checks) + 1)
        if args.scheduler is not None:
            with executor(scheduler=args.scheduler):
                pass
        run = execute(
            plan,
            checks=args.checks,
            seed=args.seed,
            draws=args.draws,
            jobs=args.jobs,
            scheduler=args.scheduler,
            reuse=target / DRAWS_FOLDER,
            notify=notify,
        )
        notify("writing tables, figures and report")
        written = run.save(target, args.formats, args.figures)
    for row in run.exceptions.itertuples(index=False):
        where = f"{row.model}, {row.family}, {row.group}, {row.population}"
        reason = f": {row.reason!s}" if row.reason else ""
        print(f"coopgap: {where}: {row.status}{reason}", file=sys.stderr)
    for warning in run.meta["warnings"]:
        print(f"coopgap: warning: {warning}", file=sys.stderr)
    if not args.quiet:
        show_headlines(make_results(run.frames, run.study, run.meta))
    for path in paths_to_tell(target, written, verbose=args.verbose):
        print(path)
    return EXCEPTIONS if len(run.exceptions) else 0
