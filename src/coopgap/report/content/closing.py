"""What an association would need to be more, how it was computed, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coopgap.families.records import CR2_CLUSTERS
from coopgap.report.document import Block, Items, Paragraph, Section, Table
from coopgap.report.values import count, number
from coopgap.report.view import View
from coopgap.report.words import UNKNOWN, clean, joined, readable
from coopgap.vocabulary import FEW_PEOPLE, Family

__all__ = ["association_section", "details_section", "methods_section"]


_CONDITIONS = (
    (
        "Nothing else that differs.",
        "How far people who join were already different before they joined: "
        f"{UNKNOWN}. The survey asks once.",
    ),
    (
        "Who was asked.",
        "The people asked would have to stand for those the sentence is about. How they were "
        f"chosen within their zones is not in the file: {UNKNOWN}. A quota sample has no formal "
        "margin of error; the intervals rest on a model.",
    ),
    (
        "When.",
        "Both groups would have to be asked at the same time about the same time. Dates are not "
        f"compared here: {UNKNOWN}.",
    ),
    (
        "Who had left the co-operative.",
        "People who left count among the comparison people if they count at all, and those who "
        f"stayed may be those it suited. How many had left: {UNKNOWN}.",
    ),
    (
        "One person's membership and another's answers.",
        "Comparison people live beside members; where a place with a co-operative differs for "
        f"both, the gap does not show it. How far it does: {UNKNOWN}.",
    ),
)
_CAN_CARRY = (
    "Every gap in this report is an association. To be read as more, each of the following would "
    "have to hold; the tables cannot show that any of them does."
)


def association_section(view: View) -> Section:
    """The conditions, one by one, each with what this study knows of it."""
    models = view.study.models
    names = dict.fromkeys(name for spec in models for name in (*spec.matching.on, *spec.covariates))
    alike = (
        f"Comparability on what was {'matched' if view.has_matching else 'adjusted for'}.",
        "Members and comparison people are alike here in "
        f"{joined(view.labels(tuple(names))) or 'nothing'}, and in nothing else by design. "
        "Whatever else differs between people who join and people who do not is part of the gap.",
    )
    mode = (
        "In which mode.",
        "Headline gaps use interviews in person only."
        if view.study.design.mode is not None
        else f"Whether both groups were asked in the same mode: {UNKNOWN}.",
    )
    scale = (
        "On one scale.",
        "Members and comparison people, and people on the phone and in person, would have to "
        "mean the same by the same answer. Where one group or mode uses the steps of a question "
        f"otherwise, the gap holds that too: {UNKNOWN}. No check here can see it.",
    )
    return Section(
        title="What an association would need to be more",
        anchor="association",
        blocks=(Paragraph(text=_CAN_CARRY), Items(items=(alike, *_CONDITIONS, mode, scale))),
    )


_NO_WEIGHT = "; no matching weight enters it"
_METHODS: dict[str, str] = {
    Family.UNADJUSTED: "Shares of each group as they are.",
    Family.ADJUSTED_LOGIT: "Logistic regression on all complete in-person rows, standardised.",
    Family.ADJUSTED_ORDINAL: (
        "Cumulative regression on all complete in-person rows, standardised; membership free by "
        "threshold unless the model says otherwise."
    ),
    Family.ADJUSTED_PROPORTIONAL: "The same with one odds ratio for all thresholds.",
    Family.MATCHED_LOGIT: (
        "Logistic regression with matching weights, standardised to "
        "the members as matched. The headline."
    ),
    Family.MATCHED_ORDINAL: (
        "Cumulative regression with matching weights, standardised to the members as matched; "
        "membership free by threshold unless the model says otherwise. The headline."
    ),
    Family.MATCHED_PROPORTIONAL: (
        "The same with one odds ratio for all thresholds: tighter if that is true, and wrong at "
        "rare answers if it is not."
    ),
    Family.CONDITIONAL_LOGIT: "Conditional likelihood within matched sets: a ratio only.",
    Family.CONDITIONAL_ORDINAL: (
        "Conditional ordinal likelihood within matched sets, each cut a copy: a ratio only, pooled "
        "over the cuts that have discordant sets and at each of these."
    ),
    Family.LINEAR: "Linear model that absorbs the matched sets, with matching weights: a check.",
    Family.SHARES: "Shares with matching weights and no outcome model.",
    Family.DOUBLY_ROBUST: (
        "Members' shares beside those of comparison people, weighted by the odds of membership "
        "and corrected by the adjusted regression (AIPW): right if either model is."
    ),
    Family.HIERARCHICAL: (
        "Bayesian cumulative model, regions partially pooled, zones with levels and gaps of "
        "their own where there are zones, and thresholds that may differ by membership, on all "
        f"complete in-person rows{_NO_WEIGHT}. Its headline is the gap over "
        "the members' own regions."
    ),
    Family.BENCHMARK: "Members, and the comparison group, against declared outside shares.",
}


def methods_section(view: View) -> Section:
    """Families, intervals and standard errors, in short."""
    present = dict.fromkeys(row.family for row in view.gaps)
    items = tuple(
        (f"{view.family(name).capitalize()} ({readable(name)}).", _method(view, name))
        for name in _METHODS
        if name in present
    )
    kinds = sorted({row.std_error_kind for row in view.coefficients if row.std_error_kind})
    sets = ", except within matched sets" if view.has_matching else ""
    blocks: list[Block] = [
        Paragraph(
            text=(
                "A gap is the mean difference, over the covariates of a stated group of people, "
                "between the probability of an answer for members and for comparison people. "
                f"Ratios come from the same standardised probabilities{sets}. "
                "Intervals are labelled: confidence, credible or bounds. Standard errors of "
                f"coefficients: {clean(joined(kinds)) or UNKNOWN}. Fits of fewer than "
                f"{CR2_CLUSTERS} zones have the CR2 correction and Satterthwaite's degrees of "
                "freedom, others CR1; conditional, doubly robust and bias-reduced estimates, "
                "balanced phone shares and pairs that cross zones keep CR1. "
                f"{_small_counts(view.meta)}"
            )
        )
    ]
    blocks += [Items(items=items)] if items else []
    return Section(title="Methods in short", anchor="methods", blocks=tuple(blocks))


def _method(view: View, name: str) -> str:
    """What a family is, and whether it is the headline of models without matching."""
    unmatched = {row.model for row in view.gaps if not view.is_matched(row.model)}
    first = any(
        row.model in unmatched and view.in_headline(row) and row.family == name for row in view.gaps
    )
    text = _METHODS[name] if view.has_matching else _METHODS[name].replace(_NO_WEIGHT, "")
    if not first:
        return text
    where = " of models without matching" if view.has_matching else ""
    return f"{text} The headline{where}, over all members."


def _small_counts(meta: Mapping[str, Any]) -> str:
    """What is done about rows of few people."""
    minimum = meta.get("disclosure_minimum")
    if not minimum:
        return f"Rows with fewer than {FEW_PEOPLE} people behind them are marked."
    return (
        f"Rows with fewer than {minimum} people behind them are blank, and numbers without a rule "
        f"too; counts are to the nearest {minimum}, and every other number is rounded so that "
        f"its last digit is worth at least what {minimum} people could move. Limits are rounded "
        "outward, errors and p-values up. Nothing stands by zone or stratum."
    )


def details_section(view: View, wording: str) -> Section:
    """Seed, versions, timings and hashes, and what the rule on words found."""
    meta = view.meta
    lines = [
        ("Program", f"{_text(meta, 'program')} {_text(meta, 'version')}"),
        ("Finished", _text(meta, "finished")),
        ("Study", _text(meta, "study")),
        ("Survey", _text(meta, "survey")),
        ("Checks", _text(meta, "checks")),
        ("Seed", _text(meta, "seed")),
        ("Draws a chain", _draws(meta)),
        ("Draws", _kept(view)),
        ("SHA-256 of study and models", _text(meta, "study_sha256")),
        ("SHA-256 of survey", _text(meta, "survey_sha256") if "survey_sha256" in meta else ""),
        ("Headline models", _declared(meta.get("headline"))),
        ("Versions", _pairs(meta.get("versions"))),
        ("Seconds", _pairs(meta.get("seconds"))),
        ("Wording", clean(wording)),
    ]
    lines = [line for line in lines if line[1]]
    table = Table(
        caption="This run",
        header=("What", "Value"),
        rows=tuple(lines),
        leading=2,
        mark=view.mark,
    )
    return Section(title="Run details", anchor="details", blocks=(table,))


def _text(meta: Mapping[str, Any], key: str) -> str:
    value = meta.get(key)
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, int) and key != "seed":
        return count(value)
    return clean(str(value))


def _pairs(values: Mapping[str, Any] | None) -> str:
    if not values:
        return UNKNOWN
    return ", ".join(
        f"{clean(str(name))} {number(value, 1) if isinstance(value, float) else clean(str(value))}"
        for name, value in values.items()
    )


def _declared(headline: Mapping[str, Any] | None) -> str:
    """Each question with the models that answer it."""
    return "; ".join(
        f"{clean(question)}: "
        + ", ".join(
            clean(f"{one['model']} at {one['at']}" if one["at"] else one["model"]) for one in models
        )
        for question, models in (headline or {}).items()
    )


def _draws(meta: Mapping[str, Any]) -> str:
    """Draws by model, for the models that are sampled."""
    found = {entry["model"]: entry.get("draws") for entry in meta.get("models", ())}
    sampled = {name: draws for name, draws in found.items() if draws}
    return _pairs(sampled) if sampled else "none: nothing was sampled"


def _kept(view: View) -> str:
    """Which models were sampled and which took draws of an earlier run; empty without either."""
    rows = [row for row in view.diagnostics if row.diagnostic == "draws_reused"]
    return ", ".join(
        f"{clean(row.model)} {'kept from an earlier run' if row.value else 'made in this run'}"
        for row in rows
    )
