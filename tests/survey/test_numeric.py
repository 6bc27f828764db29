"""Numeric variables as they are read: numbers, missing codes, and one line for the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from coopgap.core.errors import SurveyError
from coopgap.study.spec import Variable
from coopgap.survey.levels import row_numbers
from coopgap.survey.numeric import numeric
from coopgap.survey.raw import from_dataframe


def variable(**more):
    keys = {"name": "age", "column": "age", "type": "numeric", "levels": (), "declared_levels": ()}
    return Variable(**keys | more)


def read(values, **more):
    return row_numbers(from_dataframe(pd.DataFrame({"age": values}), ["age"]), variable(**more))


def refused(values, **more):
    with pytest.raises(SurveyError) as caught:
        read(values, **more)
    text = str(caught.value)
    assert "\n" not in text
    return text.partition("age: ")[2]


def test_numbers_are_read_and_blanks_are_missing():
    np.testing.assert_array_equal(read([30, 41.5, None, 30]), [30, 41.5, np.nan, 30])
    np.testing.assert_array_equal(read(["30", " 41.5 ", "", "-2e1"]), [30, 41.5, np.nan, -20])


def test_declared_codes_are_missing():
    found = read([30, 98, 41, 999], missing=(98, 999))
    np.testing.assert_array_equal(found, [30, np.nan, 41, np.nan])
    np.testing.assert_array_equal(read(["30", "refused"], missing=("refused",)), [30, np.nan])


def test_a_text_is_refused_without_being_repeated():
    assert refused(["30", "about forty", "41"]) == (
        "an undeclared text (1 time); variable age is numeric: numbers, or codes declared in "
        "missing; coopgap describe FILE lists the values of a column, save texts that fewer than 5 "
        "people gave"
    )
    np.testing.assert_array_equal(read(["30", "1,5"]), [30, 1.5])


def test_codes_beyond_all_other_numbers_are_refused():
    ages = list(range(18, 90))
    assert refused([*ages, 999, 999]) == (
        "undeclared code '999' (2 times) that looks like a missing code; name it in missing, or "
        "give the range that it lies in, for variable age"
    )
    assert "'-9' (1 time)" in refused([*ages, -9])
    # 99 lies where an age may lie.
    assert np.isfinite(read([*ages, 99])).all()


def test_a_range_vouches_for_what_lies_in_it_and_for_nothing_else():
    scores = [-2, -1, 0, 1, 2]
    assert "looks like a missing code" in refused(scores)
    np.testing.assert_array_equal(read(scores, range=(-2, 2)), scores)
    assert refused([*scores, 71, 72], range=(-2, 2)) == (
        "2 numbers lie outside the declared range of variable age; allowed: -2 to 2; name codes "
        "of no answer in missing"
    )
    assert np.isnan(read([*scores, 7], range=(-2, 2), missing=(7,))[-1])


def test_knots_say_how_far_numbers_reach():
    ages = list(range(18, 60))
    assert "looks like" in refused([*ages, 999], knots=(20.0, 40.0, 60.0))
    assert np.isfinite(read([*ages, 99], knots=(20.0, 40.0, 60.0))).all()


def test_a_line_has_one_column_and_a_spline_one_a_knot_but_the_first():
    values = np.array([18.0, 30.0, 55.0])
    line = numeric("age", values)
    assert line.terms == ("age",)
    np.testing.assert_allclose(line.columns[:, 0] * line.scale, values)
    curve = numeric("age", values, (20, 40, 60.5))
    assert curve.terms == ("age[40]", "age[60.5]")
    assert curve.columns.shape == (3, 2)


@pytest.mark.parametrize(
    ("values", "knots", "independent"),
    [
        (range(18, 80), (), True),
        (range(18, 80), (20, 40, 60), True),
        (range(18, 80), (10, 40, 60, 95), True),  # the outer knots beyond everybody
        (range(18, 80), (100, 120, 140), False),  # a straight line is left
        (range(18, 80), (-30, -20, 0), False),
        (range(18, 80), (1, 5, 10, 90), False),  # one curve between two knots has two parts less
        ((30, 50), (20, 40, 60), False),  # two points make no curve
        ((30, 40, 50), (20, 40, 60), True),
    ],
)
def test_knots_need_numbers_among_them(values, knots, independent):
    found = numeric("age", np.array(values, dtype=float), knots)
    assert found.independent is independent
    # A least-squares fit tells it too: without independence another set of slopes is as good.
    with_constant = np.column_stack([np.ones(len(found.values)), found.columns])
    smallest = float(np.linalg.svd(with_constant, compute_uv=False)[-1])
    enough = len(values) >= with_constant.shape[1]
    assert (enough and smallest > 1e-8) is independent


def test_what_the_file_itself_calls_missing_is_no_number_whatever_the_range():
    raw = from_dataframe(pd.DataFrame({"age": [30, 41, 97, 98]}), ["age"])
    raw = replace(raw, user_missing={"age": ((97, 98),)})
    for more in ({}, {"range": (0, 110)}):
        with pytest.raises(SurveyError, match="undeclared code '97'"):
            row_numbers(raw, variable(**more))
    found = row_numbers(raw, variable(missing=(97, 98)))
    np.testing.assert_array_equal(found, [30, 41, np.nan, np.nan])
