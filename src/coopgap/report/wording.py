"""Words of cause, which no gap carries: found by rule in everything a report says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final, NamedTuple

from coopgap.printed.registry import Registry, load_registry
from coopgap.report.document import Section
from coopgap.report.turns import FOUND, HARMLESS
from coopgap.study.spec import Study

__all__ = [
    "Found",
    "causal_language",
    "own_words",
    "quoted_words",
    "registry_words",
    "said_in",
    "wording_words",
]

_SIGNS: Final = str.maketrans(
    {"‐": "-", "‑": "-", "\N{SOFT HYPHEN}": None, "’": "'"} | dict.fromkeys("*_`", " ")
)
_AROUND: Final = 30
_SHOWN: Final = 3
_QUOTED: Final = "¤"
_OPENING: Final = 12
"""Letters that a label cut short must share with a quotation."""


class Found(NamedTuple):
    """A word of cause and the text around it."""

    word: str
    around: str


def causal_language(text: str, quoted: Collection[str] = ()) -> Iterator[Found]:
    """Words of cause in a text, English.

    Parameters
    ----------
    text
        Plain text, Markdown or a name with underscores.
    quoted
        Texts of somebody else, which may stand in it, also cut short with an ellipsis; one of a
        single word only as the whole text or between quotation marks, so that a label does not
        hide the word everywhere.

    Yields
    ------
    Found
        Not where the word stands in an allowed context: a design effect, fixed or random effects,
        or a denial that anything of the kind is claimed.
    """
    text = _plain(text)
    if FOUND.search(text) is None:
        return
    for quote in sorted(map(_plain, quoted), key=len, reverse=True):
        text = _without(text, quote)
    text = HARMLESS.sub(lambda found: found[0] if found["claim"] else "…", text)
    for match in FOUND.finditer(text):
        start = max(match.start() - _AROUND, 0)
        yield Found(match[0], text[start : match.end() + _AROUND])


def _plain(text: str) -> str:
    """One line without marks of emphasis; a word parted at the end of a line is whole again."""
    text = re.sub(r"(?<=[a-z])[-‐‑]\s*\n\s*(?=[a-z])", "", text)
    return " ".join(text.translate(_SIGNS).split())


def _without(text: str, quote: str) -> str:
    """A text without a quotation, whole or cut short."""
    words = re.escape(quote)
    pattern = words if " " in quote else rf"^{words}$|(?<=“){words}(?=”)"
    text = re.sub(pattern, _QUOTED, text, flags=re.IGNORECASE)
    if len(quote) <= _OPENING or "…" not in text:
        return text
    full, low = quote.lower(), text.lower()
    for end in [match.start() for match in re.finditer("…", text)]:
        start = low.rfind(full[:_OPENING], 0, end)
        if start >= 0 and full.startswith(low[start:end].rstrip()):
            text = text[:start] + _QUOTED * (end - start) + text[end:]
    return text


def own_words(study: Study) -> frozenset[str]:
    """Texts of the study folder, and of the report it names, that hold words of cause."""
    texts = set(_texts(study))
    if study.printed is not None:
        texts |= set(_texts(load_registry(study.printed).rows))
    return _causal(texts)


def registry_words(registry: Registry) -> frozenset[str]:
    """Texts of a printed report that hold words of cause."""
    return _causal(_texts(registry.rows))


def _causal(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(text for text in texts if next(causal_language(text), None))


def said_in(sections: Iterable[Section]) -> Iterator[str]:
    """Every text of sections."""
    for section in sections:
        yield from _texts(section)


def wording_words(study: Study, sections: Iterable[Section], figures: Iterable[str] = ()) -> str:
    """What the rule finds in a report and in the texts of its figures, in one line."""
    return quoted_words(own_words(study), sections, "the study", figures)


def quoted_words(
    quoted: Collection[str], sections: Iterable[Section], whose: str, figures: Iterable[str] = ()
) -> str:
    """What the rule finds beside somebody else's own words, in one line.

    Parameters
    ----------
    quoted
        Texts of somebody else that hold words of cause.
    sections
        The report.
    whose
        Whose they are, as “the study”.
    figures
        Texts of its figures.
    """
    told = [text for text in (*said_in(sections), *figures) if next(causal_language(text), None)]
    found = [one for text in told for one in causal_language(text, quoted)]
    if found:
        places = "; ".join(f"“{one.around.strip()}”" for one in found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return f"words of cause stand here that no gap carries: {places}{more}"
    if told:
        plain = [_plain(text) for text in told]
        used = sum(any(_without(text, _plain(quote)) != text for text in plain) for quote in quoted)
        texts = "1 text" if used == 1 else f"{used} texts"
        return f"words of cause stand only in {whose}'s own words: {texts}"
    return "no words of cause"


def _texts(value: object) -> Iterator[str]:
    """Every text within records, tables and lists."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from _texts(getattr(value, item.name))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(key)
            yield from _texts(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _texts(one)
