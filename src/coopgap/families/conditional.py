"""Ratios within matched sets: conditional logit, and its ordinal form by blow-up and cluster."""

from __future__ import annotations

import numpy as np

from coopgap.errors import NotEstimable
from coopgap.families.records import (
    INTERVAL_PROB,
    Coefficient,
    FamilyEstimate,
    Sample,
    count_clusters,
    require_both_groups,
)
from coopgap.gap import Contrast, Interval, wald
from coopgap.matching.weights import effective_size
from coopgap.regression.conditional import (
    conditional_covariance,
    constant_within_sets,
    fit_conditional,
)
from coopgap.regression.design import design_matrix
from coopgap.survey.cells import collapse
from coopgap.vocabulary import Family, Quantity, Scale

__all__ = ["conditional_contrast", "estimate_conditional"]


def conditional_contrast(n_levels: int) -> Contrast:
    """The one contrast that a conditional family has."""
    ratio = Quantity.ODDS_RATIO if n_levels == 2 else Quantity.CUMULATIVE_ODDS_RATIO
    return Contrast(ratio, "", 1, True)


def estimate_conditional(sample: Sample) -> FamilyEstimate:
    """Conditional odds ratio within matched sets, people unweighted, clustered on zone.

    Covariates that the matching made exact, and terms that no set which holds both answers tells
    apart, are constant within sets and leave the likelihood; the others stay in it.

    Raises
    ------
    NotEstimable
        Without sets, without a discordant set, or with too few clusters.
    """
    inside = sample.take(sample.matched.set_id >= 0)
    people = inside.rows.people_by_level()
    if not people.size or not sample.matched.n_sets:
        raise NotEstimable("this matching makes no sets")
    require_both_groups(people)
    n_clusters = count_clusters(inside)
    rows = inside.rows
    varying = [name for name in inside.covariates if name not in inside.strata]
    zone = np.zeros(rows.n, dtype=np.int64) if rows.zone is None else rows.zone
    columns = [inside.matched.set_id, rows.member.astype(np.int64), zone]
    columns += [rows.factors[name] for name in varying]
    cells = collapse(columns, rows.outcome, len(rows.levels))
    codes = {name: cells.codes[:, 3 + k] for k, name in enumerate(varying)}
    design = design_matrix(
        codes, {name: rows.factor_levels[name] for name in codes}, cells.codes.shape[0]
    )
    sets = cells.codes[:, 0]
    constant = constant_within_sets(design.x, cells.people, sets)
    x = np.column_stack([cells.codes[:, 1].astype(np.float64), design.x[:, ~constant]])
    terms = ("member", *(design.terms[at] for at in np.flatnonzero(~constant)))
    fit = fit_conditional(x, cells.people, sets, terms=terms)
    cluster = None if rows.zone is None else cells.codes[:, 2]
    covariance = conditional_covariance(fit, x, cells.people, sets, cluster)
    std_errors = np.sqrt(np.diag(covariance.cov))

    def interval(k: int, *, log: bool) -> Interval:
        value, std_error = float(fit.slopes[k]), float(std_errors[k])
        return wald(
            float(np.exp(value)) if log else value,
            std_error,
            df=covariance.df,
            prob=INTERVAL_PROB,
            null=1.0 if log else 0.0,
            log=log,
        )

    n_levels = len(rows.levels)
    return FamilyEstimate(
        family=Family.CONDITIONAL_LOGIT if n_levels == 2 else Family.CONDITIONAL_ORDINAL,
        population=sample.population,
        people=people,
        intervals={conditional_contrast(n_levels): interval(0, log=True)},
        coefficients=tuple(
            Coefficient(
                term=term,
                scale=Scale.LOG_ODDS,
                interval=interval(k, log=False),
                std_error_kind=covariance.kind,
            )
            for k, term in enumerate(terms)
        ),
        ess_comparison=effective_size((~rows.member).astype(np.float64)),
        constant=tuple(design.terms[at] for at in np.flatnonzero(constant)),
        n_sets=fit.n_sets_discordant,
        n_clusters=n_clusters,
        std_errors=covariance.kind,
    )
