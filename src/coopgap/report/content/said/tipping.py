"""Sentences about answers that would have to be off, and about what the design can detect."""

from __future__ import annotations

import math
from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.said.common import place
from coopgap.report.values import estimate_words, number, percent, points, ratio
from coopgap.report.view import View
from coopgap.sensitivity.tipping import phone_verdict
from coopgap.vocabulary import Verdict, Version

__all__ = ["detectable", "tipping"]

_CLOSE = 0.01
"""Difference of a share and a limit that both read as the same number of points, about."""

_HEARD = {
    Verdict.HOLDS: "which the phone interviews fall short of",
    Verdict.CHANGES: "which the phone interviews go beyond",
    Verdict.INCONCLUSIVE: "which the phone interviews leave open",
}


def tipping(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """How many answers would have to be off, in one sentence a conclusion, at the headline."""
    found = _of_first(view, rows)
    zero, half = (
        found.get((variant, "share_off"))
        for variant in (Version.INTERVAL_AT_ZERO, Version.GAP_HALVES)
    )
    sentences = []
    if zero is not None and zero.verdict == Verdict.NOT_APPLICABLE:
        sentences.append("The interval holds no gap already: no answer has to be off.")
    elif zero is not None and zero.estimate is not None:
        sentences.append(
            f"Before the interval{place(view, zero)} reaches no gap, {_off(zero, found)}"
            f"{_least(found)}."
        )
        if len(view.levels(zero.outcome)) == 2 and zero.threshold is not None:
            near = abs(zero.estimate - zero.threshold) < _CLOSE
            sentences.append(
                f"With two answers that is {'close to' if near else 'to be read beside'} the "
                f"gap's limit nearer to zero, {points(zero.threshold)} points."
            )
    if half is not None and half.estimate is not None:
        sentences.append(f"Before the gap halves, {_off(half, found)}.")
    return (*sentences, *_by_telephone(found))


type _Found = dict[tuple[str, str], SensitivityRow]


def _of_first(view: View, rows: Sequence[SensitivityRow]) -> _Found:
    """Rows about what the model puts first."""
    return {
        (row.variant, row.quantity): row for row in rows if row.category == view.first(row).category
    }


def _scaled(variant: str, found: _Found) -> SensitivityRow | None:
    """A variant's row on the scale of the move."""
    row = found.get((variant, "odds_multiple")) or found.get((variant, "latent_shift"))
    return None if row is None or row.estimate is None else row


def _off(row: SensitivityRow, found: _Found) -> str:
    """The share, the move that makes it, and whether the phone interviews go so far."""
    share = f"{percent(row.estimate)} of the in-person comparison answers would have to be off"
    move = _scaled(row.variant, found)
    if move is None:
        return share
    told = f"odds times {ratio(move.estimate)}"
    if move.quantity != "odds_multiple":
        told = f"a latent shift of {number(move.estimate, 2, signed=True)}"
    phone = _scaled(Version.PHONE_SHIFT, found)
    heard = "" if phone is None else f", {_HEARD[_heard(move, phone)]}"
    return f"{share} ({told} in every cell{heard})"


def _heard(move: SensitivityRow, phone: SensitivityRow) -> Verdict:
    """The phone interval against a move, both on the latent scale."""

    def latent(value: float | None) -> float:
        if value is None:
            return math.nan
        return math.log(value) if move.quantity == "odds_multiple" else value

    return phone_verdict(latent(move.estimate), latent(phone.lower), latent(phone.upper))


def _least(found: _Found) -> str:
    row = found.get((Version.INTERVAL_AT_ZERO, "least_share_off"))
    if row is None or row.estimate is None:
        return ""
    return f", at least {percent(row.estimate)} where those that weigh most are moved first"


def _by_telephone(found: _Found) -> tuple[str, ...]:
    """What the phone interviews say about such a move."""
    row = _scaled(Version.PHONE_SHIFT, found)
    if row is None:
        return ()
    if row.quantity == "odds_multiple":
        told = estimate_words(row.quantity, row.estimate, row.lower, row.upper)
        return (f"By phone the comparison group's odds are {told} times those in person.",)
    moved, low, high = (number(v, 2, signed=True) for v in (row.estimate, row.lower, row.upper))
    return (f"By phone the comparison group's answers are shifted by {moved} ({low} to {high}).",)


def detectable(view: View, rows: Sequence[SensitivityRow]) -> Sequence[str]:
    """The smallest gap that could be found, and what would be made of the declared one."""
    here = [row for row in rows if row.estimate is not None]
    found = _of_first(view, here)
    named = (
        found.get((Version.IN_PERSON, f"smallest_{name}")) for name in ("detectable", "superiority")
    )
    headline = next(filter(None, named), None)
    if headline is None:
        return ()
    if headline.quantity == "smallest_superiority":
        first = (
            f"A chance of a member to stand higher of {percent(headline.estimate)} or more would "
            "have been found with at least 80\N{NO-BREAK SPACE}% probability"
        )
        rest = _at_thresholds(here)
        return (f"{first}{f'; {rest}' if rest else ''}.",)
    sentences = [
        f"A gap of {points(headline.estimate)} points or more{place(view, headline)} would have "
        f"been found with at least 80\N{NO-BREAK SPACE}% probability{_by_phone(found)}."
    ]
    type_s, type_m = (found.get((Version.IN_PERSON, name)) for name in ("type_s", "type_m"))
    if type_s is not None and type_m is not None:
        sentences.append(
            f"A true gap of {points(headline.threshold)} points would be found with "
            f"{percent(headline.power)} probability; what is found would be "
            f"{ratio(type_m.estimate)} times that on average, and of the wrong sign in "
            f"{_rare(type_s.estimate)} of findings."
        )
    return tuple(sentences)


def _rare(share: float | None) -> str:
    """A share that may be all but nothing."""
    if share is not None and share < 0.0005:
        return "less than 0.1\N{NO-BREAK SPACE}%"
    return percent(share)


def _by_phone(found: _Found) -> str:
    place, modes = (
        found.get((variant, "smallest_detectable"))
        for variant in (Version.PHONE_IN_PLACE, Version.PHONE_AGAINST)
    )
    if place is None or modes is None:
        return ""
    return (
        f", with the phone interviews in place of the in-person ones {points(place.estimate)}, and "
        f"a difference between the two modes of {points(modes.estimate)}"
    )


def _at_thresholds(rows: Sequence[SensitivityRow]) -> str:
    """The range of the smallest gaps over the thresholds."""
    gaps = [
        row.estimate
        for row in rows
        if row.variant == Version.IN_PERSON
        and row.quantity == "smallest_detectable"
        and row.estimate
    ]
    if not gaps:
        return ""
    return f"at the thresholds, a gap of {points(min(gaps))} to {points(max(gaps))} points"
