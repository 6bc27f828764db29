"""Words of cause, which no gap carries: found by rule in everything a report says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final, NamedTuple

from coopgap.printed.registry import Registry, load_registry
from coopgap.report.document import Section
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

_WORDS: Final = re.compile(
    r"""\b(?:
        effects? | impact(?:s|ed|ing|ful)? | benefit(?:s|ed|ing|ted|ting)? | beneficial
        | caus(?:e|es|ed|ing|al|ally|ality|ation|ative) | consequences?
        | due\ to | owing\ to | thanks\ to | leads?\ to | led\ to | leading\ to | results?\ in
        | resulted\ in | attribut(?:able|ed|es?)\ to | improv(?:e|es|ed|ing|ements?)
        | boost(?:s|ed|ing)? | driv(?:es|en)\ by | makes?\ (?:members|people)
        | because\ of\ (?:membership|co-?operatives?)
        | because\ (?:they|people|members)\ (?:joined|are\ members) | contribut(?:es?|ed)\ to
        | (?:membership|joining)\ (?:raises?|increases?|reduces?|lowers?|affects?)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ALLOWED: Final = re.compile(
    r"""\b(?:
        design\ effects? | (?:fixed|random)\ effects?
        | (?:no|not|never|nor|without)\ (?:an?\ |as\ )?(?:caus\w+\ )?(?:effects?|caus\w+)
        | words?\ of\ cause
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_AROUND: Final = 30


class Found(NamedTuple):
    """A word of cause and the text around it."""

    word: str
    around: str


def causal_language(text: str, quoted: Collection[str] = ()) -> Iterator[Found]:
    """Words of cause in a text, English.

    Parameters
    ----------
    text
        Plain text.
    quoted
        Texts of somebody else, which may stand in it; one of a single word only as the whole text
        or between quotation marks, so that a label does not hide the word everywhere.

    Yields
    ------
    Found
        Not where the word stands in an allowed context: a design effect, fixed or random effects,
        or a denial.
    """
    text = " ".join(text.split())
    for quote in sorted(quoted, key=len, reverse=True):
        words = re.escape(" ".join(quote.split()))
        pattern = words if " " in quote.strip() else rf"^{words}$|(?<=“){words}(?=”)"
        text = re.sub(pattern, "…", text, flags=re.IGNORECASE)
    text = _ALLOWED.sub("…", text)
    for match in _WORDS.finditer(text):
        start = max(match.start() - _AROUND, 0)
        yield Found(match[0], text[start : match.end() + _AROUND])


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


def wording_words(study: Study, sections: Iterable[Section]) -> str:
    """What the rule finds in a report, in one line."""
    return quoted_words(own_words(study), sections, "the study")


def quoted_words(quoted: Collection[str], sections: Iterable[Section], whose: str) -> str:
    """What the rule finds beside quotations, in one line.

    Parameters
    ----------
    quoted
        Texts of somebody else that hold words of cause.
    sections
        The report.
    whose
        Whose texts they are.
    """
    found = [one for text in said_in(sections) for one in causal_language(text, quoted)]
    if found:
        places = "; ".join(f"“{one.around.strip()}”" for one in found[:5])
        return f"words of cause stand here that no gap carries: {places}"
    if quoted:
        return f"words of cause stand only in quotations: {len(quoted)} texts of {whose}"
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
