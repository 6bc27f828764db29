"""Apply a study's codebook to raw answers: every value is a level, missing, or refused.

Each column is looked at once for each of its distinct values, never row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray, UintArray
from coopgap.core.errors import SurveyError, without_marks
from coopgap.core.vocabulary import EXAMPLE
from coopgap.study.spec import Study, Variable
from coopgap.study.values import Code, normalise
from coopgap.survey.levels import (
    LISTED,
    MISSING,
    UNDECLARED,
    doubtful_numbers,
    doubts,
    far_codes,
    level_codes,
    look_up,
    refuse,
    row_numbers,
)
from coopgap.survey.numeric import Numeric, numeric
from coopgap.survey.raw import Answers, RawTable
from coopgap.survey.records import Doubt, Drop, Survey
from coopgap.survey.sampling import (
    Rows,
    place_labels,
    read_drawn,
    replicate_weights,
    sampling_weight,
    used_labels,
)
from coopgap.survey.ties import hashed, record_ties
from coopgap.survey.values import file_missing, labelled_missing, reads_as_missing

_BLANK: Final = -3
"""Index of a blank where nothing is declared of it."""

_PLACED: Final = ("zone", "strata", "fpc")
"""Keys of the design that say where people were drawn."""


def _modelled_variables(study: Study) -> set[str]:
    """Variables of models, variants and multiverses, and groups."""
    used = {name for spec in study.models for name in spec.variables}
    for spec in study.models:
        used.update(spec.multiverse.variables if spec.multiverse else ())
        used.update(name for variant in spec.variants for name in variant.spec.variables)
    used.update(name for name, variable in study.variables.items() if variable.groups)
    return used


def needed_variables(study: Study) -> tuple[str, ...]:
    """Those of models, and the places of the design, in the order declared."""
    used = _modelled_variables(study) | {*study.design.places}
    return tuple(name for name in study.variables if name in used)


def needed_columns(study: Study) -> tuple[str, ...]:
    """Columns of the survey file that a run reads, once each."""
    columns = [*study.where, study.group.column]
    for name in needed_variables(study):
        variable = study.variables[name]
        columns.extend(variable.items or (variable.column,))
    columns.extend(column for named in study.design.columns.values() for column in named)
    columns.extend(study.design.replicates.columns if study.design.replicates else ())
    return tuple(dict.fromkeys(columns))


def apply_codebook(raw: RawTable, study: Study) -> Survey:
    """Validate the columns of `needed_columns(study)` against the study's codebook.

    Whatever is undeclared is refused, with column, code and count; free text is not repeated.
    Nobody is dropped but for a blank membership or zone, or as the study declares.
    """
    n_read = raw.n_rows
    raw, dropped = _kept(raw, study)
    side, without = _membership(raw, study)
    keep, without_design = _of_known_design(raw, study, side >= 0)
    zones = place_labels(raw, study.design.zone) if study.design.zone else None
    rows = _positions(keep)
    stratum, drawn = read_drawn(raw, study, rows, _unplaced(raw, study))
    member = side[rows] == 1
    phone = _phone(raw, study, keep)[rows]
    _both_sides(raw, study, member, phone)
    variables = {name: study.variables[name] for name in needed_variables(study)}
    may_lack = {study.design.department} - _modelled_variables(study)
    numbers, codes = _coded_variables(raw, variables, rows, _positions(~phone), may_lack)
    zone, zone_names = (None, ()) if zones is None else used_labels(*zones, rows)
    if zone is not None and study.design.region is not None:
        _zones_in_regions(raw, study, zone, codes[study.design.region])
    department_region = _department_regions(raw, study, codes)
    weight = sampling_weight(raw, study, rows)
    sides = {"members": member & ~phone, "comparison people": ~member & ~phone}
    replicates = None if weight is None else replicate_weights(raw, study, rows, weight, sides)
    person = _person(raw, study, rows, phone)
    record = [phone.astype(np.uint64)]
    if study.design.id is not None:
        answers = raw.answers(study.design.id)
        record.append(hashed(answers.texts)[answers.index[rows]])
    else:
        record += _hashed_answers(member, codes, variables, numbers)
        record += [] if zone is None else [hashed(zone_names)[zone]]
        record += [] if weight is None else [hashed(weight)]
        # People who are alike in all else may differ in a replicate.
        record += [] if replicates is None else [hashed(one) for one in replicates.weights.T]
    return Survey(
        source=EXAMPLE if raw.is_example else without_marks(raw.name),
        sha256=raw.sha256,
        is_example=raw.is_example,
        member=member,
        phone=phone,
        codes=codes,
        variables=variables,
        numeric=numbers,
        zone=zone,
        zone_labels=zone_names,
        weight=weight,
        replicates=replicates,
        stratum=stratum,
        drawn=drawn,
        person=person,
        tie=record_ties(record),
        n_read=n_read,
        encoding=raw.encoding,
        dropped=(*dropped, *without, *without_design),
        doubts=(
            *(doubt for variable in variables.values() for doubt in doubts(raw, variable)),
            *_design_doubts(raw, study),
        ),
        sheet=raw.sheet,
        label_rows=raw.label_rows,
        extended=raw.extended,
        department_region=department_region,
    )


def _positions(keep: BoolArray) -> Rows:
    """Rows that are kept; where all are, a slice, which copies nothing."""
    return slice(None) if keep.all() else np.flatnonzero(keep)


def _kept(raw: RawTable, study: Study) -> tuple[RawTable, list[Drop]]:
    """The rows that `[where]` keeps; those it leaves out are looked at no further."""
    keep = np.ones(raw.n_rows, dtype=bool)
    dropped = []
    for column, values in study.where.items():
        answers = raw.answers(column)
        named = {answers.spell(value) for value in values}
        absent = named - {*answers.texts, ""}
        if absent:
            raise raw.refusal(
                column,
                f"no row has {', '.join(repr(value) for value in sorted(absent))}",
                f"where.{column} names values of the column",
            )
        inside = answers.rows([text in named for text in answers.texts], "" in named)
        lost = int((keep & ~inside).sum())
        if lost:
            dropped.append(Drop(reason=f"not in where.{column}", count=lost))
        keep &= inside
    if not keep.any():
        raise SurveyError(raw.where, "where keeps no row", f"see where in {study.name}/study.toml")
    return (raw.take(keep) if dropped else raw), dropped


def _membership(raw: RawTable, study: Study) -> tuple[IntArray, list[Drop]]:
    """1 for members, 0 for the comparison group, negative for who is dropped; and who is."""
    group = study.group
    answers = raw.answers(group.column)
    table = {answers.spell(code): MISSING for code in group.missing}
    table |= _sides(answers, group.comparison, group.member)
    side = look_up(answers, table, blank=_BLANK)
    allowed = f"group.member is {_values(group.member)}, group.comparison is "
    allowed += f"{_values(group.comparison)}; others belong to one of them or in group.missing; "
    allowed += LISTED
    refuse(raw, group.column, side == UNDECLARED, allowed)
    lost = {"membership missing": side == MISSING, "membership blank": side == _BLANK}
    counts = {reason: int(rows.sum()) for reason, rows in lost.items()}
    return side, [Drop(reason=reason, count=count) for reason, count in counts.items() if count]


def _sides(answers: Answers, first: Iterable[Code], second: Iterable[Code]) -> dict[str, int]:
    """Index by value as the column spells it: 0 for the first side's, 1 for the second's."""
    sides = {answers.spell(code): 0 for code in first}
    return sides | {answers.spell(code): 1 for code in second}


def _values(codes: Iterable[Code]) -> str:
    """Declared values, for messages."""
    return " or ".join(repr(code) for code in codes)


def _of_known_design(raw: RawTable, study: Study, keep: BoolArray) -> tuple[BoolArray, list[Drop]]:
    """Who of those kept has something in every column of the design."""
    dropped = []
    for key, columns in study.design.columns.items():
        lacking = [_lacking(raw, study, key, column, keep) for column in columns]
        lost = keep & np.any(lacking, axis=0)
        if lost.any():
            dropped.append(Drop(reason=f"{key} missing", count=int(lost.sum())))
        keep = keep & ~lost
    return keep, dropped


def _unplaced(raw: RawTable, study: Study) -> BoolArray:
    """Rows of the table of which it is not known where they were drawn."""
    nobody = np.zeros(raw.n_rows, dtype=bool)
    columns = study.design.columns
    lacking = [
        _lacking(raw, study, key, column, nobody)
        for key in _PLACED
        for column in columns.get(key, ())
    ]
    return np.any([nobody, *lacking], axis=0)


def _lacking(raw: RawTable, study: Study, key: str, column: str, keep: BoolArray) -> BoolArray:
    """Rows that have nothing in a column of the design, as the study declares it.

    A blank zone or stratum needs no declaration. Codes that the file calls missing do; of weights
    also those that a label calls so, and, where the study names none, such as 999 far beyond the
    rest.
    """
    answers, design = raw.answers(column), study.design
    named = {answers.spell(code) for code in design.missing.get(key, ())}
    named |= {""} if key in ("zone", "strata") else set()
    declared = np.zeros(len(answers.values), dtype=bool)
    if named:
        declared[:] = [text in named for text in answers.texts]
    bad = file_missing(raw, column)
    far = np.zeros(bad.size, dtype=bool)
    if key == "weight":
        bad |= labelled_missing(raw, column)
        if key not in design.missing:
            far = far_codes(raw, column, named) & ~bad
    if design.mode is not None and key == "mode":
        modes = _sides(answers, design.mode.in_person, design.mode.phone)
        bad &= [text not in modes for text in answers.texts]
    dropped = f"name it in design.missing.{key}: those people are dropped and counted"
    for found, why, allowed in (
        (bad & ~declared, "that the file itself calls missing", dropped),
        (far, "that looks like a missing code", f"{dropped}; or none, with {key} = []"),
    ):
        if found.any():
            refuse(raw, column, keep & answers.rows(found, False), allowed, why)
    lacking: BoolArray = answers.rows(declared, "" in named)
    return lacking


def _design_doubts(raw: RawTable, study: Study) -> Iterator[Doubt]:
    """Weights, and words or labels of zones, taken as they stand that may stand for no answer."""
    missing = study.design.missing
    for column in study.design.zone:
        answers = raw.answers(column)
        named = {answers.spell(code) for code in missing.get("zone", ())} | {""}
        looks = labelled_missing(raw, column)
        looks |= [reads_as_missing(text, label=False) for text in answers.texts]
        for place in np.flatnonzero(looks & (answers.counts > 0)):
            if answers.texts[place] not in named:
                count = int(answers.counts[place])
                yield Doubt(column=column, code=answers.texts[place], count=count)
    if study.design.weight is not None:
        named = {normalise(code) for code in missing.get("weight", ())}
        yield from doubtful_numbers(raw, study.design.weight, named)


def _phone(raw: RawTable, study: Study, keep: BoolArray) -> BoolArray:
    """Who answered by phone, by row of the file; anything else is refused of those kept."""
    mode = study.design.mode
    if mode is None:
        return np.zeros(keep.size, dtype=bool)
    answers = raw.answers(mode.column)
    by_phone = look_up(answers, _sides(answers, mode.in_person, mode.phone), blank=UNDECLARED)
    allowed = f"design.mode declares {_values(mode.in_person)} and {_values(mode.phone)}"
    refuse(raw, mode.column, keep & (by_phone == UNDECLARED), allowed)
    return np.asarray(by_phone == 1)


def _both_sides(raw: RawTable, study: Study, member: BoolArray, phone: BoolArray) -> None:
    group = study.group
    sides = (("members", group.member, member), ("comparison people", group.comparison, ~member))
    for who, codes, people in sides:
        if not (people & ~phone).any():
            raise raw.refusal(
                group.column,
                f"there are no {who} (value {_values(codes)}) interviewed in person",
                "both groups need people; see [group] and [design] mode",
            )


def _coded_variables(
    raw: RawTable,
    variables: Mapping[str, Variable],
    rows: Rows,
    in_person: Rows,
    may_lack: Set[str | None],
) -> tuple[dict[str, Numeric], dict[str, IntArray]]:
    """What numeric variables are made of, and the level index (or number) of each by person.

    Only variables that `may_lack` somebody may have levels that nobody has.
    """
    numbers, codes = {}, {}
    for name, variable in variables.items():
        if variable.is_numeric:
            numbers[name], codes[name] = _numeric(raw, variable, row_numbers(raw, variable)[rows])
    # Numbers first: what is wrong with them is said first.
    for name, variable in variables.items():
        if not variable.is_numeric:
            codes[name] = level_codes(raw, variable)[rows]
    for name, variable in variables.items():
        _every_level(raw, variable, codes[name][in_person], all_needed=name not in may_lack)
    return numbers, {name: codes[name] for name in variables}


def _numeric(raw: RawTable, variable: Variable, column: FloatArray) -> tuple[Numeric, IntArray]:
    """The values of a numeric variable, and the position of each person's among them, or -1."""
    name, known = variable.name, np.isfinite(column)
    values = np.unique(column[known])
    if values.size < 2:
        who = "everybody answers" if values.size else "nobody answers"
        alike = " alike" if values.size else ""
        raise raw.refusal(
            variable.column, f"{who} variable {name}{alike}", "take it out of the models"
        )
    result = numeric(name, values, variable.knots)
    if not result.independent:
        knots = ", ".join(f"{knot:g}" for knot in variable.knots)
        raise raw.refusal(
            variable.column,
            f"the knots of variable {name} ({knots}) lie where it has too few different "
            "numbers for a curve",
            "put knots among its numbers, or leave them out for a straight line",
        )
    return result, np.where(known, np.searchsorted(values, column), MISSING).astype(np.int64)


def _every_level(raw: RawTable, variable: Variable, codes: IntArray, *, all_needed: bool) -> None:
    """Refuse levels that nobody interviewed in person has, or a variable that nobody answered."""
    counts = np.bincount(codes + 1, minlength=len(variable.levels) + 1)[1:]
    columns = ", ".join(variable.items) or variable.column
    if not counts.any():
        raise raw.refusal(
            columns,
            f"nobody interviewed in person answers variable {variable.name}",
            "take it out of the models, or mend its codes",
        )
    levels = () if variable.is_numeric else zip(variable.levels, counts, strict=True)
    empty = [level for level, count in levels if count == 0]
    if empty and all_needed:
        shown = ", ".join(repr(level) for level in empty[:5])
        more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
        raise raw.refusal(
            columns,
            f"nobody has the level {shown}{more} of variable {variable.name}",
            "join it to another level with collapse, or take it out of the codebook",
        )


def _zones_in_regions(raw: RawTable, study: Study, zone: IntArray, region: IntArray) -> None:
    """Refuse labels that name another zone in each region."""
    spread, n_zones = in_several_regions(zone, region)
    if 2 * spread > n_zones:
        raise raw.refusal(
            ", ".join(study.design.zone),
            f"{spread} of {n_zones} zones stand in more than one {study.design.region}",
            "a zone has a label of its own; where labels repeat, name the columns that tell zones "
            "apart together, such as zone = [REGION, ZONE]",
        )


def _department_regions(
    raw: RawTable, study: Study, codes: Mapping[str, IntArray]
) -> IntArray | None:
    """The region of each department: that of its people, and where nobody is, as a file says."""
    region, department = study.design.region, study.design.department
    if region is None or department is None:
        return None
    regions, levels = study.variables[region].levels, study.variables[department].levels
    known = (codes[region] >= 0) & (codes[department] >= 0)
    there = np.zeros((len(levels), len(regions)), dtype=np.int64)
    np.add.at(there, (codes[department][known], codes[region][known]), 1)
    columns = ", ".join((*study.variables[department].columns, *study.variables[region].columns))
    several = np.flatnonzero((there > 0).sum(axis=1) > 1)
    if several.size:
        first = several[0]
        raise raw.refusal(
            columns,
            f"{several.size} of {len(levels)} departments stand in more than one {region}: "
            f"{levels[first]} first, with {there[first].sum() - there[first].max()} of its "
            f"{there[first].sum()} people outside the one of most",
            "each department lies in one region",
        )
    found = there.argmax(axis=1)
    for place, level in enumerate(levels):
        told = study.department_regions.get(level)
        people = int(there[place].sum())
        if not people and told is None:
            raise raw.refusal(
                columns,
                f"nobody has the level {level!r} of variable {department}, and no file says in "
                f"which {region} it lies",
                f"give the file of [hierarchical] area a column {region}, or take the level out "
                "of the codebook",
            )
        if told is not None and people and regions[found[place]] != told:
            raise raw.refusal(
                columns,
                f"the people of {level} stand in another {region} than a file of the study says",
                "mend one of them",
            )
        if not people and told is not None:
            found[place] = regions.index(told)
    return found.astype(np.int64)


def in_several_regions(zone: IntArray, region: IntArray) -> tuple[int, int]:
    """How many zones stand in several regions, and of how many: a few may cross a border."""
    known = (region >= 0) & (zone >= 0)
    there = np.zeros((zone.max(initial=0) + 1, region.max(initial=0) + 1), dtype=bool)
    there[zone[known], region[known]] = True
    n_regions = there.sum(axis=1)
    return int((n_regions > 1).sum()), int((n_regions > 0).sum())


def _person(raw: RawTable, study: Study, rows: Rows, phone: BoolArray) -> IntArray | None:
    """Identifiers; one stands once among interviews in person and once among those by phone."""
    column = study.design.id
    if column is None:
        return None
    answers = raw.answers(column)
    person = answers.index[rows]
    if not answers.plain:  # Texts of one identifier may differ in white space.
        places = {text: place for place, text in enumerate(dict.fromkeys(answers.texts)) if text}
        person = look_up(answers, places)[rows]
    blank = int((person < 0).sum())
    if blank:
        raise raw.refusal(column, f"{blank} identifiers are blank", "everybody has one")
    for among, how in ((~phone, "in person"), (phone, "by phone")):
        repeated = int((np.bincount(person[among], minlength=1) > 1).sum())
        if repeated:
            raise raw.refusal(
                column,
                f"{repeated} identifiers stand more than once among interviews {how}",
                "an identifier names one person; it may come back only in a phone interview",
            )
    return person.astype(np.int64)


def _hashed_answers(
    member: BoolArray,
    codes: Mapping[str, IntArray],
    variables: Mapping[str, Variable],
    numbers: Mapping[str, Numeric],
) -> Iterator[UintArray]:
    """Membership, and the level of each variable by its name, whatever the order they stand in."""
    yield member.astype(np.uint64)
    for name in sorted(codes):
        levels = [str(value) for value in numbers[name].values] if name in numbers else None
        yield hashed([*(levels or variables[name].levels), ""])[codes[name]]
