"""What each command does once its arguments are read; returns the exit code."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from coopgap.core.errors import OutputError, StudyError, require_formats

if TYPE_CHECKING:
    from coopgap.calibration.replicate import Setup

EXCEPTIONS = 3
"""Exit code of a command that is done, with something withheld, not estimable or rejected."""

_PRINTED_SIZE = 2007


def fit(args: argparse.Namespace) -> int:
    """Fit a study and write its report, or show the plan alone."""
    require_formats(args.formats)
    if args.dry_run:
        return _dry_run(args)
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
        target = args.out or Path("reports") / plan.study.name
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


def _dry_run(args: argparse.Namespace) -> int:
    from coopgap.app.plan import make_plan
    from coopgap.families.plan import foreseen
    from coopgap.report.plan import plan_text

    plan = make_plan(args.study, args.data, args.only, args.encoding)
    exceptions = foreseen(plan)
    print(plan_text(plan, exceptions, verbose=args.verbose))
    return EXCEPTIONS if exceptions else 0


def report(args: argparse.Namespace) -> int:
    """Make a saved run's report again."""
    from coopgap.app.report import rewrite
    from coopgap.report.terminal import paths_to_tell

    require_formats(args.formats)
    written = rewrite(args.folder, args.formats, args.figures)
    for path in paths_to_tell(args.folder, written, verbose=args.verbose):
        print(path)
    return 0


def printed(args: argparse.Namespace) -> int:
    """Re-analyse printed numbers and write their report."""
    from coopgap.app.printed import find_registry, save_printed
    from coopgap.core.atomic import check_target
    from coopgap.core.progress import progress
    from coopgap.core.vocabulary import Status
    from coopgap.printed.rows import analyse

    require_formats(args.formats)
    with progress(quiet=args.quiet, verbose=args.verbose) as notify:
        notify("reading the printed numbers")
        registry, source, title, benchmarks = find_registry(args.registry)
        target = args.out or Path("reports") / f"printed_{registry.name}"
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


def describe(args: argparse.Namespace) -> int:
    """Draft a study.toml from a survey file."""
    from coopgap.survey.draft import draft_study
    from coopgap.survey.read import read_table

    raw = read_table(args.file, None, args.encoding)
    _print_utf8(draft_study(raw, str(args.file.resolve()), args.encoding))
    return 0


def init(args: argparse.Namespace) -> int:
    """Draft a whole study folder from a survey file."""
    from coopgap.core.atomic import check_new, replace_folder
    from coopgap.survey.draft import draft_folder
    from coopgap.survey.read import read_table

    target: Path = args.out or Path("models") / (args.file.stem or "study")
    check_new(target)
    raw = read_table(args.file, None, args.encoding)
    files = draft_folder(raw, str(args.file.resolve()), args.encoding)
    with replace_folder(target) as folder:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    study, *models = (target / name for name in files)
    for path in (study, *models):
        print(path)
    print(f'edit  {study}: name the question of membership in column = "TODO"')
    print("      then look at every line marked EDIT, there and in the models")
    print(
        f"next  coopgap fit {target} --dry-run, then coopgap fit {target} --only {models[0].stem}"
    )
    return 0


def schema(args: argparse.Namespace) -> int:
    """The JSON Schema of study.toml or of a model file, or their keys as a table."""
    from coopgap.study.load import StudyFile
    from coopgap.study.model import ModelFile
    from coopgap.study.schema import json_schema, key_reference

    kind = StudyFile if args.file == "study" else ModelFile
    text = key_reference(kind) if args.keys else json.dumps(json_schema(kind), indent=2)
    if args.out is None:
        _print_utf8(f"{text}\n")
        return 0
    try:
        args.out.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "check it"
        raise OutputError(str(args.out), "cannot be written", reason) from error
    print(args.out)
    return 0


def _print_utf8(text: str) -> None:
    """A file's text on standard output, in UTF-8 whatever the terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)


def example(args: argparse.Namespace) -> int:
    """Write the example survey."""
    from coopgap.survey.example.make import SEED, make_example, write_example

    mode: Literal["calibrated", "free"] = args.mode or (
        "calibrated" if args.n == _PRINTED_SIZE else "free"
    )
    if mode == "calibrated" and args.n != _PRINTED_SIZE:
        raise OutputError("--n", f"{args.n} in calibrated mode", f"allowed: {_PRINTED_SIZE}")
    if args.n < 100:
        raise OutputError("--n", f"is {args.n}", "allowed: 100 or more")
    if args.seed is not None and args.seed < 0:
        raise OutputError("--seed", "is negative", "allowed: 0 or more")
    path = Path(args.out)
    example = make_example(args.n, seed=SEED if args.seed is None else args.seed, mode=mode)
    write_example(example.data, path)
    print(path)
    return 0


def calibrate(args: argparse.Namespace) -> int:
    """Simulation-based calibration of a model by region."""
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
    return EXCEPTIONS if failed or not rows else 0


def _setup(args: argparse.Namespace) -> Setup:
    from coopgap.app.plan import make_plan
    from coopgap.calibration.designs import design_rows
    from coopgap.calibration.replicate import Setup
    from coopgap.checks.hierarchical import hierarchical_request

    plan = make_plan(args.study, args.data, [args.model])
    model = plan.models[0]
    region = plan.study.design.region
    if model.spec.hierarchical is None or region is None:
        raise StudyError(args.model, "has no model by region", "give it a [hierarchical] table")
    if not 0.5 <= args.target_accept < 1:
        raise StudyError("--target-accept", f"is {args.target_accept:g}", "allowed: 0.5 to below 1")
    request = hierarchical_request(plan, model, design_rows(model.rows, args.design, region))
    return Setup(
        # Ranks are uniform of people who count as one; what weights add is no Bayesian statement.
        cells=replace(request.cells, sampling=None),
        priors=request.priors,
        fitted=request.priors,
        form=request.form,
        draws=args.draws,
        tune=args.tune,
        target_accept=args.target_accept,
        seed=args.seed,
    )
