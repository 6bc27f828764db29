"""Contradictions of a printed report: each rule on small registries, and by brute force."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from coopgap.datasets.registry import load_registry
from coopgap.printed.contradictions import RULES, contradictions

CASES = [
    pytest.param(rule, case, id=name)
    for rule, cases in tomllib.loads(
        (Path(__file__).parent / "contradictions.toml").read_text(encoding="utf-8")
    ).items()
    for name, case in cases.items()
]


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_a_rule_finds_what_cannot_be(registry, rule, case):
    found = list(RULES[rule](registry(*case["lines"])))
    assert [size for size, _ in found] == pytest.approx([case["size"]] if "size" in case else [])
    assert all(case["words"] in sentence for _, sentence in found)


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [("36.7", "37", False), ("36.7", "38", True), ("37", "37.5", False), ("36.4", "37", True)],
)
def test_two_values_that_one_count_rounds_to_are_none(registry, first, second, clash):
    # Of 120 people 44 are 36.67 percent.
    halves = {value: 0.5 / 10 ** len(value.partition(".")[2]) for value in (first, second)}
    possible = any(
        all(abs(100 * k / 120 - float(value)) <= half for value, half in halves.items())
        for k in range(121)
    )
    lines = [f"T{value},member,thing,yes,percent,{value},120" for value in (first, second)]
    assert bool(list(RULES["two_values"](registry(*lines)))) is clash is not possible


@pytest.mark.parametrize(
    ("part", "whole", "word"),
    [
        (("women members", 95, 100), ("member", 20, 200), "more"),
        (("women members", 40, 100), ("member", 20, 200), ""),
        (("women members", 5, 100), ("member", 75, 110), "fewer"),
        (("member", 90, 100), ("all", 40, 200), "more"),
        (("women non-members", 90, 100), ("non-member", 40, 200), "more"),
        (("women non-members", 90, 100), ("member", 40, 200), ""),
    ],
)
def test_a_part_that_is_more_than_its_whole_allows(registry, part, whole, word):
    lines = [f"Text,{g},thing,yes,percent,{value},{base}" for g, value, base in (part, whole)]
    found = list(RULES["two_values"](registry(*lines)))
    counts = [
        [k for k in range(base + 1) if abs(100 * k / base - value) <= 0.5]
        for _, value, base in (part, whole)
    ]
    possible = any(a <= b and part[2] - a <= whole[2] - b for a in counts[0] for b in counts[1])
    if not word:
        assert not found
        return
    assert not possible
    ((size, sentence),) = found
    assert f", {word} than {whole[1]} of {whole[2]} in Text allow" in sentence
    over = (min(counts[0]) - max(counts[1])) / whole[2]
    assert size == pytest.approx(over) if word == "more" else size > 0


def test_contradictions_of_the_printed_report_do_not_rest_on_notes(peru):
    shipped = load_registry("peru")
    bare = replace(shipped, rows=tuple(replace(row, note="") for row in shipped.rows))
    found = [row.note for row in contradictions(bare)]
    notes = [row.note for row in peru.diagnostics if row.diagnostic == "contradiction"]
    # A note is added to what is found, and finds nothing.
    assert found == [note.partition(" (66 under 25 years")[0] for note in notes]
    for words in (
        ("81 in", "83 in"),
        ("60 in", "73 in"),
        ("called non-members",),
        ("61 in Key Finding 5, 62 in Figure 6",),
        ("58 in Key Finding 5, 61 in Economic",),
        ("sum to 98, not to 100, unless some answers are not printed",),
        ("age, under 25 years old: 66 in", "sum to 110"),
    ):
        assert any(all(word in note for word in words) for note in found), words
    assert not any("Key Finding 1 sum" in note for note in found)
    # As of when: the registry's own note.
    assert any("compatible as of 2017, not as of 2021" in note for note in notes)
