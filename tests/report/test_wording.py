"""No word of cause in what the shipped studies' pages say of members and non-members."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CAUSAL = re.compile(
    r"\b(?:effects?|impacts?|caus(?:e|es|ed|ing|al)|because of membership|due to membership"
    r"|leads? to|results? in|improv(?:e|es|ed)|rais(?:e|es|ed)|boost(?:s|ed)?"
    r"|makes? (?:members|people)|thanks to|benefit(?:s|ed)? from)\b",
    re.IGNORECASE,
)
"""What membership is never said to do."""

ALLOWED = re.compile(
    r"design effects?|causal wording|average treatment effect[^.]*|random effects?"
    r"|“[^”]*”|\*[^*]*\*|effective",
    re.IGNORECASE,
)
"""Standard terms, quotations and titles of what is cited."""

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("report", sorted(ROOT.glob("reports/example/report.md")))
def test_the_shipped_report_has_no_word_of_cause(report):
    text = ALLOWED.sub(" ", " ".join(report.read_text(encoding="utf-8").split()))
    assert [found[0] for found in CAUSAL.finditer(text)] == []


@pytest.mark.parametrize(
    "sentence",
    ["Membership leads to trust.", "The impact of membership", "Members benefit from it."],
)
def test_a_word_of_cause_is_found(sentence):
    assert CAUSAL.search(ALLOWED.sub(" ", sentence))


def test_standard_terms_are_left_alone():
    text = "A design effect of 1.5 and an effective sample size of 655."
    assert not CAUSAL.search(ALLOWED.sub(" ", text))
