"""The command `python -m coopgap.calibrate`: simulation-based calibration of a model by region."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from coopgap.app.command import at_least, run_command
from coopgap.calibration.designs import DESIGNS

if TYPE_CHECKING:
    from coopgap.calibration.replicate import Setup

REJECTED = 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coopgap calibrate",
        description="Draw truths from the prior and answers from the truths, fit each, and see "
        "whether the truths' ranks among the posterior draws are uniform.",
        epilog="Replicates are kept one file each: the same command goes on where it stopped. "
        "Exit: 0 done; 3 done, and some gap's ranks are not uniform; 2 the input cannot be used.",
    )
    parser.add_argument(
        "model", nargs="?", default="ses", help="a model file's stem (default: ses)"
    )
    parser.add_argument("--study", default="peru", help="a study folder or a shipped study")
    parser.add_argument("--data", metavar="FILE", help="survey file; overrides the study's own")
    parser.add_argument("--design", choices=tuple(DESIGNS), default="default")
    parser.add_argument("--sims", type=at_least(1), default=500, metavar="N", help="replicates")
    parser.add_argument("--jobs", type=at_least(1), metavar="K", help="processes (default: cores)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler in their place")
    parser.add_argument("--draws", type=at_least(50), default=500, help="a chain (default: 500)")
    parser.add_argument("--tune", type=at_least(50), default=400, help="a chain (default: 400)")
    parser.add_argument("--target-accept", type=float, default=0.95, help="default: 0.95")
    parser.add_argument("--seed", type=at_least(0), default=20200131, metavar="N")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: reports/calibration")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--version", action="version", version=f"coopgap {version('coopgap')}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = _parser().parse_args(argv)
    return run_command(lambda: _calibrate(args))


def _calibrate(args: argparse.Namespace) -> int:
    from coopgap.calibration.run import read_replicates, run_replicates
    from coopgap.calibration.summary import summarise
    from coopgap.core.progress import progress
    from coopgap.report.calibration import write_calibration

    setup = _setup(args)
    name = f"{args.model}-{args.design}"
    folder: Path = (args.out or Path("reports") / "calibration") / name
    with progress(quiet=args.quiet) as notify:
        run_replicates(
            folder, setup, args.sims, jobs=args.jobs, scheduler=args.scheduler, notify=notify
        )
        replicates = read_replicates(folder, args.sims)
        rows = summarise(replicates, setup, args.model, args.design)
        written = write_calibration(folder.parent, name, rows, replicates)
    for path in written:
        print(path)
    failed = [row for row in rows if not row.inside_999]
    for row in failed:
        print(
            f"coopgap: {row.model}, {row.quantity} {row.category} {row.group}: ranks not uniform",
            file=sys.stderr,
        )
    return REJECTED if failed or not rows else 0


def _setup(args: argparse.Namespace) -> Setup:
    from coopgap.app.plan import make_plan
    from coopgap.calibration.designs import design_rows
    from coopgap.calibration.replicate import Setup
    from coopgap.checks.hierarchical import hierarchical_request
    from coopgap.core.errors import StudyError

    plan = make_plan(args.study, args.data, [args.model])
    model = plan.models[0]
    region = plan.study.design.region
    if model.spec.hierarchical is None or region is None:
        raise StudyError(args.model, "has no model by region", "give it a [hierarchical] table")
    if not 0.5 <= args.target_accept < 1:
        raise StudyError("--target-accept", f"is {args.target_accept:g}", "allowed: 0.5 to below 1")
    request = hierarchical_request(plan, model, design_rows(model.rows, args.design, region))
    return Setup(
        cells=request.cells,
        priors=request.priors,
        fitted=request.priors,
        form=request.form,
        draws=args.draws,
        tune=args.tune,
        target_accept=args.target_accept,
        seed=args.seed,
    )


if __name__ == "__main__":
    sys.exit(main())
