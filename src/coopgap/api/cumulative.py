"""Logit and ordinal fits by formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from coopgap.api.columns import coded_levels
from coopgap.api.fits import Fit, Slope
from coopgap.api.frames import ModelFrame, Vcov, model_frame
from coopgap.core.arrays import IntArray
from coopgap.core.errors import InputError, NotEstimable
from coopgap.families.cells import require_order, robust_covariance, solve
from coopgap.families.proportional import odds_tests
from coopgap.families.sample import SampleCells
from coopgap.regression.cumulative import CumulativeFit, probabilities
from coopgap.regression.links import LINKS
from coopgap.regression.sampled import CoefficientCovariance
from coopgap.study.spec import Design, LinkName
from coopgap.survey.raw import Columns


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
               E      D      C      B      A
        0  0.186  0.307  0.350  0.146  0.010
        1  0.099  0.220  0.402  0.257  0.021
        """
        x, index = self._new_rows(newdata)
        shares = np.full((len(x), len(self.levels)), np.nan)
        whole = ~np.isnan(x).any(axis=1)
        shares[whole] = probabilities(self.fit, x[whole])
        return pd.DataFrame(shares, index=index, columns=list(self.levels))

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
                term              test  df
        0     member  likelihood_ratio   3
        1  all terms  likelihood_ratio   3
        2     member             brant   3
        3  all terms             brant   3
        4     member              wald   3
        5  all terms              wald   3
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

        Parameters
        ----------
        newdata
            As in `OrdinalFit.predict`.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.logit("trust_agree ~ member", cg.datasets.peru_example())
        >>> fit.predict({"member": [0, 1]}).round(3).tolist()
        [0.27, 0.4]
        """
        return super().predict(newdata)[self.levels[1]].rename(self.frame.outcome)


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
        `"iid"` (inverse information, weights counting people), `"HC0"`, `"HC1"`, `"HC3"`, or a
        mapping such as `{"CR2": "zone"}` from CR0, CR1, CR1S or CR2 to the column of the clusters;
        two ways are `{"CR1": "zone + match_set"}`. Without it HC0, or by the zones of `design`.
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
        Terms that depend on one another, or freed thresholds that cross or have no finite estimate:
        a fit of membership alone, freed, still gives the weighted difference of shares.

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
             term  estimate  std_error
    0    sex=male     0.010      0.082
    1  member:>=D     0.723      0.134
    2  member:>=C     0.726      0.086
    3  member:>=B     0.748      0.102
    4  member:>=A     0.519      0.354
    5         E|D    -1.475      0.094
    6         D|C    -0.025      0.083
    7         C|B     1.697      0.098
    8         B|A     4.419      0.279
    """
    frame = model_frame(formula, data, weights=weights, vcov=vcov, design=design)
    outcome, levels = coded_levels(frame.y, frame.outcome)
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
        `outcome ~ terms`; the outcome is 0 and 1, true and false, or two ordered categories of
        which the second counts. Other pairs, such as 1 and 2, are refused: nothing says which
        counts.
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
            term  estimate  std_error  statistic  p_value  conf_low  conf_high
    0  Intercept    -0.979      0.087    -11.194    0.000    -1.153     -0.805
    1     member     0.588      0.095      6.165    0.000     0.399      0.777
    2   sex=male    -0.029      0.105     -0.275    0.784    -0.238      0.180
    """
    frame = model_frame(formula, data, weights=weights, vcov=vcov, design=design)
    outcome, levels = coded_levels(frame.y, frame.outcome, two=True)
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
    if link not in LINKS:
        raise InputError("link", f"is {link!r}", f"allowed: {', '.join(LINKS)}")
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
