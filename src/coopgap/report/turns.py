"""The words and turns of cause that `coopgap.report.wording` looks for, and what it allows.

Rules read words, not sense. Where the two part they find too much rather than too little: "Improved
seed from the co-operative" and "Membership improves the fit" are found, "Improved seed" and "A term
for membership improves the fit" are not. What is done to membership is left alone ("Membership is
added as a column") unless `by` follows ("Membership is added by hand") or what is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["FOUND", "HARMLESS", "RULES", "compiled"]


def _any(words: str) -> str:
    """One of several words or patterns, which blanks part; ~ is a blank within one."""
    return "(?:" + "|".join(words.split()).replace("~", " ") + ")"


# Parts of the rule: {NAME} stands for the part NAME.
_PARTS: Final = {
    "COOP": r"co-? ?op(?:erati(?:ve|on|ng))?s?(?!-? ?(?:members?|people|gaps?)\b)",
    "A": r"(?:(?:the|an?|any|this|that|such|their|its|his|her|our|one|\w+'s?) ){0,2}",
    "MEMBER": r"{A}(?:{COOP} )?(?:members?|part of {A}{COOP})",
    "PEOPLE": _any("members? people farmers? women households? families villages? communities"),
    "WHO": _any("{PEOPLE} person men they he she who"),
    # Membership as a subject: not "the odds of membership" or "a term for membership".
    "MEMBERSHIP": r"(?<!\bof )(?<!\bfor )(?<!\bin )(?<!\bon )(?<!\bwith )(?<!\bby )(?<!\band )"
    "membership",
    "JOINING": r"joining(?! (?:\w+ ){0,2}(?:phone|telephone|interviews?|samples?|tables?|rows?))",
    "BEING": r"(?:being|becoming|remaining|staying) {MEMBER}",
    "JOINED": _any(
        "{MEMBERSHIP} {JOINING} {BEING} belonging having~joined non-?membership participation"
        " participating taking~part"
    ),
    "ITSELF": _any("{COOP} groups? society union households? people years it one them \\d{4}"),
    "IT": r"(?:{JOINED}(?: status)?(?: (?:of|in|to|at|with|for|since) {A}(?:\w+ )?{ITSELF})?"
    r"|{COOP}(?: (?:societ(?:y|ies)|unions?|membership))?)(?: \([^()]{1,30}\)| – [^–]{1,30} –)?",
    "ANY": _any("membership joining belonging participation participating {IT}"),
    # What may stand between a subject and its verb.
    "MAY": r",?(?: (?:\w+ly|\w+n't|{HELPING}),?)*",
    "HELPING": _any(
        """may might can could will would shall should must do does did is are was were be been
        being has have had not never cannot also alone itself themselves still often always even
        just thus then to that which seems? seemed appears? tends? so very much
        both neither no~longer here in~part in~fact it~seems on~average at~least more~than
        on~its~own by~itself"""
    ),
    # What is done to membership as a column, unless by somebody or into what is asked about.
    "PASSIVE": r"{MAY} (?:is|are|was|were|be|been|being)(?: (?:\w+ly|not|also|then|still|here))*"
    r" (?:{DONE}|{DO}(?<=en))\b(?! by\b|(?: in| into| to)? {LIFE})",
    "SEEN": _any("made expected believed thought known said shown seen found supposed bound able"),
    # Verbs of doing, as stems.
    "DO": _any(
        """rais increas reduc lower decreas affect chang help protect lift uplift enabl allow
        strengthen weaken foster promot encourag support secur ensur creat generat yield push pull
        mov shift shap(?=es|ed|ing|e~(?!\\()) alter(?!n) influenc prevent turn transform doubl
        determin enrich expand widen narrow shield explain trigger spark prompt induc spur matter
        achiev translat hurt harm damag undermin erod hinder hamper render accelerat stabili[sz]
        inspir deepen driv eas(?=e|i) giv mak(?=e|i) add(?=s|e|i|\\b) pay(?=s\\b|ing~off)
        prov(?=id) account(?=s?~for) result(?=s?~in) cut let keep lead bring build halv tripl
        fight beat stop favou?r serv(?=e|i) buy deliver offer clos(?=e|i) open(?=s|e|i) end(?=s|e)
        get(?=s|t) tak(?=e|i)(?!\\w*(?:~\\w+){0,2}~values?\\b) improv fuel sustain facilitat
        safeguard reliev alleviat mitigat diminish underpin breed engender permit worsen destroy
        sav(?=e|i)"""
    )
    + r"\w*",
    "DID": _any("made gave given brought built kept drove driven led cut"),
    "DONE": r"(?:{DO}(?<=ed)|{DID})",
    "ROSE": _any(
        "rise rose growth grew drop fall fell decline gains? gained develop\\w* emerg\\w*"
    ),
    "GROW": _any(
        """grows? grew growing rises? rose rising increas(?:e|es|ed|ing) falls? fell falling
        drops? dropped declin(?:es?|ed|ing) decreas(?:es?|ed|ing) climb(?:s|ed)? shrinks? shrank"""
    ),
    "LENGTH": r"(?:length|years|time|duration) (?:of|in|as)",
    "GOOD": _any(
        "effective decisive helpful useful good~for good~to bad~for bad~to worth\\w* works behind"
        " lies?~behind"
    ),
    "REASON": _any("reasons? drivers? explanations? source engine answer factor key"),
    "THING": _any(
        """results? outcomes? influences? contributions? returns? gains? advantages? role rewards?
        fruits? merits? products? achievements? success payoffs? difference~made"""
    ),
    "BETTER": _any("better worse richer poorer happier healthier safer wealthier stronger"),
    # What the surveys ask about, and verbs that need no subject where it follows.
    "LIFE": r"(?:(?:the|their|her|his|our|more|household|farm|social|mutual) ){0,3}"
    + _any(
        """trust confidence incomes? livelihoods? wealth well-?being welfare poverty hunger
        food~(?:in)?security lives living~standards? solidarity social~capital prices earnings
        savings"""
    ),
    # What is improved in a model, and what a survey calls improved.
    "FIT": _any("fit precision convergence"),
    "IMPROVED": r"ed (?:(?!the|their|his|her|our|its)\w+ )?"
    + _any(
        """water(?!~(?:quality|access|use)) sanitation toilets? latrines? (?:cook-?)?stoves? seeds?
        seedlings? variet(?:y|ies) breeds? bulls? heifers? pastures? fodder forages?"""
    ),
    "CHANGES": _any(
        """raises? raised raising increases increased increasing reduces reduced reducing lowers
        lowered lowering builds? built building strengthen\\w* foster\\w* affect\\w* changes changed
        changing creat\\w* lift\\w* doubl\\w* transform\\w*"""
    ),
    "STATE": _any(
        """are were had may can cannot might do did does differ answer stand who of and or in out
        with without alone"""
    ),
    # Verbs by which nothing is done to trust or to people.
    "PLAIN": _any(
        """is was has does predict match includ cover concern differ mean count compar ask list nam
        interview select sampl visit regist invit reach"""
    )
    + r"\w*",
    "LEFT": r"(?:joined|belonged|become|stayed|left|been {MEMBER})",
    "JOIN": _any("join joins joined become becomes became"),
    "CAUSE": _any("effects? impacts? benefits? consequences? causes? causal\\w* causation"),
}
# What is found whatever stands around it, one rule a line.
_TURNS: Final = r"""
    effects?
    counterfactual\w*
    effectiveness
    efficacy
    impact\w*
    benefit\w*
    beneficia\w+
    caus(?:e|al|at|in)\w*
    consequences?
    consequently
    thereby
    as a result
    due to
    owing to
    thanks to
    on account of
    because of
    responsible for
    leads? to
    led to
    leading to
    attribut(?:able|ed|es?) to
    (?:resulted|resulting) in
    (?:which|that|this|it|also|\w+ly) results? in
    results? in (?:an? )?(?:more|less|fewer|better|worse|high|low|great|larg|small|strong)\w*
    improv(?!{IMPROVED}\b|\w* (?:{A}|in {A}|of {A})(?:model )?{FIT}\b)\w+
    {WHO} improved
    boost\w*
    enhanc\w+
    empower\w*
    uplift\w*
    drivers? of
    determinants? of
    driven by
    (?:brings?|brought|bringing) about
    (?:gives?|gave|given|giving) rise to
    contribut(?:es?|ed|ing) to
    ha(?:s|d|ve) a hand in
    traced (?:back )?to {A}{ANY}
    (?:plays?|played) an? (?:\w+ )?(?:role|part)
    influenced by
    influences? (?:on|over) (?:{LIFE}|{A}(?:\w+ )?(?:answers?|people|members?))
    mak(?:es?|ing) (?:members|people)
    (?:mak(?:es?|ing)|made) (?:a|all|the) (?:\w+ )?difference
    (?:mak(?:es?|ing)|made) (?:[\w'-]+ ){1,4}{BETTER}
    better off (?:for|by|from|through|thanks)
    (?:help|enabl|lift|encourag)\w* {A}(?:\w+ )?{PEOPLE}
    gains? from
    profit(?:s|ed|ing)? from
    {WHO} (?:\w+ )?gain\w* (?:\w+ ){0,2}(?:by|from)
    (?:gains?|advantages?|rewards?) (?:of|for|to) members
    gains? in {LIFE}
    {CHANGES} {LIFE}
    {PEOPLE} (?:gain|profit|win|reap)(?:s|ed)?
    (?:gain|profit)s? (?:most|more)
    points gained
    untreated
    (?:treated|treatment) (?:groups?|units?|{PEOPLE}|and|or|versus)
    average treatment
    treatment:
    protective
    risk reductions?
    risk factors?: {A}{ANY}
    {ANY}(?: [\w'-]+){0,4} (?:is|are|was|were)(?: [\w'-]+){0,2} risk factors?
    needed to treat
    {LIFE} (?:changed|saved)
    would (?:not )?have (?:[\w'-]+ ){1,4}otherwise
"""
# What is found of membership: what it does, what is done by it, what comes of it, what if.
_CLAIMS: Final = r"""
    {IT}(?!{PASSIVE}){MAY} (?:{DO}|{DID}|{GOOD})
    {IT}{MAY} (?!{PLAIN})\w+(?:s|ed) (?:{LIFE}|{A}{PEOPLE})
    {IT}{MAY} {SEEN} to {DO}
    {IT}{MAY} (?:an?|the|one|another|why) (?:\w+ )?{REASON}
    {IT} (?:premium|bonus|dividend|gains?|advantages?)
    {COOP} difference
    {ANY} ?(?:→|->|⇒|=>)
    {COOP}(?: model)? works?(?! \w)
    {ANY}[- ](?:driven|induced|led)
    (?:what|as|like) {A}{ANY} (?:does|do|did|may|can|has done)
    {DONE}(?:,? [\w'-]+){0,6},? by {A}{ANY}
    by (?:virtue|dint|means) of {A}{ANY}
    (?:{DO}|{DID}|{ROSE})(?:,? [\w'-]+){0,4},? (?:from|through|via) {A}{ANY}
    (?:through|via|by|upon|after|since|from) (?:joining|taking part|belonging to {A}{COOP}|{BEING})
    (?:through|via) {A}(?:membership|participation)
    {THING} (?:of|from|to|by) {A}(?:\w+ )?{ANY}
    {GROW} (?:(?:\w+ly|along|together|in step|in line) )?with {A}(?:{LENGTH} {A})?{ANY}
    (?:stem|aris|com|flow|follow|deriv|result)\w* (?:\w+ )?from {A}{ANY}
    {LIFE} (?:depend|hing|rest)\w* on {A}{ANY}
    respon[ds]\w* to {A}{ANY}
    influence (?:that )?{A}{ANY} ha(?:s|d|ve)
    returns? on {ANY}
    (?:membership|{COOP})(?:'s|') (?:\w+ )?(?:influence|contribution|achievements?|merits?|success)
    follow\w* (?:joining|membership)
    (?:on the strength|in the wake|with the help) of {A}{ANY}
    (?:worth|price|added value) of {A}{ANY}
    value of {A}(?:{JOINING}|{BEING})
    (?:lost|lose|expected|predicted) (?:\w+ )?without {A}{ANY}
    better off as members
    ow(?:e|es|ed|ing) (?:[\w'-]+ ){0,4}to {A}{ANY}
    {REASON} (?:for|of|behind)(?: [\w'-]+){0,5} (?:is|was|lies in) {A}{ANY}
    because {A}{WHO} (?:\w+ )?(?:join\w*|belong\w*|bec[ao]me|(?:are|is) {MEMBER})
    because {A}(?:members?|farmers?) (?!{STATE})\w+
    because they (?:get|receive|meet)
    because {A}{IT}(?! (?:is|are|was|were|has|have|cannot|may|does not|do not))
    since {WHO} (?:\w+ )?(?:joined|became|meet|met)
    (?:increas|ris|rose|grow|grew|fall|fell|drop|high|low)\w* (?:as|when|once) {WHO} {JOIN}
    who {JOIN} (?:becomes?|became|gets?|got|gain\w*|earn\w*|turn\w*)
    (?:that|this|which) is why (?:\w+ ){0,2}(?:members?|trust|incomes?)
    would [^.;:!?…]{0,60}?\bwithout {A}{ANY}
    without {A}{ANY}\b[^.;:!?…]{0,60}?\bwould
    (?:if|had) {A}(?:non-?)?{WHO} (?:had )?(?:n[o']t |never )?{LEFT}
    were {A}(?:non-?)?(?:{WHO}|everybody|everyone|nobody) (?:to join|to become|{MEMBER})
    if (?:[\w'-]+ ){1,4}(?:were|had been|became) {MEMBER}
    would have (?:\w+ ){1,3}as (?:non-?)?members
    if [^.;:!?…]{0,40}\b{JOIN}\b[^.;:!?…]{0,40}\bwould
"""
# What claims nothing: names of quantities, and denials that anything of cause is claimed. A denial
# of cause itself ("there is no", "membership is not a") is a claim; CLAIM comes first to keep it.
_ALLOWED: Final = r"""
    (?P<claim>(?:there|ha(?:s|d|ve)|{IT})(?: [\w'-]+){0,3}? (?:not|never|nor) {ONE}{CAUSE})
    (?:design|fixed|random|mixed)[- ]effects?|(?:words?|language|no claims?) (?:of|about) {CAUSE}
    no (?:causal )?{CAUSE}(?: of \w+)? (?:is|are|was|were) (?:claim|meant|impli|assert|infer)\w*
    (?:claim|impl|mean|assert)\w* no (?:causal )?{CAUSE}
    (?:no|without) (?:an? |any )?causal (?:claims?|words?|language|readings?|meaning)
    (?:not|never|nor|neither) (?:as )?{ONE}caus(?:al|ality|ation)(?: {CAUSE})?
    (?:not|never|nor|neither) (?:as )?(?:an?|the) (?:effects?|impacts?)(?! of \w+ but)
    nothing(?: \w+){0,2} is an? causal
    (?:say|says|said|saying|tells?|told) nothing (?:of|about) {ONE}{CAUSE}
    nothing is said (?:of|about) {ONE}{CAUSE}
    (?:not|never|cannot|nor|neither) (?:be |to be )?{SAID} (?:as |of |about )?{ONE}{CAUSE}
    (?:not|nor|never|nothing of|nothing about) (?:what|whether) {CLAUSE}
    {NONE}(?: [\w'-]+){0,2} {TOLD} (?:whether|what|that) {CLAUSE}
"""
_PARTS_OF_DENIAL: Final = {
    "SAID": _any("claim mean impl assert sa[iy] speak infer identif estimat read taken understood")
    + r"\w*",
    "TOLD": _any("sa[iy] tell show know claim answer decide settle prove establish") + r"\w*",
    "ONE": r"(?:an? |any |the )?",
    "NONE": _any("nothing not cannot never nor neither nobody no~\\w+"),
    "CLAUSE": r"(?:(?!\bbut\b)[^,.;:!?…])*",
}


def compiled(rules: Iterable[str]) -> re.Pattern[str]:
    """Rules as a pattern over whole words, any of which is found, with the parts put in."""
    pattern = "|".join(rules)
    parts = _PARTS | _PARTS_OF_DENIAL
    while (found := re.search(r"\{([A-Z]+)\}", pattern)) is not None:
        pattern = pattern.replace(found[0], f"(?:{parts[found[1]]})")
    return re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE)


def _lines(rules: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in rules.splitlines() if line.strip())


RULES: Final = _lines(_TURNS) + _lines(_CLAIMS)
"""Every turn that is looked for, as a pattern that names its parts."""
FOUND: Final = compiled(RULES)
"""Words of cause in plain text on one line."""
HARMLESS: Final = compiled(_lines(_ALLOWED))
"""Contexts in which they are allowed; where the group `claim` is matched, they are not."""
