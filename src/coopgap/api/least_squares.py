"""Linear fits by formula, matched sets absorbed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from coopgap.api.columns import coded_levels
from coopgap.api.fits import Fit, Slope
from coopgap.api.frames import ModelFrame, Vcov, model_frame
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import InputError, NotEstimable
from coopgap.regression.clusters import CovarianceKind, sum_by
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.design import require_full_rank
from coopgap.regression.linear import fit_linear
from coopgap.regression.sampled import CoefficientCovariance
from coopgap.study.spec import Design
from coopgap.survey.raw import Columns


@dataclass(frozen=True, kw_only=True, repr=False)
class LinearFit(Fit):
    """A fitted linear model.

    Attributes
    ----------
    slope
        Shape (k,) or with an intercept (1 + k,): coefficients, the intercept first.
    y
        Shape (n,): the outcome.
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
    y, weight = _numbers(frame), frame.weight
    x, within = _rows(frame), _centred(y[:, None], weight, frame.sets)[:, 0]
    root = np.sqrt(weight)
    target = y if frame.sets is None else within
    slope, *_ = np.linalg.lstsq(root[:, None] * x, root * target, rcond=None)
    left = target - x @ slope
    n_sets = 0 if frame.sets is None else int(frame.sets.max()) + 1
    df, unexplained = frame.n - x.shape[1] - n_sets, float(weight @ left**2)
    variance = unexplained / df if df > 0 else np.nan  # weighted as R's lm has it
    total = float(weight @ within**2)
    return LinearFit(
        frame=frame,
        covariance=_covariance(frame, x, y, left, variance, df),
        slope=slope,
        y=y,
        sigma=variance**0.5,
        r2=1 - unexplained / total if total > 0 else np.nan,
        df_residual=df,
    )


def _rows(frame: ModelFrame) -> FloatArray:
    """Design rows with an intercept, or less their means within sets."""
    require_full_rank(frame.x, frame.terms)
    if frame.sets is None:
        return np.column_stack([np.ones(frame.n), frame.x])
    x = _centred(frame.x, frame.weight, frame.sets)
    flat = frame.weight @ x**2 <= 1e-12 * (frame.weight @ frame.x**2)
    if flat.any():
        raise NotEstimable(f"{', '.join(np.asarray(frame.terms)[flat])} constant within sets")
    require_full_rank(np.vstack([x, -x]), frame.terms)
    return x


def _numbers(frame: ModelFrame) -> FloatArray:
    """The outcome as numbers; of two levels the second is one."""
    if pd.api.types.is_numeric_dtype(frame.y) and not pd.api.types.is_bool_dtype(frame.y):
        y = frame.y.to_numpy(dtype=np.float64)
        if not np.isfinite(y).all():
            raise InputError(f"data: {frame.outcome}", "is not finite", "leave those rows out")
        return y
    return coded_levels(frame.y, frame.outcome, two=True)[0].astype(np.float64)


def _centred(values: FloatArray, weight: FloatArray, sets: IntArray | None) -> FloatArray:
    """Columns less their weighted means, within sets where there are some, shape (n, k)."""
    index = np.zeros(len(values), dtype=np.int64) if sets is None else sets
    total = np.bincount(index, weight)
    means = [np.bincount(index, weight * column) / total for column in values.T]
    return np.asarray(values - np.column_stack(means)[index])


def _covariance(
    frame: ModelFrame, x: FloatArray, y: FloatArray, left: FloatArray, variance: float, df: int
) -> CoefficientCovariance:
    """Of the kind asked for; `x` and `left` are design rows and residuals."""
    kind, weight, cluster = frame.asked.kind, frame.weight, frame.sampled.cluster
    bread = np.linalg.inv((weight[:, None] * x).T @ x)
    if kind == "iid":
        return CoefficientCovariance(
            cov=variance * bread, kind="iid", n_clusters=None, df=float(df)
        )
    if frame.sets is not None and kind in ("CR2", "HC3"):
        return _absorbed(frame, y, frame.sets)
    information = None
    if kind == "CR2" and cluster is not None:
        products = weight[:, None, None] * x[:, :, None] * x[:, None, :]
        information = sum_by(cluster, products, int(cluster.max()) + 1)
    elif kind == "HC3":
        information = (x[:, :, None] * x[:, None, :])[:, None]
    chosen: CovarianceKind = kind  # type: ignore[assignment]
    return cluster_covariance(
        bread,
        (x * left[:, None])[:, None, :],
        weight[:, None],
        weight[:, None] ** 2,
        replace(frame.sampled, people=np.ones((frame.n, 1), dtype=np.int64)),
        kind=chosen,
        information=information,
    )


def _absorbed(frame: ModelFrame, y: FloatArray, sets: IntArray) -> CoefficientCovariance:
    """CR2 of membership beside every set's dummy."""
    kind, x = frame.asked.kind, frame.x[:, 0]
    if kind != "CR2" or frame.x.shape[1] > 1 or np.unique(x).size != 2:
        allowed = "allowed: CR2 with one term of two values, or CR1, HC0, HC1"
        raise InputError("vcov", f"is {kind} beside absorbed sets", allowed)
    fit = fit_linear(y, x == x.max(), frame.weight, sets, frame.sampled, kind="CR2")
    cov = np.array([[(fit.std_error / float(np.ptp(x))) ** 2]])
    return CoefficientCovariance(cov=cov, kind=fit.kind, n_clusters=fit.n_clusters, df=fit.df)
