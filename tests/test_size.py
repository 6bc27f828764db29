"""How large the package is, and that it does not grow; `make size` prints it by package."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "coopgap"
LONG = 30
"""Lines beyond which a function is counted."""

BARS = {
    "lines of src": 43_500,  # aim 26,000
    "modules of src": 201,  # aim 115
    "lines of the Python interface": 3_740,
    "lines of tests": 42_200,  # aim 22,000
    "lines of the interface's tests": 2_520,
    "files that a run executes": 156,  # aim 110
}
"""What is held; a bar is lowered towards its aim, and raised only by what a new feature needs.

The Python interface, `api`, is apart.
"""

STUDY = """
title = "A village"
[group]
column = "joined"
member = "yes"
comparison = "no"
[headline]
milk = "milk"
[variables.milk]
type = "binary"
yes = [1]
no = [2]
[variables.head]
type = "nominal"
levels = ["man", "woman"]
"""
MODEL = 'outcome = "milk"\ncovariates = ["head"]\n[matching]\nmethod = "exact"\non = ["head"]\n'
RUN = """
import json, sys
from coopgap.fit import main
code = main([sys.argv[1], "--data", sys.argv[2], "--out", sys.argv[3], "--jobs", "1", "--quiet"])
print(json.dumps([code, sorted(name for name in sys.modules if name.split(".")[0] == "coopgap")]))
"""


def sources() -> dict[Path, str]:
    """Modules of the package with their text."""
    return {path: path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def lines_of(texts: Iterator[str]) -> int:
    return sum(text.count("\n") for text in texts)


def package_of(path: Path) -> str:
    """The package that a module is in; the commands at the top have none."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "coopgap"


def functions(text: str) -> Iterator[int]:
    """Lines of each function."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def executed() -> list[str]:
    """Our modules that a run of one model of a binary outcome executes."""
    rng = np.random.default_rng(3)
    n = 400
    columns = {
        "joined": rng.choice(["yes", "no"], n),
        "milk": rng.integers(1, 3, n),
        "head": rng.choice(["man", "woman"], n),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "village"
        folder.mkdir()
        (folder / "study.toml").write_text(STUDY, encoding="utf-8")
        (folder / "milk.toml").write_text(MODEL, encoding="utf-8")
        survey = Path(name) / "survey.csv"
        pd.DataFrame(columns).to_csv(survey, index=False)
        arguments = [str(folder), str(survey), str(Path(name) / "out")]
        done = subprocess.run(
            [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True
        )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return modules


def sizes() -> dict[str, int]:
    """What has a bar, but for what a run executes."""
    texts = sources()
    inner = [text for path, text in texts.items() if package_of(path) != "api"]
    interface = [text for path, text in texts.items() if package_of(path) == "api"]
    tests = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    apart = [text for path, text in tests.items() if path.parent.name == "api"]
    return {
        "lines of src": lines_of(iter(inner)),
        "modules of src": len(inner),
        "lines of the Python interface": lines_of(iter(interface)),
        "lines of tests": lines_of(iter(tests.values())) - lines_of(iter(apart)),
        "lines of the interface's tests": lines_of(iter(apart)),
    }


@pytest.mark.parametrize("name", sizes())
def test_it_is_no_larger_than_its_bar(name):
    assert sizes()[name] <= BARS[name]


def test_a_run_of_one_binary_model_executes_no_more_files_than_its_bar():
    modules = executed()
    assert "coopgap.app.pipeline" in modules
    assert len(modules) <= BARS["files that a run executes"], modules


def main() -> None:
    """Print the sizes of every package, and what has a bar."""
    by_package: dict[str, dict[Path, str]] = defaultdict(dict)
    for path, text in sources().items():
        by_package[package_of(path)][path] = text
    print(f"{'package':<12}{'lines':>8}{'modules':>9}{'median':>8}{f'over {LONG}':>9}")
    for name, texts in [*sorted(by_package.items()), ("all", sources())]:
        lines = [text.count("\n") for text in texts.values()]
        long = sum(size > LONG for text in texts.values() for size in functions(text))
        print(f"{name:<12}{sum(lines):>8}{len(lines):>9}{median(lines):>8.0f}{long:>9}")
    print()
    for name, size in (sizes() | {"files that a run executes": len(executed())}).items():
        print(f"{name:<32}{size:>8}   bar {BARS[name]}")


if __name__ == "__main__":
    main()
