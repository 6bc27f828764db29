"""Numbers and vocabulary as the report words them."""

from __future__ import annotations

import math

import pytest

from coopgap.checks.registry import checks
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.vocabulary import Check, Diagnostic, Family, Population, Status, Verdict
from coopgap.report import plan, words


def test_a_table_says_what_the_statuses_in_its_cells_mean():
    assert words.status_notes(["+1.0", "few clusters"]) == (
        "Few clusters: too few zones to rely on the interval.",
    )
    assert words.status_notes(["not estimable", "–"]) == ()


@pytest.mark.parametrize(
    ("category", "levels", "expected"),
    [
        ("", ("no", "yes"), "yes"),
        ("", ("C", "B", "A"), ""),
        (">=A", ("C", "B", "A"), "A"),
        (">=B", ("C", "B", "A"), "B or higher"),
        ("<B", ("C", "B", "A"), "below B"),
        ("<25", ("x", "y", "z"), "<25"),
        ("B", ("C", "B", "A"), "B"),
    ],
)
def test_thresholds_in_words(category, levels, expected):
    assert words.category_words(category, levels) == expected


def test_every_word_of_the_vocabulary_has_words():
    assert set(words.FAMILIES) == set(Family)
    assert set(words.POPULATIONS) == set(Population)
    assert set(words.STATUSES) == set(Status)
    assert set(words.VERDICTS) == set(Verdict)
    assert {check for check in Check if check not in checks()} == set()
    assert all(one.title and one.question.endswith("?") for one in checks().values())


def test_control_characters_become_visible():
    assert words.clean("a\x00b\x1bc") == "a�b�c"
    assert words.clean("tab\tand\nline") == "tab\tand\nline"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.091, "9.1"),
        (-0.0004, "0.0"),
        (-0.013, "−1.3"),
        (None, "–"),
        (math.nan, "–"),
        (0.99999, "100.0"),
    ],
)
def test_points_have_one_decimal_and_a_true_minus(value, expected):
    assert words.points(value) == expected


def test_signs_are_shown_only_where_there_is_one():
    assert words.points(0.02, signed=True) == "+2.0"
    assert words.points(0.0, signed=True) == "0.0"
    assert words.points(-0.02, signed=True) == "−2.0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "<\N{NO-BREAK SPACE}0.001"),
        (0.00099, "<\N{NO-BREAK SPACE}0.001"),
        (0.0123, "0.012"),
        (0.4567, "0.46"),
        (None, "–"),
    ],
)
def test_p_values_stop_where_nobody_can_use_them(value, expected):
    assert words.p_value(value) == expected


def test_ratios_have_two_decimals_and_counts_mark_thousands():
    assert words.ratio(1.2345) == "1.23"
    assert words.count(1004) == "1,004"


def test_few_clusters_keep_their_numbers_and_their_warning():
    text = words.estimate_words("risk_difference", 0.05, 0.01, 0.09, "few_clusters")
    assert text.startswith("+5.0")
    assert "few clusters" in text


def test_intervals_are_named_by_kind():
    assert words.interval_name(0.95, "confidence") == "95 % confidence interval"
    assert words.interval_name(0.9, "credible") == "90 % credible interval"
    assert words.interval_name(None, "bounds") == "bounds"


def test_an_estimate_without_number_says_why():
    for status in Status:
        text = words.estimate_words("risk_difference", None, status=status)
        assert text == (words.status_word(status) or "–")


def test_the_plan_counts_one_member_and_several():
    kind = Diagnostic.STRATUM_MEMBERS_ONLY
    rows = [
        DiagnosticRow(model="m", diagnostic=kind, value=value, about=about, source="")
        for about, value in (("south", 1.0), ("north", 2.0))
    ]
    assert plan._cells(kind, rows).endswith(": south (1 member); north (2 members)")
