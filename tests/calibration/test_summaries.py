"""The committed calibrations: each whole, none rejected, and told in the book."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from .departments import NAMES, REGIONS, SIMS

HERE = Path(__file__).parent
# Only outcomes of more than two levels have shifts: those of ses were made again, in less time,
# under Normal(0, 0.5) on each shift.
WANTED = {
    ("ses", "default"): 100,
    ("trust_agree", "default"): 500,
    ("ses", "small"): 50,
    ("trust_agree", "small"): 200,
    ("ses", "empty_cell"): 50,
    ("trust_agree", "empty_cell"): 200,
}


def read(model, design):
    with (HERE / f"{model}-{design}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def line(model, design):
    """A line of the book's table."""
    rows = read(model, design)
    within = [100 * float(row["within_95"]) for row in rows]
    cells = (
        f"`{model}`",
        rows[0]["n_levels"],
        f"`{design}`",
        rows[0]["n_sims"],
        rows[0]["n_withheld"],
        str(len(rows)),
        str(sum(row["inside_95"] == "True" for row in rows)),
        str(sum(row["inside_999"] == "True" for row in rows)),
        f"{min(within):.1f} to {max(within):.1f}",
    )
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize(("model", "design"), WANTED)
def test_the_committed_summaries_are_whole(model, design):
    rows = read(model, design)
    assert {int(row["n_sims"]) for row in rows} == {WANTED[model, design]}
    groups = {"all", *(f"region={name}" for name in ("Lima", "Center", "East", "North", "South"))}
    assert {row["group"] for row in rows} == groups
    # Replicates have a quarter of a fit's draws, and R-hat's bar is the same.
    assert int(rows[0]["n_withheld"]) < 0.1 * WANTED[model, design]
    assert all(row["inside_999"] == "True" for row in rows)


@pytest.mark.parametrize(("model", "design"), WANTED)
def test_the_book_tells_them(model, design, page):
    assert line(model, design) in page("explanation/coverage.md")


def test_the_committed_summary_of_departments_is_whole():
    """Of every department, nobody's and that without members included, and of both slopes."""
    rows = read("invented", "departments")
    assert {int(row["n_sims"]) for row in rows} == {SIMS}
    wanted = {"all", *(f"region={name}" for name in REGIONS), *(f"department={n}" for n in NAMES)}
    assert {row["group"] for row in rows} == wanted
    slopes = {(row["quantity"], row["category"]) for row in rows if row["group"] == "all"}
    assert {("area", "poverty"), ("area_gap", "poverty"), ("latent", "")} <= slopes
    assert int(rows[0]["n_withheld"]) < 0.1 * SIMS
    assert all(row["inside_999"] == "True" for row in rows)
    # Half of the rows outside of a band that one in twenty leaves would be no calibration.
    assert sum(row["inside_95"] == "True" for row in rows) >= 0.85 * len(rows)
