"""What is held to other programs, read off the tests: script, fixture, tests, tolerances."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

R = Path(__file__).resolve().parents[2] / "tests" / "r"
TESTS = R.parent
BASE = {"jsonlite", "stats", "utils", "tools", "parallel", "methods"}


def _packages(text: str) -> list[str]:
    """Packages of R that a script calls."""
    found = re.findall(r"library\((\w+)\)|requireNamespace\(\"(\w+)\"|\b([A-Za-z]\w+)::", text)
    names = {name for group in found for name in group if name}
    return sorted(names - BASE, key=str.lower)


def _subject(text: str) -> str:
    """The first sentence of the comment at the top of a script."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).partition(". ")[0].rstrip(".")


def _count(value: Any) -> int:
    """Numbers in a fixture."""
    if isinstance(value, dict):
        return sum(_count(one) for one in value.values())
    if isinstance(value, list):
        return sum(_count(one) for one in value)
    return int(isinstance(value, int | float) and not isinstance(value, bool))


def _literals(node: ast.AST, stems: set[str], loaders: set[str]) -> set[str]:
    """Fixtures that a piece of code reads: `"NAME.json"`, or the argument of what reads one."""
    found = set()
    for one in ast.walk(node):
        match one:
            case ast.Constant(value=str(text)) if text.endswith(".json"):
                found.add(text.removesuffix(".json"))
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text))]):
                found |= {text} if name in loaders else set()
    return found & stems


def _loaders(tree: ast.Module) -> set[str]:
    """Functions that read the fixture that they are told."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(one, ast.JoinedStr) for one in ast.walk(node))
        and ".json" in ast.unparse(node)
    }


def _names(node: ast.AST) -> set[str]:
    used = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return used | {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}


def _tolerances(node: ast.AST, named: dict[str, ast.AST], *, deeper: bool = True) -> set[float]:
    """Small numbers in a test, and in what it names of its module: these are what it allows."""
    found = {
        float(one.value)
        for one in ast.walk(node)
        if isinstance(one, ast.Constant)
        and isinstance(one.value, float)
        and 0 < one.value <= _LARGEST
    }
    behind = [named[name] for name in _names(node) if name in named] if deeper else []
    return found.union(*(_tolerances(one, named, deeper=False) for one in behind))


_LARGEST = 5e-3


def _named(tree: ast.Module) -> dict[str, ast.AST]:
    """Constants and functions of a module that are no tests."""
    named: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            named |= {one.id: node for one in node.targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("test_"):
            named[node.name] = node
    return named


def _gives(tree: ast.Module, stems: set[str], loaders: set[str]) -> dict[str, set[str]]:
    """By name of a module, the fixtures that stand behind it, through other names too."""
    gives: dict[str, set[str]] = defaultdict(set)
    named = _named(tree)
    for _ in range(3):
        for name, node in named.items():
            behind = [gives[one] for one in _names(node) if one in gives and one != name]
            gives[name] |= _literals(node, stems, loaders).union(*behind)
    return gives


@cache
def _held() -> dict[str, dict[str, list[float]]]:
    """By fixture, the test files that read it with the tolerances of the tests that do."""
    stems = {path.stem for path in R.glob("fixtures/*.json")}
    held: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if path.parent == R or "fixtures" not in text:
            continue
        tree = ast.parse(text)
        loaders = _loaders(tree)
        gives = _gives(tree, stems, loaders)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                sources = [gives[name] for name in _names(node) if name in gives]
                for stem in _literals(node, stems, loaders).union(*sources):
                    place = str(path.relative_to(TESTS))
                    held[stem].setdefault(place, []).extend(_tolerances(node, _named(tree)))
    return held


def _named_in(stem: str) -> dict[str, list[float]]:
    """Test files that name a fixture in a way that is not followed to a test."""
    named = re.compile(rf'"{stem}\.json"|fixture\W[^\n]*"{stem}"')
    return {
        str(path.relative_to(TESTS)): []
        for path in sorted(TESTS.rglob("test_*.py"))
        if path.parent != R and named.search(path.read_text(encoding="utf-8"))
    }


def validation() -> str:
    """A table: what R computes, with which packages, how much of it, and how closely it is met."""
    lines = [
        "| script | what | R packages | numbers | differ by at most | tests |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted(R.glob("fixtures/*.json")):
        script = R / f"{path.stem}.R"
        text = script.read_text(encoding="utf-8") if script.exists() else ""
        held = _held().get(path.stem) or _named_in(path.stem)
        found = sorted(value for values in held.values() for value in values)
        ends = dict.fromkeys(
            f"{value:.0e}".replace("e-0", "e-") for value in found[:1] + found[-1:]
        )
        cells = (
            f"`{path.stem}.R`",
            _subject(text).replace("|", "/"),
            ", ".join(f"`{name}`" for name in _packages(text)) or "base",
            f"{_count(json.loads(path.read_text(encoding='utf-8'))):,}",
            " to ".join(ends) or "–",
            ", ".join(f"`{Path(place).name}`" for place in held),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


FUNCTIONS = {"validation": validation}
