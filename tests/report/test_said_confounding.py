"""What the report says of an unmeasured confounder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coopgap.estimate import SensitivityRow
from coopgap.report.content.checks import check_blocks
from coopgap.report.content.said.dispatch import said
from coopgap.report.document import Figure, Table
from coopgap.report.figures.canvas import drawing_style, svg_text
from coopgap.report.figures.confounder import confounder
from coopgap.report.figures.names import confounder_name
from coopgap.report.view import View, make_view
from coopgap.study.spec import Headline


@pytest.fixture
def view(build):
    return make_view(build.frames(), build.study(), build.meta())


def row(check, quantity, outcome="ses", **values):
    return SensitivityRow(
        check=check, model=outcome, outcome=outcome, quantity=quantity, source="x", **values
    )


def sentence(view, rows):
    ((_, text),) = said(view, rows)
    return text


def bias(category, gamma, outcome="ses"):
    return [
        row("rosenbaum", "n_sets", outcome, category=category, variant="sets", estimate=40.0),
        row(
            "rosenbaum",
            "p_bound",
            outcome,
            category=category,
            variant="largest p, Γ 1",
            threshold=1.0,
            p_value=0.2 if gamma == 1 else 0.001,
        ),
        row(
            "rosenbaum",
            "gamma",
            outcome,
            category=category,
            variant="Γ at p 0.025",
            threshold=0.025,
            estimate=gamma,
        ),
    ]


def test_hidden_bias_is_said_of_the_whole_distribution_and_of_the_thresholds(view):
    rows = [*bias("", 1.5), *bias(">=B", 1.2), *bias(">=A", 1.0)]
    text = sentence(view, rows)
    assert "for the whole distribution stays below 0.025" in text
    assert "no more than 1.50" in text
    assert "between 1.00 (“A”) and 1.20 (“B or higher”)" in text


def test_the_direction_is_said_and_that_it_is_not_the_gaps(view):
    lower = [replace(one, direction="members_lower", opposed=False) for one in bias("", 1.5)]
    text = sentence(view, lower)
    assert "for the whole distribution that members stand lower stays below 0.025" in text
    assert "the other way" not in text
    against = [replace(one, direction="members_higher", opposed=True) for one in bias(">=B", 1.2)]
    text = sentence(view, [*lower, *against])
    assert "For “B or higher” the sets point the other way than the gap" in text


def test_a_p_value_above_the_level_needs_no_bias(view):
    text = sentence(view, bias("", 1.0, "agree"))
    assert "for “yes”, 0.20, is above 0.025 without any hidden bias" in text


def test_bounds_stand_side_by_side_as_p_values(view):
    rows = [*bias("", 1.5), *bias(">=B", 1.2)]
    table = next(block for block in check_blocks(view, rows) if isinstance(block, Table))
    assert table.header == ("Outcome", "At", "Sets", "Largest p, Γ 1", "Γ at p 0.025")
    assert table.rows[0][1:] == ("whole distribution", "40", "0.001", "1.50")


def test_the_weakest_e_value_is_said_with_its_place(view):
    rows = [
        row("e_value", "e_value", category=">=A", estimate=3.9, lower=2.9),
        row("e_value", "e_value", category="<B", estimate=1.4, lower=1.2),
    ]
    text = sentence(view, rows)
    assert "by a risk ratio of 1.40 each (“below B”)" in text
    assert "into an interval, 1.20 would do (“below B”)" in text
    rows[0] = row("e_value", "e_value", category=">=A", estimate=3.9, lower=1.0)
    assert "An interval holds one as it is (“A”)." in sentence(view, rows)


def benchmarks(*lefts, alone=0.10):
    """A linear gap, and what `region` 1, 2, 3 times leaves of it."""
    half = {"interval_prob": 0.95, "interval_kind": "confidence"}

    def gap(variant, value, **more):
        limits = {"estimate": value, "lower": value - 0.04, "upper": value + 0.04}
        return row(
            "robustness_value",
            "risk_difference",
            "agree",
            variant=variant,
            **limits,
            **half,
            **more,
        )

    def number(variant, quantity, value):
        return row("robustness_value", quantity, "agree", variant=variant, estimate=value)

    rows = [
        number("estimate", "robustness_value", 0.11),
        number("interval", "robustness_value", 0.07),
        gap("no confounder", alone),
        number("no confounder", "bias_scale", 1.5),
        number("no confounder", "df", 900.0),
    ]
    for k, left in enumerate(lefts, start=1):
        variant, changes = f"region x {k}", left < 0.04 < alone
        rows += [
            gap(
                variant,
                left,
                about="region",
                setting=float(k),
                verdict="changes" if changes else "holds",
            ),
            number(variant, "r2_membership", 0.02 * k),
            number(variant, "r2_outcome", 0.03 * k),
        ]
    return rows


def test_the_robustness_value_and_the_first_multiple_that_changes_are_said(view):
    text = sentence(view, benchmarks(0.08, 0.03, 0.01))
    assert "explain 11.0\N{NO-BREAK SPACE}% of what is left of both" in text
    assert "One as strong as 2 times region would change the gap." in text
    assert "One as strong as region would change" in sentence(view, benchmarks(0.03, 0.02, 0.01))
    text = sentence(view, benchmarks(0.09, 0.08, 0.07))
    assert "the one that comes nearest, 3 times region, leaves +7.0 points of +10.0." in text
    assert "holds zero without any" in sentence(view, benchmarks(0.01, 0.0, -0.01, alone=0.02))


def test_benchmarks_have_a_table_of_their_own_beside_the_robustness_values(view):
    blocks = check_blocks(view, benchmarks(0.08, 0.03), [confounder_name("agree")])
    values, table = (block for block in blocks if isinstance(block, Table))
    assert values.header == ("Outcome", "At", "Estimate", "Interval")
    assert table.rows[0][:5] == (
        "Agrees: yes",
        "no confounder",
        "–",
        "–",
        "+10.0 (6.0\xa0to\xa014.0)",
    )
    percents = ("2.0\xa0%", "3.0\xa0%")
    assert table.rows[1][:4] == ("", "Region", *percents)
    assert table.rows[1][-1] == "none so strong"
    (figure,) = (block for block in blocks if isinstance(block, Figure))
    assert (figure.name, figure.mark) == ("confounder_agree", "EXAMPLE DATA")
    undrawn = check_blocks(view, benchmarks(0.08, 0.03))
    assert not any(isinstance(block, Figure) for block in undrawn)


def test_values_of_the_matched_and_benchmarks_of_everybody_are_told_apart(view):
    values = [
        row("robustness_value", "robustness_value", "agree", variant=name, estimate=at)
        for name, at in (("estimate", 0.1), ("interval", 0.05))
    ]
    told = "The covariates are measured on all complete rows, before the matching."
    assert sentence(view, [*values, *benchmarks(0.08)]).endswith(told)
    assert told not in sentence(view, values)


def test_the_picture_has_both_lines_the_mark_and_every_benchmark(view):
    drawn = replace(view, sensitivity=tuple(benchmarks(0.08, 0.03, 0.01)))
    assert isinstance(drawn, View)
    with drawing_style():
        text = svg_text(confounder(drawn, "agree", "agree"))
    for word in ("EXAMPLE DATA", "Region, 1, 2, 3 times", "gap is zero", "interval reaches zero"):
        assert word in text
    assert confounder(view, "agree", "agree") is None
    other = replace(view.study, headline={"ses": (Headline(model="ses"),)})
    assert confounder(replace(drawn, study=other), "agree", "agree") is None


def test_a_gap_that_no_benchmark_brings_to_zero_has_no_line_there(view):
    rows = [
        replace(one, estimate=0.5, lower=0.4, upper=0.6)
        if one.variant == "no confounder" and one.quantity == "risk_difference"
        else one
        for one in benchmarks(0.48)
    ]
    with drawing_style():
        text = svg_text(confounder(replace(view, sensitivity=tuple(rows)), "agree", "agree"))
    assert "gap is zero" not in text


def control(lower, upper, *netted):
    limits = {"estimate": (lower + upper) / 2, "lower": lower, "upper": upper}
    rows = [
        row("negative_control", "risk_difference", variant="gap", about="agree", estimate=0.1),
        row("negative_control", "risk_difference", variant="control", about="agree", **limits),
    ]
    return rows + [
        row(
            "negative_control",
            "risk_difference",
            variant=f"less {share} x control",
            about="agree",
            setting=float(share),
            estimate=0.05,
            verdict=verdict,
        )
        for share, verdict in netted
    ]


def test_a_control_without_a_gap_shows_nothing_and_one_with_a_gap_speaks_against(view):
    text = sentence(view, control(-0.03, 0.05))
    assert text.startswith("The gap in the control, “Agrees”, is +1.0 (−3.0\xa0to\xa05.0) points:")
    assert text.endswith("does not show that nothing confounds this gap.")
    text = sentence(view, control(0.02, 0.06))
    assert "clear of zero, which speaks against the comparison." in text
    assert "ρ" not in text


def test_the_shares_that_change_the_gap_are_said(view):
    netted = (("0.25", "holds"), ("0.5", "changes"), ("1", "changes"))
    assert "changes at ρ = 0.5 and 1." in sentence(view, control(0.02, 0.06, *netted))
    # It need not change at the larger share too.
    back = (("0.5", "changes"), ("1", "holds"))
    assert "changes at ρ = 0.5." in sentence(view, control(0.02, 0.06, *back))
    text = sentence(view, control(0.02, 0.06, ("1", "holds")))
    assert text.endswith("Less any share of it the gap holds.")
    text = sentence(view, control(0.02, 0.06, ("0.5", "holds"), ("1", "undecided")))
    assert text.endswith("Less a share of it, whether the gap changes is undecided.")


def test_each_threshold_is_said_by_itself(view):
    def at(category, *netted):
        return [replace(one, category=category) for one in control(0.02, 0.06, *netted)[2:]]

    rows = control(0.02, 0.06)
    rows += at(">=B", ("0.5", "changes"), ("1", "changes"))
    rows += at(">=A", ("0.5", "holds"), ("1", "holds"))
    text = sentence(view, rows)
    assert text.endswith("changes for “B or higher” at ρ = 0.5 and 1; it holds for “A”.")
    rows[-1] = replace(rows[-1], verdict="undecided")
    assert sentence(view, rows).endswith("at ρ = 0.5 and 1; it is undecided for “A”.")
