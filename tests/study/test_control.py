"""The exclusion that a study may state for its negative control."""

from __future__ import annotations

import pytest

from coopgap.core.errors import StudyError
from coopgap.study.load import load_study
from coopgap.study.spec import NegativeControl

MARK = '[variables.helped]\ntype = "binary"\n'
ROLE = f'{MARK}role = {{ helped = "negative_control" }}\n'
TABLE = """\
[negative_control]
variable = "helped"
outcomes = ["trust"]
exclusion = "Help is given to all."
"""
HELPED = """\
outcome = "helped"
covariates = ["age_band"]
[matching]
method = "exact"
on = ["age_band"]
"""


@pytest.fixture
def declare(make_study):
    """The small study with a model of `helped` and some text before its variables."""

    def make(table, role=ROLE):
        folder = make_study(study={MARK: role, "[phone]\n": f"{table}[phone]\n"})
        (folder / "helped.toml").write_text(HELPED, encoding="utf-8")
        return folder

    return make


def test_the_exclusion_as_declared_and_none_by_itself(declare, make_study):
    found = load_study(declare(TABLE)).negative_control
    assert found == NegativeControl(
        variable="helped", outcomes=("trust",), exclusion="Help is given to all."
    )


def test_a_control_alone_declares_no_exclusion(declare):
    assert load_study(declare("")).negative_control is None


@pytest.mark.parametrize(
    ("old", "new", "where", "found", "allowed"),
    [
        (
            'variable = "helped"',
            'variable = "hungry"',
            "negative_control.variable",
            'is "hungry"',
            "allowed: helped, trust",
        ),
        (
            'variable = "helped"',
            'variable = "trust"',
            "negative_control.variable",
            "trust has not that role",
            'give it role = { trust = "negative_control" }',
        ),
        ('["trust"]', "[]", "negative_control.outcomes", "is absent or empty", "allowed: trust"),
        (
            '["trust"]',
            '["trust", "helped"]',
            "negative_control.outcomes",
            'holds "helped"',
            "allowed: outcomes other than controls: trust",
        ),
        (
            'exclusion = "Help is given to all."\n',
            "",
            "negative_control.exclusion",
            "is absent",
            "give a text",
        ),
        (
            '"Help is given to all."',
            '" "',
            "negative_control.exclusion",
            "is empty",
            "give a text",
        ),
        (
            "exclusion",
            "exclusions",
            "negative_control",
            "unknown key exclusions",
            "did you mean exclusion?",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_what_is_allowed(declare, old, new, where, found, allowed):
    assert TABLE.count(old) == 1
    with pytest.raises(StudyError) as error:
        load_study(declare(TABLE.replace(old, new)))
    text = str(error.value)
    assert text.startswith(f"study.toml: {where}: {found}")
    assert allowed in text


def test_the_variable_needs_the_role(declare):
    with pytest.raises(StudyError, match="helped has not that role"):
        load_study(declare(TABLE, role=MARK))


def test_the_shipped_study_declares_no_exclusion():
    assert load_study("peru").negative_control is None
