"""Regressions of a frame by formula: logit, ordinal and linear, and what every fit can say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from coopgap.api.frames import ModelFrame, Vcov, model_frame, plain_columns, require_columns, table
from coopgap.core.arrays import FloatArray, IntArray
from coopgap.core.errors import InputError, NotEstimable
from coopgap.core.gap import wald
from coopgap.families.cells import require_order, robust_covariance, solve
from coopgap.families.proportional import odds_tests
from coopgap.families.sample import SampleCells
from coopgap.regression.clusters import PERSON_KINDS, CovarianceKind
from coopgap.regression.covariance import CoefficientCovariance, cluster_covariance
from coopgap.regression.cumulative import CumulativeFit, probabilities
from coopgap.regression.design import require_full_rank
from coopgap.regression.linear import absorbed_cr2
from coopgap.report.summaries import Summary, summary
from coopgap.study.spec import Design, LinkName
from coopgap.survey.raw import Columns


class Slope(NamedTuple):
    """A row of `tidy` before its interval."""

    term: str
    estimate: float
    std_error: float
    df: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit(ABC):
    """A fit of a formula to a frame.

    Attributes
    ----------
    frame
        The complete rows, as arrays.
    covariance
        Of the coefficients, and how it was made.
    """

    title: ClassVar[str] = ""

    frame: ModelFrame
    covariance: CoefficientCovariance

    @property
    def formula(self) -> str:
        """The formula as given."""
        return self.frame.formula

    @abstractmethod
    def slopes(self) -> list[Slope]:
        """Coefficients in the order of `tidy`."""

    @abstractmethod
    def statistics(self) -> dict[str, float]:
        """Numbers of `glance` that this kind of fit has."""

    def tidy(self, conf_level: float = 0.95) -> pd.DataFrame:
        """Coefficients with their intervals.

        Parameters
        ----------
        conf_level
            Coverage probability of the intervals.

        Returns
        -------
        DataFrame
            Columns term, estimate, std_error, statistic, p_value, conf_low, conf_high. A level of
            a category is `VARIABLE=LEVEL`, a slope that differs by threshold `TERM:>=LEVEL`, a
            threshold `LEVEL|LEVEL`.

        Examples
        --------
        >>> import coopgap as cg
        >>> df = cg.datasets.peru_example()
        >>> fit = cg.logit("trust_agree ~ member + sex", df)
        >>> fit.tidy().round(3)[["term", "estimate", "std_error"]]
                term  estimate  std_error
        """
        rows = []
        for term, estimate, error, df in self.slopes():
            found = wald(estimate, error, df=df, prob=conf_level, null=0.0)
            statistic = estimate / error if error > 0 else np.nan
            rows.append((term, estimate, error, statistic, found.p_value, found.lower, found.upper))
        names = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
        return pd.DataFrame(rows, columns=names)

    def glance(self) -> pd.DataFrame:
        """One row on the whole fit: people, those dropped, fit and kind of standard error.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.logit("trust_agree ~ member", cg.datasets.peru_example())
        >>> fit.glance()[["n_obs", "n_dropped", "vcov"]]
           n_obs  n_dropped vcov
        0   2007          0  HC0
        """
        clusters = self.covariance.n_clusters
        facts: dict[str, Any] = {"n_obs": self.frame.n, "n_dropped": self.frame.n_dropped}
        facts |= self.statistics() | {"vcov": self.covariance.kind}
        return pd.DataFrame([facts | {"n_clusters": pd.NA if clusters is None else clusters}])

    def summary(self) -> Summary:
        """The fit as text.

        Examples
        --------
        >>> import coopgap as cg
        >>> text = cg.logit("trust_agree ~ member", cg.datasets.peru_example()).summary()
        >>> print(text.splitlines()[0])
        Logit: trust_agree ~ member
        """
        facts = {k: v for k, v in self.glance().iloc[0].items() if not pd.isna(v)}
        return summary(
            f"{self.title}: {self.formula}", {str(k): v for k, v in facts.items()}, self.tidy()
        )

    @abstractmethod
    def predict(self, newdata: Columns | None = None) -> Any:
        """What the fit says of people; of those it was made on without `newdata`."""

    def _new_rows(self, newdata: Columns | None) -> tuple[FloatArray, pd.Index]:
        """Design rows of new people, NaN where a variable is missing, and their index."""
        if newdata is None:
            return self.frame.x, self.frame.data.index
        frame = table(newdata)
        require_columns(frame, self.frame.variables, "newdata")
        plain = plain_columns(frame, self.frame.variables)
        for name in self.frame.variables:
            known = self.frame.data[name].dtype
            if isinstance(known, pd.CategoricalDtype):
                column = plain[name].astype(object)
                unknown = column.notna() & ~column.isin(known.categories)
                if unknown.any():
                    found = f"{int(unknown.sum())} rows have a level that the fit has not seen"
                    raise InputError(f"newdata: {name}", found, "leave those rows out")
                plain[name] = pd.Categorical(column, categories=known.categories)
        whole = plain.notna().all(axis=1).to_numpy()
        x = np.full((len(frame), len(self.frame.terms)), np.nan)
        if whole.any():
            x[whole] = self.frame.design_rows(plain.loc[whole])
        return x, frame.index

    def __repr__(self) -> str:
        return str(self.summary())

    # The plug-in format of maketables.

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        rows = self.tidy().rename(
            columns={
                "term": "Coefficient",
                "estimate": "b",
                "std_error": "se",
                "statistic": "t",
                "p_value": "p",
                "conf_low": "ci95l",
                "conf_high": "ci95u",
            }
        )
        return rows.set_index("Coefficient")

    def __maketables_stat__(self, key: str) -> Any:
        """A number of `glance`; `N` are the people."""
        row = self.glance().iloc[0]
        return row.get("n_obs" if key == "N" else key)

    @property
    def __maketables_depvar__(self) -> str:
        return self.frame.outcome

    @property
    def __maketables_fixef_string__(self) -> str | None:
        return self.frame.absorbed or None

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {
            "vcov_type": self.covariance.kind,
            "clustervar": " + ".join(self.frame.asked.columns),
        }

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        return ["N"]


@dataclass(frozen=True, kw_only=True, repr=False)
class OrdinalFit(Fit):
    """A fitted cumulative link model.

    Attributes
    ----------
    levels
        Of the outcome, lowest first.
    outcome
        Shape (n,): index into the levels.
    fit
        The fit itself; `kind` the covariance it was made with, `iid` or as in `vcov`.
    infinite
        Terms without a finite maximum-likelihood estimate: bias-reduced estimates stand instead.
    """

    title: ClassVar[str] = "Cumulative link model"

    levels: tuple[str, ...]
    outcome: IntArray
    fit: CumulativeFit
    kind: str
    infinite: tuple[str, ...]

    def slopes(self) -> list[Slope]:
        """Slopes, those that differ by threshold, thresholds."""
        free, terms = self.fit.free, self.frame.terms
        names = [term for at, term in enumerate(terms) if at not in free]
        names += [f"{terms[at]}:>={level}" for at in free for level in self.levels[1:]]
        names += [f"{low}|{high}" for low, high in pairwise(self.levels)]
        errors = np.sqrt(np.diag(self.covariance.cov))
        found = zip(names, self.fit.params, errors, self.covariance.coefficient_df, strict=True)
        return [Slope(a, float(b), float(c), float(d)) for a, b, c, d in found if np.isfinite(b)]

    def statistics(self) -> dict[str, float]:
        """Likelihood numbers; AIC and BIC count people, so weighted fits have none."""
        fit, n = self.fit, self.frame.n
        k, counts = fit.params.size, np.bincount(self.outcome, self.frame.weight)
        counts = counts[counts > 0]
        null = float(counts @ np.log(counts / counts.sum()))
        counted = not self.frame.weighted and not fit.bias_reduced
        return {
            "log_lik": fit.log_likelihood,
            "pseudo_r2": 1 - fit.log_likelihood / null,
            "aic": 2 * k - 2 * fit.log_likelihood if counted else np.nan,
            "bic": np.log(n) * k - 2 * fit.log_likelihood if counted else np.nan,
            "df": k,
            "correct_decimals": fit.correct_decimals,
            "bias_reduced": fit.bias_reduced,
        }

    def cells(self, *apart: IntArray) -> tuple[SampleCells, IntArray]:
        """The fit's people as cells, and a row of each."""
        return self.frame.cells(self.outcome, len(self.levels), *apart)

    def predict(self, newdata: Columns | None = None) -> pd.DataFrame:
        """Probability of every level.

        Parameters
        ----------
        newdata
            A table of the formula's variables; the people of the fit if absent.

        Returns
        -------
        DataFrame
            A row a person, a column a level; empty where a variable is missing.

        Examples
        --------
        >>> import coopgap as cg
        >>> df = cg.datasets.peru_example()
        >>> fit = cg.ordinal("ses_class ~ member", df)
        >>> fit.predict({"member": [0, 1]}).round(3)
        """
        x, index = self._new_rows(newdata)
        return pd.DataFrame(probabilities(self.fit, x), index=index, columns=list(self.levels))

    def brant(self) -> pd.DataFrame:
        """Tests that every term has one slope at all thresholds.

        Brant's test and the likelihood ratio take people as independent and stand where the fit
        has no weights; the Wald test with the sandwich covariance, clustered as the fit is, stands
        in either case.

        Returns
        -------
        DataFrame
            Columns term, test, statistic, df, df_residual, p_value and note; `all terms` is the
            test of every term at once. `note` says why a test has no number.

        References
        ----------
        Brant (1990), Biometrics 46, 1171-1178.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.ordinal("ses_class ~ member", cg.datasets.peru_example())
        >>> fit.brant()[["term", "test", "df"]]
        """
        on, _ = self.cells()
        rows: list[dict[str, Any]] = []
        for term, test, run in odds_tests(
            on, self.fit.link, weighted=self.frame.weighted, brant_of=self.frame.columns
        ):
            row: dict[str, Any] = {"term": term, "test": str(test)}
            try:
                found = run()
            except NotEstimable as error:
                rows.append(row | {"note": error.reason})
                continue
            numbers = {"statistic": found.statistic, "df": found.df, "df_residual": found.df_error}
            rows.append(row | numbers | {"p_value": found.p_value, "note": ""})
        names = ["term", "test", "statistic", "df", "df_residual", "p_value", "note"]
        return pd.DataFrame(rows, columns=names)


@dataclass(frozen=True, kw_only=True, repr=False)
class LogitFit(OrdinalFit):
    """A fitted binary regression: `Intercept` stands for the one threshold."""

    title: ClassVar[str] = "Logit"

    def slopes(self) -> list[Slope]:
        """The intercept, then slopes."""
        *slopes, threshold = super().slopes()
        return [threshold._replace(term="Intercept", estimate=-threshold.estimate), *slopes]

    def predict(self, newdata: Columns | None = None) -> Any:
        """Probability of the upper answer, a number a person.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.logit("trust_agree ~ member", cg.datasets.peru_example())
        >>> fit.predict({"member": [0, 1]}).round(3).tolist()
        """
        return super().predict(newdata)[self.levels[1]].rename(self.frame.outcome)


def coded_outcome(frame: ModelFrame, *, two: bool) -> tuple[IntArray, tuple[str, ...]]:
    """Each person's level of the outcome, and the levels that somebody has, lowest first."""
    return coded_levels(frame.y, frame.outcome, two=two)


def coded_levels(
    column: pd.Series[Any], name: str, *, two: bool = False
) -> tuple[IntArray, tuple[str, ...]]:
    """Codes and levels of an outcome; refused where the order of several is not known."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        kept = column.cat.remove_unused_categories()
        categories, codes = kept.cat.categories, kept.cat.codes.to_numpy()
        ordered = bool(column.cat.ordered)
    else:
        codes, categories = pd.factorize(column, sort=True)
        ordered = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
    levels = tuple(spelled(value) for value in categories)
    if len(levels) < 2 or (two and len(levels) != 2):
        wanted = "allowed: two, such as 0 and 1" if two else "allowed: two or more"
        raise InputError(f"data: {name}", f"has {len(levels)} different answers", wanted)
    if len(levels) > 2 and not ordered:
        allowed = "give them one: pd.Categorical(..., categories=[...], ordered=True), lowest first"
        raise InputError(f"data: {name}", "has levels without an order", allowed)
    return codes.astype(np.int64), levels


def spelled(value: Any) -> str:
    """A level as text; whole numbers without a point."""
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def ordinal(
    formula: str,
    data: Columns,
    *,
    weights: str | None = None,
    vcov: Vcov | None = None,
    free: Sequence[str] = (),
    link: LinkName = "logit",
    design: Design | None = None,
) -> OrdinalFit:
    """Fit a cumulative link model, with terms freed from proportional odds where asked.

    Parameters
    ----------
    formula
        `outcome ~ terms`, as formulaic reads it. The outcome is an ordered categorical, or numbers
        in their order.
    data
        A table of pandas, polars, pyarrow, DuckDB or any library of Arrow's C stream interface.
    weights
        Column of the weights, such as `match_weight` of a matched sample; people of weight zero
        stay out.
    vcov
        `"iid"` (inverse information), `"HC0"`, `"HC1"`, `"HC3"`, or a mapping such as
        `{"CR2": "zone"}` from CR0, CR1, CR1S or CR2 to the column of the clusters; two ways are
        `{"CR1": "zone + match_set"}`. Without it HC0, or by the zones of `design`.
    free
        Terms whose coefficient differs by threshold.
    link
        logit, probit or cloglog.
    design
        How people were sampled: its weight and zone stand where `weights` and `vcov` are absent.

    Returns
    -------
    OrdinalFit
        `summary`, `tidy`, `glance`, `predict` and `brant`; `gap` takes it.

    Raises
    ------
    InputError
        An unknown column or term, an outcome without an order, negative weights.
    NotEstimable
        Terms that depend on one another, or freed thresholds that cross or have no finite estimate.

    Notes
    -----
    P(Y <= j) = F(threshold_j - x'b - z'g_j): a positive slope raises the outcome. Where an estimate
    would be infinite, bias-reduced estimates stand in the place of all, unless a term is freed.

    References
    ----------
    McCullagh (1980), JRSS B 42, 109-142. Peterson & Harrell (1990), Applied Statistics 39, 205-217.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> fit = cg.ordinal("ses_class ~ member + sex", df, free=["member"], vcov={"CR1": "zone"})
    >>> fit.tidy().round(3)[["term", "estimate", "std_error"]]
    """
    frame = model_frame(formula, data, weights=weights, vcov=vcov, design=design)
    outcome, levels = coded_outcome(frame, two=False)
    return _cumulative(OrdinalFit, frame, outcome, levels, link, _positions(frame, free))


def logit(
    formula: str,
    data: Columns,
    *,
    weights: str | None = None,
    vcov: Vcov | None = None,
    link: LinkName = "logit",
    design: Design | None = None,
) -> LogitFit:
    """Fit a binary regression.

    Parameters
    ----------
    formula
        `outcome ~ terms`; the outcome is 0 and 1, true and false, or two levels of which the
        second counts.
    data, weights, vcov, design
        As in `ordinal`.
    link
        logit, probit or cloglog; with cloglog F belongs to the lower answer.

    Returns
    -------
    LogitFit
        `summary`, `tidy`, `glance` and `predict`; `gap` takes it.

    Raises
    ------
    InputError
        As in `ordinal`, and an outcome that has not two answers.
    NotEstimable
        Terms that depend on one another.

    Notes
    -----
    Where an estimate would be infinite (separation), bias-reduced estimates stand in the place of
    all, and `glance` says so.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> cg.logit("trust_agree ~ member + sex", df, vcov={"CR2": "zone"}).tidy().round(3)
    """
    frame = model_frame(formula, data, weights=weights, vcov=vcov, design=design)
    outcome, levels = coded_outcome(frame, two=True)
    return _cumulative(LogitFit, frame, outcome, levels, link, ())


def _positions(frame: ModelFrame, free: Sequence[str]) -> tuple[int, ...]:
    """Columns of the terms that are freed."""
    for name in free:
        if name not in frame.columns:
            allowed = f"allowed: {', '.join(frame.columns)}"
            raise InputError("free", f"names {name}, which is no term of the formula", allowed)
    return tuple(sorted(at for name in free for at in frame.columns[name]))


def _cumulative[F: OrdinalFit](
    made: type[F],
    frame: ModelFrame,
    outcome: IntArray,
    levels: tuple[str, ...],
    link: LinkName,
    free: tuple[int, ...],
) -> F:
    if frame.absorbed:
        raise InputError("formula", f"absorbs {frame.absorbed}", "use conditional or linear")
    on, _ = frame.cells(outcome, len(levels))
    fit, infinite = solve(on, link, free, member_free=bool(free))
    require_order(fit, on, frame.first)
    kind = _kind(frame.asked.kind, infinite)
    if kind == "iid":
        covariance = CoefficientCovariance(cov=fit.cov, kind="iid", n_clusters=None, df=np.inf)
    else:
        covariance = robust_covariance(fit, on, kind)  # type: ignore[arg-type]
    return made(
        frame=frame,
        covariance=covariance,
        levels=levels,
        outcome=outcome,
        fit=fit,
        kind=kind,
        infinite=infinite,
    )


def _kind(asked: str, infinite: tuple[str, ...]) -> str:
    """The kind asked for; bias-reduced fits have no score equations to correct for leverage."""
    return {"CR2": "CR1", "HC3": "HC1"}.get(asked, asked) if infinite else asked


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

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.linear("trust_agree ~ member", cg.datasets.peru_example())
        >>> fit.predict({"member": [0, 1]}).round(3).tolist()
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
    return coded_outcome(frame, two=True)[0].astype(np.float64)


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
