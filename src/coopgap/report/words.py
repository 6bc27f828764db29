"""Numbers and vocabulary in words; everything the report prints passes through here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from coopgap.vocabulary import Check, Family, Population, Quantity, Status, Verdict

__all__ = [
    "CHECKS",
    "DASH",
    "DASH_NOTE",
    "FAMILIES",
    "POPULATIONS",
    "STATUSES",
    "UNKNOWN",
    "VERDICTS",
    "category_words",
    "clean",
    "comparator_words",
    "count",
    "estimate_words",
    "group_words",
    "interval_name",
    "joined",
    "number",
    "once",
    "p_value",
    "percent",
    "points",
    "quantity_words",
    "ratio",
    "readable",
    "shorten",
    "spread",
    "value_words",
]

DASH: Final = "–"
DASH_NOTE: Final = "A dash: there is no such number."
UNKNOWN: Final = "unknown"
_MINUS: Final = "−"
_PERCENT_SIGN: Final = "\N{NO-BREAK SPACE}%"

FAMILIES: Final[dict[str, str]] = {
    Family.UNADJUSTED: "unadjusted",
    Family.ADJUSTED_LOGIT: "adjusted, no matching",
    Family.ADJUSTED_ORDINAL: "adjusted, no matching",
    Family.MATCHED_LOGIT: "matched",
    Family.MATCHED_ORDINAL: "matched",
    Family.CONDITIONAL_LOGIT: "within matched sets",
    Family.CONDITIONAL_ORDINAL: "within matched sets",
    Family.LINEAR: "linear, within matched sets",
    Family.HIERARCHICAL: "hierarchical, by region",
    Family.BENCHMARK: "against declared shares",
    Family.PRINTED: "printed",
}

POPULATIONS: Final[dict[str, str]] = {
    Population.MEMBERS: "members with a comparison",
    Population.ALL_MEMBERS: "all members",
    Population.POOLED: "both groups together",
    Population.OVERLAP: "where the groups overlap",
    Population.POSTSTRATIFIED: "declared population",
    Population.PRINTED: "as printed",
}

STATUSES: Final[dict[str, str]] = {
    Status.OK: "",
    Status.SUPPRESSED: "suppressed: fewer than 10 people",
    Status.WITHHELD: "withheld: the sampler did not pass its checks",
    Status.NOT_ESTIMABLE: "not estimable",
    Status.FEW_CLUSTERS: "few clusters: the interval is too narrow to rely on",
}

VERDICTS: Final[dict[str, str]] = {
    Verdict.EQUIVALENT: "equivalent within the margin",
    Verdict.DIFFERENT: "different",
    Verdict.DIFFERENT_WITHIN_MARGIN: "different, but within the margin",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_ASSESSED: "not assessed",
    Verdict.HOLDS: "holds",
    Verdict.CHANGES: "changes",
    Verdict.NOT_APPLICABLE: "not applicable",
}

CHECKS: Final[dict[str, str]] = {
    Check.PHONE_COMPOSITION: "Who was reached by phone",
    Check.PHONE_EQUIVALENCE: "Do phone and in-person comparison people answer alike",
    Check.PHONE_REPLACES: "Phone interviews in place of the in-person comparison group",
    Check.PHONE_JOINS: "Phone interviews added to the in-person comparison group",
    Check.PHONE_JOINS_MODE: "Phone interviews added, with a mode term",
    Check.PHONE_POWER_PRIOR: "Phone interviews borrowed by a power prior",
    Check.PHONE_ROBUST_MIXTURE: "Phone interviews borrowed by a robust mixture",
    Check.PHONE_SUBSAMPLE_REFERENCE: "Phone interviews against subsamples of the in-person ones",
    Check.PHONE_LINKED: "People asked in both modes",
    Check.TIPPING_POINT: "Tipping point",
    Check.E_VALUE: "E-values",
    Check.ROSENBAUM: "Rosenbaum bounds",
    Check.ROBUSTNESS_VALUE: "Robustness values",
    Check.NEGATIVE_CONTROL: "Negative control",
    Check.MISSING_BOUNDS: "Missing answers: worst-case bounds",
    Check.MISSING_IMPUTATION: "Missing answers: multiple imputation",
    Check.MULTIPLICITY: "Several headline gaps at once",
    Check.MULTIVERSE: "Multiverse",
    Check.VARIANT: "Declared variants of the models",
    Check.LEAVE_ONE_REGION: "Leaving one region out",
    Check.LEAVE_ONE_ZONE: "Leaving one zone out",
    Check.PRIOR_REFIT: "Other priors",
    Check.POWER_SCALING: "Weight of the prior and of the data",
    Check.DESIGN_ANALYSIS: "What this design can detect",
    Check.DESIGN_EFFECT: "Design effect",
}

_QUANTITIES: Final[dict[str, str]] = {
    Quantity.RISK_DIFFERENCE: "difference, points",
    Quantity.RISK_RATIO: "risk ratio",
    Quantity.ODDS_RATIO: "odds ratio",
    Quantity.CUMULATIVE_ODDS_RATIO: "cumulative odds ratio",
    Quantity.SUPERIORITY: "chance that a member stands higher",
    Quantity.SHARE: "share",
    Quantity.SD_SUPERPOPULATION: "spread between regions, of regions like these (log odds)",
    Quantity.SD_FINITE: "spread between these regions (log odds)",
    Quantity.PROB_ABOVE_ZERO: "probability that the gap is above zero",
    Quantity.PROB_ABOVE_SMALLEST: "probability that the gap is above the smallest that matters",
    Quantity.EXPECTED_RANK: "expected rank",
    "e_value": "E-value",
    "smd": "standardised difference",
    "largest_smd": "largest standardised difference",
    "ess": "effective sample size",
    "rao_scott_f": "Rao–Scott F",
    "share_off": "share of answers off",
    "odds_multiple": "multiple of the odds",
    "largest_difference": "largest difference over the thresholds, points",
    "smallest_margin": "smallest margin that could be confirmed, points",
    "members_lost_share": "members left out",
    "unmatched_share": "people without a counterpart",
}

_POINTS = {"risk_difference", "largest_difference", "smallest_margin", "gap"}
_PERCENT = {
    "superiority",
    "share",
    "prob_above_zero",
    "prob_above_smallest",
    "share_off",
    "members_lost_share",
    "unmatched_share",
    "false_alarm_rate",
    "power",
}
_RATIOS = {"risk_ratio", "odds_ratio", "cumulative_odds_ratio", "e_value", "odds_multiple", "smd"}
_COUNTS = {"ess", "n", "count"}

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Text without characters that XML cannot hold; each becomes a replacement character."""
    return _CONTROL.sub("�", text)


def readable(name: str) -> str:
    """A column name as words."""
    return clean(name).replace("_", " ").strip() or UNKNOWN


def shorten(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def joined(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def number(value: float | None, decimals: int = 1, *, signed: bool = False) -> str:
    """A number with fixed decimals, a true minus and thousands marked; a dash for none."""
    if value is None or value != value:
        return DASH
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else f"{_MINUS}∞"
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    sign = _MINUS if value < 0 else ("+" if signed else "")
    return sign + text


def points(value: float | None, *, signed: bool = False) -> str:
    """A difference of probabilities in percentage points."""
    return number(None if value is None else 100 * value, 1, signed=signed)


def percent(value: float | None) -> str:
    """A probability in percent."""
    text = points(value)
    return text if text == DASH else f"{text}{_PERCENT_SIGN}"


def ratio(value: float | None) -> str:
    """A ratio with two decimals."""
    return number(value, 2)


def once(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Rows whose first cell is left empty where it repeats the one above."""
    return tuple(
        ("", *row[1:]) if number and row[0] == rows[number - 1][0] else row
        for number, row in enumerate(rows)
    )


def count(value: float | None) -> str:
    """A whole number."""
    return number(value, 0)


def p_value(value: float | None) -> str:
    """A p-value as far as anybody can use it."""
    if value is None or value != value:
        return DASH
    if value < 0.001:
        return "<\N{NO-BREAK SPACE}0.001"
    return number(value, 3 if value < 0.1 else 2)


def value_words(quantity: str, value: float | None, *, signed: bool = False) -> str:
    """A value on the scale its quantity is read on."""
    if quantity in _POINTS:
        return points(value, signed=signed)
    if quantity in _PERCENT or quantity.endswith("_share"):
        return percent(value)
    if quantity in _RATIOS:
        return ratio(value)
    if quantity in _COUNTS:
        return count(value)
    if quantity == "expected_rank":
        return number(value, 1)
    return number(value, 3 if value is not None and abs(value) < 1 else 2)


def spread(quantity: str, lower: float | None, upper: float | None) -> str:
    """`4.2 to 14.0`, or nothing where a limit is missing."""
    if lower is None and upper is None:
        return ""
    if upper is None:
        return f"from {value_words(quantity, lower)}"
    if lower is None:
        return f"up to {value_words(quantity, upper)}"
    low, high = value_words(quantity, lower), value_words(quantity, upper)
    if high.endswith(_PERCENT_SIGN):
        low = low.removesuffix(_PERCENT_SIGN)
    return f"{low} to {high}"


def estimate_words(
    quantity: str,
    estimate: float | None,
    lower: float | None = None,
    upper: float | None = None,
    status: str = Status.OK,
) -> str:
    """An estimate with its interval in brackets, or why there is none."""
    if estimate is None:
        limits = spread(quantity, lower, upper)
        return STATUSES.get(status, readable(status)) or limits or DASH
    limits = spread(quantity, lower, upper).replace(" ", "\N{NO-BREAK SPACE}")
    text = value_words(quantity, estimate, signed=True) + (f" ({limits})" if limits else "")
    return text if status == Status.OK else f"{text}; {STATUSES.get(status, readable(status))}"


def interval_name(prob: float | None, kind: str | None) -> str:
    """`95 % confidence interval`; bounds have no probability unless they declare one."""
    share = "" if prob is None else f"{100 * prob:.3g} % "
    if kind == "bounds":
        return f"{share}bounds"
    return f"{share}{kind} interval" if kind else f"{share}interval"


def quantity_words(quantity: str) -> str:
    """A quantity in words."""
    return _QUANTITIES.get(quantity, readable(quantity) if quantity else DASH)


def category_words(category: str, levels: Sequence[str]) -> str:
    """A level or threshold in words; empty is the upper of two levels."""
    category = clean(category)
    if not category:
        return clean(levels[-1]) if len(levels) == 2 else ""
    if category.startswith(">="):
        level = category[2:]
        return level if levels and level == clean(levels[-1]) else f"{level} or higher"
    if category.startswith("<") and category[1:] in levels:
        return f"below {category[1:]}"
    return category


def group_words(group: str) -> str:
    """A group in words."""
    if group in ("", "all"):
        return "everyone"
    name, mark, level = group.partition("=")
    if not mark:
        return readable(group)
    return clean(level) if name == "region" else f"{readable(name)}: {clean(level)}"


def comparator_words(comparator: str) -> str:
    """Who the members are compared with."""
    known = {
        "": "members",
        "comparison": "comparison people",
        "national": "national average",
        "phone": "comparison people reached by phone",
    }
    return known.get(comparator, readable(comparator))
