"""The proportional-odds fit against other programs on the same people, in one run.

Times are the fastest of several repeats. `coopgap` starts from the codes of people: collapsing
them into cells and the design are inside its time, and with `zones` the cluster covariance, which
the others do not make. They start from a ready design matrix of people; `clm (cells)` is given
the cells. Ratios are to `coopgap`. Fourteen columns: membership and four factors.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from judged import Judged, arguments, at_least, beside, by_r, fastest, finish

from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.cumulative import unit_scores
from coopgap.regression.design import design_matrix
from coopgap.regression.ordinal import fit_ordinal
from coopgap.survey.cells import Cells, collapse

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


def cells_and_design(frame: pd.DataFrame, *more: str) -> tuple[Cells, np.ndarray]:
    """Cells of membership, the factors and other columns, and the design rows of the former."""
    columns = [frame[name].to_numpy() for name in ("member", *LEVELS, *more)]
    cells = collapse(columns, frame["outcome"].to_numpy(), N_LEVELS)
    codes = {name: cells.codes[:, 1 + k] for k, name in enumerate(LEVELS)}
    x = np.column_stack([cells.codes[:, 0].astype(float), design_matrix(codes, LEVELS).x])
    return cells, x


def fit_coopgap(frame: pd.DataFrame) -> np.ndarray:
    """From codes to slopes and their model covariance."""
    cells, x = cells_and_design(frame)
    return fit_ordinal(x, cells.counts, people=cells.people).slopes


def fit_clustered(frame: pd.DataFrame) -> np.ndarray:
    """From codes to slopes and their cluster covariance."""
    cells, x = cells_and_design(frame, "zone")
    fit = fit_ordinal(x, cells.counts, people=cells.people)
    zone = cells.codes[:, -1]
    cluster_covariance(fit.bread, unit_scores(fit, x), cells.counts, cells.squares, zone)
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


def clm_times(frame: pd.DataFrame, repeats: int) -> dict[str, float]:
    """Seconds inside R on people and on cells; empty where R or ordinal is absent."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        frame.to_csv(path, index=False)
        made = by_r("clm.R", path, repeats)
    if made is None:
        return {}
    people, cells, slope = made
    found = fit_coopgap(frame)[0]
    if abs(slope - found) > 1e-5:
        raise RuntimeError(f"clm gives {slope}, fit_ordinal {found}: nothing to compare")
    return {"clm (people)": people, "clm (cells)": cells}


BARS = {"clm (people)": 10.0, "OrderedModel": 100.0, "clm (cells)": None}


def judge(people: int, repeats: int = 15) -> list[Judged]:
    """Times, and how many times faster than the others, beside what is asked."""
    frame = simulate(people)
    own = fastest(lambda: fit_coopgap(frame), repeats)
    clustered = fastest(lambda: fit_clustered(frame), repeats)
    took = {"OrderedModel": fastest(lambda: fit_statsmodels(frame), 1)}
    took |= clm_times(frame, repeats)
    return [
        beside(f"{people:,} people, coopgap", 1000 * own, "ms"),
        beside(f"{people:,} people, coopgap with zones", 1000 * clustered, "ms"),
        *(
            at_least(
                f"{people:,} people, {program} over coopgap",
                took[program] / own if program in took else None,
                bar,
                "times",
            )
            for program, bar in BARS.items()
        ),
    ]


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[2007, 20070])
    options = parser.parse_args()
    finish([one for size in options.sizes for one in judge(size)], options.results)
