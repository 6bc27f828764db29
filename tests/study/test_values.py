from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.study.values import lossless, normalise


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1", "1"),
        ("1.0", "1"),
        (" 01 ", "1"),
        ("+1", "1"),
        ("1e0", "1"),
        (-0.0, "0"),
        ("-0", "0"),
        (1.5, "1.5"),
        ("1.50", "1.5"),
        (True, "true"),
        (False, "false"),
        ("True", "true"),
        (" TRUE ", "true"),
        ("  a word ", "a word"),
        ("n/a", "n/a"),
        ("", ""),
        ("nan", "nan"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("1,5", "1,5"),
        ("1_000", "1_000"),
        ("١", "١"),
        ("e", "e"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_one_spelling(value, text):
    assert normalise(value) == text


def test_long_identifiers_stay_apart():
    # 2**53 and 2**53 + 1 are one float.
    assert normalise("9007199254740993") != normalise("9007199254740992")
    assert normalise(9007199254740993) == normalise("9007199254740993")


VALUES = st.one_of(st.booleans(), st.integers(), st.floats(), st.text())


@settings(max_examples=50)
@given(VALUES)
def test_normalising_twice_changes_nothing(value):
    once = normalise(value)
    assert normalise(once) == once


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_whole_numbers_are_equal_however_they_are_written(number):
    spellings = {number, float(number), str(number), f" {number}.0 ", repr(float(number))}
    assert {normalise(value) for value in spellings} == {str(number)}


@given(st.floats(-(2.0**53) + 1, 2.0**53 - 1))
def test_a_float_is_equal_to_its_own_text(number):
    assert normalise(number) == normalise(repr(number))


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_different_numbers_stay_different(one, other):
    assert (normalise(one / 4) == normalise(other / 4)) == (one == other)


def test_texts_are_numbers_only_where_that_loses_nothing():
    assert lossless(["1", "2.5", "n/a", "", 1.0])
    assert lossless(["1.10", " 1.10"])
    assert lossless(["True", "TRUE"])
    assert not lossless(["1.1", "1.10"])
    assert not lossless(["1", "01", "n/a"])
    assert not lossless(["7", "7.0"])


def test_an_accent_is_part_of_its_letter_however_it_is_coded():
    apart = "Si\u0301, se\u00f1or"
    assert normalise(apart) == normalise("S\u00ed, sen\u0303or") == "S\u00ed, se\u00f1or"
    assert normalise(apart, numeric=False) == "S\u00ed, se\u00f1or"
    assert normalise("Si") != normalise("S\u00ed")
