"""Whatever goes wrong is one line and an exit code."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from coopgap.app.cli import run_command
from coopgap.core.atomic import check_target
from coopgap.core.errors import OutputError, StudyError, WorkerError
from coopgap.fit import main
from coopgap.study.load import load_study

LONG = "a" * 5000


def raising(error, cause=None):
    def work():
        raise error from cause

    return work


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (raising(OSError(errno.ENOSPC, "No space left on device", "out/gaps.csv")), "make room"),
        (raising(OSError(errno.EFBIG, "File too large")), "ulimit -f"),
        (raising(MemoryError("Unable to allocate 9 GiB")), "ulimit -v"),
        (raising(ValueError("writer"), OSError(errno.EDQUOT, "Quota exceeded")), "make room"),
        (raising(ImportError("x.so: failed to map segment from shared object")), "ulimit -v"),
        (raising(WorkerError("a process ended without a result")), "killed"),
        (raising(OSError(errno.ENAMETOOLONG, "File name too long", LONG)), "shorter path"),
    ],
)
def test_limits_of_the_machine_are_one_line_and_exit_2(work, words, capsys):
    assert run_command(work) == 2
    said = capsys.readouterr().err
    assert said.startswith("coopgap: ")
    assert said.count("\n") == 1
    assert words in said
    assert len(said) < 400


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "gone", "x")])
def test_a_fault_keeps_its_traceback(error, capsys):
    assert run_command(raising(error)) == 1
    assert "Traceback" in capsys.readouterr().err


def test_sigterm_cleans_up_and_is_143(capsys):
    former, cleaned = signal.getsignal(signal.SIGTERM), []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)
        return 0

    assert run_command(work) == 143
    assert cleaned
    assert capsys.readouterr().err == "coopgap: terminated; nothing was written\n"
    assert signal.getsignal(signal.SIGTERM) is former


@pytest.mark.parametrize(
    "arguments",
    [
        [LONG, "--dry-run"],
        ["peru", "--data", f"{LONG}.csv", "--dry-run"],
        ["peru", "--only", "neighbours", "--out", LONG],
        ["peru", "--only", "neighbours", "--out", "/".join(["b" * 100] * 60)],
        ["peru", "--only", "neighbours", "--out", "x\0y"],
    ],
)
def test_paths_that_no_system_has(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_output_path_with_nul_is_refused_from_python_too(tmp_path):
    with pytest.raises(OutputError, match="no path of this system"):
        check_target(tmp_path / "x\0y")


def test_a_limit_on_files_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "coopgap.example", "--out", str(tmp_path / "x.csv")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "File too large" in done.stderr
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("number", "words"), [("9" * 5000, "is not TOML"), ("0x" + "f" * 5000, "beyond 64 bits")]
)
def test_whole_numbers_of_thousands_of_digits(tmp_path, number, words):
    (tmp_path / "study.toml").write_text(f'title = "x"\nmore = [{{ a = [{number}] }}]\n')
    with pytest.raises(StudyError, match=words):
        load_study(tmp_path)
