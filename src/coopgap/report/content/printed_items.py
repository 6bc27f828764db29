"""Printed comparisons, put together from their rows, and their parts as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coopgap.estimate import GapRow
from coopgap.report.values import DASH, estimate_words, interval_name, percent, points, spread
from coopgap.report.view import View
from coopgap.report.words import capital, category_words, clean, comparator_words, readable
from coopgap.vocabulary import IntervalKind, Quantity

__all__ = [
    "Entry",
    "by_level",
    "compared_with",
    "entries",
    "entry_label",
    "estimate_text",
    "interval_text",
    "item_label",
    "item_name",
    "limits_text",
    "partial",
    "share_text",
    "short_label",
    "who",
]

_PREFIX, _ROUNDING = "printed_", "_rounding"
_RATIOS = (Quantity.RISK_RATIO, Quantity.ODDS_RATIO, Quantity.CUMULATIVE_ODDS_RATIO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One share of members, one of somebody else, or both with what compares them.

    Attributes
    ----------
    own, other
        Rows of the two shares; None where there is none.
    rows, bounds
        By quantity: with sampling error, and what rounding alone leaves.
    """

    name: str
    outcome: str
    comparator: str
    group: str
    category: str
    own: GapRow | None
    other: GapRow | None
    rows: Mapping[str, GapRow]
    bounds: Mapping[str, GapRow]

    @property
    def gap(self) -> GapRow | None:
        """The difference."""
        return self.rows.get(Quantity.RISK_DIFFERENCE)

    @property
    def odds(self) -> str:
        """Which odds ratio the entry has."""
        cumulative = Quantity.CUMULATIVE_ODDS_RATIO
        return cumulative if cumulative in self.rows else Quantity.ODDS_RATIO

    @property
    def is_threshold(self) -> bool:
        """Whether it is a cumulative share of ordered categories."""
        return self.category.startswith(">=")


def item_name(model: str) -> str:
    """The printed item a model name stands for."""
    return model.removeprefix(_PREFIX).removesuffix(_ROUNDING)


def partial(row: GapRow) -> bool:
    """Whether a row is a range that margins leave, not an estimate."""
    return row.interval_kind == IntervalKind.BOUNDS and not row.model.endswith(_ROUNDING)


def entries(rows: Iterable[GapRow]) -> list[Entry]:
    """Comparisons and shares that stand alone, in the order of their rows."""
    shares: dict[tuple[str, str, str, str], GapRow] = {}
    found: dict[tuple[str, str, str, str], dict[tuple[str, bool], GapRow]] = {}
    for row in rows:
        if partial(row) or row.quantity == Quantity.SUPERIORITY:
            continue
        key = (item_name(row.model), row.group, row.category, row.comparator)
        rounding = row.model.endswith(_ROUNDING)
        if row.quantity == Quantity.SHARE and not rounding:
            shares[key] = row
        found.setdefault(key, {})[row.quantity, rounding] = row
    paired = {key for key, mine in found.items() if (Quantity.RISK_DIFFERENCE, False) in mine}
    used = paired | {(*key[:3], "") for key in paired}
    alone = [key for key in shares if key not in used]
    return [_entry(key, found[key], shares) for key in found if key in paired or key in set(alone)]


def _entry(
    key: tuple[str, str, str, str],
    mine: Mapping[tuple[str, bool], GapRow],
    shares: Mapping[tuple[str, str, str, str], GapRow],
) -> Entry:
    name, group, category, comparator = key
    return Entry(
        name=name,
        outcome=next(iter(mine.values())).outcome,
        comparator=comparator,
        group=group,
        category=category,
        own=shares.get((name, group, category, "")),
        other=shares.get(key) if comparator else None,
        rows={quantity: row for (quantity, rounding), row in mine.items() if not rounding},
        bounds={quantity: row for (quantity, rounding), row in mine.items() if rounding},
    )


def by_level(view: View, found: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """Comparisons of everybody over several levels, by item and comparator, highest level last."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in found:
        if entry.gap is not None and entry.group == "all":
            groups.setdefault((entry.name, entry.comparator), []).append(entry)
    kept = {}
    for key, mine in groups.items():
        declared = [*view.levels(mine[0].outcome)]
        cut = [one.category.removeprefix(">=") for one in mine if one.is_threshold]
        levels = [one for one in mine if one.category in declared or one.category in cut]
        lowest = [one for one in mine if not one.is_threshold and " or " not in one.category]
        if len(levels) > 1:
            whole = [one for one in mine if one.is_threshold or one in levels or one in lowest]
            kept[key] = whole
    return kept


def share_text(row: GapRow | None) -> str:
    """A share in percent."""
    return DASH if row is None else percent(row.estimate)


def estimate_text(row: GapRow | None) -> str:
    """An estimate with its limits in brackets."""
    if row is None:
        return DASH
    return estimate_words(row.quantity, row.estimate, row.lower, row.upper, row.status)


def limits_text(row: GapRow | None) -> str:
    """Lower to upper limit."""
    return DASH if row is None else spread(row.quantity, row.lower, row.upper) or DASH


def gap_cells(entry: Entry) -> tuple[str, str, str]:
    """The gap, its interval and its rounding bounds."""
    row = entry.gap
    size = DASH if row is None else points(row.estimate, signed=True)
    return size, limits_text(row), limits_text(entry.bounds.get(Quantity.RISK_DIFFERENCE))


def interval_text(found: Iterable[Entry]) -> str:
    """What the limits of some entries are."""
    rows = [row for entry in found for row in entry.rows.values() if row.interval_kind]
    return interval_name(rows[0].interval_prob, rows[0].interval_kind) if rows else "Interval"


def ratios(found: Iterable[Entry]) -> list[str]:
    """The ratios that some entries have."""
    return [name for name in _RATIOS if any(name in entry.rows for entry in found)]


def compared_with(comparator: str) -> str:
    """Who members are compared with in a printed report."""
    return "non-members" if comparator == "comparison" else clean(comparator_words(comparator))


def who(group: str) -> str:
    """Which members."""
    return "all members" if group == "all" else f"{clean(group.removeprefix('members='))} members"


def item_label(view: View, name: str, outcome: str) -> str:
    """The outcome's label, with the item where that says more."""
    label, more = view.label(outcome), _more(name, outcome)
    text = label if readable(name) == label or not more else f"{label} ({more})"
    return capital(text)


def _more(name: str, outcome: str) -> str:
    """What an item's short name says beyond its outcome's: the place, as a rule."""
    item, plain = readable(name), readable(outcome)
    return item.removeprefix(plain).strip() if item.startswith(plain) else item


def entry_label(view: View, entry: Entry) -> str:
    """The item and the category, if it has one."""
    label = item_label(view, entry.name, entry.outcome)
    category = category_words(entry.category, view.levels(entry.outcome) if entry.category else ())
    return f"{label}: {category}" if category else label


def short_label(entry: Entry) -> str:
    """The outcome's short name, with the place or the category where there is one, for figures."""
    more = _more(entry.name, entry.outcome)
    label = readable(entry.outcome) + (f" ({more})" if more else "")
    label = capital(label)
    return f"{label}: {category_words(entry.category, ())}" if entry.category else label
