"""Which columns may be keys of a study, covariates or outcomes, by name, label and shape together.

A word alone proves little: a question on coups holds "estado" and one on landlines "phone". A
column is proposed where it has the shape of what is sought and words say so, and none says not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final

import numpy as np

from coopgap.core.errors import without_marks
from coopgap.survey.profile import FEWEST_EACH, NO, YES, Kind, Profile
from coopgap.survey.values import as_number, fold

type Shape = Callable[[Profile, int], int]
"""0 where a column cannot be what is sought, 1 where it can, 2 where its answers alone say so."""

_MOST_SIDES: Final = 6
_MOST_MODES: Final = 4
_FEWEST_ZONES: Final = 6
_MOST_LEVELS: Final = 7
_MOST_STEPS: Final = 12
_FEWEST_REPLICATES: Final = 8
_MOST_OUTCOMES: Final = 6
_MOST_ALIKE: Final = 2
"""Outcomes of one kind: more of them are a battery."""

_DENIES: Final = re.compile(r"(no|not|non|nunca|never|none|ningun|nao|false|0)\b")
_DEGREES: Final = re.compile(
    r"\b(very|not|never|rarely|sometimes|often|always|some|little|lot|less|least|more|most|much"
    r"|low(er)?|medium|high(er)?|poor|bad|fair|average|good|excellent|worse|better|same|(dis)?agree"
    r"|nada|poco|algo|bastante|mucho|muy|nunca|siempre|baj[oa]|medi[oa]|alt[oa]|mal[oa]|buen[oa]"
    r"|peor|igual|mejor|acuerdo|pas|peu|assez|beaucoup|tres|jamais|toujours|mauvais|bon|pouco"
    r"|muito|sempre|ruim|bo[am]|pior|melhor|concordo|discordo)\b|satisf"
)
_NUMBERS = (
    r"\bnumber of|\bhow many|\bcuant[oa]s\b|\bnumero\b|\bcombien\b|\bnombre de|\bquant[oa]s\b"
)
_TRUST = r"\btrust|\bconfia|\bconfiance|\bconfidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hint:
    """What speaks for a column, in a name alone too, and words that speak against it.

    Of columns that are alike in all else those come first of which `sure` holds.
    """

    words: str
    shape: Shape
    never: str = r"$^"
    name: str = r"$^"
    sure: str = r"$^"

    def score(self, item: Profile, n_rows: int) -> int:
        """0 for what is not proposed."""
        name, label = _words(item.column), _words(item.label)
        if item.kind in (Kind.EMPTY, Kind.CONSTANT) or re.search(self.never, f"{name} / {label}"):
            return 0
        named = bool(re.search(f"{self.words}|{self.name}", name))
        labelled = bool(re.search(self.words, label))
        shape = self.shape(item, n_rows)
        if not shape or named + labelled + shape < 2:
            return 0
        return named + labelled + shape + bool(re.search(self.sure, f"{name} / {label}"))


def _words(text: str) -> str:
    """Small plain words with single spaces between them; `isMember_2` is `is member 2`."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.findall(r"[a-z]+|\d+", fold(parted)))


def _of_all(item: Profile, n_rows: int) -> bool:
    """What the office fills in has no code for no answer, and next to no blank."""
    return not item.missing and item.n_answers >= 0.95 * n_rows


def _coded(item: Profile, fewest: int, most: int) -> bool:
    """A few codes, each of several people, of most who were asked."""
    return item.kind is Kind.CODES and fewest <= len(item.codes) <= most


def _usable(item: Profile, n_rows: int, share: float) -> bool:
    """Levels that can be declared as they stand, of that share of all people."""
    return not item.unshown and item.fewest >= FEWEST_EACH and item.n_answers >= share * n_rows


def _answers(item: Profile) -> set[str]:
    return {fold(label or code).strip() for code, label in item.codes.items()}


def sides(item: Profile) -> tuple[list[str], list[str]]:
    """Codes of members, and of those who deny it: by a word, by 0, by 2 where all say 1 or 2."""
    words = {code: fold(label or code).strip() for code, label in item.codes.items()}
    others = [code for code, word in words.items() if _DENIES.match(word)]
    if not others and [*words.values()] == ["1", "2"]:
        others = ["2"]
    return [code for code in words if code not in others], others


def _is_region(item: Profile, n_rows: int) -> int:
    """Three names or more, or numbers of places."""
    return item.kind is Kind.CODES and len(item.codes) > 2 and _of_all(item, n_rows)


def _is_zone(item: Profile, n_rows: int) -> int:
    """Some people each, and no measure with a fraction."""
    several = _FEWEST_ZONES <= item.n_distinct <= n_rows / 2
    return several and bool((item.numbers % 1 == 0).all()) and _of_all(item, n_rows)


def _is_weight(item: Profile, n_rows: int) -> int:
    """Positive, of a stratified sample a few; small whole numbers are pounds or counts."""
    codes = [number for code in item.codes if (number := as_number(code)) is not None]
    weights = item.numbers if item.kind is Kind.SCALE else np.array(codes)
    fine = (weights % 1 > 0).any() or weights.max(initial=0) >= 1000
    return item.numeric and bool(fine and weights.min(initial=1) > 0)


def _is_mode(item: Profile, n_rows: int) -> int:
    """A few codes that are no yes and no; of everybody."""
    return (
        _coded(item, 2, _MOST_MODES) and not _answers(item) & (YES | NO) and _of_all(item, n_rows)
    )


_KEYS: Final[Mapping[str, _Hint]] = {
    "group": _Hint(
        words=r"\bmember(s|ship)?\b|co ?op(?!erat(e|ing|ion)|erac)|\bsoci[oa]s?\b|\bmiembros?\b"
        r"|\bmembr[eo]s?\b|\bsaccos?\b|\bbelong|\bpertenec|\bafiliad|\basocia(d|cion)"
        r"|\bassocia(cao|do|tion)|\badherent|\bsindicat|\bunion\b"
        r"|\b(farmer|producer)s? (s )?(group|organi[sz]ation)",
        never=rf"{_NUMBERS}|{_TRUST}"
        r"|\b(household|hh|family|hogar|familia|menage|famille) (mem|miem|integr|head|size)"
        r"|\b(mem|miem|integr)\w+ (of|del?|du|da|d) ((the|your|this|su|tu|la|el|le|seu|sua) )?"
        r"(household|family|hogar|familia|menage|famille|parl|congres|council|assembl|conse[ij]|conce)"
        r"|\bdeput",
        sure=r"co ?op(?!erat(e|ing|ion)|erac)|\bsaccos?\b",
        shape=lambda item, n_rows: _coded(item, 2, _MOST_SIDES),
    ),
    "region": _Hint(
        words=r"\bregion|\bdepart[ae]ment|\bdepto\b|\bprovin|\bdistri(ct|to)\b|\bcounty\b"
        r"|^(state|estado)( of residence| de residencia| federal| code)?$|\badmin ?1\b"
        r"|\bgovernorate",
        name=r"^uf$",
        never=rf"{_TRUST}|\bborn|\bbirth|\bnacimiento|\bnaissance|\bcoup\b|\bgolpe|\bgovernment",
        shape=_is_region,
    ),
    "zone": _Hint(
        words=r"\bzon[ea]\b|\bclusters?\b|\bpsu\b|\bupm\b|\bprimary sampling|\bmuestreo|\bgrappe"
        r"|\benumeration|\bvillage|\bcommunity\b|\bcomunidad\b|\bparish|\bdistrito\b"
        r"|\bconglom|\bwards?\b|\bsegment|\bsub ?(county|district|location)|\baldea"
        r"|\bcentro poblado|\bmunicip|\bcommune\b|\bsetor\b",
        name=r"^sub\b|\bea\b|^h?v 021$|^sdmvpsu$|^vpsu$",
        never=rf"{_TRUST}|\bhow (many|often|far|long)|\bdistanc|\bminutes|\btimes\b|\bveces"
        r"|\bleader|\bmember",
        sure=r"\bclusters?\b|\bpsu\b|\bupm\b|\bprimary sampling|\bconglom|\bgrappe",
        shape=_is_zone,
    ),
    "weight": _Hint(
        words=r"\bweight|\bpesos?\b|\bponder|\bfactor (de )?(expan|pond)|\bexpansion factor"
        r"|\bpoids\b",
        name=r"^p?w(g?ts?)?\b|[a-z]{2}wg?ts?\b|\bfex|^fact|^h?v 005$|^wt(int|mec) \d+ yr$|^pwgtp$",
        never=r"\bkgs?\b|\bkilo|\bbod(y|ies)|\bcorporal|\bbirth|\bnacer|\bheight|\btalla|\bchild"
        r"|\bnin[oa]|\banimal|\bcow|\bcattle|\bganado|\bharvest|\bcosecha|\breplica",
        shape=_is_weight,
    ),
    "id": _Hint(
        words=r"\bid\b|\bidentif|\bfolio\b|\bserial\b|\b(questionnaire|respondent|case|interview)"
        r" (sequence )?(number|no|id)\b|\bnumero de (cuestionario|entrevista|encuesta)",
        name=r"\buuid\b|\bcaseid\b|\bhhid\b|\bkey\b|\brespno\b|\brespid\b",
        never=r"\binterviewer|\bencuestador|\bsupervisor|\benqueteur",
        shape=lambda item, n_rows: item.n_distinct >= 0.9 * n_rows,
    ),
    "mode": _Hint(
        words=r"\bmode\b|\bmodalidad|\bmodo (de )?entrev|\binterview(ed)? (type|by|mode)"
        r"|\btype of interview|\btipo de (entrevista|encuesta)|\btelephone interview"
        r"|\bentrevista telef|\bcati\b|\bcapi\b",
        name=r"^modo\b|\bmodality\b|phone|\btelef",
        never=r"\blandline|\bfijo|\bfixe|\bown\b|\bhave\b|\bhas\b|\btiene|\bposee|\bpossed|\bnumber"
        r"|\bnumero|\bcell|\bcelular|\bmobile|\btransport|\bpayment|\bpago",
        shape=_is_mode,
    ),
    "strata": _Hint(
        words=r"\bstrat(um|a|ification)\b|\bestratos?\b|\bestratific|\bstrates?\b",
        name=r"^(est|estr|strat)\b|^h?v 02[23]$|^sdmvstra$|^vstrat$",
        never=r"socio|econom|\bsocial|\bclass|\bincome",
        shape=lambda item, n_rows: 2 <= item.n_distinct <= n_rows / 10 and _of_all(item, n_rows),
    ),
    "fpc": _Hint(
        words=r"\bfinite population|\bpoblacion finita",
        name=r"^fpc",
        shape=lambda item, n_rows: item.numeric and _of_all(item, n_rows),
    ),
}


def _is_age(item: Profile, n_rows: int) -> int:
    years = item.numbers
    if item.kind is Kind.SCALE:
        plausible = bool((years % 1 == 0).all() and years.min() >= 10 and years.max() <= 115)
        return plausible and item.n_answers >= 0.8 * n_rows
    return _coded(item, 3, _MOST_STEPS) and _usable(item, n_rows, 0.8)


def _of_words(*stems: str) -> Shape:
    """Two or three codes; such words for every one of the stems tell by themselves."""

    def shape(item: Profile, n_rows: int) -> int:
        if not (_coded(item, 2, len(stems) + 1) and _usable(item, n_rows, 0.8)):
            return 0
        answers = _answers(item)
        return 1 + all(any(re.match(stem, word) for word in answers) for stem in stems)

    return shape


def _is_schooling(item: Profile, n_rows: int) -> int:
    if item.kind is Kind.SCALE:
        return bool(item.numbers.min() >= 0 and item.numbers.max() <= 30)
    return _coded(item, 3, _MOST_STEPS) and _usable(item, n_rows, 0.8)


_COVARIATES: Final[Mapping[str, _Hint]] = {
    "age": _Hint(
        words=r"\bage\b|\bedad\b|\bidade\b|\banos cumplidos",
        never=r"\bage (at|when) (?!interview|survey)|\b(1st|1|first) |\bbirth|\bchild|\bhij[oa]"
        r"|\bmarri|\bcasa(r|mento)|\bspouse|\bedad a la|\bold age|\bworking age|\btrust",
        sure=r"\bcurrent|\brespondent|\bin years|^(age|edad|idade)\b",
        shape=_is_age,
    ),
    "sex": _Hint(
        words=r"\bsex[oe]?\b|\bgender\b|\bgenero\b|\bgenre\b",
        never=r"\bchild|\binterviewer|\bencuestador|\bspouse|\bage at",
        shape=_of_words(r"(fe|wo)m|muj|femin|femm|mulher", r"m[ae](le|n)\b|hom|mascul|masc|varon"),
    ),
    "education": _Hint(
        words=r"\beducat|\beducaci?[oa]|\bescolaridade?\b|\bschooling\b|\binstruc[ct]i?on|\bestudios\b"
        r"|\bniveau d etude|\bgrade completed",
        name=r"\bedu?c?\b",
        never=rf"{_TRUST}|\bfather|\bmother|\bspouse|\bpadre|\bmadre|\bgovernment|\bhandl|\bexpen"
        r"|\bspen[dt]|\bchild|\bhij[oa]|\bproblem|\bquality|\bcalidad|\baccess",
        shape=_is_schooling,
    ),
    "urban": _Hint(
        words=r"\burban|\brural|\bplace of residence|\bmilieu\b|\bambito\b",
        name=r"^ur$|\burbrur\b|\barea\b",
        shape=_of_words(r"urban|ciudad|city", r"rural|campo"),
    ),
}


def _is_ordered(item: Profile, n_rows: int) -> int:
    """Yes and no, or up to seven steps whose numbers or letters leave no gap."""
    if not (_coded(item, 2, _MOST_LEVELS) and _usable(item, n_rows, 0.5)):
        return 0
    if not item.numeric:
        return _answers(item) <= YES | NO or "".join(item.codes) in "ABCDEFG"
    codes = sorted(number for code in item.codes if (number := as_number(code)) is not None)
    return codes[-1] - codes[0] == len(codes) - 1


def _is_scale(item: Profile, n_rows: int) -> bool:
    """Steps of most people without labels, or with words of degree for most of them."""
    labels = [fold(label) for label in item.codes.values() if label]
    degrees = sum(bool(_DEGREES.search(label)) for label in labels)
    ordered = _is_ordered(item, n_rows) and _usable(item, n_rows, 0.8)
    return bool(ordered) and (2 * degrees > len(labels) or not labels or _answers(item) <= YES | NO)


_OUTCOMES: Final = tuple(
    _Hint(words=words, never=r"\bparty|\bpartido|\breligio|\bvot", shape=_is_ordered)
    for words in (
        _TRUST,
        r"\b(socio ?economic|social|economic) (class|level|status)|\bsocioeconom|\bses\b|\bnse\b"
        r"|\bclase social|\bclasse social|\bwealth (index|quintile)|\bquintil",
        r"\bsatisf|\bhapp(y|iness)\b|\bfeli[zc]|\bheureu|\bwell ?being|\bwelfare|\bbienestar"
        r"|\bbem estar|\bbien etre",
        r"\bincome .*(compar|against|change|ago\b)|\bliving conditions|\beconomic (situ|condi)"
        r"|\bsitua(cion|cao|tion) econom|\bcondi(ciones|coes|tions) de v",
        r"\bfood (in)?secur|\benough food|\bwithout (enough )?food|\bseguridad alimentaria"
        r"|\bsecurite alimentaire",
        r"\b(dis)?agree|\bde acuerdo\b|\bd accord\b|\bconcord[ao]\b|\bcan be trusted|\brely on\b",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesses:
    """What the columns of a file may be, the likeliest first; a person decides.

    By key of a study; names of replicate weights; a covariate by what it seems to hold; questions
    with ordered or two answers, a few of each kind.
    """

    keys: Mapping[str, Sequence[Profile]]
    replicates: tuple[str, ...]
    covariates: Mapping[str, Profile]
    outcomes: Sequence[Profile]


def guess(profiles: Sequence[Profile], n_rows: int) -> Guesses:
    """What the columns of a file of so many rows may be; none is an outcome and something else."""
    replicates = _replicates(profiles)
    # A study may not hold marks of direction, and so name no such column.
    named = (item for item in profiles if without_marks(item.column) == item.column)
    open_ = [item for item in named if item.column not in replicates]
    keys = {key: _likely(open_, hint, n_rows) for key, hint in _KEYS.items()}
    keys["group"].sort(key=lambda item: not all(sides(item)))
    taken = {item.column for items in keys.values() for item in items}
    covariates = {}
    for name, hint in _COVARIATES.items():
        likely = [item for item in _likely(open_, hint, n_rows) if item.column not in taken]
        if likely:
            covariates[name] = likely[0]
    taken |= {item.column for item in covariates.values()}
    rest = [item for item in open_ if item.column not in taken]
    return Guesses(
        keys=keys, replicates=replicates, covariates=covariates, outcomes=_outcomes(rest, n_rows)
    )


def _likely(profiles: Iterable[Profile], hint: _Hint, n_rows: int) -> list[Profile]:
    scored = [(hint.score(item, n_rows), item) for item in profiles]
    return [item for score, item in sorted(scored, key=lambda pair: -pair[0]) if score]


def _outcomes(profiles: Sequence[Profile], n_rows: int) -> list[Profile]:
    """The likeliest of each kind in turn, steps before yes and no; without words scales of five."""
    kinds = [
        sorted(_likely(profiles, hint, n_rows), key=lambda item: len(item.codes) == 2)[:_MOST_ALIKE]
        for hint in _OUTCOMES
    ]
    in_turn = [item for item in chain(*zip_longest(*kinds)) if item is not None]
    found = {item.column: item for item in in_turn}
    if found:
        return list(found.values())[:_MOST_OUTCOMES]
    open_ = [
        item for item in profiles if _is_scale(item, n_rows) and "psu" not in fold(item.column)
    ]
    return sorted(open_, key=lambda item: abs(len(item.codes) - 5))[:_MOST_ALIKE]


def _replicates(profiles: Iterable[Profile]) -> tuple[str, ...]:
    """Numbered columns of no negative numbers whose name speaks of replicates."""
    found: dict[str, list[str]] = {}
    for item in profiles:
        stem = re.fullmatch(r"(.*?)[_.]?\d+", item.column)
        if stem and item.numeric and re.search(r"rep|brr|jk|boot|bsw|fay|wgtp", fold(stem[1])):
            found.setdefault(stem[1], []).append(item.column)
    longest = max(found.values(), key=len, default=[])
    return tuple(longest) if len(longest) >= _FEWEST_REPLICATES else ()


_UPPER_END: Final = re.compile(
    r"a$|a lot\b|a great deal|very (satisf|happy|good|well|safe|trustworth)|always|most people can"
    r"|(much )?(higher|better)\b|(strongly|completely|fully|totally) (agree|satisf|trust)"
    r"|agree (strongly|completely)|muy (satisf|buen|feli|de acuerdo|confiable)|much[oa]\b|mejor\b"
    r"|(totalmente|completamente) (de acuerdo|satisf)|siempre|tres (satisf|bon|d.accord)"
    r"|tout a fait|beaucoup|toujours|muito (satisf|bo[am]|feliz)|concordo (total|muito|plena)"
    r"|melhor\b|sempre|agree$|de acuerdo$|excel+ente?\b|good$|extremely (satisf|happy|good|likely)"
    r"|very (high|likely|often|important)|((greatly|much) )?(increased|improved)\b"
)
_LOWER_END: Final = re.compile(
    r"not? at all|none\b|nothing|not very|never|very (dissatisf|unhappy|bad|untrust|unsafe)"
    r"|(strongly|completely|totally) (disagree|dissatisf)|disagree (strongly|completely)"
    r"|(much )?(lower|worse)\b|nada\b|ningun|nunca|muy (insatisf|mal|infeli|en desacuerdo|poco)"
    r"|(totalmente|completamente) (en desacuerdo|insatisf)|peor\b|pas du tout|jamais"
    r"|tres (insatisf|mauvais)|muito (insatisf|ruim)|discordo (total|muito|plena)|pior\b"
    r"|disagree$|en desacuerdo$|terrible|(poor|bad)$|extremely (dissatisf|unhappy|bad|unlikely)"
    r"|very (poor|low|unlikely|rarely)|((greatly|much) )?(decreased|declined|worsened)\b"
)
"""Answers that stand at the upper or the lower end of a scale."""


def scale_order(words: Sequence[str], needed: Callable[[Iterable[object]], bool]) -> int:
    """-1 where the first answer is the most, 1 where the last is, 0 where their words do not tell.

    By `any` or `all` of the two ends; 1 and 2 without labels are yes and no.
    """
    if [*words] == ["1", "2"]:
        return -1
    first, last = words[0], words[-1]
    falls = needed((_UPPER_END.match(first), _LOWER_END.match(last)))
    return needed((_LOWER_END.match(first), _UPPER_END.match(last))) - falls
