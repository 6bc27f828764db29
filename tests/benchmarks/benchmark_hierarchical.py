"""The hierarchical model: a cold process, a rerun, a first compile, brms, other samplers, size.

Seconds of a process are wall time, with the seconds of processor time it took beside them: on a
busy machine the two come apart. What is compared with another program is processor time of all
chains, tuning included and compiling not, and the effective size is that of the headline gap.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from judged import Judged, arguments, at_least, at_most, beside, by_r, finish, timed

from coopgap.app.plan import make_plan
from coopgap.bayes.cells import HierarchicalCells
from coopgap.bayes.draws import headline_gap
from coopgap.bayes.fit import Request, fit_hierarchical, summarise
from coopgap.bayes.gate import diagnose
from coopgap.bayes.layout import Form, Priors
from coopgap.bayes.sample import CHAINS, TUNE, make_density, sample
from coopgap.bayes.store import DRAWS_FOLDER, load_draws
from coopgap.checks.hierarchical import hierarchical_request
from coopgap.core.arrays import FloatArray
from coopgap.core.executor import cores, executor
from coopgap.study.spec import Hierarchical

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "r" / "fixtures" / "hierarchical.json"
ACCEPT = 0.99
SEED = 1
DRAWS = Hierarchical().draws
PLAIN = Form(zones=False, shifts=False)
"""What brms can write: proportional odds, no zones."""


def peru(*, zones: bool) -> Request:
    """What a run asks of the model of class in the Peru study, with or without zones."""
    plan = make_plan("peru", only=["ses"])
    model = plan.models[0]
    hierarchical = replace(model.spec.hierarchical, zones=zones)
    spec = replace(model.spec, hierarchical=hierarchical)
    return hierarchical_request(plan, replace(model, spec=spec), seed=1)


def gated(*, zones: bool) -> None:
    """Alone in a process: read the survey, sample, pass the gate, or exit with 1."""
    with executor(1) as pool:
        fit = pool.submit(fit_hierarchical, peru(zones=zones), cores(None)).result()
    raise SystemExit(0 if fit.passed else 1)


def reused(folder: Path) -> None:
    """Alone in a process: read the survey and kept draws, pass the gate, or exit with 1."""
    plan = make_plan("peru", only=["ses"])
    request = hierarchical_request(plan, plan.models[0], seed=SEED)
    kept = load_draws(folder / DRAWS_FOLDER / "ses.nc", request.digest)
    fit = summarise(kept.draws, kept.stats, request, seconds=kept.seconds, retried=kept.retried)
    raise SystemExit(0 if fit.passed else 1)


def process(command: list[str], cache: Path | None = None) -> tuple[float | None, float]:
    """Wall seconds of a Python process, None if it fails, and its processor seconds."""
    env = os.environ if cache is None else os.environ | {"XDG_CACHE_HOME": str(cache)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], env=env, check=False, capture_output=True, text=True
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in (0, 3):  # 3 is a run with rows withheld, each named
        print(done.stderr, file=sys.stderr)
    return (wall if done.returncode in (0, 3) else None), used


def against(what: str, bar: float, command: list[str], cache: Path | None = None) -> list[Judged]:
    """One process against its bar."""
    wall, used = process(command, cache)
    return [at_most(what, wall, bar, "s"), beside("  of processor time", used, "s")]


def judge_processes() -> list[Judged]:
    """From nothing to a gap that passed its gate; each in a new process."""
    own = [str(Path(__file__)), "--gated"]
    with tempfile.TemporaryDirectory() as folder:
        found = against("first compile ever, no zones", 45.0, [*own, "plain"], Path(folder))
    # The survey and the cache of the functions are read once before anything is timed.
    process([*own, "plain"])
    found += against("cold process to gated gap, no zones", 15.0, [*own, "plain"])
    found += against("cold process to gated gap, zones", 30.0, [*own, "zones"])
    with tempfile.TemporaryDirectory() as folder:
        run = ["-m", "coopgap.fit", "peru", "--only", "ses", "--out", folder, "--quiet"]
        run += ["--seed", str(SEED)]
        process(run)
        again = [str(Path(__file__)), "--reused", folder]
        found += against("cold process to gated gap, zones, draws reused", 5.0, again)
        found.append(beside("  whole command, report and all", process(run)[0], "s"))
    return found


def size_of(gap: FloatArray) -> float:
    """Bulk effective size of draws, shape (chains, draws)."""
    return diagnose({"gap": gap})["gap"].ess_bulk


def kernel(cells: HierarchicalCells, form: Form) -> tuple[float, float, int]:
    """Processor seconds of the package, effective size, trajectories at the greatest depth."""
    density = make_density(cells, Priors(), form)
    sample(density, draws=10, tune=10, seed=0, target_accept=ACCEPT)
    found, seconds = timed(
        lambda: sample(density, draws=DRAWS, seed=1, target_accept=ACCEPT), time.process_time
    )
    return seconds, size_of(headline_gap(found.draws, cells)), found.stats.deepest


def kept_of_brms() -> tuple[float, float, str]:
    """Seconds and effective size in the fixture, and where they come from."""
    kept = json.loads(FIXTURE.read_text(encoding="utf-8"))
    run = kept["proportional"]
    origin = f"of {run['date']}, brms {kept['brms']}, rstan {kept['rstan']}"
    return run["core_seconds"], run["quantities"]["member"]["ess_bulk"], origin


def judge_brms(cells: HierarchicalCells, rows: tuple[str, ...]) -> list[Judged]:
    """Effective draws a second beside those of brms; on distinct rows it is at its fastest."""
    seconds, size, _ = kernel(cells, PLAIN)
    own = size / seconds
    found = [beside("effective draws a second, proportional odds, no zones", own, "")]
    for kind in rows:
        live = by_r("brms.R", kind, TUNE, DRAWS, ACCEPT, cwd=ROOT)
        origin = ""
        if live is None and kind == "cells":
            *live, origin = kept_of_brms()
        theirs = None if live is None else live[1] / live[0]
        found.append(beside(f"  brms on {kind} {origin}".rstrip(), theirs, ""))
        ratio = None if theirs is None else own / theirs
        found.append(at_least(f"coopgap over brms on {kind}", ratio, 50.0, "times"))
    return found


def judge_size(cells: HierarchicalCells) -> list[Judged]:
    """The same cells with more people in each: a density costs the same, a posterior may not."""
    times = int(np.ceil(2_400_000 / cells.counts.sum()))
    many = replace(cells, counts=cells.counts * times)
    form = Form(zones=False)
    call, sampling, deepest = {}, {}, {}
    for one in (cells, many):
        people = int(one.counts.sum())
        density = make_density(one, Priors(), form)
        points = np.random.default_rng(1).normal(0, 0.3, (2000, density.layout.size))
        start = time.process_time()
        for x in points:
            density(x)
        call[people] = 1e6 * (time.process_time() - start) / len(points)
        sampling[people], _, deepest[people] = kernel(one, form)
    few, lots = call
    more = f"  {lots:,} in the same cells, over that"
    # A tenth for the clock: the work is the same.
    return [
        beside(f"density and gradient, {few:,} people", call[few], "us"),
        at_most(more, call[lots] / call[few], 1.1, "times"),
        beside(f"sampling, {few:,} people", sampling[few], "s"),
        at_most(more, sampling[lots] / sampling[few], 1.1, "times"),
        beside("  of which trajectories at the greatest depth", deepest[lots], ""),
    ]


def gap_of(posterior: Mapping[str, object], cells: HierarchicalCells) -> FloatArray:
    """Headline gap from draws of the PyMC model."""
    own = np.asarray(posterior["gap_sd"])[..., None] * np.asarray(posterior["gap_raw"])
    return headline_gap({"beta": np.asarray(posterior["beta"]), "gap": own}, cells)


CHAINS_OF = {"draws": DRAWS, "tune": TUNE, "chains": CHAINS, "cores": 1}


def by_pymc(cells: HierarchicalCells) -> tuple[float, float, float]:
    """PyMC's own NUTS on the readable model: compile, sampling seconds, effective size."""
    import pymc as pm

    from coopgap.bayes.model import build_model

    quiet = {"random_seed": 1, "progressbar": False, "compute_convergence_checks": False}
    with build_model(cells, form=PLAIN):
        step, compiling = timed(lambda: pm.NUTS(target_accept=ACCEPT), time.process_time)
        tree, seconds = timed(lambda: pm.sample(step=step, **CHAINS_OF, **quiet), time.process_time)
    return compiling, seconds, size_of(gap_of(tree["posterior"], cells))


def by_nutpie(cells: HierarchicalCells) -> tuple[float, float, float]:
    """The readable model compiled for nutpie, the same three."""
    import nutpie

    from coopgap.bayes.model import build_model

    compiled, compiling = timed(
        lambda: nutpie.compile_pymc_model(build_model(cells, form=PLAIN)), time.process_time
    )
    more = {"seed": 1, "progress_bar": False, "target_accept": ACCEPT}
    tree, seconds = timed(lambda: nutpie.sample(compiled, **CHAINS_OF, **more), time.process_time)
    return compiling, seconds, size_of(gap_of(tree.posterior, cells))


def compare_samplers(cells: HierarchicalCells) -> list[Judged]:
    """What was tried for the same model: nothing is asked of it."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tried = {
            "PyMC's NUTS on the PyMC model": by_pymc(cells),
            "nutpie on the PyMC model": by_nutpie(cells),
        }
    _, compiling = timed(make_density(cells, Priors(), PLAIN).compiled, time.process_time)
    tried["nutpie on the kernel"] = (compiling, *kernel(cells, PLAIN)[:2])
    for name, (compiling, seconds, size) in tried.items():
        found.append(beside(f"{name}, compile or load", compiling, "s"))
        found.append(beside("  sampling", seconds, "s"))
        found.append(beside("  effective draws a second", size / seconds, ""))
    return found


def main() -> None:
    """Time, print and judge."""
    parser = arguments(__doc__)
    parser.add_argument("--gated", choices=("plain", "zones"), help="one fit, in this process")
    parser.add_argument("--reused", type=Path, help="the same from a run's draws, in this process")
    parser.add_argument(
        "--brms",
        nargs="*",
        choices=("cells", "people"),
        default=["cells"],
        help="rows brms is timed on; people take it ten minutes (default: cells)",
    )
    options = parser.parse_args()
    if options.reused:
        reused(options.reused)
    if options.gated:
        gated(zones=options.gated == "zones")
    cells = peru(zones=False).cells
    finish(judge_processes(), options.results)
    finish(judge_brms(cells, tuple(options.brms)), options.results)
    finish(judge_size(cells), options.results)
    finish(compare_samplers(cells), options.results)


if __name__ == "__main__":
    main()
