"""What is shipped: declared dependencies, the wheel, lazy imports, plain words."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTION = {
    "docx": "python-docx",
    "charset_normalizer": "charset-normalizer",
    "arviz_stats": "arviz-stats",
    "markdown_it": "markdown-it-py",
    "PIL": "pillow",
}
NOT_OURS = {"markupsafe", "pydantic_core"}
"""Imported from a dependency that re-exports nothing of it: jinja2 and pydantic."""
NAMED = {"arviz", "h5py"}
"""Needed and never imported: h5netcdf needs h5py; ArviZ is what users read kept draws with, of its
parts the program imports arviz_stats."""


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def imported() -> set[str]:
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"coopgap"}


def names(requirements: list[str]) -> dict[str, str]:
    return {re.split(r"[<>=~! ;\[]", item)[0]: item for item in requirements}


def test_declared_dependencies_are_the_imported_ones():
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["cluster"], *extras["office"]]
    declared = {name.lower() for name in names(wanted)}
    used = {DISTRIBUTION.get(name, name).lower() for name in imported() - NOT_OURS}
    assert declared == used | NAMED


def test_every_dependency_has_a_lower_bound_and_a_pin():
    pins = names((ROOT / "constraints.txt").read_text("utf-8").splitlines())
    pins = {re.sub(r"[-_.]+", "-", name).lower() for name in pins}
    extras = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    wanted = names([*PROJECT["dependencies"], *extras])
    assert wanted.pop("coopgap") == "coopgap[office,cluster,docs]"
    for name, requirement in wanted.items():
        assert ">=" in requirement
        assert re.sub(r"[-_.]+", "-", name).lower() in pins, name


def test_no_file_names_a_registry_or_a_place_on_a_machine():
    wrong = re.compile(r"pypi\.|pythonhosted\.|/(?:root|home|work|tmp)/|index-url")
    for path in tracked():
        text = text_of(path)
        if text is not None and path != Path(__file__):
            assert not wrong.findall(text), path


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, coopgap; print(*(m for m in ('pandas','scipy','pymc') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_hooks_are_local_and_those_of_make_check():
    """Hooks of a repository elsewhere would be fetched at the first commit."""
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"^\s*-?\s*repo:\s*(\S+)", text, re.MULTILINE) == ["local"]
    entries = re.findall(r"^\s*entry:\s*(\S+)", text, re.MULTILINE)
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\ncheck:")[2].partition("\n\n")[0]
    assert entries
    for entry in entries:
        assert f"$(BIN)/{entry.removeprefix('.venv/bin/')}" in recipe
    assert len(re.findall(r"language: system", text)) == len(entries)


def make_environment(folder: Path, working: str | None, *options: str):
    """Make .venv in a folder, with a PATH of shims: all exit 127 but the one that works."""
    make, shell = shutil.which("make"), shutil.which("sh")
    if make is None or shell is None:
        pytest.skip("needs make")
    shims = folder / "shims"
    shims.mkdir()
    names = ("python3", "python3.14", "python3.13", "python3.12", "python", "py")
    for name in {*names, working or "python"}:
        body = "exit 127"
        if name == working:  # asked with -c it answers; asked for an environment it makes a file
            body = f'test "$1" = -c && exec {sys.executable} "$@"; mkdir -p .venv/bin; '
            body += "echo made > .venv/bin/python"
        (shims / name).write_text(f"#!{shell}\n{body}\n", encoding="utf-8")
        (shims / name).chmod(0o755)
    for tool in ("mkdir", "sh"):
        (shims / tool).symlink_to(shutil.which(tool))
    shutil.copy(ROOT / "Makefile", folder)
    return subprocess.run(
        [make, f"SHELL={shell}", ".venv/bin/python", *options],
        cwd=folder,
        env={"PATH": str(shims)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.name == "nt", reason="shims are shell scripts")
@pytest.mark.parametrize(
    ("working", "options"),
    [("python3", ()), ("python3.12", ()), ("python", ()), ("mine", ("PYTHON=mine",))],
)
def test_make_takes_the_interpreter_that_runs(tmp_path, working, options):
    """A name on the PATH may be a shim with nothing behind it, which exits 127 when run."""
    done = make_environment(tmp_path, working, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{working} -m venv .venv"]
    assert (tmp_path / ".venv" / "bin" / "python").read_text() == "made\n"


@pytest.mark.skipif(os.name == "nt", reason="shims are shell scripts")
def test_make_says_so_where_no_interpreter_runs(tmp_path):
    done = make_environment(tmp_path, None)
    assert done.returncode == 2
    assert "found no Python 3.12 or later" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.slow
def test_the_wheel_ships_the_models_and_the_data(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for folder, place in (("models", "coopgap/models"), ("src/coopgap", "coopgap")):
        for path in tracked():
            if path.is_relative_to(ROOT / folder):
                assert f"{place}/{path.relative_to(ROOT / folder).as_posix()}" in inside
    assert not any(name.startswith("tests") for name in inside)
