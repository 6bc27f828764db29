"""Reference pages from the code: keys, columns, words of the tables, commands, checks, glossary."""

from __future__ import annotations

import argparse
import inspect
import operator
import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coopgap
from coopgap.app.cli import COMMANDS
from coopgap.checks.registry import Cost, Scope, checks, parts
from coopgap.core import vocabulary
from coopgap.core.atomic import FIGURES, FORMATS
from coopgap.report.appendix import Reference, references
from coopgap.report.sheets import check_dictionary, column_dictionary
from coopgap.report.words import FAMILIES, POPULATIONS, STATUSES, VERDICTS
from coopgap.study.load import StudyFile
from coopgap.study.model import KEYS, ModelFile
from coopgap.study.schema import key_reference
from coopgap.survey import read

COSTS: dict[Cost, str] = {"quick": "In every run.", "full": "With `--checks full`."}
SCOPES = {
    Scope.MODEL: "",
    Scope.MODELS: "Of all models together.",
    Scope.FIT: "Of a model by region.",
    Scope.REFIT: "Of a model by region that passed its gate, fitted again.",
    Scope.GAPS: "Of all headline gaps together.",
}


def keys(kind: str) -> str:
    """Every key of study.toml or of a model file."""
    return key_reference({"study": StudyFile, "model": ModelFile}[kind])


def method_keys() -> str:
    """The keys of each matching method."""
    lines = ["| `method` | keys beside it |", "|---|---|"]
    lines += [
        f"| `{name}` | {', '.join(f'`{key}`' for key in allowed)} |"
        for name, allowed in KEYS.items()
    ]
    return "\n".join(lines)


def columns() -> str:
    """Every column of the five tables."""
    return column_dictionary()


def vocabularies() -> str:
    """Every word that a column of a closed vocabulary may hold, and what reports call it."""
    told = {"Family": FAMILIES, "Population": POPULATIONS, "Status": STATUSES, "Verdict": VERDICTS}
    parts_ = []
    for name in ("Family", "Population", "Quantity", "IntervalKind", "Scale", "Status", "Verdict"):
        kind = getattr(vocabulary, name)
        column = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        words = told.get(name)
        if words is None:
            parts_.append(f"**`{column}`**: {', '.join(f'`{one}`' for one in kind)}.")
            continue
        lines = [f"**`{column}`**", "", "| value | in reports |", "|---|---|"]
        lines += [f"| `{one}` | {words[one]} |" for one in kind]
        parts_.append("\n".join(lines))
    return "\n\n".join(parts_)


def extensions() -> str:
    """The survey files that are read."""
    lines = ["| ends in | what it is |", "|---|---|"]
    lines += [f"| `{suffix}` | {name} |" for suffix, name in read.FORMATS.items()]
    return "\n".join(lines)


def formats() -> str:
    """What `--formats` and `--figures` take."""
    return f"`--formats {','.join(FORMATS)}` and `--figures {','.join(FIGURES)}`"


def commands() -> str:
    """Every command with its arguments, from the parsers themselves."""
    return "\n\n".join(_command(name) for name in COMMANDS)


def _command(name: str) -> str:
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(prog=f"coopgap {name}", add_help=False)
    command.arguments(parser)
    lines = [f"## coopgap {name}", "", command.description, ""]
    lines += ["| argument | what it does |", "|---|---|"]
    lines += [f"| {_option(action)} | {_help(action)} |" for action in parser._actions]
    return "\n".join([*lines, "", command.epilog]).rstrip()


def _option(action: argparse.Action) -> str:
    """An argument as it is typed, with what it takes."""
    values = f"`{'`, `'.join(map(str, action.choices))}`" if action.choices else ""
    if not action.option_strings:
        return f"`{(action.metavar or action.dest).upper()}`{' of ' + values if values else ''}"
    takes = action.metavar or ("" if action.nargs == 0 or values else action.dest.upper())
    typed = f"`{' '.join(filter(None, (action.option_strings[-1], str(takes))))}`"
    return f"{typed} {values}".strip()


def default_of(action: argparse.Action) -> str:
    """What an argument is where it is not given; empty for nothing."""
    return "" if action.default in (None, False, [], ()) else str(action.default)


def _help(action: argparse.Action) -> str:
    text = (action.help or "").replace("|", "\\|")
    if not text and default_of(action):
        return f"Default: {default_of(action)}."
    if default_of(action) and "default" not in text:
        text = f"{text} (default: {default_of(action)})"
    return text[:1].upper() + text[1:] + ("." if text else "")


def python(*names: str, inherited: bool = False) -> str:
    """Public names for mkdocstrings, a function with the class of what it returns."""
    blocks, shown = [], set()
    for name in names:
        value = operator.attrgetter(name)(coopgap)
        blocks.append(_documented(value, f"coopgap.{name}", inherited=inherited))
        _told.add(name)
        made = _returned(value)
        if made is not None and made.__name__ not in (*coopgap.__all__, *shown):
            shown.add(made.__name__)
            blocks.append(_documented(made, made.__name__, inherited=inherited))
    return "\n\n".join(blocks)


_told: set[str] = set()
"""Public names that a page has."""


def untold() -> set[str]:
    """Public names that no page has so far."""
    public = {*coopgap.__all__} - {"__version__", "checks", "datasets"}
    for module in (coopgap.checks, coopgap.datasets):
        public |= {f"{module.__name__.partition('.')[2]}.{name}" for name in module.__all__}
    return public - _told


def _documented(value: Any, heading: str, *, inherited: bool) -> str:
    options = [f'heading: "{heading}"', f'toc_label: "{heading.removeprefix("coopgap.")}"']
    options += ["inherited_members: true"] if inherited else []
    lines = [f"::: {value.__module__}.{value.__qualname__}", "    options:"]
    return "\n".join([*lines, *(f"      {one}" for one in options)])


def _returned(value: Any) -> type | None:
    """The class of ours that a function gives, by its annotation."""
    name = getattr(value, "__annotations__", {}).get("return")
    made = getattr(value, "__globals__", {}).get(name) if isinstance(name, str) else None
    if made is None and name == "Run":
        made = coopgap.Run
    return made if isinstance(made, type) and made.__module__.startswith("coopgap") else None


def checks_in_short() -> str:
    """Every check with its question."""
    return check_dictionary()


def checks_in_full() -> str:
    """Every check: what it asks, when it is run, what its function says of itself, its papers."""
    makers: dict[str, list[Any]] = {}
    for scope in Scope:
        for part in parts(scope, "full"):
            makers.setdefault(part.name, []).append(part.make)
    return "\n\n".join(_check(name, makers.get(name, [])) for name in checks())


def _check(name: str, makers: list[Any]) -> str:
    entry = checks()[name]
    run = " ".join(filter(None, (COSTS[entry.cost], SCOPES[entry.scope])))
    lines = [f"## {entry.title} {{#{name}}}", "", f"`{name}`: *{entry.question}* {run}", ""]
    lines += ["``` text", *textwrap.wrap(entry.formula, 80), "```", ""]
    for make in makers:
        lines += [*_sections(inspect.cleandoc(make.__doc__ or "")), ""]
    cited = [f"- {one.text}" for one in references().values() if _is_for(one, name)]
    return "\n".join([*lines, *(["**Source**", "", *cited] if cited else [])]).rstrip()


def _is_for(one: Reference, check: str) -> bool:
    facts = [*one.when]
    return any(check in fact.get("check", fact.get("has", ())) for fact in facts)


def _sections(text: str) -> Iterator[str]:
    """A NumPy docstring in Markdown: headings bold, what is yielded as a list."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        under = lines[at + 1] if at + 1 < len(lines) else ""
        if line and set(under) == {"-"}:
            yield f"**{'Rows' if line == 'Yields' else line}**"
        elif line and set(line) == {"-"}:
            yield ""
        elif re.fullmatch(r"[A-Z]\w+Row", line):  # the type of a row, before its text
            yield "In diagnostics.csv:" if line == "DiagnosticRow" else ""
            yield ""
        else:
            yield line.removeprefix("    ")


def glossary() -> str:
    """The words that reports use."""
    path = Path(__file__).parent / "glossary.toml"
    words = tomllib.loads(path.read_text(encoding="utf-8"))
    lines = []
    for word in sorted(words, key=str.lower):
        slug = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")
        lines += [f"### {word} {{#{slug}}}", "", words[word], ""]
    return "\n".join(lines)


FUNCTIONS = {
    one.__name__: one
    for one in (
        *(keys, method_keys, columns, vocabularies, extensions, formats, commands),
        *(checks_in_short, checks_in_full, glossary, python),
    )
}
