from __future__ import annotations

import pytest

from coopgap.checks.registry import checks
from coopgap.core.vocabulary import Check, Family, Population, Status, Verdict
from coopgap.report import words


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
