"""Processes that end with their parent, with a cache of their own each."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from coopgap.core.errors import WorkerError
from coopgap.core.executor import executor

SLEEPER = """
import os, sys, time
from coopgap.core.executor import executor
with executor(1) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


def cache_of_this_process(_number):
    time.sleep(0.3)
    return os.environ["NUMBA_CACHE_DIR"], os.environ["OMP_NUM_THREADS"]


def end_at_once():
    os._exit(9)


def test_each_process_has_a_cache_of_its_own():
    with executor(2) as pool:
        found = {
            future.result() for future in [pool.submit(cache_of_this_process, k) for k in range(8)]
        }
    assert len(found) == 2
    assert {threads for _, threads in found} == {"1"}


def test_a_process_that_ends_without_a_result_is_said():
    with pytest.raises(WorkerError, match="without a result"), executor(1) as pool:
        pool.submit(end_at_once).result()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="a parent's end does not show in getppid there")
def test_a_killed_parent_leaves_no_process_behind():
    parent = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.communicate(timeout=30)
    for _ in range(100):
        if not alive(worker):
            break
        time.sleep(0.1)
    assert not alive(worker)
