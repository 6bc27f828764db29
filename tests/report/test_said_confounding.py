"""What the report says of an unmeasured confounder."""

from __future__ import annotations

import pytest

from coopgap.estimate import SensitivityRow
from coopgap.report.content.checks import check_blocks
from coopgap.report.content.said.dispatch import said
from coopgap.report.document import Table
from coopgap.report.view import make_view


@pytest.fixture
def view(build):
    return make_view(build.frames(), build.study(), build.meta())


def row(check, quantity, outcome="ses", **values):
    return SensitivityRow(
        check=check, model=outcome, outcome=outcome, quantity=quantity, source="x", **values
    )


def sentence(view, rows):
    ((_, text),) = said(view, rows)
    return text


def bias(category, gamma, outcome="ses"):
    return [
        row("rosenbaum", "n_sets", outcome, category=category, variant="sets", estimate=40.0),
        row(
            "rosenbaum",
            "p_bound",
            outcome,
            category=category,
            variant="largest p, Γ 1",
            threshold=1.0,
            p_value=0.2 if gamma == 1 else 0.001,
        ),
        row(
            "rosenbaum",
            "gamma",
            outcome,
            category=category,
            variant="Γ at p 0.025",
            threshold=0.025,
            estimate=gamma,
        ),
    ]


def test_hidden_bias_is_said_of_the_whole_distribution_and_of_the_thresholds(view):
    rows = [*bias("", 1.5), *bias(">=B", 1.2), *bias(">=A", 1.0)]
    text = sentence(view, rows)
    assert "for the whole distribution stays below 0.025" in text
    assert "no more than 1.50" in text
    assert "between 1.00 (“A”) and 1.20 (“B or higher”)" in text


def test_a_p_value_above_the_level_needs_no_bias(view):
    text = sentence(view, bias("", 1.0, "agree"))
    assert "for “yes”, 0.20, is above 0.025 without any hidden bias" in text


def test_bounds_stand_side_by_side_as_p_values(view):
    rows = [*bias("", 1.5), *bias(">=B", 1.2)]
    table = next(block for block in check_blocks(view, rows) if isinstance(block, Table))
    assert table.header == ("Outcome", "At", "Sets", "Largest p, Γ 1", "Γ at p 0.025")
    assert table.rows[0][1:] == ("whole distribution", "40", "0.001", "1.50")


def test_the_weakest_e_value_is_said_with_its_place(view):
    rows = [
        row("e_value", "e_value", category=">=A", estimate=3.9, lower=2.9),
        row("e_value", "e_value", category="<B", estimate=1.4, lower=1.2),
    ]
    text = sentence(view, rows)
    assert "by a risk ratio of 1.40 each (“below B”)" in text
    assert "into an interval, 1.20 would do (“below B”)" in text
    rows[0] = row("e_value", "e_value", category=">=A", estimate=3.9, lower=1.0)
    assert "An interval holds one as it is (“A”)." in sentence(view, rows)
