"""The gap of results of statsmodels: Logit, GLM with a binomial family, OrderedModel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from coopgap.api.columns import Groups, groups_of, source_of, two_groups
from coopgap.api.gaps import Target, constant, sample_of, target_of
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import InputError
from coopgap.core.estimate import Keys
from coopgap.core.gap import Margins
from coopgap.core.vocabulary import Family
from coopgap.families.estimate import Estimate
from coopgap.matching.sample import effective_size

_ALLOWED = "allowed: a fit of coopgap, or statsmodels' Logit, Probit, binomial GLM or OrderedModel"


def statsmodels_estimate(
    results: Any, variable: str, target: Target, data: pd.DataFrame | None
) -> tuple[Estimate, Groups]:
    """Standardise results by their own predictions; the delta method on their own covariance."""
    model: Any = getattr(results, "model", None)
    kind = type(model).__name__
    if kind not in ("Logit", "Probit", "GLM", "OrderedModel"):
        raise InputError("fit", f"is {type(results).__name__}", _ALLOWED)
    if kind == "GLM" and type(model.family).__name__ != "Binomial":
        raise InputError("fit", f"is a GLM of the {type(model.family).__name__} family", _ALLOWED)
    frame, exog = _frame(results, model, variable, data)
    member, values = two_groups(frame[variable], "data")
    sides = tuple(_exog(results, model, frame, variable, value) for value in reversed(values))
    weight = _weights(model, len(exog))
    aim, population = target_of(target, member, weight, sides[1], is_matched=False)
    share = aim * weight / float(aim @ weight)
    params = np.asarray(results.params, dtype=np.float64)
    ordered = kind == "OrderedModel"

    def margins(at: FloatArray) -> FloatArray:
        return np.concatenate([share @ _shares(model, at, side, ordered=ordered) for side in sides])

    values_at = margins(params)
    jacobian = _derivative(margins, params)
    cov = jacobian @ np.asarray(results.cov_params()) @ jacobian.T
    df = float(results.df_resid) if getattr(results, "use_t", False) else np.inf
    outcome, levels = _outcome(model, ordered=ordered)
    n = len(levels)
    sample = sample_of(member, outcome, levels, weight)
    families = {True: Family.ADJUSTED_PROPORTIONAL, False: Family.ADJUSTED_LOGIT}
    estimate = sample.estimate(
        families[ordered],
        population,
        people=sample.rows.people_by_level(),
        margins=Margins(member=values_at[:n], comparison=values_at[n:], cov=cov, df=df),
        ess_comparison=effective_size(weight[~member]),
        form="proportional" if ordered else "",
        std_errors=f"{getattr(results, 'cov_type', 'nonrobust')}; covariates of the people "
        "standardised over are taken as fixed",
    ).named(Keys(model="", outcome=str(model.endog_names), source=source_of(frame), levels=levels))
    return estimate, groups_of(frame[variable])


def _frame(
    results: Any, model: Any, variable: str, data: pd.DataFrame | None
) -> tuple[pd.DataFrame, FloatArray]:
    """People of the fit with the variable, and their design rows."""
    exog = np.asarray(model.exog, dtype=np.float64)
    names = [str(name) for name in model.exog_names][: exog.shape[1]]
    frame = getattr(model.data, "frame", None)
    frame = data if frame is None else frame
    if frame is None:
        frame = pd.DataFrame(exog, columns=names)
    else:
        labels = model.data.row_labels
        frame = frame.loc[labels] if labels is not None and len(labels) == len(exog) else frame
    if variable not in frame.columns or len(frame) != len(exog):
        columns = ", ".join(map(str, frame.columns))
        raise InputError("variable", f"{variable!r} is no column of the fit", f"allowed: {columns}")
    return frame, exog


def _exog(results: Any, model: Any, frame: pd.DataFrame, variable: str, value: Any) -> FloatArray:
    """Design rows of everybody with one value of the variable."""
    if getattr(model.data, "model_spec", None) is not None:
        changed = constant(frame[variable], value)
        # What `results.predict` does with a frame; the matrix itself has no public way out.
        made, _ = results._transform_predict_exog(frame.assign(**{variable: changed}))
        return np.asarray(made, dtype=np.float64)
    names = [str(name) for name in model.exog_names]
    if variable not in names:
        raise InputError("variable", f"{variable!r} is no column of the design", "name its column")
    exog = np.array(model.exog, dtype=np.float64)
    exog[:, names.index(variable)] = value
    return exog


def _weights(model: Any, n: int) -> FloatArray:
    """Frequency and variance weights of a GLM; ones elsewhere."""
    weight = np.ones(n)
    for name in ("freq_weights", "var_weights"):
        own = getattr(model, name, None)
        weight = weight if own is None else weight * np.asarray(own, dtype=np.float64)
    return weight


def _shares(model: Any, params: FloatArray, exog: FloatArray, *, ordered: bool) -> FloatArray:
    """Probability of every level, shape (n, J)."""
    found = np.asarray(model.predict(params, exog=exog), dtype=np.float64)
    return found if ordered else np.column_stack([1 - found, found])


def _derivative(function: Any, params: FloatArray) -> FloatArray:
    """Derivative by central differences, shape (2J, p)."""
    from statsmodels.tools.numdiff import approx_fprime

    return np.atleast_2d(np.asarray(approx_fprime(params, function, centered=True)))


def _outcome(model: Any, *, ordered: bool) -> tuple[IntArray, tuple[str, ...]]:
    """Levels, and each person's."""
    endog = np.asarray(model.endog)
    if ordered:
        labels = getattr(model, "labels", None)
        codes = endog.argmax(axis=1) if endog.ndim == 2 else endog
        n = int(codes.max()) + 1
        names = range(n) if labels is None else labels
        return codes.astype(np.int64), tuple(str(name) for name in names)
    if endog.ndim > 1 or not np.isin(endog, (0.0, 1.0)).all():
        raise InputError("fit", "has counts for an outcome", "fit a row a person, 0 or 1")
    return endog.astype(np.int64), ("0", "1")
