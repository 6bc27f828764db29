"""Output folders appear whole or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

import coopgap.core.atomic
from coopgap.core.atomic import check_target, replace_folder
from coopgap.core.errors import OutputError

RUN = json.dumps({"program": "coopgap"})


def fill(folder, mark):
    (folder / "figures").mkdir()
    (folder / "figures" / "one.txt").write_text(mark)
    (folder / "run.json").write_text(RUN)
    (folder / "gaps.csv").write_text(mark)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def make(target, mark):
    with replace_folder(target) as folder:
        fill(folder, mark)


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_made_then_replaced_and_nothing_is_left_over(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(coopgap.core.atomic, "_exchange", lambda *_: False)
    target = tmp_path / "deep" / "out"
    make(target, "first")
    make(target, "second")
    assert set(contents(target).values()) == {"second", RUN}
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    make(tmp_path / "out", "first")
    assert (tmp_path / "out" / "gaps.csv").read_text() == "first"


def test_a_fault_inside_leaves_the_former_output(tmp_path):
    target = tmp_path / "out"
    make(target, "first")
    with pytest.raises(RuntimeError, match="half way"), replace_folder(target) as folder:  # noqa: PT012
        (folder / "gaps.csv").write_text("half")
        raise RuntimeError("half way")
    assert (target / "gaps.csv").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("content", ["{}", '{"program": "other"}', "[]", "not json"])
def test_somebody_elses_files_are_not_touched(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(OutputError, match="not a coopgap run"):
        check_target(tmp_path)
    with pytest.raises(OutputError), replace_folder(tmp_path):
        pytest.fail("the block must not run")
    assert (tmp_path / "run.json").read_text() == content


def test_a_file_or_a_file_as_parent_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputError, match="not a folder"):
        check_target(file)
    with pytest.raises(OutputError, match="not a folder"):
        check_target(file / "below" / "further")
    assert file.read_text() == "mine"


def test_a_link_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OutputError, match="not a folder"):
        check_target(tmp_path / "link")


def test_what_a_killed_run_set_aside_is_put_back(tmp_path):
    make(tmp_path / "out", "first")
    # No process has this number: Linux ends at 4194304.
    (tmp_path / "out").rename(tmp_path / ".out.old.99999999.abcd")
    (tmp_path / ".out.new.99999999.abcd").mkdir()
    check_target(tmp_path / "out")
    assert (tmp_path / "out" / "gaps.csv").read_text() == "first"
    make(tmp_path / "out", "second")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


LOOP = """
import sys, json, pathlib
from coopgap.core.atomic import replace_folder
print("ready", flush=True)
for mark in range(10**6):
    with replace_folder(pathlib.Path(sys.argv[1])) as folder:
        for k in range(20):
            (folder / f"{k}.txt").write_text(str(mark))
        (folder / "run.json").write_text(json.dumps({"program": "coopgap"}))
"""


def check_kill_while_writing(target, delay):
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP, str(target)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    check_target(target)
    marks = {p.read_text() for p in target.glob("*.txt")}
    assert len(list(target.glob("*.txt"))) == 20
    assert len(marks) == 1


@pytest.mark.parametrize("delay", [0.15, 0.22, 0.31])
def test_a_kill_leaves_one_whole_output(tmp_path, delay):
    make(tmp_path / "warm", "first")
    check_kill_while_writing(tmp_path / "out", delay)


@pytest.mark.slow
def test_a_hundred_kills_leave_one_whole_output_each(tmp_path):
    for k in range(100):
        check_kill_while_writing(tmp_path / "out", 0.1 + 0.003 * k)
