"""The closed vocabularies of the output tables."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = [
    "AT_REGIONS",
    "BY_REGION",
    "EXAMPLE",
    "FREED",
    "PRINTED",
    "SHIFT",
    "Check",
    "Comparator",
    "Family",
    "IntervalKind",
    "Population",
    "Quantity",
    "Scale",
    "Status",
    "Verdict",
]

AT_REGIONS: Final = ", at the sample's regions"
"""Ending of the comparator of outside shares whose regions are weighted as the sample's."""

EXAMPLE: Final = "EXAMPLE DATA"
"""`source` of every row that comes from the example survey."""

PRINTED: Final = "printed"
"""`source` of every row that comes from a printed report."""

FREED: Final = "membership free by threshold"
"""`variant` of the matched ordinal gap with membership freed from proportional odds."""

SHIFT: Final = "membership free by threshold, minus declared"
"""`variant` of the difference between that gap and the declared one."""


class Family(StrEnum):
    """How a gap was estimated."""

    UNADJUSTED = "unadjusted"
    ADJUSTED_LOGIT = "adjusted_logit"
    ADJUSTED_ORDINAL = "adjusted_ordinal"
    MATCHED_LOGIT = "matched_logit"
    CONDITIONAL_LOGIT = "conditional_logit"
    MATCHED_ORDINAL = "matched_ordinal"
    CONDITIONAL_ORDINAL = "conditional_ordinal"
    LINEAR = "linear"
    HIERARCHICAL = "hierarchical"
    BENCHMARK = "benchmark"
    PRINTED = "printed"


class Comparator(StrEnum):
    """Who the members are compared with; a printed comparator may carry its own name."""

    COMPARISON = "comparison"
    NATIONAL = "national"
    PHONE = "phone"


class Population(StrEnum):
    """Over whose covariates a gap is standardised."""

    MEMBERS = "members"
    ALL_MEMBERS = "all_members"
    POOLED = "pooled"
    OVERLAP = "overlap"
    POSTSTRATIFIED = "poststratified"
    PRINTED = "printed"


class Quantity(StrEnum):
    """What a row estimates."""

    RISK_DIFFERENCE = "risk_difference"
    RISK_RATIO = "risk_ratio"
    ODDS_RATIO = "odds_ratio"
    CUMULATIVE_ODDS_RATIO = "cumulative_odds_ratio"
    SUPERIORITY = "superiority"
    SHARE = "share"
    SD_SUPERPOPULATION = "sd_superpopulation"
    SD_FINITE = "sd_finite"
    PROB_ABOVE_ZERO = "prob_above_zero"
    PROB_ABOVE_SMALLEST = "prob_above_smallest"
    EXPECTED_RANK = "expected_rank"


class IntervalKind(StrEnum):
    """What an interval is."""

    CONFIDENCE = "confidence"
    CREDIBLE = "credible"
    BOUNDS = "bounds"


class Scale(StrEnum):
    """Scale of a coefficient."""

    LOG_ODDS = "log_odds"
    PROBIT = "probit"
    CLOGLOG = "cloglog"
    PROBABILITY = "probability"
    THRESHOLD = "threshold"
    SD = "sd"


class Status(StrEnum):
    """Whether a row's numbers stand."""

    OK = "ok"
    SUPPRESSED = "suppressed"
    WITHHELD = "withheld"
    NOT_ESTIMABLE = "not_estimable"
    FEW_CLUSTERS = "few_clusters"


class Check(StrEnum):
    """Sensitivity checks."""

    PHONE_COMPOSITION = "phone_composition"
    PHONE_EQUIVALENCE = "phone_equivalence"
    PHONE_REPLACES = "phone_replaces"
    PHONE_JOINS = "phone_joins"
    PHONE_JOINS_MODE = "phone_joins_mode"
    PHONE_POWER_PRIOR = "phone_power_prior"
    PHONE_ROBUST_MIXTURE = "phone_robust_mixture"
    PHONE_SUBSAMPLE_REFERENCE = "phone_subsample_reference"
    PHONE_LINKED = "phone_linked"
    TIPPING_POINT = "tipping_point"
    E_VALUE = "e_value"
    ROSENBAUM = "rosenbaum"
    ROBUSTNESS_VALUE = "robustness_value"
    NEGATIVE_CONTROL = "negative_control"
    MISSING_BOUNDS = "missing_bounds"
    MISSING_IMPUTATION = "missing_imputation"
    MULTIPLICITY = "multiplicity"
    MULTIVERSE = "multiverse"
    VARIANT = "variant"
    LEAVE_ONE_REGION = "leave_one_region"
    LEAVE_ONE_ZONE = "leave_one_zone"
    PRIOR_REFIT = "prior_refit"
    POWER_SCALING = "power_scaling"
    DESIGN_ANALYSIS = "design_analysis"
    DESIGN_EFFECT = "design_effect"
    PRIOR_PREDICTIVE = "prior_predictive"
    POSTERIOR_PREDICTIVE = "posterior_predictive"
    LOO = "loo"


BY_REGION: Final = (
    Check.PRIOR_PREDICTIVE,
    Check.POSTERIOR_PREDICTIVE,
    Check.POWER_SCALING,
    Check.PRIOR_REFIT,
    Check.LOO,
)
"""Checks of the hierarchical model: with all checks each model has a row of them."""


class Verdict(StrEnum):
    """What a sensitivity check concludes."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    DIFFERENT_WITHIN_MARGIN = "different_within_margin"
    INCONCLUSIVE = "inconclusive"
    NOT_ASSESSED = "not_assessed"
    HOLDS = "holds"
    CHANGES = "changes"
    NOT_APPLICABLE = "not_applicable"
