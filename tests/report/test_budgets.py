"""The committed example is what its tables give, and no longer than a reader has time for."""

from __future__ import annotations

import re
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from coopgap.app.cli import run

sys.path.insert(0, str(Path(__file__).parent))
from measure import browser, measure, pixels

main = partial(run, "report")

EXAMPLE = Path(__file__).parents[2] / "reports" / "example"


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """The committed example, its pages made anew from its tables."""
    folder = tmp_path_factory.mktemp("reports") / "example"
    shutil.copytree(EXAMPLE, folder)
    for name in ("report.md", "report.html"):
        (folder / name).unlink()
    assert main([str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def size(again):
    return measure((again / "report.html").read_text(encoding="utf-8"))


def test_the_committed_report_is_a_snapshot_of_what_the_templates_say(again):
    committed = (EXAMPLE / "report.md").read_text(encoding="utf-8")
    assert (again / "report.md").read_text(encoding="utf-8") == committed


def test_the_summary_is_read_in_a_minute(size):
    assert 100 < size.sections["summary"] <= 450


def test_an_outcome_is_told_in_250_words(size):
    outcomes = {name: n for name, n in size.sections.items() if name.startswith("outcome-")}
    assert len(outcomes) == 4
    assert max(outcomes.values()) <= 250


def test_the_page_is_read_in_five_minutes(size):
    assert size.words["open"] <= 2500
    assert size.words["closed"] <= 6000
    assert size.figures["open"] <= 12


def test_open_text_has_no_range_from_a_number_to_itself(again):
    text = (again / "report.md").read_text(encoding="utf-8")
    ranges = re.findall(r"(?<![\d.,])([−+]?\d[\d.,]*\d?) to ([−+]?\d[\d.,]*)", text)
    assert ranges
    assert [pair for pair in ranges if pair[0] == pair[1].rstrip(".,")] == []


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no headless Chromium")
def test_the_page_fits_its_screens(again):
    page = (again / "report.html").read_text(encoding="utf-8")
    wide, narrow = pixels(page, 1200), pixels(page, 390)
    assert wide["height"] <= 12_000
    assert wide["summary"] <= 900
    assert wide["headline"] < 300
    assert wide["width"] <= 1200
    assert narrow["width"] <= 390
