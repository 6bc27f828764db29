"""A plan as text, for `--dry-run`: what would be fitted, on whom, and what the design can reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np

from coopgap.bayes.cells import scaled_weights
from coopgap.checks.multiverse.specifications import specifications
from coopgap.checks.registry import checks
from coopgap.core.disclose import protected_count, protected_meta, protected_note, protected_rows
from coopgap.core.errors import without_marks
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import BY_PHONE, BY_STRATUM, Diagnostic
from coopgap.families.headline import families_for
from coopgap.families.plan import Foreseen, ModelPlan, Plan, variant_sample
from coopgap.families.sample import Sample
from coopgap.matching.balance import largest_smd_after
from coopgap.matching.feasibility import SMD_BAR
from coopgap.matching.sample import combined_weight, effective_size
from coopgap.report.words import shorten
from coopgap.study.model import KEYS
from coopgap.study.spec import Matching, ModelSpec
from coopgap.survey.records import label_row_words, people_meta

_MOST, _LEAST = 60, 8
"""Lines of a plan that is not asked for in full, and the fewest of its table."""

_WIDEST = 60
_LAST = "dry run: nothing was fitted, nothing was written"


def plan_text(plan: Plan, exceptions: Sequence[Foreseen] = (), *, verbose: bool = False) -> str:
    """A plan, and what of it will have no number, in lines; nothing is fitted."""
    head, table = [*_opening(plan)], [*_aligned(_designs(plan, whole=verbose))]
    tail = ["", *_exceptions(plan, exceptions)]
    if verbose:
        for model in plan.models:
            table += ["", *_model_lines(plan, model)]
        table += ["", *_check_lines(plan)]
        return "\n".join([*head, "", *table, *tail, _LAST])
    tail.append(f"{_LAST}; --verbose says all that is known")
    room = max(_MOST - len(tail) - 1, 2 * _LEAST)
    head = _cut(head, max(room - len(table), room // 3, _LEAST))
    return "\n".join([*head, "", *_cut(table, room - len(head)), *tail])


def _cut(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"… {len(lines) - most + 1} more lines with --verbose"]


def _opening(plan: Plan) -> Iterator[str]:
    study, survey = plan.study, plan.survey
    yield study.title
    people = people_meta(survey)
    if study.disclosure_minimum:
        people = protected_meta(people, study.disclosure_minimum)
    sheet = f", sheet {survey.sheet}" if survey.sheet else ""
    yield f"survey    {survey.source}{sheet}: {people['n_read']:,} rows read"
    if survey.label_rows:
        yield f"labels    {label_row_words(survey.label_rows)}"
    by_phone = f", {people['n_phone']:,} by phone" if survey.phone.any() else ""
    yield (
        f"people    {people['n_member']:,} {study.group.member_label}, "
        f"{people['n_comparison']:,} {study.group.comparison_label} in person{by_phone}"
    )
    for drop in people["dropped"]:
        yield f"dropped   {drop['count']:,}: {drop['reason']}"
    for column, group in groupby(people["extended_missing"], key=itemgetter("column")):
        yield f"missing   {column}: {', '.join(f'{one["count"]:,} {one["code"]}' for one in group)}"
    for doubt in people["doubts"]:
        times = f"{doubt['count']:,} time{'s' if doubt['count'] != 1 else ''}"
        code = f"{doubt['column']}: {doubt['code']} ({times})"
        yield (
            f"warning   {code} is taken as it stands; if it means no answer, name it in missing, "
            "and if it is one, give a variable its range"
        )
    if study.design.department is not None:
        yield f"department  {_departments(plan, study.design.department)}"
    drawn, replicates = survey.drawn, survey.replicates
    if drawn is not None and drawn.has_strata:
        lonely = int(drawn.first.lonely.sum())
        alone = f"; {lonely:,} with one ({study.design.lonely})" if lonely else ""
        units = f"{int(drawn.first.n.sum()):,} zones" if study.design.zone else "people"
        yield f"strata    {len(drawn.labels):,} strata, {units} drawn{alone}"
    if replicates is not None:
        yield f"design    {replicates.name}: everything is fitted again with each"
    for question, models in study.headline.items():
        named = [f"{one.model} at {one.at}" if one.at else one.model for one in models]
        yield f"headline  {question}: model {', '.join(named)}"
    for model in plan.models:
        if (
            model.spec.hierarchical
            and scaled_weights(model.rows.member, model.rows.weight) is not None
        ):
            zones = model.rows.zone
            over = "people" if zones is None else f"{np.unique(zones).size:,} zones"
            yield f"weights   {model.spec.name}: hierarchical draws are corrected over {over}"


def _departments(plan: Plan, department: str) -> str:
    """Departments with their people in person, members and others, where anybody was asked."""
    survey, minimum = plan.survey, plan.study.disclosure_minimum
    codes = survey.codes[department]
    told = []
    for code, name in enumerate(survey.variables[department].levels):
        here = (codes == code) & ~survey.phone
        sides = [int((here & side).sum()) for side in (survey.member, ~survey.member)]
        counts = [protected_count(n, minimum) if minimum else n for n in sides]
        told.append(
            f"{name} {' + '.join(f'{n:,}' for n in counts) if minimum or any(sides) else 'nobody'}"
        )
    return f"{department}: {', '.join(told)}"


def _designs(plan: Plan, *, whole: bool) -> Iterator[tuple[str, ...]]:
    """A line a model and a line a variant: its design, and how many people it keeps."""
    group, width = plan.study.group, 10 * _WIDEST if whole else _WIDEST
    yield ("model", "design", group.member_label, group.comparison_label, "effective", "SMD left")
    for model in plan.models:
        spec, levels = model.spec, len(model.rows.levels)
        name = f"{spec.name}: {levels} levels, {len(families_for(spec, levels))} families"
        design = shorten(design_words(spec.matching), width)
        yield shorten(name, width), design, *_kept(plan, model.sample)
        for variant in spec.variants:
            design = shorten("; ".join(_of_variant(spec, variant.spec)), width)
            kept = _kept(plan, variant_sample(plan, variant))
            yield f"  {shorten(variant.name, width)}", design, *kept
        if spec.multiverse:
            number = len(specifications(plan.study, spec).listed)
            yield f"  multiverse: {number:,} specifications", "with --checks full", "", "", "", ""


def _of_variant(spec: ModelSpec, variant: ModelSpec) -> Iterator[str]:
    """A variant's matching, and what else it changes."""
    yield design_words(variant.matching)
    if variant.covariates != spec.covariates:
        yield f"covariates {', '.join(variant.covariates) or 'none'}"
    if variant.link != spec.link:
        yield f"link {variant.link}"


def _kept(plan: Plan, sample: Sample) -> tuple[str, str, str, str]:
    """People a design keeps of each group, their effective number, and the imbalance left."""
    rows, matched, minimum = sample.rows, sample.matched, plan.study.disclosure_minimum
    if matched.reason:
        return ("nobody", "nobody", "", "")

    def people(count: float) -> str:
        return f"{protected_count(count, minimum) if minimum else count:,.0f}"

    kept = matched.weight > 0
    sizes = [
        f"{people(int((side & kept).sum()))} of {people(int(side.sum()))}"
        for side in (rows.member, ~rows.member)
    ]
    weight = combined_weight(rows.weight, matched.weight)
    smd = largest_smd_after(rows, matched)[0]
    left = "" if minimum or smd != smd else f"{smd:.2f}{' !' if smd > SMD_BAR else ''}"
    return sizes[0], sizes[1], people(effective_size(weight[~rows.member])), left


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Rows in columns, words to the left and sizes to the right."""
    table = [tuple(without_marks(cell) for cell in row) for row in rows]
    widths = [max(len(row[number]) for row in table) for number in range(len(table[0]))]
    for row in table:
        words = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        sizes = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        yield "  ".join((*words, *sizes)).rstrip()


def _model_lines(plan: Plan, model: ModelPlan) -> Iterator[str]:
    spec, minimum = model.spec, plan.study.disclosure_minimum
    yield f"model {spec.name}: {spec.outcome}, {' < '.join(model.rows.levels)}"
    yield f"  families    {', '.join(families_for(spec, len(model.rows.levels)))}"
    yield f"  covariates  {', '.join(spec.covariates) or 'none'}"
    if spec.multiverse:
        yield from _multiverse_lines(plan, spec)
    rows: Iterable[DiagnosticRow] = model.feasibility
    if minimum:
        rows = protected_rows(rows, minimum, {spec.name: model.rows.n_smaller})
    for kind, found in groupby(rows, key=_cell_kind):
        for line in [_cells(kind, found)] if kind else map(_found, found):
            yield f"  {line}"


def _exceptions(plan: Plan, exceptions: Sequence[Foreseen]) -> Iterator[str]:
    minimum = plan.study.disclosure_minimum
    for one in exceptions:
        reason = protected_note(one.reason) if minimum else one.reason
        yield f"not estimable  {one.model}, {one.families}, {one.group}: {reason}"


def _check_lines(plan: Plan) -> Iterator[str]:
    """What checks ask, and with which of `--checks`; phone checks where there are interviews."""
    has_phone = bool(plan.survey.phone.any())
    for cost in ("quick", "full"):
        yield f"with --checks {cost}"
        for one in checks().values():
            if one.cost == cost and (has_phone or one.name not in BY_PHONE):
                yield f"  {one.name}: {one.question}"


def _multiverse_lines(plan: Plan, spec: ModelSpec) -> Iterator[str]:
    """How many specifications there are, over which choices, and what was left out of them."""
    found = specifications(plan.study, spec)
    yield (
        f"  multiverse  {len(found.listed)} specifications of {found.n_combinations} combinations"
        f" (with --checks full)"
    )
    for axis, values in found.axes.items():
        yield f"              {axis}: {', '.join(values)}"
    for reason, number in found.removed.items():
        yield f"              left out {number}: {reason}"


def _cell_kind(row: DiagnosticRow) -> str:
    """Which list of strata a row belongs to; empty for other rows."""
    return row.diagnostic if row.diagnostic in BY_STRATUM else ""


def _cells(kind: str, rows: Iterable[DiagnosticRow]) -> str:
    """Strata of one kind in a line, with their members."""
    names = [f"{row.about} ({_members(row)})" for row in rows]
    return f"{kind.replace('_', ' ')}: {'; '.join(names)}"


_SAID_IN_NOTE = (Diagnostic.LARGEST_SMD_BEFORE, Diagnostic.LARGEST_SMD_AFTER)
"""Their note says what the row is about."""


def _found(row: DiagnosticRow) -> str:
    """What was looked at with underscores as spaces, names of strata and levels as they are."""
    of = f"{row.about}={row.category}" if row.category else row.about
    where = f": {of}" if of and row.diagnostic not in _SAID_IN_NOTE else ""
    text = f"{row.diagnostic.replace('_', ' ')}{where}: {_value(row)}"
    return f"{text}  {row.note}" if row.note else text


def _members(row: DiagnosticRow) -> str:
    return "1 member" if row.value == 1 else f"{_value(row)} members"


def _value(row: DiagnosticRow) -> str:
    return "-" if row.value is None else f"{row.value:,.4g}"


def design_words(matching: Matching) -> str:
    """A matching by its method and the choices that the method has."""
    return "; ".join(_choices(matching)) if matching.is_declared else "no matching"


def _choices(matching: Matching) -> Iterator[str]:
    taken = KEYS[matching.method]
    yield f"{matching.method} on {', '.join(matching.on) or 'nothing'}"
    if "distance" in taken:
        yield f"{matching.distance} distance in {', '.join(matching.covariates)}"
    elif "covariates" in taken:
        yield f"in {', '.join(matching.covariates)}"
    if "caliper" in taken:
        yield "no caliper" if matching.caliper is None else f"caliper {matching.caliper:g}"
    if "ratio" in taken:
        yield f"ratio {matching.ratio}"
    if "replace" in taken:
        yield f"{'with' if matching.replace else 'without'} replacement"
    if "order" in taken:
        yield f"order {matching.order}"
    for key in ("max_comparison", "max_members"):
        if key in taken and getattr(matching, key) is not None:
            yield f"{key.replace('_', ' ')} {getattr(matching, key)}"
    if "limit" in taken:
        yield f"limit {matching.limit:g}"
    if matching.interactions:
        yield f"balance of {', '.join(':'.join(names) for names in matching.interactions)}"
