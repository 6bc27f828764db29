from __future__ import annotations

import math

import pytest

from coopgap.core.vocabulary import Status
from coopgap.report import words
from coopgap.report import words as values


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
    assert values.points(value) == expected


def test_signs_are_shown_only_where_there_is_one():
    assert values.points(0.02, signed=True) == "+2.0"
    assert values.points(0.0, signed=True) == "0.0"
    assert values.points(-0.02, signed=True) == "−2.0"


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
    assert values.p_value(value) == expected


def test_ratios_have_two_decimals_and_counts_mark_thousands():
    assert values.ratio(1.2345) == "1.23"
    assert values.count(1004) == "1,004"


def test_few_clusters_keep_their_numbers_and_their_warning():
    text = values.estimate_words("risk_difference", 0.05, 0.01, 0.09, "few_clusters")
    assert text.startswith("+5.0")
    assert "few clusters" in text


def test_intervals_are_named_by_kind():
    assert values.interval_name(0.95, "confidence") == "95 % confidence interval"
    assert values.interval_name(0.9, "credible") == "90 % credible interval"
    assert values.interval_name(None, "bounds") == "bounds"


def test_an_estimate_without_number_says_why():
    for status in Status:
        text = values.estimate_words("risk_difference", None, status=status)
        assert text == (words.status_word(status) or "–")
