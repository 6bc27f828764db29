"""Draft a study.toml from a survey file's own labels, for a person to edit.

Labels are hostile input: they reach the draft only through `quote` and `comment`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from coopgap.study.values import normalise
from coopgap.survey.profile import (
    NO,
    YES,
    Choices,
    Kind,
    Profile,
    fold,
    hinted,
    multiple_choices,
    profile,
)
from coopgap.survey.raw import RawTable
from coopgap.survey.records import label_row_words
from coopgap.survey.values import as_number

_EDIT = "# EDIT"
_LONGEST = 200


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


def draft_study(raw: RawTable, survey: str) -> str:
    """Text of a study.toml to be edited.

    Parameters
    ----------
    raw
        Every column of the file.
    survey
        The path that the draft names; absolute, since a study takes others from its own folder.

    Returns
    -------
    str
        Valid TOML. Codes that are likely to mean no answer are comments; several choices in a cell
        are drafted as a count of their own columns; columns of free text and identifiers are
        named, their values are not repeated.
    """
    # A column at a time: the answers of all columns of a wide file take much memory.
    alone = (replace(raw, data={column: raw.data[column]}) for column in raw.columns)
    profiles = [profile(part, column) for part, column in zip(alone, raw.columns, strict=True)]
    several = multiple_choices(raw)
    drafted = [
        item for item in profiles if item.kind in (Kind.CODES, Kind.SCALE) or item.column in several
    ]
    lines = [
        comment(f"Draft from {raw.name}: {raw.n_rows} rows, {len(raw.columns)} columns."),
        *([comment(f"From its sheet {raw.sheet}.")] if raw.sheet else []),
        *([comment(label_row_words(raw.label_rows))] if raw.label_rows else []),
        "# Every line marked EDIT needs a decision; delete the variables that no model uses.",
        "# Beside this file, each outcome gets a file of its own: outcome, covariates, [matching].",
        "",
        f"title = {quote(raw.name)}  {_EDIT}",
        f"survey = {quote(survey)}  {_EDIT}: this path, or one from this folder",
        "",
        *_group(profiles, raw.n_rows),
        "",
        *_design(profiles, raw.n_rows),
        "",
        "[headline]",
        f'TODO = "TODO"  {_EDIT}: outcome = "stem of its model file", declared before fitting',
    ]
    for name, item in zip(_names(drafted), drafted, strict=True):
        lines += ["", *_variable(name, item, several.get(item.column))]
    lines += _left_out([item for item in profiles if item.column not in several])
    return "\n".join(lines) + "\n"


def _group(profiles: Sequence[Profile], n_rows: int) -> list[str]:
    return [
        "[group]",
        *(f"# likely: {_codes_text(item)}" for item in hinted(profiles, "group", n_rows)[:8]),
        f'column = "TODO"  {_EDIT}: the question of membership',
        f"member = 1  {_EDIT}: the code of members",
        f"comparison = 0  {_EDIT}: the code of the comparison group",
        f"missing = []  {_EDIT}: codes to drop and count; " + '"" for a blank',
    ]


def _codes_text(item: Profile) -> str:
    codes = ", ".join(_labelled(_literal(code), label) for code, label in item.codes.items())
    gone = ", ".join(_literal(entry.code) for entry in item.missing)
    text = f"{quote(item.column)} with codes {codes}" + (f"; missing {gone}" if gone else "")
    return comment(text)[2:]


def _labelled(code: str, label: str, count: int | None = None) -> str:
    shown = f"{code} {quote(label)}" if label else code
    return shown if count is None else f"{shown} ({count:,})"


def _list(codes: Iterable[str], of: Callable[[str], str] | None = None) -> str:
    return f"[{', '.join(map(of or _literal, codes))}]"


def _design(profiles: Sequence[Profile], n_rows: int) -> list[str]:
    lines, missing = ["[design]"], []
    for key, meaning in (
        ("region", "a variable declared below"),
        ("zone", "the column of the sampling cluster"),
        ("weight", "the column of the sampling weight"),
        ("id", "the column that names each person"),
    ):
        likely = hinted(profiles, key, n_rows)[:6]
        names = ", ".join(quote(item.column) for item in likely)
        if key != "region" and likely and likely[0].missing:
            missing.append(f"{key} = {_list(entry.code for entry in likely[0].missing)}")
        lines += [f"# likely {key}: {names}"] if names else []
        lines.append(f'# {key} = "TODO"  {_EDIT}: {meaning}')
    if missing:
        codes = ", ".join(missing)
        lines.append(f"# missing = {{ {codes} }}  {_EDIT}: codes for no answer in these columns")
    lines += [
        f"# likely mode: {_codes_text(item)}" for item in hinted(profiles, "mode", n_rows)[:3]
    ]
    lines.append(f'# mode = {{ column = "TODO", in_person = 1, phone = 2 }}  {_EDIT}')
    return lines


def _names(profiles: Iterable[Profile]) -> list[str]:
    """Bare TOML keys, each once."""
    names: list[str] = []
    for item in profiles:
        stem = re.sub(r"[^a-z0-9]+", "_", fold(item.column)).strip("_") or "variable"
        name, number = stem, 2
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names.append(name)
    return names


def _variable(name: str, item: Profile, choices: Choices | None) -> list[str]:
    lines = [f"[variables.{name}]"]
    if name != item.column and not choices:
        lines.append(f"column = {quote(item.column)}")
    if item.label:
        lines.append(f"label = {quote(item.label)}")
    if choices:
        return lines + _count(choices)
    lines += _scale(item) if item.kind is Kind.SCALE else _coded(item)
    return lines + _missing_lines(item)


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


def _coded(item: Profile) -> list[str]:
    words = {code: fold(label or code).strip() for code, label in item.codes.items()}
    yes = [code for code, word in words.items() if word in YES]
    no = [code for code, word in words.items() if word in NO]
    if set(words) == {"0", "1"} and not any(item.codes.values()):
        yes, no = ["1"], ["0"]
    if len(words) == 2 and yes and no:
        kinds = ['type = "binary"', f"yes = {_list(yes[:1])}", f"no = {_list(no[:1])}"]
        return kinds + _notes(item)
    levels = {code: label or code for code, label in item.codes.items()}
    kind, meaning = "nominal", "or ordinal, lowest level first"
    if len(levels) == 2:
        kind, meaning = "binary", "no before yes"
    elif item.numeric and len(levels) > 2:
        kind, meaning = "ordinal", "lowest level first, or nominal"
    lines = [
        f'type = "{kind}"  {_EDIT}: {meaning}',
        f"levels = {_list(dict.fromkeys(levels.values()), quote)}",
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


def _missing_lines(item: Profile) -> list[str]:
    """Codes that the file itself declares missing are set; likely ones wait for a decision."""
    declared = [entry for entry in item.missing if entry.declared]
    lines = []
    if declared:
        codes = _list(entry.code for entry in declared)
        lines.append(f"missing = {codes}  # declared missing in the file")
    if len(declared) < len(item.missing):
        why = ", ".join(
            _labelled(_literal(entry.code), entry.label, entry.count)
            for entry in item.missing
            if not entry.declared
        )
        lines.append(comment(f"EDIT likely missing, with how often: {why}"))
        lines.append(f"# missing = {_list(entry.code for entry in item.missing)}")
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
