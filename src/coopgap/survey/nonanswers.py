"""Codes that stand for no answer: by the file's own word, by their label, by their shape."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.study.spec import Code
from coopgap.study.values import normalise
from coopgap.survey.numbers import as_number
from coopgap.survey.raw import Answers, RawTable

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
    """Whether a text says, in English, Spanish, French or Portuguese, that there is no answer.

    Parameters
    ----------
    text
        A label of the file, or an answer.
    label
        Labels may say it in a sentence. Answers must be nothing else, since what a respondent
        said may not be taken for a code.
    """
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


def file_missing(raw: RawTable, column: str, answers: Answers) -> BoolArray:
    """Which distinct answers of a column the file itself declares missing; shape (k,)."""
    spans = raw.user_missing.get(column, ())
    if not spans:
        return np.zeros(len(answers.values), dtype=bool)
    return np.array([declared_missing(value, spans) for value in answers.values], dtype=bool)


def labelled_missing(raw: RawTable, column: str, answers: Answers) -> BoolArray:
    """Which distinct answers of a column have a label that says no answer; shape (k,)."""
    labels = {answers.spell(code): text for code, text in raw.value_labels.get(column, {}).items()}
    texts = [labels.get(text, "") for text in answers.texts]
    return np.array([reads_as_missing(text, label=True) for text in texts], dtype=bool)


_OFTEN: Final = 10
_TIMES: Final = 3


def stands_out(numbers: FloatArray, counts: IntArray, among: BoolArray) -> BoolArray:
    """Which of `among` lie beyond all other numbers, or stand far oftener than their neighbours.

    Parameters
    ----------
    numbers
        Shape (k,): distinct numbers; NaN for what is none.
    counts
        Shape (k,): how often each stands.
    among
        Shape (k,): those with the shape of a missing code.

    Returns
    -------
    BoolArray
        Shape (k,). A neighbour is one of the two next numbers on either side; far oftener is ten
        times at least, and three times as often as the commonest of them.
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
