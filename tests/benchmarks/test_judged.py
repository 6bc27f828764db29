"""What the benchmarks say of a number, and that every target has a script that judges it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..studies import scripts

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def judged():
    with scripts(HERE, "judged") as made:
        yield made["judged"]


@pytest.mark.parametrize(
    ("value", "reaches", "stays"),
    [(9.99, "missed", "met"), (10.0, "met", "met"), (10.01, "met", "missed")],
)
def test_a_bar_is_reached_or_kept_within(judged, value, reaches, stays):
    assert judged.at_least("a", value, 10, "times").verdict == reaches
    assert judged.at_most("a", value, 10, "times").verdict == stays


def test_what_cannot_be_measured_is_neither(judged):
    one = judged.at_least("a", None, 10, "times")
    assert (one.met, one.found, one.verdict) == (None, "-", "not measured")
    assert judged.beside("a", 1.0, "s").verdict == ""
    assert judged.at_most("a", 1.0, None, "s") == judged.beside("a", 1.0, "s")


def test_results_are_written_and_read_again(judged, tmp_path, capsys, monkeypatch):
    # R, which is slow to start, has a line of its own where there is one.
    monkeypatch.setattr(judged.shutil, "which", lambda name: None)
    found = [judged.at_most("ours", 0.25, 1, "s"), judged.beside("pairs", 1003, "")]
    judged.finish(found, tmp_path / "results.jsonl")
    judged.finish(found[:1], tmp_path / "results.jsonl")
    assert judged.load(tmp_path / "results.jsonl") == [*found, found[0]]
    assert judged.load(tmp_path / "none.jsonl") == []
    assert capsys.readouterr().out.splitlines()[0].split()[-4:] == ["most", "1", "s", "met"]
    text = judged.markdown([("matching", found)])
    assert "| ours | 0.250 s | at most 1 s | met |" in text
    assert "| pairs | 1,003 |  |  |" in text
    assert f"Python {sys.version.split()[0]}" in text


def test_writing_takes_a_run_of_all():
    command = [sys.executable, str(HERE / "run.py"), "ordinal", "--write"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "a run of all" in done.stderr


def test_every_benchmark_is_run_and_judges():
    text = (HERE / "run.py").read_text(encoding="utf-8")
    names = re.findall(r'"(\w+)"', text[text.index("NAMES =") :].splitlines()[0])
    scripts = {path.stem.removeprefix("benchmark_") for path in HERE.glob("benchmark_*.py")}
    assert set(names) == scripts
    for name in names:
        script = (HERE / f"benchmark_{name}.py").read_text(encoding="utf-8")
        assert re.search(r"at_(least|most)\(", script), name
        assert re.search(r"options\.results|main\(__doc__, judge", script), name
