"""One odds ratio for every cut of printed ordered categories, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import CoefficientRow, DiagnosticRow
from coopgap.core.gap import wald
from coopgap.core.vocabulary import PRINTED, Diagnostic, Family, IntervalKind, OddsTest, Scale
from coopgap.printed.compare import PROB
from coopgap.printed.lines import Ordered
from coopgap.printed.rounding import whole_people
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.proportional import brant, likelihood_ratio

_LEVEL = 0.05
_MEMBER = np.array([[1.0], [0.0]])


class PeopleOf(NamedTuple):
    """Whole people behind a pair of printed distributions, shape (2, J), members first.

    `note` says what was taken for the comparator's people where none are printed.
    """

    counts: FloatArray
    note: str


def people_of(pair: Ordered, asked: int | None) -> PeopleOf | None:
    """Nearest whole people; a comparator without a base counts as many as `asked`.

    None where nothing says how many people to take.
    """
    n_member, n_other = pair.member[0].n, pair.other[0].n
    taken = asked if n_other is None else n_other
    if n_member is None or taken is None:
        return None
    rounded = any(share.range is not None for share in (*pair.member, *pair.other))
    note = "Nearest whole people of the printed percentages." if rounded else "Printed counts."
    if n_other is None:
        comparator = pair.line.comparator
        note += f" No base is printed for the {comparator} column: taken as {taken:,} people."
    sides = zip(pair.shares(), (n_member, taken), strict=True)
    counts = [whole_people(side.tolist(), n) for side, n in sides]
    return PeopleOf(counts=np.array(counts), note=note)


def coefficient_rows(pair: Ordered, people: PeopleOf | None) -> Iterator[CoefficientRow]:
    """Membership's log odds ratio under proportional odds, and the thresholds.

    Yields
    ------
    CoefficientRow
        Nothing where the fit does not exist, and no threshold beside a level that nobody has;
        `proportionality_rows` says why.
    """
    if people is None:
        return
    try:
        fit = fit_ordinal(_MEMBER, people.counts)
    except NotEstimable:
        return
    cuts = [f"{low}|{high}" for low, high in zip(pair.levels, pair.levels[1:], strict=False)]
    terms = [("member", Scale.LOG_ODDS), *((cut, Scale.THRESHOLD) for cut in cuts)]
    estimates = [float(fit.slopes[0]), *fit.thresholds.tolist()]
    errors = np.sqrt(np.diag(fit.cov)).tolist()
    for (term, scale), estimate, std_error in zip(terms, estimates, errors, strict=True):
        if not (np.isfinite(estimate) and std_error > 0):
            continue
        interval = wald(estimate, std_error, df=np.inf, prob=PROB, null=0.0)
        yield CoefficientRow(
            model=pair.model,
            family=Family.PRINTED,
            outcome=pair.line.outcome,
            term=term,
            scale=scale,
            estimate=estimate,
            std_error=std_error,
            statistic=estimate / std_error,
            p_value=interval.p_value,
            lower=interval.lower,
            upper=interval.upper,
            interval_prob=PROB,
            interval_kind=IntervalKind.CONFIDENCE,
            std_error_kind="model",
            n_obs=fit.n_obs,
            source=PRINTED,
        )


def proportionality_rows(pair: Ordered, people: PeopleOf | None) -> Iterator[DiagnosticRow]:
    """Whether one odds ratio holds at every cut: Brant's test and the likelihood ratio.

    Yields
    ------
    DiagnosticRow
        `value` is the p-value, `bar` the level it is held against; `group` are the members, `about`
        those they are compared with.
    """
    tests = {OddsTest.BRANT: brant, OddsTest.LIKELIHOOD_RATIO: likelihood_ratio}
    for name, test in tests.items():
        row = DiagnosticRow(
            model=pair.model,
            diagnostic=Diagnostic.PROPORTIONAL_ODDS,
            bar=_LEVEL,
            about=pair.line.comparator,
            test=name,
            family=Family.PRINTED,
            group=pair.line.group,
            source=PRINTED,
        )
        try:
            if people is None:
                raise NotEstimable("no base is printed, and no size of the comparison sample")
            result = test(_MEMBER, people.counts, (0,))
        except NotEstimable as error:
            yield replace(row, note=error.reason)
            continue
        yield replace(
            row,
            value=result.p_value,
            passed=result.p_value >= _LEVEL,
            statistic=result.statistic,
            df=result.df,
            note=people.note,
        )
