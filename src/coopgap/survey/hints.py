"""Which columns look like a study's keys: judged by name, by label and by shape together.

A word alone proves little: a question on coups holds "estado" and one on landlines "phone". So a
column is proposed only where two of the three agree, and none where its words say otherwise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coopgap.survey.profile import Kind, Profile

_LEAST: Final = 2
_MOST_SIDES: Final = 6
_MOST_MODES: Final = 4
_FEWEST_ZONES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hint:
    """What speaks for a key, and words that speak against it."""

    name: str
    label: str
    never: str
    shape: Callable[[Profile, int], bool]


def fold(text: str) -> str:
    """Small letters without accents."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return plain.casefold()


def hinted(profiles: Sequence[Profile], key: str, n_rows: int) -> list[Profile]:
    """Columns that may be a key of the study: group, region, zone, weight, id or mode.

    Parameters
    ----------
    profiles
        Every column of the file.
    key
        Which.
    n_rows
        Rows of the file.

    Returns
    -------
    list of Profile
        Those for which two of name, label and shape speak; first those for which all do.
    """
    scored = [(_score(item, _HINTS[key], n_rows), item) for item in profiles]
    likely = [pair for pair in scored if pair[0] >= _LEAST]
    return [item for _, item in sorted(likely, key=lambda pair: -pair[0])]


def _score(item: Profile, hint: _Hint, n_rows: int) -> int:
    name, label = fold(item.column), fold(item.label)
    if item.kind in (Kind.EMPTY, Kind.CONSTANT) or re.search(hint.never, f"{name} {label}"):
        return 0
    named, labelled = bool(re.search(hint.name, name)), bool(re.search(hint.label, label))
    return named + labelled + hint.shape(item, n_rows)


def _sides(item: Profile, n_rows: int) -> bool:
    """A few codes; a question may have codes for no answer."""
    return item.kind is Kind.CODES and len(item.codes) <= _MOST_SIDES


def _known_of_all(item: Profile, n_rows: int) -> bool:
    """What the office fills in has no code for no answer, and next to no blank."""
    return not item.missing and item.n_answers >= 0.95 * n_rows


def _places(item: Profile, n_rows: int) -> bool:
    """Three names or more, or numbers of places."""
    return item.kind is Kind.CODES and len(item.codes) > 2 and _known_of_all(item, n_rows)


def _clusters(item: Profile, n_rows: int) -> bool:
    """Some people each, and no measure with a fraction."""
    whole = bool((item.numbers % 1 == 0).all())
    several = _FEWEST_ZONES <= item.n_distinct <= n_rows / 2
    return several and whole and _known_of_all(item, n_rows)


def _weights(item: Profile, n_rows: int) -> bool:
    return item.kind is Kind.SCALE and bool((item.numbers > 0).all())


def _names(item: Profile, n_rows: int) -> bool:
    return item.n_distinct >= 0.9 * n_rows


def _modes(item: Profile, n_rows: int) -> bool:
    """A few codes that are no yes and no; of everybody."""
    words = {fold(label or code).strip() for code, label in item.codes.items()}
    few = item.kind is Kind.CODES and 2 <= len(item.codes) <= _MOST_MODES
    return (
        few and not words & {"yes", "no", "si", "oui", "non", "sim"} and _known_of_all(item, n_rows)
    )


_HINTS: Final[Mapping[str, _Hint]] = {
    "group": _Hint(
        name=r"member|coop|socio|miembro|membre|sacco|asociad|assoc|afili|affil|union|sindic|adher",
        label=r"\bmember(ship)?\b|\bco-?op(s\b|\b|erativ)|\bsoci[oa]s?\b|\bmiembro|\bmembres?\b|\bmembro"
        r"|\bsaccos?\b|\bbelong|\bpertene|\bafiliad|\basociad|\bassociad|\badherent"
        r"|\b(farmers?|producers?).{0,12}(group|association|organi[sz]ation)",
        never=r"household|\bhh|family|families|number of|how many|\bn_|hogar|familia|menage|famille"
        r"|cuant[oa]s|numero|combien|nombre de|parliament|parlament|congress|council|deput"
        r"|cooperation|cooperacion|socioec",
        shape=_sides,
    ),
    "region": _Hint(
        name=r"region|depart|depto|provin|district|distrito|county|(^|_)(state|estado|uf|admin_?1)"
        r"($|_)",
        label=r"\bregion|\bdepartament|\bdepartment\b|\bdepartement|\bprovinc|\bdistri(ct|to)\b"
        r"|\bcounty\b|\bstate\b|\bestado\b",
        never=r"coup|golpe|civil|marital|salud|health|animo|trust|confian|govern|gobierno|born"
        r"|nacimiento",
        shape=_places,
    ),
    "zone": _Hint(
        name=r"zone|zona|cluster|psu|upm|village|communit|comunidad|parish|distrito|conglomerado"
        r"|(^|_)ward|segment|^sub|(^|_)ea($|_)|aldea|centro_poblado|enumeration",
        label=r"\bzon[ea]\b|\bcluster|\bpsu\b|\bupm\b|primary sampling|muestreo|enumeration"
        r"|\bvillage|\bcommunity\b|\bcomunidad|\bparish|\bdistrito|\bconglomerado|\bward\b"
        r"|\bsegment|\bsub-?(county|district|location)|\baldea|\bcentro poblado",
        never=r"\btrust|confian|how (many|often|far|long)|distance|distancia|minutes|times|veces",
        shape=_clusters,
    ),
    "weight": _Hint(
        name=r"weight|^wt|_wt|peso|ponder|factor|wgt|(^|_)fex",
        label=r"\bweight|\bpeso\b|\bponder|\bfactor (de )?(expan|pond)|\bexpansion factor",
        never=r"\bkgs?\b|kilo|\bbody|birth|\bnacer|height|talla|child|nino|animal|\bcow|cattle"
        r"|ganado|harvest|cosecha",
        shape=_weights,
    ),
    "id": _Hint(
        name=r"(^|[^a-z])(id|uuid|folio|caseid|hhid|key|serial)([^a-z]|$)|identif|respid|caseid",
        label=r"\bid\b|identif|\bfolio\b|\bserial\b|(questionnaire|respondent|case|interview)"
        r" (number|no\b|id)|numero de (cuestionario|entrevista|encuesta)",
        never=r"interviewer|encuestador|supervisor|enqueteur",
        shape=_names,
    ),
    "mode": _Hint(
        name=r"(^|[^a-z])(mode?|modo|modality|modalidad|mode_?of.*)([^a-z]|$)|modalid|phone|telef",
        label=r"\bmode\b|\bmodalidad|\bmodo de\b|interview(ed)? (type|by|mode)|type of interview"
        r"|tipo de (entrevista|encuesta)|telephone interview|entrevista telef|\bcati\b|\bcapi\b",
        never=r"landline|fijo|fixe|\bown\b|\bhave\b|tiene|posee|possed|number|numero|\bcell|celular"
        r"|mobile|transport",
        shape=_modes,
    ),
}
