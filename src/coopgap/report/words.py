"""Numbers and vocabulary in words; everything the report prints passes through here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from coopgap.checks.registry import checks
from coopgap.core.vocabulary import FEW_PEOPLE, Family, Population, Status, Verdict

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

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Text without characters that XML cannot hold; each becomes a replacement character."""
    return _CONTROL.sub("�", text)


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
