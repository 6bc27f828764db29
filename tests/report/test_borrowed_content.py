"""What the report says and draws of borrowing from the phone interviews."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coopgap.estimate import SensitivityRow, to_frame
from coopgap.report.content.phone import phone_section
from coopgap.report.document import Figure, Heading, Items, Table
from coopgap.report.figures.borrowed import borrowed
from coopgap.report.figures.canvas import drawing_style, save_png, svg_text
from coopgap.report.figures.names import PHONE_BORROWED
from coopgap.report.view import make_view
from coopgap.sensitivity.keys import Keys
from coopgap.sensitivity.phone.borrow_rows import borrow_rows
from coopgap.sensitivity.phone.joint import Joint
from coopgap.vocabulary import EXAMPLE, Check, Verdict, Version

LEVELS = {"agree": ("no", "yes"), "ses": ("C", "B", "A")}


def joint(member, comparison, phone, sizes=(1000, 1000, 250)):
    """Independent people with the shares given, level by level."""
    shares = np.array([member, comparison, phone], dtype=float)
    n_levels = shares.shape[1]
    cov = np.zeros((3 * n_levels, 3 * n_levels))
    for place, (share, size) in enumerate(zip(shares, sizes, strict=True)):
        at = slice(place * n_levels, (place + 1) * n_levels)
        cov[at, at] = (np.diag(share) - np.outer(share, share)) / size
    return Joint(shares=shares, cov=cov, df=np.full(3, np.inf), n_member=sizes[0])


def rows_of(outcome, found):
    keys = Keys(model=outcome, outcome=outcome, source=EXAMPLE)
    return borrow_rows(found, LEVELS[outcome], 1000, keys, 0.05)


@pytest.fixture
def agree():
    """A gap of 10 points; the phone share lies above the in-person one by 8."""
    return rows_of("agree", joint([0.6, 0.4], [0.7, 0.3], [0.62, 0.38]))


@pytest.fixture
def ses():
    found = joint([0.5, 0.4, 0.1], [0.6, 0.35, 0.05], [0.61, 0.36, 0.03])
    return rows_of("ses", found)


def view_of(build, rows, labels=None):
    frames = build.frames() | {"sensitivity": to_frame("sensitivity", rows)}
    study = build.study() if labels is None else build.study(labels)
    return make_view(frames, study, build.meta())


def pick(rows, variant, quantity, category=""):
    (row,) = [
        row
        for row in rows
        if (row.variant, row.quantity, row.category) == (variant, quantity, category)
    ]
    return row


def blocks_of(view, drawn=()):
    """The blocks of borrowing, from its heading on."""
    blocks = phone_section(view, drawn).blocks
    start = next(
        place
        for place, block in enumerate(blocks)
        if isinstance(block, Heading) and block.text == "How much should they count?"
    )
    return blocks[start:]


def test_sentences_hold_the_numbers_of_the_rows(build, agree):
    power, mixture = [
        dict(block.items)["Agrees."]
        for block in blocks_of(view_of(build, agree))
        if isinstance(block, Items)
    ]
    after = pick(agree, "posterior", "discount")
    averaged = pick(agree, "averaged over the discount", "risk_difference")
    assert f"counts as {after.estimate:.2f} ({after.lower:.2f} to {after.upper:.2f})" in power
    assert "0.50 (0.03 to 0.97) before the answers are compared" in power
    assert f"the gap is +{100 * averaged.estimate:.1f} (" in power
    assert "in person +10.0 (" in power
    assert power.endswith(": it holds.")
    assert mixture.endswith("over all weights and vague parts: it holds.")
    kept = pick(agree, "weight 0.2, vague Beta(1, 1)", "phone_weight")
    assert f" and {100 * kept.estimate:.1f}\N{NO-BREAK SPACE}% lies there" in mixture


def test_a_changed_gap_is_said(build, agree):
    changed = [
        replace(row, verdict=Verdict.CHANGES)
        if row.variant.startswith(("averaged", "weight 0.8")) and row.quantity == "risk_difference"
        else row
        for row in agree
    ]
    view = view_of(build, changed)
    power, mixture = [block.items[0][1] for block in blocks_of(view) if isinstance(block, Items)]
    assert power.endswith(": it changes.")
    assert mixture.endswith("over all weights and vague parts: it changes under 2 of 6.")
    tables = [block for block in blocks_of(view) if isinstance(block, Table)]
    assert tables[0].rows[0][-1] == "changes"
    assert tables[1].rows[0][-1] == "changes or holds"
    undecided = [
        replace(row, verdict=Verdict.UNDECIDED) if row.verdict == Verdict.CHANGES else row
        for row in changed
    ]
    blocks = blocks_of(view_of(build, undecided))
    power, mixture = [block.items[0][1] for block in blocks if isinstance(block, Items)]
    assert power.endswith(": it is undecided.")
    assert mixture.endswith(": it is undecided under 2 of 6.")


def test_thresholds_at_which_the_gap_changes_or_is_undecided_are_named(build, ses):
    def power(verdicts):
        rows = [
            replace(row, verdict=verdicts[row.category]) if row.variant == Version.AVERAGED else row
            for row in ses
        ]
        items = (block for block in blocks_of(view_of(build, rows)) if isinstance(block, Items))
        return dict(next(items).items)["Class."]

    holds, changes, undecided = Verdict.HOLDS, Verdict.CHANGES, Verdict.UNDECIDED
    assert power({">=A": holds, ">=B": holds}).endswith("It holds at every threshold shown.")
    assert power({">=A": changes, ">=B": undecided}).endswith(
        ": it changes. Over all thresholds it changes at “A” and is undecided at “B or higher”."
    )


def test_a_threshold_is_named_and_one_without_numbers_shows_none(build, ses):
    none = {"estimate": None, "std_error": None, "lower": None, "upper": None}
    hidden = [
        replace(row, **none, verdict=Verdict.NOT_ASSESSED) if row.category == ">=A" else row
        for row in ses
    ]
    blocks = blocks_of(view_of(build, hidden))
    for text in (dict(block.items)["Class."] for block in blocks if isinstance(block, Items)):
        assert text.startswith("At “B or higher”, ")
    for table in (block for block in blocks if isinstance(block, Table)):
        top, other = table.rows
        assert top[1] == "A"
        assert "not assessed" in top
        assert not any(character.isdigit() for cell in top[2:] for character in cell)
        assert other[1] == "B or higher"
        assert table.mark == EXAMPLE


def test_the_table_is_not_printed_twice_and_reasons_stand_once(build):
    reason = "The survey holds no complete phone interview with the comparison group."
    rows = [
        SensitivityRow(
            check=check,
            model="agree",
            outcome="agree",
            verdict=Verdict.NOT_APPLICABLE,
            note=reason,
            source=EXAMPLE,
        )
        for check in (Check.PHONE_POWER_PRIOR, Check.PHONE_ROBUST_MIXTURE)
    ]
    section = phone_section(view_of(build, rows), ())
    assert str(section).count(reason) == 1
    assert "How much should they count?" not in str(section)
    with drawing_style():
        assert borrowed(view_of(build, rows), rows) is None


def test_a_panel_a_model_holds_curve_interval_and_posterior(build, agree, ses):
    rows = [*agree, *ses]
    view = view_of(build, rows)
    with drawing_style():
        drawing = borrowed(view, view.sensitivity)
        svg = svg_text(drawing)
    assert drawing.name == PHONE_BORROWED
    assert EXAMPLE in svg
    curves, bars = drawing.figure.axes[::2], drawing.figure.axes[1::2]
    assert [axes.get_title(loc="left") for axes in curves] == ["Agrees", "Class: A"]
    line = next(item for item in curves[0].lines if len(item.get_xdata()) == 11)
    assert line.get_xdata() == pytest.approx(np.arange(11) / 10)
    expected = [pick(agree, f"phone counts {x / 10:.1f}", "risk_difference") for x in range(11)]
    assert line.get_ydata() == pytest.approx([100 * row.estimate for row in expected])
    heights = [patch.get_height() for patch in bars[0].patches]
    assert sum(heights) == pytest.approx(100)
    assert heights[0] == pytest.approx(
        100 * pick(agree, "discount 0.0 to 0.1", "discount_probability").estimate
    )
    figures = [block for block in blocks_of(view, [PHONE_BORROWED]) if isinstance(block, Figure)]
    assert [figure.name for figure in figures] == [PHONE_BORROWED]
    assert not [block for block in blocks_of(view) if isinstance(block, Figure)]


def test_labels_that_mean_harm_are_drawn_and_told(build, agree, ses, hostile, tmp_path):
    for label in hostile:
        view = view_of(build, [*agree, *ses], (label, label, "Region", "Sex"))
        with drawing_style():
            drawing = borrowed(view, view.sensitivity)
            save_png(drawing, tmp_path / "x.png")
            assert "<script" not in svg_text(drawing)
        assert blocks_of(view)


def test_sentences_are_in_the_short_report_and_tables_are_not(build, agree):
    blocks = phone_section(view_of(build, agree), ()).blocks
    assert any(
        isinstance(block, Items) and block.brief and "phone interview counts as" in str(block.items)
        for block in blocks
    )
    assert not any(isinstance(block, Table) and block.brief for block in blocks)
