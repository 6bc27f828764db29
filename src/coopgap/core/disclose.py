"""An official release: one rule on small counts, over finished rows, before any page is made.

With `[disclosure] minimum` in study.toml (a) a row behind which fewer people stand is blank, (b)
every other number is told no more finely than that many people could move it, (c) nothing stands
by zone or stratum. How a column is told is part of its record in `coopgap.core.estimate`, what a
quantity is of `coopgap.core.vocabulary.KINDS`; a number of which neither says what it is is blank.

Notes
-----
Of n people in the smaller group (or of its effective size, where that is less), c of them at the
category or not at it, whichever are fewer, `minimum` people move a share by s = minimum/n, a log
odds by l = minimum/(c(1 − c/n)), a ratio by the l-th part of itself, a share over its standard
deviation by s/√(c(1 − c/n)/n), and a statistic by d = s or l over the standard error (without one,
by 2·minimum/√n), a χ² or F by 2d√χ² + d². Steps are the next 1, 2 or 5 times a power of ten,
which tell nothing of n; limits are rounded outward, errors up. Of p-values and posterior
probabilities the normal quantile is rounded, in steps of d; what it stands for is told to one
digit, p upward, or two. Where d is more than one they are blank.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from math import ceil, floor, inf, log10, sqrt
from typing import Any

from coopgap.core.estimate import (
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    Row,
    SensitivityRow,
    Told,
)
from coopgap.core.tails import normal_above, normal_quantile
from coopgap.core.vocabulary import (
    BY_STRATUM,
    KINDS,
    PRINTED,
    Check,
    IntervalKind,
    Kind,
    Status,
    Verdict,
)

_MOVABLE = 0.4
"""A ratio that moves by a larger part of itself is blank: a limit would round to zero."""

_SUPPRESSED = "Suppressed: fewer people stand behind it than the study's rule on disclosure asks."

_COUNTS = {
    *("count", "n", "members", "members_matched", "tied_members"),
    *("zones_member", "zones_comparison"),
}
"""Keys of run.json that are counts, beside those that begin with `n_`."""

_HASHES = ("survey_sha256",)
"""Keys of run.json that would let a guess at the whole survey be checked."""


def protected_count(count: float, minimum: int) -> int:
    """A count to the nearest `minimum`, halves up."""
    return minimum * floor(count / minimum + 0.5)


def protected_note(note: str) -> str:
    """A note without numbers that may be people's: those in names and before a percent stay."""
    words = note.split(" ")
    return " ".join(
        word if _NAMED.search(word) or after.startswith("%") else _DIGITS.sub("…", word)
        for word, after in zip(words, [*words[1:], ""], strict=True)
    )


_NAMED = re.compile(r"[^\W\d]|=")
_DIGITS = re.compile(r"[-+−]?\d[\d,.]*(?<![,.])%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """How finely the numbers of one row may be told.

    Attributes
    ----------
    minimum
        People that may not be told apart.
    n
        People of the smaller group, or its effective size.
    fewest
        People at the category or not at it, whichever are fewer; None where that is not known.
    kind
        Of the row's estimate; None where it has no rule.
    std_error
        Of the estimate, on the logarithm for ratios; None without one.
    """

    minimum: int
    n: float
    fewest: int | None
    kind: Kind | None
    std_error: float | None = None

    @property
    def share(self) -> float:
        """What `minimum` people move a share by."""
        return self.minimum / self.n if self.n > 0 else inf

    @property
    def spread(self) -> float:
        """Variance of the category's indicator in the smaller group, times its people."""
        at = min(self.minimum if self.fewest is None else self.fewest, self.n / 2)
        return at * (1 - at / self.n) if at > 0 else 0.0

    @property
    def log(self) -> float:
        """What they move a log odds by."""
        return self.minimum / self.spread if self.spread else inf

    @property
    def statistic(self) -> float:
        """What they move an estimate over its standard error by."""
        if not self.std_error:
            return 2 * self.minimum / sqrt(self.n) if self.n > 0 else inf
        step = self.log if self.kind in (Kind.LOG, Kind.RATIO) else self.share
        return step / self.std_error

    def step(self, kind: Kind, value: float) -> float:
        """What they move a number of some kind by; infinite where it may not be told."""
        if kind is Kind.RATIO:
            return abs(value) * self.log if self.log <= _MOVABLE else inf
        return _STEPS[kind](self, value)


_STEPS: Mapping[Kind, Callable[[Grain, float], float]] = {
    Kind.COUNT: lambda grain, value: grain.minimum,
    Kind.SHARE: lambda grain, value: grain.share,
    Kind.LOG: lambda grain, value: grain.log,
    Kind.STANDARDISED: lambda grain, value: (
        grain.share / sqrt(grain.spread / grain.n) if grain.spread else inf
    ),
    Kind.STATISTIC: lambda grain, value: grain.statistic,
    Kind.SQUARE: lambda grain, value: 2 * grain.statistic * sqrt(value) + grain.statistic**2,
}


def _told(value: float, step: float, toward: int = 0) -> float | None:
    """A number in steps of at least some size, each 1, 2 or 5 times a power of ten."""
    if not step < inf:
        return None
    if step <= 0:
        return value
    power = floor(log10(step))
    size = next(one for one in (1, 2, 5, 10, 20) if one * 10.0**power >= step * (1 - 1e-9))
    power, size = (power + 1, size // 10) if size >= 10 else (power, size)
    scaled = value / (size * 10.0**power)
    whole = floor(scaled + 0.5)
    if toward and abs(scaled - whole) > 1e-9:
        whole = floor(scaled) if toward < 0 else ceil(scaled)
    return whole * size * 10.0**power if power >= 0 else round(whole * size * 10.0**power, -power)


def _p_value(value: float, grain: Grain) -> float | None:
    """A p-value by its quantile, which is rounded toward no evidence."""
    if grain.statistic > 1:
        return None
    quantile = _told(-normal_quantile(max(value, 1e-300) / 2), grain.statistic, -1) or 0.0
    found = float(2 * normal_above(quantile))
    return min(_told(found, 10.0 ** floor(log10(found)), 1) or 1.0, 1.0)


def _chance(value: float, grain: Grain) -> float | None:
    """A posterior probability by its quantile; nobody's draws say more than four deviations."""
    if grain.statistic > 1:
        return None
    quantile = _told(normal_quantile(min(max(value, 3e-5), 1 - 3e-5)), grain.statistic)
    return round(normal_above(-(quantile or 0.0)), 2)


def _number(value: float, told: Told, grain: Grain) -> float | None:
    """One number of a row as it may be told."""
    kind = told.kind or grain.kind
    if kind is Kind.ERROR:
        kind = Kind.LOG if grain.kind in (Kind.RATIO, Kind.E_VALUE) else grain.kind
    if kind is None or kind is Kind.PLAIN:
        return None if kind is None else value
    if kind is Kind.COUNT:
        return protected_count(value, grain.minimum)
    if kind in (Kind.P_VALUE, Kind.CHANCE):
        return (_p_value if kind is Kind.P_VALUE else _chance)(value, grain)
    if kind is Kind.E_VALUE:
        # An E-value near one tells its risk ratio more finely than itself: the ratio is rounded.
        ratio = _number(value**2 / (2 * value - 1), Told(Kind.RATIO, told.toward), grain)
        at = 1.0 if ratio is None else max(ratio, 1.0)
        return None if ratio is None else round(at + sqrt(at * (at - 1)), 1)
    return _told(value, grain.step(kind, value), told.toward)


def _rounded[R: Row](row: R, grain: Grain, *, blank: bool) -> R:
    """A row with its numbers as they may be told, or, if blank, with its counts only."""
    changes: dict[str, Any] = {}
    for item in fields(row):
        told: Told | None = item.metadata.get("told")
        value = getattr(row, item.name)
        if told is None or value is None:
            continue
        hidden = blank and told.kind is not Kind.COUNT
        found = None if hidden else _number(value, told, grain)
        if found is not None and found != value:
            found = int(found) if isinstance(value, int) else float(found)
        changes[item.name] = found
    if blank and changes.get("n_fewest") is not None:
        changes["n_fewest"] = None
    if changes.get("lower", 0.0) is None and changes.get("upper", 0.0) is None:
        # That an interval is joint is part of the key of gaps.csv.
        joint = getattr(row, "interval_kind", None) is IntervalKind.JOINT
        changes |= {"interval_prob": None} | ({} if joint else {"interval_kind": None})
    return replace(row, **changes)


def _grain(row: Any, minimum: int, n: float, kind: Kind | None) -> tuple[Grain, bool]:
    """How finely a row may be told, and whether too few, or who knows how many, stand behind it."""
    std_error = getattr(row, "std_error", None)
    grain = Grain(minimum=minimum, n=n, fewest=row.n_fewest, kind=kind, std_error=std_error)
    return grain, row.n_fewest is None or row.n_fewest < minimum


def _gap(row: GapRow, minimum: int) -> GapRow:
    sizes = (row.n_member, row.n_comparison, row.ess_comparison)
    n = min((size for size in sizes if size is not None), default=0)
    grain, few = _grain(row, minimum, n, KINDS.get(row.quantity))
    told = _rounded(row, grain, blank=few)
    if few or (row.estimate is not None and told.estimate is None):
        return replace(_rounded(row, grain, blank=True), status=Status.SUPPRESSED)
    return told


def _of_term(row: CoefficientRow, minimum: int) -> CoefficientRow:
    grain, few = _grain(row, minimum, row.n_smaller or 0, KINDS.get(row.scale))
    return _rounded(row, grain, blank=few)


def _of_level(row: BalanceRow, minimum: int) -> BalanceRow:
    grain, few = _grain(row, minimum, row.n_smaller or 0, None)
    told = _rounded(row, grain, blank=few)
    if not few:
        return told
    # These counts are the ones that are too small.
    return replace(
        told,
        n_member_before=None,
        n_member_after=None,
        n_comparison_before=None,
        n_comparison_after=None,
    )


_NOT_PEOPLE = (Check.MULTIVERSE, Check.MULTIPLICITY)
"""Checks whose `n` and `of` count specifications or headlines."""


def _of_check(row: SensitivityRow, minimum: int) -> SensitivityRow | None:
    if row.check == Check.LEAVE_ONE_ZONE and row.variant:
        return None
    row = replace(row, note=protected_note(row.note))
    numbers = (row.estimate, row.lower, row.upper, row.p_value, row.threshold, row.power)
    silent = all(number is None for number in numbers)
    grain, few = _grain(row, minimum, row.n_smaller or 0, KINDS.get(row.quantity))
    told = _rounded(row, grain, blank=few or silent)
    if row.check in _NOT_PEOPLE:
        told = replace(told, n=row.n, of=row.of)
    if silent:
        return told
    if few:
        verdict = Verdict.NOT_ASSESSED
        return replace(told, direction=None, opposed=None, verdict=verdict, note=_SUPPRESSED)
    return told if _is_estimated(row) else replace(told, threshold=row.threshold)


def _is_estimated(row: SensitivityRow) -> bool:
    """Whether the threshold of a row is an estimate: a declared one tells of nobody."""
    if row.check in (Check.PHONE_EQUIVALENCE, Check.PHONE_LINKED):
        return row.verdict is Verdict.NOT_ASSESSED
    return row.check in (
        Check.TIPPING_POINT,
        Check.PHONE_SUBSAMPLE_REFERENCE,
        Check.POSTERIOR_PREDICTIVE,
    )


def _of_model(row: DiagnosticRow, n: int, minimum: int) -> DiagnosticRow | None:
    if row.diagnostic in BY_STRATUM:
        return None
    grain = Grain(minimum=minimum, n=n, fewest=None, kind=row.kind)
    return replace(_rounded(row, grain, blank=False), note=protected_note(row.note))


def protected_rows(
    rows: Iterable[Row], minimum: int, sizes: Mapping[str, int] | None = None
) -> Iterator[Any]:
    """Rows of any table as an official release may hold them; printed numbers, public, stay.

    `minimum` people may not be told apart; `sizes` are, by model, people of its smaller group, for
    diagnostics.
    """
    for row in rows:
        told: Row | None
        match row:
            case _ if row.source == PRINTED:
                told = row
            case GapRow():
                told = _gap(row, minimum)
            case CoefficientRow():
                told = _of_term(row, minimum)
            case BalanceRow():
                told = _of_level(row, minimum)
            case SensitivityRow():
                told = _of_check(row, minimum)
            case DiagnosticRow():
                told = _of_model(row, (sizes or {}).get(row.model, 0), minimum)
        if told is not None:
            yield told


def protected_meta(meta: Mapping[str, Any], minimum: int) -> dict[str, Any]:
    """What run.json may say: counts of people rounded, no hash of the survey."""

    def people(values: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(values)
        for key, value in values.items():
            if key in _COUNTS or key.startswith("n_"):
                found[key] = None if value is None else protected_count(value, minimum)
            elif key in ("dropped", "extended_missing", "models"):
                found[key] = [people(one) for one in value]
            elif key == "doubts":
                found[key] = [people(one) for one in value if one["count"] >= minimum]
        return found

    kept = {key: value for key, value in meta.items() if key not in _HASHES}
    return people(kept) | {"disclosure_minimum": minimum}
