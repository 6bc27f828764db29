"""A multiverse on the page: sentences, one line an outcome and a choice, and the curve."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from coopgap.estimate import TABLES, SensitivityRow, to_frame
from coopgap.report.content.checks import check_blocks, checks_section
from coopgap.report.document import Figure, Items, Table
from coopgap.report.figures.canvas import SECOND, SOFT, drawing_style
from coopgap.report.figures.draw import drawings
from coopgap.report.figures.multiverse import curve
from coopgap.report.view import make_view
from coopgap.study.load import load_study
from coopgap.vocabulary import EXAMPLE, Check, Quantity

LISTED = [
    {
        "variant": f"specification {number}",
        "choices": dict(zip(("method", "covariates", "mode", "population"), chosen, strict=True)),
        "is_declared": number == 2,
    }
    for number, chosen in enumerate(
        product(
            ("exact", "entropy"),
            ("age and sex", "education too"),
            ("in_person", "phone_joins"),
            ("members",),
        )
    )
]


def a_row(variant, quantity, estimate, lower=None, upper=None, **more):
    return SensitivityRow(
        check=Check.MULTIVERSE,
        variant=variant,
        model="neighbours",
        outcome="neighbours",
        quantity=quantity,
        estimate=estimate,
        lower=lower,
        upper=upper,
        source=EXAMPLE,
        **more,
    )


def a_choice(axis, value, *numbers):
    return a_row(f"{axis}: {value}", *numbers, about=axis, choice=value, n=4, of=8)


ROWS = [
    a_row("together", "median_risk_difference", 0.035, p_value=0.02, note="8 specifications."),
    a_row("together", "share_same_sign", 1.0, p_value=0.4, note="199 shuffles."),
    a_row("together", "share_significant", 0.25, p_value=0.03, note="199 shuffles."),
    a_choice("method", "exact", "median_risk_difference", 0.015, 0.0, 0.03),
    a_choice("method", "entropy", "median_risk_difference", 0.055, 0.04, 0.07),
    a_choice("mode", "in_person", "median_risk_difference", 0.03, 0.0, 0.06),
    a_choice("mode", "phone_joins", "median_risk_difference", 0.04, 0.01, 0.07),
] + [
    a_row(
        one["variant"],
        Quantity.RISK_DIFFERENCE,
        0.01 * at,
        0.01 * at - 0.055,
        0.01 * at + 0.055,
        verdict="changes" if at > 5 else "undecided" if at == 5 else "holds",
    )
    for at, one in enumerate(LISTED)
]


@pytest.fixture(scope="module")
def view():
    frames = {name: to_frame(name, ROWS if name == "sensitivity" else []) for name in TABLES}
    return make_view(
        frames, load_study("peru"), {"is_example": True, "multiverse": {"neighbours": LISTED}}
    )


def test_sentences_say_how_far_choices_move_the_gap(view):
    blocks = check_blocks(view, list(view.sensitivity))
    ((lead, text),) = next(block for block in blocks if isinstance(block, Items)).items
    assert lead == "Could rely on neighbours for financial help."
    assert text == (
        "The declared gap changes under 2 of 8 combinations of choices and is undecided under 1. "
        "The difference in points lies between 0.0 and +7.0. Its median moves most with the "
        "method: from +1.5 (exact) to +5.5 (entropy). Where membership is shuffled, a median as "
        "far from no gap has p 0.020, as many on one side p 0.40, as many intervals that leave out "
        "no gap p 0.030. Combinations share their people, so most shuffles have them on one side "
        "too."
    )


def test_specifications_without_an_estimate_are_counted(view):
    lost = [
        replace(row, estimate=None) if row.variant == "specification 0" else row for row in ROWS
    ]
    items = next(b for b in check_blocks(view, lost) if isinstance(b, Items)).items
    assert "and is undecided under 1; 1 without an estimate." in items[0][1]


def test_tables_have_a_line_an_outcome_and_a_line_a_choice(view):
    together, choices = [b for b in check_blocks(view, ROWS) if isinstance(b, Table)]
    assert together.rows == (
        (
            "Could rely on neighbours for financial help",
            "+3.5; p 0.020",
            "100.0\N{NO-BREAK SPACE}%; p 0.40",
            "25.0\N{NO-BREAK SPACE}%; p 0.030",
        ),
    )
    assert together.notes == (
        "199 shuffles.",
        "Could rely on neighbours for financial help: 8 specifications.",
    )
    assert [row[1:] for row in choices.rows] == [
        ("method", "exact +1.5; entropy +5.5", "0.0 to 3.0; 4.0 to 7.0"),
        ("mode", "in person +3.0; phone joins +4.0", "0.0 to 6.0; 1.0 to 7.0"),
    ]
    assert together.mark == choices.mark == EXAMPLE


def test_the_curve_is_drawn_marked_and_put_in_its_place(view):
    with drawing_style():
        drawn = curve(view, "neighbours", "neighbours")
        assert curve(view, "trust", "trust") is None
        # Every model whose rows stand in gaps.csv is drawn; here none does.
        assert drawings(view) == []
    assert drawn.name == "multiverse_neighbours"
    texts = [text.get_text() for text in drawn.figure.findobj() if hasattr(text, "get_text")]
    assert EXAMPLE in texts
    assert "declared" in texts
    assert {"entropy", "exact", "phone joins", "education too"} <= set(texts)
    # One axis has one value: nothing is chosen there.
    assert "Gap of" not in texts
    axes = drawn.figure.axes[0]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    heights = [float(line.get_ydata()[0]) for line in points]
    assert len(points) == 8
    assert heights == sorted(heights, reverse=True)
    ticks = [line for line in axes.lines if line.get_marker() == "|"]
    assert sum(len(line.get_xdata()) for line in ticks) == 3 * 8
    # Blue says that an interval leaves out no gap; a tick says nothing of it.
    assert {line.get_markeredgecolor() for line in ticks} == {SOFT, SECOND}
    section = checks_section(view, [drawn.name])
    (figure,) = [block for block in section.blocks if isinstance(block, Figure)]
    assert (figure.name, figure.mark) == (drawn.name, EXAMPLE)
