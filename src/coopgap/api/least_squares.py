"""Linear fits by formula, matched sets absorbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from coopgap.api.columns import coded_levels
from coopgap.api.fits import Fit, Slope
from coopgap.api.frames import ModelFrame, Vcov, model_frame
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import InputError, NotEstimable
from coopgap.regression.clusters import PERSON_KINDS, CovarianceKind
from coopgap.regression.covariance import CoefficientCovariance, cluster_covariance
from coopgap.regression.design import require_full_rank
from coopgap.regression.linear import absorbed_cr2
from coopgap.study.spec import Design
from coopgap.survey.raw import Columns


@dataclass(frozen=True, kw_only=True, repr=False)
class LinearFit(Fit):
    """A fitted linear model.

    Attributes
    ----------
    slope
        Shape (k,) or with an intercept (1 + k,): coefficients, the intercept first.
    y, centre
        Shape (n,): the outcome; with absorbed sets the mean of each person's set.
    sigma, r2
        Residual standard deviation, and the share of variance explained (within sets).
    df_residual
        People less coefficients, sets included.
    """

    title: ClassVar[str] = "Linear model"

    slope: FloatArray
    y: FloatArray
    sigma: float
    r2: float
    df_residual: int

    def slopes(self) -> list[Slope]:
        """The intercept, unless sets are absorbed, then slopes."""
        names = [*(() if self.frame.absorbed else ("Intercept",)), *self.frame.terms]
        errors, dfs = np.sqrt(np.diag(self.covariance.cov)), self.covariance.coefficient_df
        return [
            Slope(a, float(b), float(c), float(d))
            for a, b, c, d in zip(names, self.slope, errors, dfs, strict=True)
        ]

    def statistics(self) -> dict[str, float]:
        """R², residual standard deviation and degrees of freedom."""
        return {"r2": self.r2, "sigma": self.sigma, "df_residual": self.df_residual}

    def predict(self, newdata: Columns | None = None) -> Any:
        """The expected outcome, a number a person; with absorbed sets without the set's own level.

        Parameters
        ----------
        newdata
            As in `OrdinalFit.predict`.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.linear("trust_agree ~ member", cg.datasets.peru_example())
        >>> fit.predict({"member": [0, 1]}).round(3).tolist()
        [0.27, 0.4]
        """
        x, index = self._new_rows(newdata)
        made = x @ self.slope if self.frame.absorbed else self.slope[0] + x @ self.slope[1:]
        return pd.Series(made, index=index, name=self.frame.outcome)


def linear(
    formula: str,
    data: Columns,
    *,
    weights: str | None = None,
    vcov: Vcov | None = None,
    design: Design | None = None,
) -> LinearFit:
    """Fit weighted least squares, with matched sets absorbed where the formula ends in `| set`.

    Parameters
    ----------
    formula
        `outcome ~ terms`, or `outcome ~ terms | match_set` to absorb a column of sets. The outcome
        is a number, or two answers.
    data, weights, vcov, design
        As in `ordinal`. Weights are probability weights: their scale changes nothing.

    Returns
    -------
    LinearFit
        `summary`, `tidy`, `glance` and `predict`; `gap` takes it where the outcome is 0 and 1.

    Raises
    ------
    InputError
        As in `ordinal`; CR2 and HC3 with absorbed sets and more than membership.
    NotEstimable
        Terms that depend on one another or are constant within sets.

    Notes
    -----
    CR1 takes G/(G - 1), and CR1S (n - 1)/(n - k) too, as Stata and pyfixest do; absorbed sets count
    among neither. With sets, CR2 is that of every set's dummy, for one term.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> cg.linear("trust_agree ~ member + sex", df, vcov={"CR1": "zone"}).tidy().round(3)
            term  estimate  std_error  statistic  p_value  conf_low  conf_high
    0  Intercept     0.273      0.018     15.190    0.000     0.238      0.309
    1     member     0.130      0.021      6.184    0.000     0.088      0.171
    2   sex=male    -0.006      0.023     -0.275    0.784    -0.052      0.039
    """
    frame = model_frame(formula, data, weights=weights, vcov=vcov, design=design)
    y = _numbers(frame)
    w, asked, sets = frame.weight, frame.asked.kind, frame.sets
    require_full_rank(frame.x, frame.terms)
    x = frame.x if sets is not None else np.column_stack([np.ones(frame.n), frame.x])
    centred = y - w @ y / w.sum()
    if sets is not None:
        x, y_in = _within(x, w, sets), _within(y[:, None], w, sets)[:, 0]
        spread = w @ x**2
        flat = spread <= 1e-12 * np.maximum(w @ frame.x**2, 1e-300)
        if flat.any():
            named = ", ".join(np.asarray(frame.terms)[flat])
            raise NotEstimable(f"{named} constant within sets")
        centred = y_in
    else:
        y_in = y
    root = np.sqrt(w)[:, None]
    slope, *_ = np.linalg.lstsq(root * x, root[:, 0] * y_in, rcond=None)
    left = y_in - x @ slope
    n_sets = 0 if sets is None else int(sets.max()) + 1
    df_residual = frame.n - x.shape[1] - n_sets
    # Weighted as R's lm has it.
    sigma = float(np.sqrt(w @ left**2 / df_residual)) if df_residual > 0 else np.nan
    bread = np.linalg.inv((w[:, None] * x).T @ x)
    total = float(w @ centred**2)
    if asked == "iid":
        cov = sigma**2 * bread
        covariance = CoefficientCovariance(
            cov=cov, kind="iid", n_clusters=None, df=float(df_residual)
        )
    elif sets is not None and asked in ("CR2", "HC3"):
        covariance = _absorbed(frame, y, w, sets)
    else:
        covariance = _least_squares(bread, x, left, frame, asked)
    return LinearFit(
        frame=frame,
        covariance=covariance,
        slope=slope,
        y=y,
        sigma=sigma,
        r2=1 - float(w @ left**2) / total if total > 0 else np.nan,
        df_residual=df_residual,
    )


def _numbers(frame: ModelFrame) -> FloatArray:
    """The outcome as numbers; of two levels the second is one."""
    if pd.api.types.is_numeric_dtype(frame.y) and not pd.api.types.is_bool_dtype(frame.y):
        return frame.y.to_numpy(dtype=np.float64)
    return coded_levels(frame.y, frame.outcome, two=True)[0].astype(np.float64)


def _within(values: FloatArray, weight: FloatArray, sets: IntArray) -> FloatArray:
    """Columns less their weighted means within sets, shape (n, k)."""
    total = np.bincount(sets, weight)
    means = [np.bincount(sets, weight * column) / total for column in values.T]
    return values - np.column_stack(means)[sets]


def _absorbed(
    frame: ModelFrame, y: FloatArray, weight: FloatArray, sets: IntArray
) -> CoefficientCovariance:
    """CR2 of membership beside every set's dummy."""
    member = frame.x[:, 0] == frame.x[:, 0].max()
    two = frame.x.shape[1] == 1 and np.unique(frame.x).size == 2
    if not two or frame.asked.kind != "CR2" or frame.cluster is None:
        found = f"is {frame.asked.kind} beside absorbed sets"
        raise InputError(
            "vcov", found, "allowed: CR2 with one term of two values, or CR1, HC0, HC1"
        )
    error, df = absorbed_cr2(y, member, weight, sets, frame.cluster)
    n_clusters = int(frame.cluster.max()) + 1
    scaled = error / float(np.ptp(frame.x))
    return CoefficientCovariance(
        cov=np.array([[scaled**2]]), kind="cluster CR2", n_clusters=n_clusters, df=df
    )


def _least_squares(
    bread: FloatArray, x: FloatArray, left: FloatArray, frame: ModelFrame, kind: str
) -> CoefficientCovariance:
    """Sandwich of weighted least squares; CR2 and HC3 by the leverage of clusters and people."""
    scores, weight, information = x * left[:, None], frame.weight, None
    products = (
        weight[:, None, None] * x[:, :, None] * x[:, None, :] if kind in ("CR2", "HC3") else None
    )
    if kind == "CR2" and products is not None and frame.cluster is not None:
        information = np.zeros((int(frame.cluster.max()) + 1, *products.shape[1:]))
        np.add.at(information, frame.cluster, products)
    elif kind == "HC3":
        information = (x[:, :, None] * x[:, None, :])[:, None]
    one = np.ones((frame.n, 1), dtype=np.int64)
    asked: CovarianceKind = kind  # type: ignore[assignment]
    return cluster_covariance(
        bread,
        scores[:, None, :],
        weight[:, None],
        weight[:, None] ** 2,
        None if kind in PERSON_KINDS else frame.cluster,
        kind=asked,
        second=frame.second,
        information=information,
        people=one,
    )
