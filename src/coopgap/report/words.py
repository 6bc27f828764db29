"""Numbers and vocabulary in words; everything the report prints passes through here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from coopgap.checks.registry import checks
from coopgap.core.vocabulary import FEW_PEOPLE, Family, Population, Quantity, Status, Verdict

if TYPE_CHECKING:
    from coopgap.core.estimate import SensitivityRow


FAMILIES: Final[dict[str, str]] = {
    Family.UNADJUSTED: "unadjusted",
    Family.ADJUSTED_LOGIT: "adjusted",
    Family.ADJUSTED_ORDINAL: "adjusted",
    Family.ADJUSTED_PROPORTIONAL: "adjusted, proportional odds",
    Family.MATCHED_LOGIT: "matched",
    Family.MATCHED_ORDINAL: "matched",
    Family.MATCHED_PROPORTIONAL: "matched, proportional odds",
    Family.CONDITIONAL_LOGIT: "conditional on matched sets",
    Family.CONDITIONAL_ORDINAL: "conditional on matched sets",
    Family.LINEAR: "linear, matched sets absorbed",
    Family.SHARES: "matched, weighted shares",
    Family.DOUBLY_ROBUST: "doubly robust (AIPW)",
    Family.HIERARCHICAL: "hierarchical",
    Family.BENCHMARK: "external benchmark",
    Family.PRINTED: "printed",
}

POPULATIONS: Final[dict[str, str]] = {
    Population.MEMBERS: "matched members",
    Population.ALL_MEMBERS: "all members",
    Population.POOLED: "both groups",
    Population.OVERLAP: "the overlap",
    Population.POSTSTRATIFIED: "declared population",
    Population.PRINTED: "as printed",
}

STATUSES: Final[dict[str, str]] = {
    Status.OK: "",
    Status.FEW_PEOPLE: f"few people: fewer than {FEW_PEOPLE} at the answer, or at the others",
    Status.SUPPRESSED: "suppressed: fewer people than the study's rule on disclosure asks for",
    Status.WITHHELD: "withheld: the sampler did not pass its checks",
    Status.NOT_ESTIMABLE: "not estimable",
    Status.FEW_CLUSTERS: "few clusters: too few zones to rely on the interval",
    Status.PREDICTED: "predicted from elsewhere: no member was asked here",
}

VERDICTS: Final[dict[str, str]] = {
    Verdict.EQUIVALENT: "equivalent within the margin",
    Verdict.DIFFERENT: "different",
    Verdict.DIFFERENT_WITHIN_MARGIN: "different, but within the margin",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_ASSESSED: "not assessed",
    Verdict.HOLDS: "holds",
    Verdict.CHANGES: "changes",
    Verdict.UNDECIDED: "undecided",
    Verdict.NOT_APPLICABLE: "not applicable",
}

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|>&$~!])")
_LEADING = re.compile(r"^(\d*)([-+.)=])(?=[-=\s]|$)")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Text without characters that XML cannot hold; each becomes a replacement character."""
    return _CONTROL.sub("�", text)


def escape_markdown(text: str) -> str:
    """One line of text that Markdown takes for nothing else, inside a table cell too."""
    line = re.sub(r"[ \t\r\n]+", " ", clean(text)).strip(" \t\r\n")
    return _LEADING.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line).replace("<", "&lt;"))


def readable(name: str) -> str:
    """A column name as words."""
    return clean(name).replace("_", " ").strip() or "unknown"


def capital(text: str) -> str:
    """Text with a large first letter."""
    return text[:1].upper() + text[1:]


def shorten(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = re.sub(r"[ \t\r\n]+", " ", clean(text)).strip(" \t\r\n")
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def joined(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def status_word(status: str) -> str:
    """A status short enough for a cell; the table's notes say the rest."""
    return STATUSES.get(status, readable(status)).partition(":")[0]


def status_notes(cells: Iterable[str]) -> tuple[str, ...]:
    """What the statuses named in cells mean."""
    held = " ".join(cells)
    return tuple(
        f"{word.capitalize()}: {meaning}."
        for word, mark, meaning in (text.partition(": ") for text in STATUSES.values())
        if mark and word in held
    )


def category_words(category: str, levels: Sequence[str]) -> str:
    """A level or threshold in words; empty is the upper of two levels."""
    category = clean(category)
    if not category:
        return clean(levels[-1]) if len(levels) == 2 else ""
    if category.startswith(">="):
        level = category[2:]
        end = "above" if _is_comparative(level) else "higher"
        return level if levels and level == clean(levels[-1]) else f"{level} or {end}"
    if category.startswith("<="):
        level = category[2:]
        end = "below" if _is_comparative(level) else "lower"
        return level if levels and level == clean(levels[0]) else f"{level} or {end}"
    if category.startswith("<") and category[1:] in levels:
        return f"below {category[1:]}"
    return category


def _is_comparative(level: str) -> bool:
    """Whether `or higher` after a level would read as the level once more."""
    return level.endswith(("higher", "lower"))


def family_words(family: str) -> str:
    """How a gap was estimated."""
    return FAMILIES.get(family, readable(family))


def population_words(population: str) -> str:
    """Over whose covariates a gap is standardised."""
    return POPULATIONS.get(population, readable(population))


def version_words(row: SensitivityRow) -> str:
    """What a version of the headline is: a family over a population, or as the study names it."""
    family, population = row.family or "", row.population or ""
    if row.variant == f"{family}, {population}":
        return f"{family_words(family)}, {population_words(population)}"
    return clean(row.variant)


def check_title(check: str) -> str:
    """A check as a heading."""
    entry = checks().get(check)
    return readable(check) if entry is None else entry.title


def comparator_words(comparator: str, members: str, others: str) -> str:
    """Whose share a row is, or who the members are compared with."""
    return {"": members, "comparison": others}.get(comparator, readable(comparator))


def verdict_words(verdict: str | None) -> str:
    """A verdict in words, a dash where a check concludes nothing."""
    return VERDICTS.get(verdict or "", verdict or "") or "–"


DASH: Final = "–"
_MINUS: Final = "−"
_PERCENT_SIGN: Final = "\N{NO-BREAK SPACE}%"


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


def _plain(value: float | None) -> str:
    """A number of no known scale with about three digits."""
    return number(value, 3 if value is not None and abs(value) < 1 else 2)


_SCALES: Final[dict[Callable[[float | None], str], tuple[str, ...]]] = {
    points: (
        *("risk_difference", "gap_difference", "median_risk_difference", "sd_risk_difference"),
        *("largest_difference", "influence", "smallest_detectable"),
        *("smallest_margin", "smallest_margin_possible"),
    ),
    percent: (
        *("share", "superiority", "median_superiority", "sd_superiority", "smallest_superiority"),
        *("share_same_sign", "share_significant", "share_off", "least_share_off"),
        *("members_lost_share", "unmatched_share", "agreement_share", "phone_superiority"),
        *("prob_above_zero", "prob_above_smallest", "type_s", "fmi", "r2_membership", "r2_outcome"),
        *("robustness_value", "phone_weight", "discount_probability", "share_outside"),
    ),
    ratio: (
        *("risk_ratio", "odds_ratio", "cumulative_odds_ratio", "e_value", "odds_multiple", "smd"),
        *("discount", "type_m", "design_effect", "gamma", "delta"),
    ),
    count: ("ess", "n_sets", "people_linked", "tied_members"),
    number: ("expected_rank",),
}
_SCALE: Final = {name: show for show, names in _SCALES.items() for name in names}
"""How the value of a quantity is read."""


def value_words(quantity: str, value: float | None, *, signed: bool = False) -> str:
    """A value on the scale its quantity is read on."""
    show = _SCALE.get(quantity, _plain)
    return points(value, signed=signed) if show is points else show(value)


def spread(quantity: str, lower: float | None, upper: float | None) -> str:
    """`4.2 to 14.0`, or nothing where a limit is missing."""
    if lower is None and upper is None:
        return ""
    if upper is None:
        return f"from {value_words(quantity, lower)}"
    if lower is None:
        return f"up to {value_words(quantity, upper)}"
    low, high = (_limit_words(quantity, limit) for limit in (lower, upper))
    if high.endswith(_PERCENT_SIGN):
        low = low.removesuffix(_PERCENT_SIGN)
    return f"{low} to {high}"


def _limit_words(quantity: str, limit: float) -> str:
    """A limit that would print as zero with a digit that says on which side of it it lies."""
    text = value_words(quantity, limit)
    if limit == 0 or _SCALE.get(quantity) is not points or text.strip("0."):
        return text
    digits = -math.floor(math.log10(abs(100 * limit)))
    return number(100 * limit, min(digits, 6)) if digits <= 6 else text


def limits_words(quantity: str, lower: float | None, upper: float | None) -> str:
    """`37.0 to 43.1`, without a sign of percent and without room to break; empty for none."""
    limits = spread(quantity, lower, upper).removesuffix(_PERCENT_SIGN)
    return limits.replace(" ", "\N{NO-BREAK SPACE}")


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
        return status_word(status) or limits or DASH
    limits = spread(quantity, lower, upper).replace(" to ", ", ").removesuffix(_PERCENT_SIGN)
    limits = limits.replace(" ", "\N{NO-BREAK SPACE}")
    text = value_words(quantity, estimate, signed=True) + (f" ({limits})" if limits else "")
    return text if status == Status.OK else f"{text}; {status_word(status)}"


def row_words(row: Any) -> str:
    """A row's estimate with its interval, or why there is none."""
    status = getattr(row, "status", Status.OK)
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, status)


def interval_name(prob: float | None, kind: str | None) -> str:
    """`95 % confidence interval`; bounds have no probability unless they declare one."""
    share = "" if prob is None else f"{100 * prob:.3g} % "
    if kind == "bounds":
        return f"{share}bounds"
    return f"{share}{kind} interval" if kind else f"{share}interval"


_QUANTITIES: Final[dict[str, str]] = {
    Quantity.RISK_DIFFERENCE: "difference, points",
    Quantity.SUPERIORITY: "probability of superiority",
    "odds_multiple": "multiple of the odds",
    "latent_shift": "shift on the latent scale",
    "largest_difference": "largest difference over the thresholds, points",
    "phone_superiority": "probability of superiority of a phone person",
    "people_linked": "people with two answers",
    "agreement_share": "share that gave the same answer",
    "mcnemar_z": "McNemar's z",
    "stuart_maxwell": "Stuart–Maxwell χ²",
    "bhapkar": "Bhapkar χ²",
    "homogeneity": "test of equal shares",
    "homogeneity_f": "F of equal shares",
    "median_risk_difference": "median difference, points",
    "median_superiority": "median probability of superiority",
    "sd_risk_difference": "standard deviation of the difference, points",
    "sd_superiority": "standard deviation of the probability",
    "tied_members": "members with several people equally near",
}
"""Quantities that tables name in other words than their own."""


def quantity_words(quantity: str) -> str:
    """A quantity in words."""
    return _QUANTITIES.get(quantity, readable(quantity) if quantity else DASH)
