"""The proportional-odds fit against other programs on the same people, in one run.

Times are the fastest of several repeats. `coopgap` starts from the codes of people: collapsing
them into cells and the design are inside its time, and with `zones` the cluster covariance, which
the others do not make. They start from a ready design matrix of people; `clm (cells)` is given
the cells. Ratios are to `coopgap`. Fourteen columns: membership and four factors.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from judged import Judged, arguments, at_least, beside, finish

from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.design import design_matrix
from coopgap.regression.ordinal import fit_ordinal
from coopgap.survey.cells import collapse

LEVELS = {
    "region": tuple("abcde"),
    "age": tuple("abcdef"),
    "sex": ("a", "b"),
    "education": tuple("abcd"),
}
N_LEVELS = 5


def simulate(n: int, seed: int = 0) -> pd.DataFrame:
    """People shaped like the Peru study: five regions, six age bands, a hundred zones."""
    rng = np.random.default_rng(seed)
    zone = rng.integers(0, 100, n)
    frame = pd.DataFrame(
        {
            "member": rng.integers(0, 2, n),
            "region": zone // 20,
            "age": rng.integers(0, 6, n),
            "sex": rng.integers(0, 2, n),
            "education": rng.integers(0, 4, n),
            "zone": zone,
        }
    )
    latent = 1.2 * frame["member"] + 0.2 * frame["region"] - 0.1 * frame["age"]
    latent += 0.3 * rng.normal(size=100)[zone] + rng.logistic(size=n)
    frame["outcome"] = np.digitize(latent, [-1, 0.5, 2, 4])
    return frame


def fit_coopgap(frame: pd.DataFrame) -> np.ndarray:
    """From codes to slopes and their model covariance."""
    columns = [frame[name].to_numpy() for name in ("member", *LEVELS)]
    cells = collapse(columns, frame["outcome"].to_numpy(), N_LEVELS)
    codes = {name: cells.codes[:, 1 + k] for k, name in enumerate(LEVELS)}
    x = np.column_stack([cells.codes[:, 0].astype(float), design_matrix(codes, LEVELS).x])
    return fit_ordinal(x, cells.counts, people=cells.people).slopes


def fit_clustered(frame: pd.DataFrame) -> np.ndarray:
    """From codes to slopes and their cluster covariance."""
    columns = [frame[name].to_numpy() for name in ("member", *LEVELS, "zone")]
    cells = collapse(columns, frame["outcome"].to_numpy(), N_LEVELS)
    codes = {name: cells.codes[:, 1 + k] for k, name in enumerate(LEVELS)}
    x = np.column_stack([cells.codes[:, 0].astype(float), design_matrix(codes, LEVELS).x])
    fit = fit_ordinal(x, cells.counts, people=cells.people)
    cluster_covariance(
        fit.bread, unit_scores(fit, x), cells.counts, cells.squares, cells.codes[:, -1]
    )
    return fit.slopes


def fit_statsmodels(frame: pd.DataFrame) -> np.ndarray:
    """OrderedModel with logit and BFGS, as its documentation shows it."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    codes = {name: frame[name].to_numpy() for name in LEVELS}
    x = np.column_stack([frame["member"], design_matrix(codes, LEVELS).x])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = OrderedModel(frame["outcome"].to_numpy(), x, distr="logit").fit(
            method="bfgs", disp=False, maxiter=500
        )
    return np.asarray(fit.params)[: x.shape[1]]


def fastest(call: Callable[[pd.DataFrame], np.ndarray], frame: pd.DataFrame, repeats: int) -> float:
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call(frame)
        times.append(time.perf_counter() - start)
    return min(times)


def clm_times(frame: pd.DataFrame, repeats: int) -> dict[str, float]:
    """Seconds inside R on people and on cells; empty where R or ordinal is absent."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        frame.to_csv(path, index=False)
        script = Path(__file__).with_name("clm.R")
        run = subprocess.run(
            ["Rscript", str(script), str(path), str(repeats)],
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        return {}
    people, cells, slope = map(float, run.stdout.split())
    found = fit_coopgap(frame)[0]
    if abs(slope - found) > 1e-5:
        raise RuntimeError(f"clm gives {slope}, fit_ordinal {found}: nothing to compare")
    return {"clm (people)": people, "clm (cells)": cells}


def rows(sizes: tuple[int, ...], repeats: int = 15) -> list[tuple[int, str, float, float]]:
    """(people, program, seconds, ratio to coopgap) for each size."""
    table = []
    for n in sizes:
        frame = simulate(n)
        own = fastest(fit_coopgap, frame, repeats)
        times = {
            "coopgap": own,
            "coopgap, zones": fastest(fit_clustered, frame, repeats),
            "OrderedModel": fastest(fit_statsmodels, frame, 1),
        }
        times |= clm_times(frame, repeats)
        table += [(n, program, seconds, seconds / own) for program, seconds in times.items()]
    return table


TARGETS = {"clm (people)": 10.0, "OrderedModel": 100.0}


def judge(sizes: tuple[int, ...]) -> list[Judged]:
    """Times, and how many times faster than the others, beside what is asked."""
    table, found = rows(sizes), []
    for n in sizes:
        took = {program: seconds for people, program, seconds, _ in table if people == n}
        own = took.pop("coopgap")
        found.append(beside(f"{n:,} people, coopgap", 1000 * own, "ms"))
        clustered = took.pop("coopgap, zones")
        found.append(beside(f"{n:,} people, coopgap with zones", 1000 * clustered, "ms"))
        for program in ("clm (people)", "OrderedModel", "clm (cells)"):
            seconds = took.get(program)
            ratio = None if seconds is None else seconds / own
            what = f"{n:,} people, {program} over coopgap"
            bar = TARGETS.get(program)
            found.append(
                beside(what, ratio, "times") if bar is None else at_least(what, ratio, bar, "times")
            )
    return found


def main() -> None:
    """Time, print and judge."""
    parser = arguments(__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[2007, 20070])
    options = parser.parse_args()
    finish(judge(tuple(options.sizes)), options.results)


if __name__ == "__main__":
    main()
