"""Draft a study.toml from a survey file's own labels, for a person to edit.

Labels are hostile input: they reach the draft only through `quote` and `comment`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from coopgap.core.errors import SurveyError
from coopgap.study.values import normalise
from coopgap.survey.codebook import in_several_regions
from coopgap.survey.hints import Guesses, guess, scale_order, sides
from coopgap.survey.profile import (
    FEWEST_EACH,
    NO,
    YES,
    Choices,
    Kind,
    Profile,
    multiple_choices,
    profile,
)
from coopgap.survey.raw import RawTable
from coopgap.survey.records import label_row_words
from coopgap.survey.values import as_number, fold

STUDY: Final = "study"
_EDIT = "# EDIT"
_LONGEST = 200
_LONGEST_NAME = 80
_BANDS = 5
_PEOPLE_A_CELL = 10


def quote(text: str) -> str:
    """A TOML basic string; whatever a terminal could act on is escaped."""
    escaped = []
    for char in text:
        if "\ud800" <= char <= "\udfff":
            escaped.append("\ufffd")
        elif char in '"\\':
            escaped.append("\\" + char)
        elif char.isprintable():
            escaped.append(char)
        else:
            code = ord(char)
            escaped.append(f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}")
    return '"' + "".join(escaped) + '"'


def comment(text: str) -> str:
    """One line of comment: text without line ends or control characters."""
    flat = " ".join(text.split())
    safe = "".join(char if char.isprintable() else "\ufffd" for char in flat)
    return "# " + (safe if len(safe) <= _LONGEST else safe[:_LONGEST] + "…")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What is drafted from: the columns of a file, and what each may be."""

    raw: RawTable
    profiles: Sequence[Profile]
    several: Mapping[str, Choices]
    guesses: Guesses


def _look(raw: RawTable) -> _Look:
    # A column at a time: the answers of all columns of a wide file take much memory.
    alone = (replace(raw, data={column: raw.data[column]}) for column in raw.columns)
    profiles = [profile(part, column) for part, column in zip(alone, raw.columns, strict=True)]
    several, guesses = multiple_choices(raw), guess(profiles, raw.n_rows)
    return _Look(raw=raw, profiles=profiles, several=several, guesses=guesses)


def draft_study(raw: RawTable, survey: str, encoding: str | None = None) -> str:
    """Text of a study.toml to be edited, from every column of a file.

    Codes that are likely to mean no answer are comments; several choices in a cell are drafted as
    a count of their own columns; of free text and identifiers only the columns are named.
    """
    look = _look(raw)
    drafted = [
        item
        for item in look.profiles
        if item.kind in (Kind.CODES, Kind.SCALE) or item.column in look.several
    ]
    lines = [
        *_head(
            look,
            survey,
            encoding,
            "# Delete the variables that no model uses. Beside this file each outcome gets a file",
            "# of its own: outcome, covariates, [matching].",
        ),
        *_design(look, {}),
        "",
        "[headline]",
        f'TODO = "TODO"  {_EDIT}: outcome = "stem of its model file", declared before fitting',
    ]
    for name, item in zip(_names(drafted), drafted, strict=True):
        lines += ["", *_variable(name, item, look.several.get(item.column))]
    lines += _left_out([item for item in look.profiles if item.column not in look.several])
    return _text(lines)


def draft_folder(raw: RawTable, survey: str, encoding: str | None = None) -> dict[str, str]:
    """Texts by name of a study folder that can be run once its membership question is named.

    First study.toml, with only what the models read and all that is likely declared, then a model
    file an outcome. Refused where no column looks like the answers to one.
    """
    look = _look(raw)
    outcomes, covariates = look.guesses.outcomes, list(look.guesses.covariates.values())
    if not outcomes:
        raise SurveyError(
            raw.where,
            "no column looks like an outcome: two answers, or up to seven in order",
            "draft its columns with coopgap describe, and write a model file by hand",
        )
    keys = _firm_keys(look)
    region = [item for item in look.guesses.keys["region"] if (item.column,) == keys["region"]]
    drafted = [*outcomes, *region, *covariates]
    names = dict(zip((item.column for item in drafted), _names(drafted), strict=True))
    first = names[outcomes[0].column]
    lines = [
        *_head(look, survey, encoding),
        *_design(look, keys | {"region": tuple(names[item.column] for item in region)}),
        "",
        "[headline]  # declared before fitting",
        f"{first} = {quote(first)}  {_EDIT}: the outcome that the study is about",
        *(f"# {name} = {quote(name)}" for name in (names[item.column] for item in outcomes[1:])),
    ]
    for item in drafted:
        firm = _variable(names[item.column], item, None, outcome=item in outcomes, firm=True)
        lines += ["", *firm]
    lines += ["", comment(f"All other columns: coopgap describe {raw.name}")]
    files = {"study.toml": _text(lines)}
    adjusted = [(names[item.column], len(item.codes) or _BANDS) for item in [*region, *covariates]]
    for item in outcomes:
        files[f"{names[item.column]}.toml"] = _model(names[item.column], adjusted, raw.n_rows)
    return files


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _model(outcome: str, covariates: Sequence[tuple[str, int]], n_rows: int) -> str:
    """A model of one outcome, matched exactly on as many covariates as leave ten people a cell."""
    names, on, cells = [name for name, _ in covariates], [], 1
    for name, levels in covariates:
        if cells * levels <= n_rows / _PEOPLE_A_CELL:
            on.append(name)
            cells *= levels
    lines = [
        f"outcome = {quote(outcome)}",
        f"covariates = {_list(names, quote)}  {_EDIT}: what bears on membership and on the outcome",
    ]
    if on:
        lines += ["", "[matching]", 'method = "exact"', f"on = {_list(on, quote)}  {_EDIT}"]
    return _text(lines)


def _head(look: _Look, survey: str, encoding: str | None, *more: str) -> list[str]:
    raw = look.raw
    return [
        comment(f"Draft from {raw.name}: {raw.n_rows} rows, {len(raw.columns)} columns."),
        *([comment(f"From its sheet {raw.sheet}.")] if raw.sheet else []),
        *([comment(label_row_words(raw.label_rows))] if raw.label_rows else []),
        "# Every line marked EDIT needs a decision.",
        *more,
        "",
        f"title = {quote(raw.name)}  {_EDIT}",
        f"survey = {quote(survey)}  {_EDIT}: this path, or one from this folder",
        *([f"encoding = {quote(encoding)}"] if encoding else []),
        "",
        *_group(look.guesses.keys["group"][:8]),
        "",
    ]


def _group(likely: Sequence[Profile]) -> list[str]:
    """The membership question is left to be named; the codes are those of the likeliest."""
    members, others = sides(likely[0]) if likely else (["1"], ["0"])
    if not (members and others):
        members, others = [*likely[0].codes][:1], [*likely[0].codes][1:]
    gone = [entry.code for item in likely[:1] for entry in item.missing]
    such = f", such as {quote(likely[0].column)}" if likely else ""
    return [
        "[group]",
        *(f"# likely: {_codes_text(item)}" for item in likely),
        f'column = "TODO"  {_EDIT}: the question of membership{such}',
        f"member = {_one(members)}  {_EDIT}: the code of members",
        f"comparison = {_one(others)}  {_EDIT}: the code of the comparison group",
        f"missing = {_list(gone)}  {_EDIT}: codes to drop and count; " + '"" for a blank',
    ]


def _one(codes: Sequence[str]) -> str:
    return _literal(codes[0]) if len(codes) == 1 else _list(codes)


def _codes_text(item: Profile) -> str:
    codes = ", ".join(_labelled(_literal(code), label) for code, label in item.codes.items())
    gone = ", ".join(_literal(entry.code) for entry in item.missing)
    asked = f" {quote(item.label)}" if item.label else ""
    text = f"{quote(item.column)}{asked} with codes {codes}" + (f"; missing {gone}" if gone else "")
    return comment(text)[2:]


def _labelled(code: str, label: str, count: int | None = None) -> str:
    shown = f"{code} {quote(label)}" if label else code
    return shown if count is None else f"{shown} ({count:,})"


def _list(codes: Iterable[str], of: Callable[[str], str] | None = None) -> str:
    return f"[{', '.join(map(of or _literal, codes))}]"


def _firm_keys(look: _Look) -> dict[str, tuple[str, ...]]:
    """The likeliest column of each key where it can be declared as it stands.

    Zones whose labels come back from region to region are named by both.
    """
    raw, n_rows = look.raw, look.raw.n_rows

    def likeliest(key: str, fit: Callable[[Profile], bool]) -> tuple[str, ...]:
        return tuple(item.column for item in look.guesses.keys[key][:1] if fit(item))

    region = likeliest("region", lambda item: not item.unshown and item.fewest >= FEWEST_EACH)
    zone = likeliest("zone", lambda item: (item.column,) != region)
    if region and zone:
        spread, n_zones = in_several_regions(*(raw.answers(name).index for name in zone + region))
        zone = region + zone if 2 * spread > n_zones else zone
    return {
        "region": region,
        "zone": zone,
        "weight": likeliest("weight", lambda item: item.n_blank == 0),
        "id": likeliest("id", lambda item: item.n_distinct == n_rows),
    }


def _design(look: _Look, firm: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Likely columns of each key; those in `firm` declared, the others to be decided."""
    lines, missing = ["[design]"], []
    keys = look.guesses.keys
    for key, meaning in (
        ("region", "a variable declared below"),
        ("zone", "the column of the sampling cluster"),
        ("weight", "the column of the sampling weight"),
        ("id", "the column that names each person"),
    ):
        likely = keys[key][:6]
        names = ", ".join(quote(item.column) for item in likely)
        if key != "region" and likely and likely[0].missing and (firm.get(key) or not firm):
            missing.append(f"{key} = {_list(entry.code for entry in likely[0].missing)}")
        lines += [f"# likely {key}: {names}"] if names else []
        columns = firm.get(key, ())
        named = quote(columns[0]) if len(columns) == 1 else _list(columns, quote)
        line = f"{key} = {named}" if columns else f'# {key} = "TODO"'
        lines.append(f"{line}  {_EDIT}: {meaning}")
    if missing:
        codes, mark = ", ".join(missing), "" if firm else "# "
        lines.append(
            f"{mark}missing = {{ {codes} }}  {_EDIT}: codes for no answer in these columns"
        )
    lines += [f"# likely mode: {_codes_text(item)}" for item in keys["mode"][:3]]
    lines.append(f'# mode = {{ column = "TODO", in_person = 1, phone = 2 }}  {_EDIT}')
    for key, meaning in (
        ("strata", "the column of the sampling strata"),
        ("fpc", "how many zones the stratum's population has"),
    ):
        if likely := keys[key]:
            lines.append(f"# {key} = {quote(likely[0].column)}  {_EDIT}: {meaning}")
    if several := look.guesses.replicates:
        pattern = quote(f"{several[0].rstrip('0123456789')}*")
        meaning = "in the place of strata; the file's documentation has the type"
        lines.append(
            f'# replicates = {{ columns = [{pattern}], type = "JK1" }}  {_EDIT}: {meaning}'
        )
    return lines


def _names(profiles: Iterable[Profile]) -> list[str]:
    """Bare TOML keys and names of files, each once."""
    names = [STUDY]
    for item in profiles:
        words = re.sub(r"[^a-z0-9]+", "_", fold(item.column)).strip("_")
        name = stem = words[:_LONGEST_NAME] or "variable"
        number = 2
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names.append(name)
    return names[1:]


def _variable(
    name: str,
    item: Profile,
    choices: Choices | None,
    *,
    outcome: bool = False,
    firm: bool = False,
) -> list[str]:
    lines = [f"[variables.{name}]"]
    if name != item.column and not choices:
        lines.append(f"column = {quote(item.column)}")
    if item.label:
        lines.append(f"label = {quote(item.label)}")
    if choices:
        return lines + _count(choices)
    lines += _scale(item) if item.kind is Kind.SCALE else _coded(item, outcome=outcome)
    return lines + _missing_lines(item, firm=firm)


def _count(choices: Choices) -> list[str]:
    """A question with several answers, by the columns of its choices."""
    return [
        f'type = "count_of"  {_EDIT}: or one choice alone, a yes or no column drafted below',
        f"items = {_list(choices.items, quote)}",
        f"yes = {_list(choices.yes)}",
        f"no = {_list(choices.no)}",
        f"at_least = 1  {_EDIT}",
    ]


def _scale(item: Profile) -> list[str]:
    """Cuts at fifths, rounded, each once, none at or below the smallest answer."""
    numbers = item.numbers
    whole = bool((numbers == np.round(numbers)).all())
    found = np.quantile(numbers, [0.2, 0.4, 0.6, 0.8])
    rounded = {float(np.round(cut)) if whole else float(f"{cut:.3g}") for cut in found}
    cuts = sorted(cut for cut in rounded if numbers.min() < cut <= numbers.max())
    cuts = cuts or [float(np.median(numbers[numbers > numbers.min()]))]
    return [
        f'type = "banded"  {_EDIT}: {item.n_distinct} distinct numbers',
        f"cuts = {_list(map(normalise, cuts))}  {_EDIT}: these are quantiles",
    ]


def _coded(item: Profile, *, outcome: bool) -> list[str]:
    """Levels in the order of their codes, turned where the first is the most."""
    words = {code: fold(label or code).strip() for code, label in item.codes.items()}
    yes = [code for code, word in words.items() if word in YES]
    no = [code for code, word in words.items() if word in NO]
    if set(words) == {"0", "1"} and not any(item.codes.values()):
        yes, no = ["1"], ["0"]
    if len(words) == 2 and yes and no:
        kinds = ['type = "binary"', f"yes = {_list(yes[:1])}", f"no = {_list(no[:1])}"]
        return kinds + _notes(item)
    levels = {code: label or code for code, label in item.codes.items()}
    kind, meaning, order, told = "nominal", "or ordinal, lowest level first", 0, ""
    if len(levels) == 2:
        kind, meaning = "binary", "no before yes"
    elif (item.numeric or outcome) and len(levels) > 2:
        kind, meaning = "ordinal", "or nominal"
    if outcome or kind == "ordinal":
        order = scale_order([*words.values()], any if outcome else all)
    if order < 0:
        levels = dict(reversed(levels.items()))
    if kind == "ordinal":
        told = "  # lowest first, by the words at its ends" if order else f"  {_EDIT}: lowest first"
    lines = [
        f'type = "{kind}"  {_EDIT}: {meaning}',
        f"levels = {_list(dict.fromkeys(levels.values()), quote)}{told}",
    ]
    renamed = {code: level for code, level in levels.items() if code != level}
    if renamed:
        pairs = ", ".join(f"{quote(code)} = {quote(level)}" for code, level in renamed.items())
        lines.append(f"codes = {{ {pairs} }}")
    return lines + _notes(item)


def _notes(item: Profile) -> list[str]:
    lines = []
    if item.unused:
        names = ", ".join(quote(label) for label in item.unused)
        lines.append(comment(f"labelled in the file, but nobody has: {names}"))
    if item.unshown:
        lines.append(
            f"{_EDIT}: {item.unshown:,} answers are texts that few people gave and are not shown"
        )
    return lines


def _missing_lines(item: Profile, *, firm: bool) -> list[str]:
    """Codes that the file itself declares missing are set; likely ones too if `firm`."""
    declared = [entry for entry in item.missing if entry.declared]
    lines = []
    if declared and not firm:
        codes = _list(entry.code for entry in declared)
        lines.append(f"missing = {codes}  # declared missing in the file")
    if len(declared) < len(item.missing):
        why = ", ".join(
            _labelled(_literal(entry.code), entry.label, entry.count)
            for entry in item.missing
            if not entry.declared
        )
        lines.append(comment(f"EDIT likely missing, with how often: {why}"))
    if len(declared) < len(item.missing) or (firm and declared):
        codes = _list(entry.code for entry in item.missing)
        lines.append(f"{'' if firm else '# '}missing = {codes}")
    if item.extended:
        counts = ", ".join(
            _labelled(entry.code, entry.label, entry.count) for entry in item.extended
        )
        lines.append(comment(f"missing in the file by letter, taken as blank: {counts}"))
    return lines


def _literal(text: str) -> str:
    """A code as TOML: a number where it is the plain text of one, else text."""
    number = as_number(text)
    if number is None or normalise(text) != text:
        return quote(text)
    return str(int(number)) if number == int(number) else repr(number)


def _left_out(profiles: Sequence[Profile]) -> list[str]:
    lines = []
    for kind, text in (
        (Kind.TEXT, "Free text or rare answers, not drafted"),
        (Kind.IDENTIFIER, "Different for everybody, not drafted"),
        (Kind.CONSTANT, "The same for everybody, not drafted"),
        (Kind.EMPTY, "No answers, not drafted"),
    ):
        names = [item.column for item in profiles if item.kind is kind]
        if names:
            lines += ["", f"# {text}:", *(comment(f"  {quote(name)}") for name in names)]
    unclear = [item for item in profiles if item.problem]
    if unclear:
        lines += ["", f"{_EDIT}: write these numbers with a decimal point and no other mark:"]
    return lines + [comment(f"  {quote(item.column)}: {item.problem}") for item in unclear]
