"""Tables as a paper has them, for the page and for every export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from coopgap.core.estimate import BalanceRow, CoefficientRow, DiagnosticRow, GapRow
from coopgap.core.vocabulary import Family, Population, Quantity, Scale, Status, Use
from coopgap.report import lookat, words
from coopgap.report.data import Answer, Results, by
from coopgap.report.tables import Table, brackets, pivot, trimmed
from coopgap.report.words import capital, category_words, clean, family_words, joined, readable

type Cells = tuple[str, ...]


def _table(header: Sequence[str], rows: Iterable[Cells], lead: int, **how: Any) -> Table:
    """A table whose columns from `lead` on are numbers."""
    numbers = {*range(lead, len(header))}
    return trimmed(header, tuple(rows), fixed=range(lead), numbers=numbers, **how)


def _estimate(row: GapRow | None) -> str:
    return words.DASH if row is None else words.row_words(row)


def asked(results: Results) -> list[Answer]:
    """Models of declared questions; every model where none is declared."""
    return [one for one in results.answers if one.is_declared] or list(results.answers)


# Gaps by outcome


def gaps(results: Results) -> Table:
    """Each question's headline, with both groups' shares; N once where all have the same."""
    found = [(one, row) for one in results.headlines if (row := one.headline) is not None]
    people = {(row.n_member, row.n_comparison) for _, row in found}
    sides = tuple(capital(side) for side in (results.members, results.others))
    return _table(
        ("Outcome", "At", *sides, "Gap, points", "p", "p, Holm", "Superiority", *sides),
        [_gap_line(one, row, several=len(people) > 1) for one, row in found],
        lead=2,
        name="gaps",
        caption="Gaps by outcome",
        notes=tuple(_gap_notes(results, [row for _, row in found])),
    )


def _gap_line(answer: Answer, row: GapRow, *, several: bool) -> Cells:
    whole = row.quantity == Quantity.SUPERIORITY
    shown = answer.is_ordinal and row.status not in (Status.WITHHELD, Status.NOT_ESTIMABLE)
    control = " (negative control)" if answer.is_control else ""
    return (
        answer.label + control,
        category_words(row.category, answer.levels),
        *("" if whole else words.percent(answer.share(side)) for side in ("", "comparison")),
        "" if whole else _estimate(row),
        words.p_value(row.p_value),
        words.p_value(row.p_adjusted),
        _estimate(answer.pick(Quantity.SUPERIORITY)) if shown else "",
        *(words.count(n) if several else "" for n in (row.n_member, row.n_comparison)),
    )


def _gap_notes(results: Results, rows: Sequence[GapRow]) -> Iterator[str]:
    if rows and len({(row.n_member, row.n_comparison) for row in rows}) == 1:
        n = words.count(rows[0].n_member), words.count(rows[0].n_comparison)
        yield f"{n[0]} {results.members} and {n[1]} {results.others}."
    yield brackets(rows)


# Groups of people


def group_variables(answer: Answer) -> list[str]:
    """Variables by whose levels there are gaps, `region` and `department` among them."""
    rows = (
        row
        for row in answer.gaps
        if row.group != "all" and (answer.is_headline(row) or row.family == Family.HIERARCHICAL)
    )
    return list(dict.fromkeys(row.group.partition("=")[0] for row in rows))


def by_group(answer: Answer, variable: str) -> Table:
    """Each group's own gap, with pooling where there is any, and its difference to the first.

    Differences of other pairs stand in gaps.csv. The first is the first level that has a gap.
    """
    mine = [row for row in answer.gaps if row.group.partition("=")[0] == variable]
    own = {row.group: row for row in mine if answer.is_headline(row) and answer.is_first(row)}
    pooled = {
        row.group: row
        for row in mine
        if (row.family, row.population) == (Family.HIERARCHICAL, Population.ALL_MEMBERS)
        and answer.is_first(row)
    }
    first = next((group for group, row in own.items() if row.estimate is not None), "")
    from_first = [
        row for row in mine if (row.quantity, row.comparator) == ("gap_difference", first)
    ]
    alone = {row.group: row for row in from_first if answer.is_headline(row)}
    together = {row.group: row for row in from_first if row.family == Family.HIERARCHICAL}
    results = answer.results
    away = f"from {_level(first)}"
    header = (
        *("Who", capital(results.members), capital(results.others)),
        "Alone" if pooled else "Gap",
        *("Pooled", f"Difference {away}", "p", f"Pooled difference {away}"),
    )
    everyone = {**pooled, **own}
    rows = [
        (
            _level(group) + _asked(row),
            words.count(row.n_member),
            words.count(row.n_comparison),
            *(_estimate(found.get(group)) for found in (own, pooled, alone)),
            words.p_value(alone[group].p_value) if group in alone else words.DASH,
            _estimate(together.get(group)),
        )
        for group, row in everyone.items()
    ]
    where = answer.first.category
    at = (category_words(where, answer.levels),) if where else ()
    of = results.label_inside(variable_of(results, variable))
    return _table(
        header,
        rows,
        lead=1,
        name=f"groups_{answer.model}_{variable}",
        caption=f"{', '.join((answer.label, *at))}, by {of}",
        notes=(brackets([*own.values(), *pooled.values()]),),
    )


def _asked(row: GapRow) -> str:
    """That a gap is predicted, since nobody, or no member, was asked there."""
    if row.status != Status.PREDICTED:
        return ""
    return " (no member asked here)" if row.n_comparison else " (nobody asked here)"


def _level(group: str) -> str:
    return clean(group.partition("=")[2])


def variable_of(results: Results, name: str) -> str:
    """The study's variable that a term or group names: `region` is that of the design."""
    places = {place: variable for variable, place in results.study.design.places.items()}
    return places.get(name, name)


def equal_gaps(answer: Answer, variable: str) -> DiagnosticRow | None:
    """The test that all groups of a variable have the same gap; None without one."""
    found = (row for row in answer.diagnostics if row.diagnostic == "group_gaps_equal")
    return next((row for row in found if row.about == variable and row.value is not None), None)


# Coefficients


def coefficients(answer: Answer, *, whole: bool = True) -> Table:
    """One column a family: membership first, then covariates, thresholds and spreads.

    The page has membership alone (not `whole`).
    """
    families = list(dict.fromkeys(row.family for row in answer.coefficients))
    cells = {(row.term, row.family): row for row in answer.coefficients}
    terms = {term: row for (term, _), row in cells.items()}
    order = sorted(terms, key=lambda term: _place(answer, terms[term]))
    body = [
        (_term(answer, terms[term]), *(_coefficient(cells.get((term, one))) for one in families))
        for term in order
        if whole or _place(answer, terms[term])[0] == 0
    ]
    foot = [(name, *(text(_of(answer, one)) for one in families)) for name, text in _FOOT.items()]
    return _table(
        ("", *(capital(family_words(one)) for one in families)),
        [*body, *foot],
        lead=1,
        name=f"coefficients_{answer.model}",
        caption=f"Coefficients: {answer.label}",
        notes=tuple(_coefficient_notes(answer, whole=whole)),
    )


def _coefficient_notes(answer: Answer, *, whole: bool) -> Iterator[str]:
    linear = {row.family for row in answer.coefficients if row.scale == Scale.PROBABILITY}
    apart = f"; {joined([family_words(one) for one in linear])}: points" if linear else ""
    yield f"{_SCALES[answer.spec.link if answer.spec else 'logit']}{apart}."
    yield "In brackets: standard errors, of draws posterior standard deviations."
    if whole:
        if any(row.family == Family.HIERARCHICAL for row in answer.coefficients):
            yield "Hierarchical: a covariate's levels sum to zero."
        yield "Coefficients of covariates are no findings."


_SCALES: Final = {"logit": "Log odds", "probit": "Probit scale", "cloglog": "Complementary log-log"}
_SPREADS: Final = {
    "sd_superpopulation": "Spread between regions like these",
    "sd_finite": "Spread between these regions",
    "sd_department": "Spread between departments",
    "sd_department_gap": "Spread of the gap between departments",
    "sd_zone": "Spread between zones",
    "sd_zone_gap": "Spread of the gap between zones",
    "sd_threshold_shift": "Spread of the gap over thresholds",
}


def _of(answer: Answer, family: str) -> list[CoefficientRow]:
    return [row for row in answer.coefficients if row.family == family]


def _most(name: str) -> Callable[[list[CoefficientRow]], str]:
    return lambda rows: words.count(
        max((getattr(row, name) or 0 for row in rows), default=0) or None
    )


_FOOT: Final[dict[str, Callable[[list[CoefficientRow]], str]]] = {
    "People": _most("n_obs"),
    "Clusters": _most("n_clusters"),
    "Standard errors": lambda rows: "; ".join(dict.fromkeys(r.std_error_kind for r in rows)),
}


def _place(answer: Answer, row: CoefficientRow) -> tuple[int, ...]:
    """Membership, covariates as the study has them, thresholds, spreads."""
    if row.scale in (Scale.THRESHOLD, Scale.SD):
        return (2 + (row.scale == Scale.SD),)
    if row.term.partition(":")[0] == "member":
        return (0,)
    name, _, level = row.term.partition(":>=")[0].partition("=")
    variables = answer.results.study.variables
    name = variable_of(answer.results, name)
    levels = variables[name].levels if name in variables else ()
    at = list(variables).index(name) if name in variables else len(variables)
    return (1, at, levels.index(level) if level in levels else 0)


def _coefficient(row: CoefficientRow | None) -> str:
    if row is None:
        return ""
    show = words.points if row.scale == Scale.PROBABILITY else words.ratio
    return f"{show(row.estimate)}\N{NO-BREAK SPACE}({show(row.std_error)})"


def _term(answer: Answer, row: CoefficientRow) -> str:
    """A term in the study's words; its grammar is the column's."""
    if row.scale == Scale.THRESHOLD:
        return clean(row.term)
    if row.scale == Scale.SD:
        return _SPREADS.get(row.term, readable(row.term))
    name, cut, level = row.term.partition(":>=")
    at = f", {category_words(f'>={level}', answer.levels)}" if cut else ""
    who, _, group = name.partition(":")
    if who == "member":
        like = "regions like these" if group == "superpopulation" else answer.results.group(group)
        return capital(answer.results.members) + (f": {like}" if group else "") + at
    variable, mark, value = name.partition("=")
    label = answer.results.label(variable_of(answer.results, variable))
    return label + (f": {clean(value)}" if mark else "") + at


# Who was compared


def flow(results: Results) -> Table:
    """How many people there were at each step; steps that all outcomes share stand once."""
    meta = results.meta

    def line(step: str, *people: Any) -> Cells:
        return (step, *("" if n is None else words.count(n) for n in people))

    rows = [line("Rows read", None, None, None, meta.get("n_read"))]
    rows += [_left_out(results, drop) for drop in meta.get("dropped") or ()]
    phone = meta.get("n_phone") or None
    phone_member = meta.get("n_phone_member") or (0 if phone else None)
    others_by_phone = phone - (phone_member or 0) if phone else None
    rows.append(line("In person", meta.get("n_member"), meta.get("n_comparison"), None, None))
    rows.append(line("By phone, in checks only", phone_member, others_by_phone, None, phone))
    steps = [(one.label, _steps(one)) for one in asked(results)]
    shared = len({tuple(own) for _, own in steps}) == 1
    for label, found in steps[:1] if shared else steps:
        rows += [(step if shared else f"{label}: {step}", *n) for step, *n in found]
    sides = (capital(results.members), capital(results.others))
    header = ("Step", *sides, "Effective size", "All")
    kept = [row for row in rows if any(row[1:])]
    return _table(header, kept, lead=1, name="flow", caption="From rows read to people compared")


def _left_out(results: Results, drop: Mapping[str, Any]) -> Cells:
    name = drop.get("variable")
    why = f"{results.label_inside(name)} missing" if name else clean(str(drop["reason"]))
    return (f"Left out: {why}", "", "", "", words.count(drop["count"]))


def _steps(answer: Answer) -> list[Cells]:
    """Complete answers, and whom the matching kept, lost and is worth."""
    models = answer.results.meta.get("models") or ()
    drops = (drop for one in models if one["model"] == answer.model for drop in one["dropped"])
    rows = [_left_out(answer.results, drop) for drop in drops]
    everyone = (row for row in answer.gaps if row.group == "all" and row.n_member is not None)
    whole = next((row for row in everyone if row.family == Family.UNADJUSTED), None)
    if whole is None or whole.n_member is None or whole.n_comparison is None:
        return rows
    members, others = whole.n_member, whole.n_comparison
    rows.append(("Complete answers", *(words.count(n) for n in (members, others)), "", ""))
    row = answer.headline
    if row is None or not answer.is_matched or row.n_member is None or row.n_comparison is None:
        return rows
    kept, used = row.n_member, row.n_comparison
    lost = (words.count(n) for n in (members - kept, others - used))
    rows.append(("Without a match", *lost, "", ""))
    rows.append(
        ("Matched", words.count(kept), words.count(used), words.count(row.ess_comparison), "")
    )
    return rows


def table_one(results: Results) -> Table:
    """Covariates of both groups, whole and matched; each from the first model that has it."""
    found: dict[str, list[BalanceRow]] = {}
    for answer in asked(results):
        for name, rows in by(answer.balance, "covariate").items():
            found.setdefault(name, rows)
    sides = (results.members, results.others)
    header = (
        *("Covariate", "Level", *map(capital, sides), "Difference"),
        *(*(f"Matched {side}" for side in sides), "Difference left", "Missing"),
    )
    matched = any(answer.is_matched for answer in asked(results))
    lines = [
        (
            head if number == 0 else "",
            clean(row.level),
            *_compared(row, matched=matched),
            _missing(row, number),
        )
        for name, rows in found.items()
        for head in (results.label(name) + _MARKS.get(rows[0].use, ""),)
        for number, row in enumerate(rows)
    ]
    return _table(
        header,
        lines,
        lead=2,
        name="table_1",
        caption="Table 1: covariates of both groups",
        notes=tuple(_table_one_notes(results, {rows[0].use for rows in found.values()})),
    )


_MARKS: Final[dict[Use | None, str]] = {
    Use.COMPONENT: " (component)",
    Use.ADJUSTED: " (adjusted only)",
}


def _compared(row: BalanceRow, *, matched: bool) -> Cells:
    """Both groups whole, their difference, both matched, the difference left."""
    return (
        _cell(row, row.member_mean_before, row.member_sd_before, row.n_member_before),
        _cell(row, row.comparison_mean_before, row.comparison_sd_before, row.n_comparison_before),
        words.ratio(row.smd_before),
        _cell(row, row.member_mean, row.member_sd) if matched else words.DASH,
        _cell(row, row.comparison_mean_after, row.comparison_sd_after),
        words.ratio(row.smd_after),
    )


def _cell(row: BalanceRow, mean: float | None, sd: float | None, n: int | None = None) -> str:
    """`183 (18.2 %)` of a level, `41.3 (12.0)` of a number; matched people have weights, no n."""
    if mean is None:
        return words.DASH
    if row.level:
        return words.percent(mean) if n is None else f"{words.count(n)} ({words.percent(mean)})"
    digits = 2 if abs(mean) < 100 else 0
    return words.number(mean, digits) + ("" if sd is None else f" ({words.number(sd, digits)})")


def _missing(row: BalanceRow, number: int) -> str:
    """Answers missing of both groups, or of members where only they are asked."""
    if number or row.missing_member is None:
        return ""
    others = None if row.comparison_mean_before is None else row.missing_comparison
    return words.count(row.missing_member + (others or 0))


def _table_one_notes(results: Results, uses: Set[Use | None]) -> Iterator[str]:
    matched = any(answer.is_matched for answer in asked(results))
    weighted = "; matched: weighted" if matched else ""
    yield f"Of a level n (percent), of a number mean (standard deviation){weighted}."
    yield "Differences are standardised by the unmatched groups' spread."
    if Use.COMPONENT in uses:
        yield "Component: part of what an outcome is made of; not matched for it."
    if Use.ADJUSTED in uses and matched:
        yield "Adjusted only: in the regressions, not in the matching."
    answers = asked(results)
    if len({tuple(_steps(one)) for one in answers}) > 1:
        yield f"Of the people of “{answers[0].label}”; balance.csv has every outcome."


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A covariate beyond the bar: its most unbalanced level, and for which outcomes it is so."""

    row: BalanceRow
    outcomes: tuple[str, ...]
    is_matched: bool


def unbalanced(results: Results) -> list[Left]:
    """Covariates beyond the bar in any model, largest first; models that agree stand together."""
    found: dict[tuple[str, ...], tuple[BalanceRow, list[Answer]]] = {}
    for answer in asked(results):
        for row in lookat.unbalanced(answer):
            size = words.ratio(lookat.imbalance(row))
            key = (row.covariate, row.level, size, str(row.use))
            found.setdefault(key, (row, []))[1].append(answer)
    left = [
        Left(
            row=row,
            outcomes=tuple(dict.fromkeys(one.label for one in answers)),
            is_matched=answers[0].is_matched,
        )
        for row, answers in found.values()
    ]
    return sorted(left, key=lambda one: -abs(lookat.imbalance(one.row) or 0.0))


# For a paper


def paper_tables(results: Results) -> list[Table]:
    """Table 1, gaps, differences between groups and coefficients; those that are not empty."""
    answers = results.headlines
    tables = [
        table_one(results),
        gaps(results),
        *(by_group(one, name) for one in answers for name in group_variables(one)),
        *(coefficients(answer) for answer in answers),
    ]
    if not answers:
        printed = pivot(
            results,
            results.published.estimated("risk_difference"),
            down=["item", "beside"],
            cells=["own", "other", "estimate"],
            end=["rounding", "zero_at"],
            caption="Printed gaps in points",
            name="printed",
        )
        tables = [printed]
    # Word and LaTeX count tables themselves.
    return [
        replace(table, caption=capital(table.caption.removeprefix("Table 1: ")))
        for table in tables
        if table
    ]
