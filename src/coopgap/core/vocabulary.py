"""The closed vocabularies of the output tables."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

AT_REGIONS: Final = ", at the sample's regions"
"""Ending of the comparator of outside shares whose regions are weighted as the sample's."""

ROUNDING: Final = "_rounding"
"""Ending of the model of printed rows that say what rounding alone leaves open."""

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
    PREDICTED = "predicted"


BLANK: Final = frozenset({Status.SUPPRESSED, Status.WITHHELD, Status.NOT_ESTIMABLE})
"""Statuses of rows without numbers."""


class Use(StrEnum):
    """What a model does with a variable whose balance is shown: the first that holds."""

    MATCHED = "matched"
    ADJUSTED = "adjusted"
    COMPONENT = "component"
    REPORTED = "reported"


class Check(StrEnum):
    """Names of checks that other modules speak of; the registry of checks has them all."""

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


class Version(StrEnum):
    """What `variant` of sensitivity.csv says where its words are the check's own.

    Others name a scenario whose number stands in `setting` (`design effect 1.5`), or what the study
    declared: a variant, a covariate, a place.
    """

    IN_PERSON = "in person"
    SAME_MEMBERS = "in person, same members"
    PHONE = "phone"
    PHONE_AND_IN_PERSON = "phone and in person"
    PHONE_IN_PLACE = "phone in place of in person"
    PHONE_AGAINST = "phone against in person"
    PHONE_SHIFT = "phone minus in person"
    BALANCED = "balanced"
    UNADJUSTED = "unadjusted"
    ADJUSTED = "adjusted"
    MODE_TERM = "joins with a mode term"
    MODE_THRESHOLDS = "joins with mode-specific thresholds"
    AVERAGED = "averaged over the discount"
    PRIOR = "prior"
    POSTERIOR = "posterior"
    AGREED = "posterior under full agreement"
    ANSWERS_MOVED = "answers, phone minus in person"
    GAP_IN_PERSON = "gap, in-person answers"
    GAP_BY_PHONE = "gap, phone answers of those asked twice"
    GAP_MOVED = "gap, by phone minus in person"
    GAP = "gap"
    CONTROL = "control"
    NO_CONFOUNDER = "no confounder"
    ESTIMATE = "estimate"
    INTERVAL = "interval"
    SETS = "sets"
    INTERVAL_AT_ZERO = "interval reaches zero"
    GAP_HALVES = "gap halves"
    BOUNDS = "bounds"
    BOUNDS_WITH_ERROR = "bounds with sampling error"
    IMPUTED = "multiple imputation"
    HOLM = "Holm"
    BENJAMINI_HOCHBERG = "Benjamini-Hochberg"
    TOGETHER = "together"
    BOOTSTRAP = "cluster bootstrap"
    AS_ESTIMATED = "as estimated"
    AS_DECLARED = "as declared"
    TOP_LEVEL_PRIORS = "top-level priors"
    ANSWERS = "answers"
    REACHES_ZERO = "reaches zero"


class Direction(StrEnum):
    """Which way the matched sets of a row point."""

    MEMBERS_HIGHER = "members_higher"
    MEMBERS_LOWER = "members_lower"


class Diagnostic(StrEnum):
    """What a row of diagnostics.csv looked at, beside `REASONS`, which say why there is no gap."""

    ROWS_COMPLETE = "rows_complete"
    DROPPED = "dropped"
    STRATA_MEMBERS_ONLY = "strata_members_only"
    STRATA_COMPARISON_ONLY = "strata_comparison_only"
    STRATA_FEW_COMPARISON = "strata_few_comparison"
    STRATUM_MEMBERS_ONLY = "stratum_members_only"
    STRATUM_FEW_COMPARISON = "stratum_few_comparison"
    MEMBERS_WITHOUT_COMPARISON = "members_without_comparison"
    MEMBERS_WITHOUT_COMPARISON_SHARE = "members_without_comparison_share"
    MEMBERS_LOST = "members_lost"
    COMPARISON_UNUSED = "comparison_unused"
    ESS_COMPARISON = "ess_comparison"
    MATCHED_SETS = "matched_sets"
    TIED_MEMBERS = "tied_members"
    COMPARISON_WEIGHT_MOVED = "comparison_weight_moved"
    MEMBER_WEIGHT_MOVED = "member_weight_moved"
    LARGEST_SMD_BEFORE = "largest_smd_before"
    LARGEST_SMD_AFTER = "largest_smd_after"
    PAIRS_POSSIBLE = "pairs_possible"
    PAIRS_IGNORING_STRATA = "pairs_ignoring_strata"
    VARIANT = "variant"
    EFFECTIVE_SIZE = "effective_size"
    SHARES_INSTEAD = "shares_instead"
    CORRECT_DECIMALS = "correct_decimals"
    CONSTANT_WITHIN_SETS = "constant_within_sets"
    POSTSTRATIFIED = "poststratified"
    NOT_POSTSTRATIFIED = "not_poststratified"
    STD_ERRORS = "std_errors"
    REPLICATES = "replicates"
    MATCHING_HELD = "matching_held"
    DISCORDANT_SETS = "discordant_sets"
    BIAS_REDUCED = "bias_reduced"
    WILD_SCORE_P = "wild_score_p"
    PROPORTIONAL_ODDS = "proportional_odds"
    GROUP_GAPS_EQUAL = "group_gaps_equal"
    IMPUTATION_CONVERGENCE = "imputation_convergence"
    GATE = "gate"
    GATE_RETRIED = "gate_retried"
    ZONES_IN_MODEL = "zones_in_model"
    DEPARTMENTS_IN_MODEL = "departments_in_model"
    PRIOR_SHARE = "prior_share"
    DRAWS_REUSED = "draws_reused"
    WITHHELD = "withheld"
    NOT_ESTIMABLE = "not_estimable"
    FEW_CLUSTERS = "few_clusters"
    CONTRADICTION = "contradiction"
    CHI2 = "chi2"
    CHI2_DF = "chi2_df"
    CHI2_P = "chi2_p"
    SMD = "smd"
    PAIRS = "pairs"


REASONS: Final = frozenset({Diagnostic.WITHHELD, Diagnostic.NOT_ESTIMABLE, Diagnostic.FEW_CLUSTERS})
"""Diagnostics that are a status: the row says of what, `note` why."""

BY_STRATUM: Final = frozenset({Diagnostic.STRATUM_MEMBERS_ONLY, Diagnostic.STRATUM_FEW_COMPARISON})
"""Diagnostics of single strata."""


class OddsTest(StrEnum):
    """Tests of proportional odds."""

    LIKELIHOOD_RATIO = "likelihood_ratio"
    BRANT = "brant"
    WALD = "wald"
    BOOTSTRAP = "bootstrap"


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
    **dict.fromkeys(("share_off", "least_share_off", "share_outside"), Kind.SHARE),
    "robustness_value": Kind.SHARE,
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
