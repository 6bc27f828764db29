"""The closed vocabularies of the output tables."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = [
    "AT_REGIONS",
    "BLANK",
    "BY_PHONE",
    "BY_REGION",
    "EXAMPLE",
    "FEW_PEOPLE",
    "KINDS",
    "PRINTED",
    "Check",
    "Comparator",
    "Family",
    "IntervalKind",
    "Kind",
    "Population",
    "Quantity",
    "Scale",
    "Status",
    "Use",
    "Verdict",
]

AT_REGIONS: Final = ", at the sample's regions"
"""Ending of the comparator of outside shares whose regions are weighted as the sample's."""

EXAMPLE: Final = "EXAMPLE DATA"
"""`source` of every row that comes from the example survey."""

PRINTED: Final = "printed"
"""`source` of every row that comes from a printed report."""

FEW_PEOPLE: Final = 10
"""A row behind which fewer people stand has status `few_people`; its numbers are shown."""


class Family(StrEnum):
    """How a gap was estimated."""

    UNADJUSTED = "unadjusted"
    ADJUSTED_LOGIT = "adjusted_logit"
    ADJUSTED_ORDINAL = "adjusted_ordinal"
    ADJUSTED_PROPORTIONAL = "adjusted_proportional"
    MATCHED_LOGIT = "matched_logit"
    CONDITIONAL_LOGIT = "conditional_logit"
    MATCHED_ORDINAL = "matched_ordinal"
    MATCHED_PROPORTIONAL = "matched_proportional"
    CONDITIONAL_ORDINAL = "conditional_ordinal"
    LINEAR = "linear"
    SHARES = "shares"
    DOUBLY_ROBUST = "doubly_robust"
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
    GAP_DIFFERENCE = "gap_difference"


class IntervalKind(StrEnum):
    """What an interval is."""

    CONFIDENCE = "confidence"
    JOINT = "joint"
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
    """Whether a row's numbers stand: they are blank where it is one of `BLANK`."""

    OK = "ok"
    FEW_PEOPLE = "few_people"
    SUPPRESSED = "suppressed"
    WITHHELD = "withheld"
    NOT_ESTIMABLE = "not_estimable"
    FEW_CLUSTERS = "few_clusters"


BLANK: Final = frozenset({Status.SUPPRESSED, Status.WITHHELD, Status.NOT_ESTIMABLE})
"""Statuses of rows without numbers."""


class Use(StrEnum):
    """What a model does with a variable whose balance is shown: the first that holds."""

    MATCHED = "matched"
    ADJUSTED = "adjusted"
    COMPONENT = "component"
    REPORTED = "reported"


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
    MATCHING_TIES = "matching_ties"
    LEAVE_ONE_REGION = "leave_one_region"
    LEAVE_ONE_ZONE = "leave_one_zone"
    PRIOR_REFIT = "prior_refit"
    POWER_SCALING = "power_scaling"
    DESIGN_ANALYSIS = "design_analysis"
    DESIGN_EFFECT = "design_effect"
    PRIOR_PREDICTIVE = "prior_predictive"
    POSTERIOR_PREDICTIVE = "posterior_predictive"
    LOO = "loo"


BY_PHONE: Final = frozenset(check for check in Check if check.startswith("phone_"))
"""Checks of the phone interviews."""

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
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not_applicable"


class Kind(StrEnum):
    """What a number is, and so how finely it may be told where disclosure is limited."""

    COUNT = "count"
    SHARE = "share"
    RATIO = "ratio"
    LOG = "log"
    STANDARDISED = "standardised"
    CHANCE = "chance"
    P_VALUE = "p_value"
    STATISTIC = "statistic"
    SQUARE = "square"
    E_VALUE = "e_value"
    ERROR = "error"
    PLAIN = "plain"


KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys((Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY, Quantity.SHARE), Kind.SHARE),
    Quantity.GAP_DIFFERENCE: Kind.SHARE,
    **dict.fromkeys(("largest_difference", "influence", "phone_superiority"), Kind.SHARE),
    **dict.fromkeys(
        ("median_risk_difference", "median_superiority", "sd_risk_difference", "sd_superiority"),
        Kind.SHARE,
    ),
    **dict.fromkeys(("members_lost_share", "unmatched_share", "agreement_share"), Kind.SHARE),
    **dict.fromkeys(("share_off", "least_share_off", "robustness_value"), Kind.SHARE),
    **dict.fromkeys(("smallest_margin", "smallest_margin_possible"), Kind.SHARE),
    **dict.fromkeys(("smallest_detectable", "smallest_superiority"), Kind.SHARE),
    **dict.fromkeys((Quantity.RISK_RATIO, Quantity.ODDS_RATIO), Kind.RATIO),
    **dict.fromkeys((Quantity.CUMULATIVE_ODDS_RATIO, "odds_multiple", "gamma"), Kind.RATIO),
    **dict.fromkeys((Quantity.SD_SUPERPOPULATION, Quantity.SD_FINITE), Kind.LOG),
    **dict.fromkeys(("latent_shift", "delta", "kappa"), Kind.LOG),
    **dict.fromkeys(("smd", "largest_smd"), Kind.STANDARDISED),
    **dict.fromkeys((Quantity.PROB_ABOVE_ZERO, Quantity.PROB_ABOVE_SMALLEST), Kind.CHANCE),
    **dict.fromkeys(("ess", "n_sets", "people_linked", "tied_members"), Kind.COUNT),
    **dict.fromkeys(("rao_scott_f", "homogeneity_f", "stuart_maxwell", "bhapkar"), Kind.SQUARE),
    "mcnemar_z": Kind.STATISTIC,
    "p_bound": Kind.PLAIN,
    "e_value": Kind.E_VALUE,
    **dict.fromkeys((Scale.LOG_ODDS, Scale.PROBIT, Scale.CLOGLOG, Scale.THRESHOLD), Kind.LOG),
    **dict.fromkeys((Scale.PROBABILITY,), Kind.SHARE),
    Scale.SD: Kind.LOG,
}
"""Kind of the estimate, by quantity or by scale; where disclosure is limited others are blank."""
