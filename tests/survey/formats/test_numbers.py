"""Numbers written as text: what may be a decimal or a thousand is never guessed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from coopgap.core.errors import SurveyError
from coopgap.study.spec import Variable
from coopgap.survey.draft import draft_study
from coopgap.survey.levels import level_codes, numbers_of
from coopgap.survey.profile import Kind, profile
from coopgap.survey.read import read_table
from coopgap.survey.values import as_number, read_numbers, shows_commas

pytestmark = pytest.mark.usefixtures("in_process")

INCOME = Variable(
    name="income",
    column="income",
    type="banded",
    levels=("<400", "400-699", "700+"),
    declared_levels=("<400", "400-699", "700+"),
    cuts=(400.0, 700.0),
    missing=(99,),
)


def read(folder, frame, columns, **options):
    path = folder / "survey.csv"
    frame.to_csv(path, index=False, **options)
    return read_table(path, columns)


def test_a_number_has_a_decimal_point():
    values = ["1.5", " 2 ", "1e2", 3, "1,5", True, "x"]
    assert [*map(as_number, values)] == [1.5, 2.0, 100.0, 3.0, None, None, None]


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["5,3", "2"], True),
        (["1,5", "2"], False),
        (["0,123", "n/a", ""], True),
        (["2,1", "1,234"], True),
        ([",5", "-3,75"], True),
        (["1,234", "12,345"], False),
        (["1,3", "2,5", "3"], False),
        (["1,3,4", "3,1"], False),
        (["1,5", "2.5"], False),
        (["1", "2"], False),
        (["Lima, 3", "0,5"], False),
    ],
)
def test_decimal_commas_are_neither_thousands_nor_lists(texts, shown):
    assert shows_commas(texts) is shown


@pytest.mark.parametrize(
    ("texts", "commas_in", "delimiter", "numbers"),
    [
        (["1,5", "2", "n/a"], "", ";", (1.5, 2.0, None)),
        (["1,234", "0,5"], "", ";", (1.234, 0.5)),
        (["1,234", "789"], "w", ";", (1.234, 789.0)),
        (["1,234", "789"], "", ",", "comma may be thousands"),
        (["1.234", "789"], "w", ";", "'w' has decimal commas"),
        (["1.234.567", "789"], "w", ";", (None, 789.0)),
        (["1.234", "0.75"], "w", ";", (1.234, 0.75)),
        (["1.5", "2,5"], "", ";", "some a comma"),
        (["1.001", "1.002", "1.003", "1.004", "1.005", "7"], "", ";", "four digits together"),
        (["1.001", "1.002", "1.003", "1.004", "1.005", "7"], "", ",", None),
        (["1.001", "1.002", "1.003", "1.004", "1.005"], "", ";", None),
        (["1.001", "1.002", "1.003", "1.004", "1.005", "1006"], "", ";", None),
        (["1.001", "1.002", "1.003", "1.004", "1.05", "7"], "", ";", None),
    ],
)
def test_marks_that_may_be_either_are_a_problem(texts, commas_in, delimiter, numbers):
    found, problem = read_numbers(texts, commas_in, delimiter)
    if isinstance(numbers, str):
        assert numbers in problem
    else:
        assert problem == ""
        assert found == list(numbers or map(float, texts))


def test_a_thousand_beside_decimal_commas_is_refused(tmp_path):
    """The weights, which the study does not use, show that 1.234 may be a thousand."""
    frame = pd.DataFrame({"income": ["789", "1.234", "350"], "w": ["0,5", "1,25", "1"]})
    raw = read(tmp_path, frame, ["income"], sep=";")
    with pytest.raises(SurveyError) as caught:
        level_codes(raw, INCOME)
    message = str(caught.value)
    assert "income: its numbers with a point may be thousands: 'w' has decimal commas" in message
    assert "write every number with a decimal point" in message
    assert "1.234" not in message


def test_the_draft_says_which_numbers_cannot_be_told(tmp_path):
    frame = pd.DataFrame({"income": ["789", "1.234", "350"] * 9, "w": ["0,5", "1,25", "1"] * 9})
    text = draft_study(read(tmp_path, frame, None, sep=";"), "survey.csv")
    assert '# "income": its numbers with a point may be thousands' in text
    assert 'levels = ["0,5", "1", "1,25"]' in text
    assert '# "w"' not in text


def test_the_same_without_marks_is_read(tmp_path):
    frame = pd.DataFrame(
        {"income": ["789", "1234", "350,5", "99,0"], "w": ["0,5", "1,25", "1", "1"]}
    )
    raw = read(tmp_path, frame, None, sep=";")
    assert level_codes(raw, INCOME).tolist() == [2, 2, 0, -1]
    weights = raw.answers("w")
    assert numbers_of(raw, "w")[weights.index].tolist() == [0.5, 1.25, 1.0, 1.0]


def test_quoted_decimal_commas_in_a_file_parted_by_commas(tmp_path):
    frame = pd.DataFrame({"income": ["400,5", "399,9"]})
    raw = read(tmp_path, frame, None)
    assert (raw.delimiter, raw.decimal_commas) == (",", "income")
    assert level_codes(raw, INCOME).tolist() == [1, 0]


def test_lists_of_codes_are_no_decimals(tmp_path):
    frame = pd.DataFrame({"crops": ["1,3", "2", "2,5"], "income": ["1.234", "0.5", "350"]})
    raw = read(tmp_path, frame, None, sep=";")
    assert raw.decimal_commas == ""
    assert raw.answers("crops").texts == ("1,3", "2", "2,5")
    assert level_codes(raw, INCOME).tolist() == [0, 0, 0]


def test_a_scale_with_decimal_commas_is_drafted_as_one(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"w": rng.lognormal(0, 0.5, 60).round(3)})
    raw = read(tmp_path, frame.assign(k=1), None, sep=";", decimal=",")
    found = profile(raw, "w")
    assert found.kind is Kind.SCALE
    assert sorted(found.numbers.tolist()) == sorted(frame["w"].tolist())
