"""What a value says: a number, however it is written, or that there is no answer."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.study.values import Code, normalise
from coopgap.survey.raw import RawTable

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d*),(\d+)", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}(\1\d{3})*", re.ASCII)
_FEWEST: Final = 5
"""Different numbers that could all be thousands, before a column is taken to write them."""


def as_number(value: Code) -> float | None:
    """A finite number, or None for anything else; a decimal comma is not a number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def natural_order(text: str) -> tuple[float, str]:
    """A key to sort texts by: numbers in their order, then other text."""
    number = as_number(text)
    return (math.inf if number is None else number, text)


def read_numbers(
    values: Sequence[Code], commas_in: str = "", delimiter: str = ""
) -> tuple[list[float | None], str]:
    """The distinct values of a column as numbers, None where one is none; and why they cannot be.

    A mark that may be one of thousands is a problem: 1.234 in a file with decimal commas elsewhere
    (in the column `commas_in`), 1,234 in one without, and where no comma parts cells points that
    all stand before three digits, among whole numbers that all have fewer than four.
    """
    numbers, problem = [as_number(value) for value in values], ""
    texts = [value.strip() for value in values if isinstance(value, str)]
    with_comma = [text for text in texts if _COMMA.fullmatch(text)]
    with_point = [text for text in texts if "." in text and _NUMBER.fullmatch(text)]
    if with_comma and with_point:
        problem = "some of its numbers have a point, some a comma"
    elif with_comma and not commas_in and all(map(_THOUSANDS.fullmatch, with_comma)):
        problem = "its numbers with a comma may be thousands"
    elif with_comma:
        numbers = [as_number(_point(value)) for value in values]
    elif with_point and all(map(_THOUSANDS.fullmatch, with_point)):
        whole = [text for text in texts if _WHOLE.fullmatch(text)]
        short = whole and all(len(text.lstrip("+-")) <= 3 for text in whole)
        if commas_in:
            problem = f"its numbers with a point may be thousands: {commas_in!r} has decimal commas"
        elif delimiter not in ("", ",") and len(with_point) >= _FEWEST and short:
            problem = "its numbers with a point may be thousands: none has four digits together"
    return numbers, problem


def _point(value: Code) -> Code:
    if isinstance(value, str) and _COMMA.fullmatch(value.strip()):
        return value.replace(",", ".")
    return value


def shows_commas(texts: Iterable[str]) -> bool:
    """Whether the texts of a column are numbers with decimal commas, and nothing else.

    Neither marks for thousands nor lists of two codes, such as 1,3: some number has other than
    three digits after its comma or begins with 0, and some pair is not in increasing order.
    """
    cells = [text.strip() for text in texts if any(char.isdigit() for char in text)]
    pairs = [match for text in cells if (match := _COMMA.fullmatch(text))]
    if not pairs or not all(_COMMA.fullmatch(text) or _WHOLE.fullmatch(text) for text in cells):
        return False
    listed = all(match[1].strip("0") and int(match[1]) < int(match[2]) for match in pairs)
    return not listed and not all(_THOUSANDS.fullmatch(match[0]) for match in pairs)


_SENTINEL = re.compile(r"-[1-9]|-?(([6-9])\2{1,9}|9{1,8}[6-9])", re.ASCII)

# Whole answers: somebody's own words may not be taken for a code.
_CODES: Final = re.compile(
    r"n/?a|n\.a\.?|nan|null|none|\.|-|ns ?[/-]? ?nr|ns|nr|ns/nc|nc|nsp|dk|dk ?[/-]? ?na|rf|missing"
    r"|unknown|desconocido|(do not|don.?t|doesn.?t) know|refused?"
    r"|no (sabe|responde|contesta|aplica)|ne sait pas|nao (sabe|respondeu|se aplica)"
    r"|not (stated|asked|applicable|available)|no (answer|response)|sin (dato|respuesta)s?"
)
_LABELS: Final = re.compile(
    r"\b(do not|don.?t|doesn.?t|does not|did not|didn.?t) (know|answer|respond)\b"
    r"|\bcan.?t say\b|\bcannot say\b|\bunknown\b|\bno (answer|response|opinion)\b|\bnon.?response\b"
    r"|\brefus(ed|al)?\b|\brefuses? (to|de)\b|\ba refuse\b|\brehus|\bse nego\b|\bprefer\w* not\b"
    r"|\bnot (applicable|stated|asked|available|answered|ascertained)\b|\bmissing\b|\bperdido\b"
    r"|\bno (sabe|responde|contesta|aplica|corresponde|opina|precisa|especifica)\b"
    r"|\bsin (dato|respuesta|informacion)s?\b"
    r"|\bne (sait|sais) pas\b|\b(sans|pas de|non).?reponse\b|\bne se prononce pas\b"
    r"|\bsans objet\b|\bnon (applicable|concerne|declare)e?\b|\bmanquante?s?\b"
    r"|\bnao (sabe|sei|respondeu|responde|se aplica|aplicavel|declarou|informou)\b"
    r"|\bsem (resposta|informacao|declaracao)\b|\brecus(a|ou|ou-se)\b|\bignorad[oa]\b"
    r"|\bns ?[/-] ?(nr|nc)\b|\bnr ?[/-] ?ns\b|\bdk ?[/-] ?(na|nr|ref)\b"
)
_NUMBER_WORDS: Final = frozenset({"none", "-", "."})
"""Answers of these words say nothing; as labels of a number they may say zero."""


def is_sentinel(code: str) -> bool:
    """Whether a normalised code is one that surveys use for no answer: 88, 999, 9998, -1."""
    return bool(_SENTINEL.fullmatch(code))


def reads_as_missing(text: str, *, label: bool) -> bool:
    """Whether a text says that there is no answer; a label may, not a respondent, in a sentence."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = plain.strip().casefold()
    if _CODES.fullmatch(plain):
        return not (label and plain in _NUMBER_WORDS)
    return label and bool(_LABELS.search(plain))


def declared_missing(value: Code, spans: Iterable[tuple[Code, Code]]) -> bool:
    """Whether a value lies in one of a file's closed ranges, which may have no end."""
    number = as_number(value)
    for low, high in spans:
        if isinstance(low, str) or isinstance(high, str):
            if normalise(value) in (normalise(low), normalise(high)):
                return True
        elif number is not None and low <= number <= high:
            return True
    return False


def file_missing(raw: RawTable, column: str) -> BoolArray:
    """Which distinct answers of a column the file itself declares missing; shape (k,)."""
    spans, values = raw.user_missing.get(column, ()), raw.answers(column).values
    if not spans:
        return np.zeros(len(values), dtype=bool)
    return np.array([declared_missing(value, spans) for value in values], dtype=bool)


def labelled_missing(raw: RawTable, column: str) -> BoolArray:
    """Which distinct answers of a column have a label that says no answer; shape (k,)."""
    answers, labels = raw.answers(column), raw.value_labels.get(column, {})
    silent = {
        answers.spell(code) for code, text in labels.items() if reads_as_missing(text, label=True)
    }
    if not silent:
        return np.zeros(len(answers.values), dtype=bool)
    return np.array([text in silent for text in answers.texts], dtype=bool)


_OFTEN: Final = 10
_TIMES: Final = 3
"""Far oftener: so many people at least, and so many times the commonest neighbour's."""


def stands_out(numbers: FloatArray, counts: IntArray, among: BoolArray) -> BoolArray:
    """Which of `among` lie beyond all other numbers, or stand far oftener than their neighbours.

    Shapes (k,): distinct numbers (NaN for what is none), how often each stands, and which may be a
    missing code. Neighbours are the two next numbers on either side.
    """
    rest = np.isfinite(numbers) & ~among & (counts > 0)
    others, times = numbers[rest], counts[rest]
    order = np.argsort(others)
    others, times = others[order], times[order]
    found = np.zeros(numbers.size, dtype=bool)
    for place in np.flatnonzero(among & np.isfinite(numbers) & (counts > 0)):
        at = int(np.searchsorted(others, numbers[place]))
        near = times[max(at - 2, 0) : at + 2]
        often = counts[place] >= _OFTEN and counts[place] > _TIMES * near.max(initial=0)
        found[place] = at in (0, others.size) or often
    return found
