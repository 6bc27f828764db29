"""Contradictions of a printed report: each rule on small registries, and by brute force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coopgap.datasets.registry import load_registry
from coopgap.printed.contradictions import RULES, contradictions

AGE = 'T,member,"age",{},percent,{},200,,,,,,,{}'
STAGES = (
    "Figure 5,member,awareness,training,percent,91,1004",
    'Figure 5,member,"access, of those aware",training,percent,44,914',
)


def thing(*answers, place="T", group="member"):
    return tuple(f"{place},{group},thing,{answer}" for answer in answers)


CASES = {
    # Two values of one item.
    "apart": (
        "two_values",
        ("Table 9,member,thing,yes,percent,50,", "Figure 2,member,thing,yes,percent,53,"),
        [(0.03, "member: thing: 50 in Table 9, 53 in Figure 2")],
    ),
    "of two groups": (
        "two_values",
        ("T,member,thing,yes,percent,50,", "T,all,thing,yes,percent,53,"),
        [],
    ),
    "two stages that give less": (
        "two_values",
        (*STAGES, "Text,member,access,training,percent,44,1004"),
        [(0.0396, "Figure 5 prints 91 and then 44 of those")],
    ),
    "two stages that give it": (
        "two_values",
        (*STAGES, "Text,member,access,training,percent,40,1004"),
        [],
    ),
    "another name": (
        "two_values",
        ("T,member,thing,yes,percent,61,100,,,,,,X1", "T,member,same thing,yes,percent,62,100"),
        [(0.01, "62 in T, there named same thing")],
    ),
    "another name, the same": (
        "two_values",
        ("T,member,thing,yes,percent,61,100,,,,,,X1", "T,member,same thing,yes,percent,61,100"),
        [],
    ),
    # Sums.
    "opposites": ("sums", thing("yes,percent,60,100", "no,percent,45,100"), [(0.05, "to 105")]),
    "opposites that fit": ("sums", thing("yes,percent,60,100", "no,percent,40,100"), []),
    "counts": ("sums", thing("yes,count,60,200", "no,count,145,200"), [(0.025, "to 102.5")]),
    "counts that fit": ("sums", thing("yes,count,60,200", "no,count,140,200"), []),
    # Of two answers that are no opposites both may be given.
    "no opposites": ("sums", thing("rain,percent,60,100", "sun,percent,45,100"), []),
    "three counts": (
        "sums",
        thing("low,count,60,200", "mid,count,100,200", "high,count,50,200"),
        [(0.05, "to 105")],
    ),
    "too little": (
        "sums",
        thing("A,percent,30,", "B,percent,30,", "C,percent,30,"),
        [(0.10, "to 90, not to 100, unless some answers are not printed")],
    ),
    "as rounded": ("sums", thing("A,percent,33,", "B,percent,33,", "C,percent,33,"), []),
    # 34, 34 and 34 of 50 people are 17 each and no other count: 51 people.
    "whole people": (
        "sums",
        thing("A,percent,34,50", "B,percent,34,50", "C,percent,34,50"),
        [(0.02, "to 102")],
    ),
    # Of 500 people they may be 167, 167 and 166.
    "more people": ("sums", thing("A,percent,33,500", "B,percent,33,500", "C,percent,33,500"), []),
    "a printed sum": (
        "sums",
        thing("A,percent,2,", "B,percent,26,", "A or B,percent,33,"),
        [(0.05, "A or B: 33 in T, but the parts in T sum to 28")],
    ),
    "a printed sum that fits": (
        "sums",
        thing("A,percent,2,", "B,percent,26,", "A or B,percent,28,"),
        [],
    ),
    # 599 of 1,004 are 59.7 percent.
    "a sum of counts": (
        "sums",
        thing("A,count,219,1004", "B,count,380,1004", "A or B,percent,61,1004"),
        [(0.61 - 599 / 1004, "sum to 59.66")],
    ),
    "a sum of counts that fits": (
        "sums",
        thing("A,count,219,1004", "B,count,380,1004", "A or B,percent,60,1004"),
        [],
    ),
    "groups": (
        "sums",
        (
            "Table 1,member,age,old,count,10,20",
            "Table 1,non-member,age,old,count,12,20",
            "Table 1,all,age,old,count,23,40",
        ),
        [(0.0, "the groups in Table 1 sum to 22, not to the printed 23")],
    ),
    # Of 200, 66 percent are 131 or more; 36 are 71 or more, 35 may be 69.
    **{
        f"apart, {value}": (
            "sums",
            (AGE.format("young", 66, "X1"), AGE.format("old", value, "X0")),
            [
                (
                    (value - 34) / 100,
                    f"member: age, young: 66 in T, and age, old: {value} in T, sum to "
                    f"{66 + value}, though none can be both",
                )
            ]
            if value > 35
            else [],
        )
        for value in (44, 36, 35, 20)
    },
    # Another group's name.
    "called": (
        "misnamed_comparator",
        ("T,national,thing,yes,percent,50,,,,,,,,,non-member",),
        [(0.0, "the 50 of the national in T is called non-members")],
    ),
    "called its name": (
        "misnamed_comparator",
        ("T,national,thing,yes,percent,50,,,,,,,,,national",),
        [],
    ),
    # Percentages that no count gives.
    "40 of 3": (
        "impossible_percentage",
        thing("yes,percent,40,3"),
        [(0.0, "no whole number of 3")],
    ),
    "33 of 3": ("impossible_percentage", thing("yes,percent,33,3"), []),
    "stages of 3": (
        "impossible_percentage",
        (
            "Figure 5,member,awareness,x,percent,33,3",
            'Figure 5,member,"access, of those aware",x,percent,40,1',
        ),
        [(0.0, "no whole numbers of 3 round to 33 and then 40")],
    ),
    **{
        f"second stage of {base}": (
            "impossible_percentage",
            (
                "Figure 5,member,awareness,x,percent,50,200",
                f'Figure 5,member,"access, of those aware",x,percent,40,{base}',
            ),
            [(abs(base / 200 - 0.5), "where 50 of 200 are 99 to 101")] if clash else [],
        )
        for base, clash in ((500, True), (101, False), (99, False), (98, True))
    },
}


@pytest.mark.parametrize(("rule", "lines", "expected"), CASES.values(), ids=CASES)
def test_a_rule_finds_what_cannot_be(registry, rule, lines, expected):
    found = list(RULES[rule](registry(*lines)))
    assert [size for size, _ in found] == pytest.approx([size for size, _ in expected])
    for (_, sentence), (_, words) in zip(found, expected, strict=True):
        assert words in sentence


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
