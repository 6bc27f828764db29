"""Sentences about the gap estimated again, places left out, and who was reached by phone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from coopgap.estimate import SensitivityRow
from coopgap.headline import headline_contrast
from coopgap.report.content.said.again import headlines, under_design_effects, variants
from coopgap.report.content.said.dispatch import said
from coopgap.report.content.said.places import INFLUENCE, left_out, most_moving
from coopgap.report.content.said.with_phone import reached, with_phone
from coopgap.vocabulary import Check, Quantity, Verdict


def view_of(levels, at="", **more):
    """As much of a view as the sentences ask of it."""
    return SimpleNamespace(
        levels=lambda outcome: tuple(levels),
        first=lambda row: headline_contrast(tuple(levels), at),
        **more,
    )


TWO = view_of(("no", "yes"), label=str.capitalize)
FIVE = view_of("EDCBA", label=str.capitalize)
AT_C = view_of("EDCBA", ">=C", label=str.capitalize)
GAP = Quantity.RISK_DIFFERENCE


def row(check, variant="", quantity=GAP, estimate=None, **more):
    return SensitivityRow(
        check=check,
        variant=variant,
        model=more.pop("model", "m"),
        outcome=more.pop("outcome", "y"),
        quantity=quantity,
        estimate=estimate,
        source="s",
        **more,
    )


def text(found):
    return " ".join(found).replace("\N{NO-BREAK SPACE}", " ")


def test_variants_by_their_extremes_and_where_the_gap_changes():
    rows = [
        row(Check.VARIANT, "a", estimate=0.05, verdict=Verdict.HOLDS),
        row(Check.VARIANT, "b", estimate=-0.01, verdict=Verdict.CHANGES),
        row(Check.VARIANT, "c"),
    ]
    assert text(variants(TWO, rows)) == (
        "Over 2 variants the gap lies between −1.0 points (“b”) and +5.0 points (“a”). "
        "The gap changes under “b”."
    )
    alone = [replace(rows[0], lower=0.01, upper=0.09)]
    assert text(variants(TWO, alone)) == (
        "Under “a” the gap is +5.0 points (1.0 to 9.0). The gap holds."
    )
    both = [rows[0], replace(rows[1], verdict=Verdict.HOLDS)]
    assert text(variants(TWO, both)).endswith("(“a”). The gap holds under each.")
    unjudged = [replace(one, verdict=None) for one in both]
    assert text(variants(TWO, unjudged)).endswith("+5.0 points (“a”).")


def test_variants_under_which_nothing_is_decided_are_named():
    rows = [
        row(Check.VARIANT, "a", estimate=0.05, verdict=Verdict.UNDECIDED),
        row(Check.VARIANT, "b", estimate=-0.01, verdict=Verdict.CHANGES),
        row(Check.VARIANT, "c", estimate=0.04, verdict=Verdict.HOLDS),
    ]
    assert text(variants(TWO, rows)).endswith(
        "The gap changes under “b”. Whether it changes is undecided under “a”."
    )
    assert text(variants(TWO, [rows[0], rows[2]])).endswith(
        "points (“a”). Whether the gap changes is undecided under “a”."
    )


def test_of_ordered_answers_superiority_speaks_and_every_threshold_is_judged():
    rows = [
        row(Check.VARIANT, "a", Quantity.SUPERIORITY, 0.62, verdict=Verdict.HOLDS),
        row(Check.VARIANT, "b", Quantity.SUPERIORITY, 0.6, verdict=Verdict.HOLDS),
        row(Check.VARIANT, "b", GAP, 0.9, category=">=A", verdict=Verdict.CHANGES),
    ]
    between = (
        "Over 2 variants the probability of superiority lies between 60.0 % (“b”) and 62.0 % (“a”)."
    )
    assert text(variants(FIVE, rows)) == f"{between} The gap changes under “b” (A)."
    opened = [*rows, row(Check.VARIANT, "a", GAP, 0.1, category=">=C", verdict=Verdict.UNDECIDED)]
    assert text(variants(FIVE, opened)) == (
        f"{between} The gap changes under “b” (A). Whether it changes is undecided under “a” "
        "(C or higher)."
    )
    higher = [replace(rows[0], verdict=Verdict.CHANGES), *rows[1:]]
    assert text(variants(FIVE, higher)).endswith("under “a” (superiority) and “b” (A).")
    held = [*rows[:2], replace(rows[2], verdict=Verdict.HOLDS)]
    assert text(variants(FIVE, held)) == f"{between} The gap holds under each at every threshold."
    assert variants(FIVE, rows[2:]) == ()


def test_at_a_declared_threshold_its_gap_speaks():
    rows = [
        row(Check.VARIANT, "a", Quantity.SUPERIORITY, 0.62, verdict=Verdict.HOLDS),
        row(Check.VARIANT, "a", GAP, 0.09, category=">=A", verdict=Verdict.HOLDS),
        row(Check.VARIANT, "a", GAP, 0.12, category=">=C", verdict=Verdict.CHANGES),
    ]
    assert text(variants(AT_C, rows)) == (
        "Under “a” the gap at “C or higher” is +12.0 points. The gap changes under “a” "
        "(C or higher)."
    )


def test_headlines_with_one_nothing_is_adjusted():
    two = [
        row(Check.MULTIPLICITY, name, p_value=p, verdict=verdict)
        for name, p, verdict in (("Holm", 0.06, Verdict.CHANGES), ("BH", 0.03, Verdict.HOLDS))
    ]
    assert text(headlines(TWO, two)) == (
        "Adjusted over the declared headlines p is 0.060 (Holm) and 0.030 (BH): "
        "adjusting by Holm moves it across 5 %."
    )
    held = [replace(one, verdict=Verdict.HOLDS) for one in two]
    assert text(headlines(TWO, held)).endswith("(BH): adjusting does not move it across 5 %.")
    assert headlines(TWO, [row(Check.MULTIPLICITY, note="Nothing to adjust.")]) == [
        "Nothing to adjust."
    ]


def test_a_design_effect_and_the_interval_under_the_largest():
    check = Check.DESIGN_EFFECT
    rows = [
        row(check, "as estimated", "design_effect", 1.234),
        row(check, "design effect 1", estimate=0.1, lower=0.05, upper=0.15),
        row(check, "design effect 3", estimate=0.1, lower=-0.01, upper=0.21),
    ]
    assert text(under_design_effects(TWO, rows)) == (
        "Clustering in zones multiplies the variance by 1.23. At design effect 3 the gap would be "
        "+10.0 points (−1.0 to 21.0)."
    )
    alone = text(under_design_effects(TWO, rows[:1]))
    assert alone == "Clustering in zones multiplies the variance by 1.23."
    assert under_design_effects(TWO, rows[1:]) == ()


def places(check, moves):
    for name, (gap, move, verdict) in moves.items():
        yield row(check, f"without {name}", estimate=gap, lower=0.0, upper=0.2, verdict=verdict)
        yield row(check, f"without {name}", INFLUENCE, move)


def test_the_place_that_moves_the_gap_most_and_those_it_rests_on():
    moves = {
        "12": (0.09, 0.01, Verdict.HOLDS),
        "7": (0.12, -0.02, Verdict.CHANGES),
        "9": (0.1, 0.0, Verdict.CHANGES),
    }
    found = text(left_out(TWO, list(places(Check.LEAVE_ONE_ZONE, moves))))
    assert found == (
        "One zone moves the gap most: without zone 7 it is +12.0 points (0.0 to 20.0), 2.0 points "
        "from the declared one. The gap changes without zone 7 and without zone 9."
    )
    opened = {**moves, "7": (0.12, -0.02, Verdict.UNDECIDED), "9": (0.1, 0.0, Verdict.HOLDS)}
    found = text(left_out(TWO, list(places(Check.LEAVE_ONE_ZONE, opened))))
    assert found.endswith("one. Whether the gap changes is undecided without zone 7.")
    steady = {"North": (0.09, 0.01, Verdict.HOLDS)}
    found = text(left_out(TWO, list(places(Check.LEAVE_ONE_REGION, steady))))
    assert found.endswith("The gap rests on no single region.")


def test_a_page_shows_the_ten_zones_that_move_the_gap_most():
    moves = {str(k): (0.1, (-1) ** k * k / 1000, Verdict.HOLDS) for k in range(30)}
    shown = most_moving(list(places(Check.LEAVE_ONE_ZONE, moves)))
    assert {one.variant for one in shown} == {f"without {k}" for k in range(20, 30)}
    assert {one.quantity for one in shown} == {GAP}


def test_who_was_reached_by_phone():
    f_test = "rao_scott_f"
    rows = [
        row(Check.PHONE_COMPOSITION, quantity=f_test, category="age", verdict=Verdict.CHANGES),
        row(Check.PHONE_COMPOSITION, quantity=f_test, category="sex", verdict=Verdict.HOLDS),
        row(Check.PHONE_COMPOSITION, quantity=f_test, p_value=0.012, verdict=Verdict.CHANGES),
        row(Check.PHONE_COMPOSITION, "balanced", "ess", 218.7),
        row(Check.PHONE_COMPOSITION, "balanced", "largest_smd", 0.04, category="age=old"),
    ]
    assert text(reached(TWO, rows)) == (
        "Other people were reached: they differ in Age (test of all together, p 0.012). Balanced "
        "to the in-person margins they are worth 219 people; the largest standardised difference "
        "left is 0.04."
    )
    alike = [replace(one, verdict=Verdict.HOLDS) for one in rows[:3]]
    alike[2] = replace(alike[2], p_value=0.3)
    assert text(reached(TWO, alike)).startswith("No difference in who was reached is shown")


@pytest.mark.parametrize(
    ("p_value", "verdict", "words"),
    [
        (0.023, Verdict.CHANGES, "Other people were reached: they differ over all variables"),
        (0.0004, Verdict.HOLDS, "Other people were reached, but no standardised difference"),
        (0.05, Verdict.INCONCLUSIVE, "No difference in who was reached is shown"),
        (None, Verdict.INCONCLUSIVE, "Whether other people were reached is not tested"),
    ],
)
def test_who_was_reached_is_told_by_the_test_of_all_together(p_value, verdict, words):
    check, f_test = Check.PHONE_COMPOSITION, "rao_scott_f"
    rows = [
        row(check, quantity=f_test, category=name, p_value=0.088, verdict=Verdict.INCONCLUSIVE)
        for name in ("age", "sex")
    ]
    rows.append(row(check, quantity=f_test, p_value=p_value, verdict=verdict))
    assert text(reached(TWO, rows)).startswith(words)


@pytest.mark.parametrize(
    ("share", "words"), [(0.1, "10.0 % of the people in person"), (None, "A few people"), (0.0, "")]
)
def test_people_without_a_counterpart_are_told(share, words):
    check = Check.PHONE_COMPOSITION
    rows = [
        row(check, quantity="rao_scott_f", p_value=0.3, verdict=Verdict.HOLDS),
        row(check, "balanced", "ess", 218.7),
        row(check, "balanced", "largest_smd", 0.4, category="age=old"),
        row(check, "balanced", "unmatched_share", share),
    ]
    told = text(reached(TWO, rows))
    assert told.endswith("are left out.") == bool(words)
    assert words in told


def test_the_gap_with_them_where_it_changes():
    check = Check.PHONE_REPLACES
    rows = [
        row(check, "phone", estimate=0.01, lower=-0.05, upper=0.07, verdict=Verdict.CHANGES),
        row(check, "in person", estimate=0.1, lower=0.06, upper=0.14),
    ]
    assert text(with_phone(TWO, rows)) == (
        "With the phone people in place the gap is +1.0 points (−5.0 to 7.0), in person (balanced) "
        "+10.0 points (6.0 to 14.0): the gap changes."
    )
    # Rows read from a file have no verdict as an empty string: one threshold is not several.
    held = [replace(rows[0], verdict=Verdict.HOLDS), replace(rows[1], verdict="")]
    assert text(with_phone(TWO, held)).endswith("(6.0 to 14.0): the gap holds.")
    opened = [replace(rows[0], verdict=Verdict.UNDECIDED), rows[1]]
    assert text(with_phone(TWO, opened)).endswith("(6.0 to 14.0): the gap is undecided.")
    hidden = [replace(rows[0], estimate=None, verdict=Verdict.NOT_ASSESSED), rows[1]]
    assert with_phone(TWO, hidden) == ()


def test_outcomes_of_which_the_same_is_said_share_an_item():
    rows = [
        row(
            Check.MULTIPLICITY, "Holm", p_value=0.5, verdict=Verdict.HOLDS, model=name, outcome=name
        )
        for name in ("a", "b")
    ]
    assert [lead for lead, _ in said(TWO, rows)] == ["A; B."]
    other = [rows[0], replace(rows[1], p_value=0.6)]
    assert [lead for lead, _ in said(TWO, other)] == ["A.", "B."]
