"""Sensitivity checks of one gap, called by hand: the public names of `coopgap.checks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from coopgap.api.gaps import Gap, sample_of
from coopgap.api.matched import Matched
from coopgap.checks.context import Context
from coopgap.checks.e_values import e_values
from coopgap.checks.registry import Unanswered
from coopgap.checks.registry import checks as every_check
from coopgap.checks.robustness import robustness_values
from coopgap.checks.rosenbaum_bounds import rosenbaum as rosenbaum_bounds
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import Keys, SensitivityRow, to_frame
from coopgap.core.vocabulary import Check
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample, require_matched
from coopgap.families.sets import estimate_linear
from coopgap.families.shares import estimate_shares


def available() -> pd.DataFrame:
    """Every check that a run makes: name, title, question, topic, cost and what it is run for.

    Returns
    -------
    DataFrame
        In the order of sensitivity.csv. `cost` is `full` where a check takes many fits.

    Examples
    --------
    >>> import coopgap as cg
    >>> cg.checks.available().set_index("name").loc["e_value", "title"]
    'E-values'
    """
    rows = [
        (one.name, one.title, one.question, one.topic or "", one.cost, str(one.scope))
        for one in every_check().values()
    ]
    return pd.DataFrame(rows, columns=["name", "title", "question", "topic", "cost", "scope"])


def e_value(gap: Gap, category: str = "") -> pd.DataFrame:
    """How strong an unmeasured confounder would have to be, as a risk ratio.

    Parameters
    ----------
    gap
        Of `coopgap.gap`.
    category
        A threshold (`>=C`); every threshold if absent.

    Returns
    -------
    DataFrame
        With the columns of sensitivity.csv: the risk ratio in the coding of the rarer answer, and
        its E-value, whose `lower` is that of the confidence limit nearer to one.

    Raises
    ------
    NotEstimable
        Where no threshold has a risk ratio.

    References
    ----------
    VanderWeele & Ding (2017), Annals of Internal Medicine 167(4).

    Examples
    --------
    >>> import coopgap as cg
    >>> g = cg.gap(cg.logit("ses_top ~ member", cg.datasets.peru_example()), "member")
    >>> cg.checks.e_value(g)[["category", "quantity", "estimate", "lower"]].round(3)
      category    quantity  estimate  lower
    0        1  risk_ratio     1.799  1.511
    1        1     e_value     2.999  2.389
    """
    estimate = gap.estimate
    if category:
        gap.at(category)
    nobody = np.zeros(0, dtype=np.int64)  # the estimate alone is looked at
    sample = sample_of(nobody > 0, nobody, estimate.keys.levels, np.zeros(0))
    context = _context(replace(estimate.keys, at=category), sample, estimate)
    return _table(Check.E_VALUE, e_values, context)


def rosenbaum(matched: Matched, outcome: str) -> pd.DataFrame:
    """How large a hidden bias within matched sets the association survives.

    Parameters
    ----------
    matched
        Of `coopgap.match`, by a method that makes sets.
    outcome
        A column of its frame.

    Returns
    -------
    DataFrame
        With the columns of sensitivity.csv: at each threshold the largest p-value by Γ (`setting`)
        and the Γ at which it reaches a level; for more than two levels of the whole answer too.

    Raises
    ------
    NotEstimable
        Where the matching makes no sets.

    References
    ----------
    Rosenbaum (2002), Observational Studies, section 4.4.

    Examples
    --------
    >>> import coopgap as cg
    >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
    >>> found = cg.checks.rosenbaum(m, "trust_agree")
    >>> found.loc[found["quantity"] == "gamma", ["setting", "estimate"]].round(2)
       setting  estimate
    7     0.02      1.35
    8     0.05      1.40
    """
    sample, keys = _sample(matched, outcome)
    context = _context(keys, sample, estimate_shares(sample).named(keys))
    return _table(Check.ROSENBAUM, rosenbaum_bounds, context)


def robustness_value(matched: Matched, outcome: str, *, cluster: str | None = None) -> pd.DataFrame:
    """How much residual variance an unmeasured confounder would have to explain.

    Parameters
    ----------
    matched, outcome
        As in `rosenbaum`.
    cluster
        Column of the clusters on which the gap's interval is made; people if absent.

    Returns
    -------
    DataFrame
        With the columns of sensitivity.csv: at each threshold the share of variance of both
        membership and outcome that accounts for the linear gap, or brings zero into its interval.

    Raises
    ------
    NotEstimable
        Where the matching makes no sets.

    References
    ----------
    Cinelli & Hazlett (2020), JRSS B 82, 39-67.

    Examples
    --------
    >>> import coopgap as cg
    >>> m = cg.match(cg.datasets.peru_example(), "member ~ age_band + sex", method="exact")
    >>> cg.checks.robustness_value(m, "ses_top")[["variant", "estimate"]].round(3)
        variant  estimate
    0  estimate     0.144
    1  interval     0.103
    """
    sample, keys = _sample(matched, outcome, cluster)
    context = _context(keys, sample, estimate_linear(sample).named(keys))
    return _table(Check.ROBUSTNESS_VALUE, robustness_values, context)


def _sample(matched: Matched, outcome: str, cluster: str | None = None) -> tuple[Sample, Keys]:
    """The matched people who answered, and what their rows say of themselves."""
    sample = matched.of_outcome(outcome, cluster)
    require_matched(sample)
    levels = sample.rows.levels
    return sample, Keys(model="", outcome=outcome, source=matched.source, levels=levels)


_NONE: Any = None
"""In place of a study, a survey and a model: a check of one gap looks at none of them."""


def _context(keys: Keys, sample: Sample, headline: Estimate) -> Context:
    """What a check of one gap is given."""
    return Context(
        keys=keys,
        study=_NONE,
        survey=_NONE,
        spec=_NONE,
        sample=sample,
        headline=headline,
        estimates=(headline,),
    )


def _table(
    name: Check, make: Callable[[Context], Iterator[SensitivityRow]], context: Context
) -> pd.DataFrame:
    try:
        return to_frame("sensitivity", [replace(row, check=name) for row in make(context)])
    except Unanswered as error:
        raise NotEstimable(error.reason.rstrip(".")) from error
