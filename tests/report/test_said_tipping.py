"""Sentences about tipping points and about what the design can detect."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from coopgap.estimate import SensitivityRow
from coopgap.headline import headline_contrast
from coopgap.report.content.checks import check_blocks
from coopgap.report.content.said.tipping import detectable, tipping
from coopgap.report.document import Table
from coopgap.vocabulary import Check, Verdict, Version


def view_of(levels, at="", **more):
    """As much of a view as the sentences ask of it."""
    return SimpleNamespace(
        levels=lambda outcome: tuple(levels),
        first=lambda row: headline_contrast(tuple(levels), at),
        **more,
    )


TWO = view_of(("no", "yes"))
FIVE = view_of("EDCBA")
AT_C = view_of("EDCBA", ">=C")


def row(variant, quantity, estimate=None, check=Check.TIPPING_POINT, **more):
    return SensitivityRow(
        check=check,
        variant=variant,
        model="m",
        outcome="y",
        quantity=quantity,
        estimate=estimate,
        source="s",
        **more,
    )


ROWS = (
    row(Version.INTERVAL_AT_ZERO, "share_off", 0.0951, threshold=0.0993),
    row(Version.INTERVAL_AT_ZERO, "odds_multiple", 1.889, verdict=Verdict.HOLDS),
    row(Version.INTERVAL_AT_ZERO, "least_share_off", 0.0235),
    row(Version.GAP_HALVES, "share_off", 0.0674),
    row(Version.GAP_HALVES, "odds_multiple", 1.603),
    row(Version.PHONE_SHIFT, "odds_multiple", 0.959, lower=0.672, upper=1.368),
)


def text(found):
    return " ".join(found).replace("\N{NO-BREAK SPACE}", " ")


def test_one_sentence_a_conclusion_beside_the_phone():
    found = tipping(TWO, ROWS)
    assert len(found) == 4
    zero, limit, half, phone = (text([one]) for one in found)
    assert zero == (
        "Before the interval reaches no gap, 9.5 % of the in-person comparison answers would have "
        "to be off (odds times 1.89 in every cell, which the phone interviews fall short of), at "
        "least 2.4 % where those that weigh most are moved first."
    )
    assert limit == "With two answers that is close to the gap's limit nearer to zero, 9.9 points."
    assert half.startswith("Before the gap halves, 6.7 % of the in-person comparison answers")
    assert "odds times 1.60" in half
    assert (
        phone
        == "By phone the comparison group's odds are 0.96 (0.67 to 1.37) times those in person."
    )


def test_more_answers_have_no_limit_to_be_close_to():
    assert "close to" not in text(tipping(FIVE, ROWS))
    far = (replace(ROWS[0], threshold=0.2), *ROWS[1:])
    assert "to be read beside the gap's limit" in text(tipping(TWO, far))


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [(1.1, 1.5, "fall short of"), (1.1, 2.5, "leave open"), (2.1, 2.5, "go beyond")],
)
def test_the_phone_is_set_against_each_move(lower, upper, words):
    rows = (*ROWS[:5], replace(ROWS[5], lower=lower, upper=upper))
    assert f"1.89 in every cell, which the phone interviews {words}" in text(tipping(TWO, rows))


def test_the_two_moves_may_be_judged_apart():
    rows = (*ROWS[:5], replace(ROWS[5], lower=1.2, upper=1.7))
    found = text(tipping(TWO, rows))
    assert "1.89 in every cell, which the phone interviews fall short of" in found
    assert "1.60 in every cell, which the phone interviews leave open" in found


def test_of_more_answers_the_declared_threshold_tips():
    others = tuple(replace(one, category=">=B", estimate=0.5) for one in ROWS)
    found = text(tipping(AT_C, (*others, *(replace(one, category=">=C") for one in ROWS))))
    assert found.startswith("Before the interval at “C or higher” reaches no gap, 9.5 % of the")
    assert "at least 2.4 %" in found
    assert "50.0 %" not in found


def test_without_phone_interviews_nothing_is_said_of_them():
    assert "phone" not in text(tipping(TWO, ROWS[:5])).lower()


def test_an_interval_that_holds_no_gap_has_nothing_to_lose():
    blank = row(Version.INTERVAL_AT_ZERO, "share_off", verdict=Verdict.NOT_APPLICABLE)
    found = tipping(TWO, (blank, *ROWS[3:]))
    assert found[0] == "The interval holds no gap already: no answer has to be off."
    assert found[1].startswith("Before the gap halves")


def test_another_link_is_told_on_its_own_scale():
    rows = tuple(
        replace(one, quantity="latent_shift") if one.quantity == "odds_multiple" else one
        for one in ROWS
    )
    found = text(tipping(TWO, rows))
    assert "a latent shift of +1.89 in every cell" in found
    assert "By phone the comparison group's answers are shifted by +0.96 (+0.67 to +1.37)." in found


def test_what_the_design_can_detect_at_a_declared_threshold():
    rows = tuple(replace(one, category=">=C") for one in DESIGN)
    whole = row(Version.IN_PERSON, "smallest_superiority", 0.53, Check.DESIGN_ANALYSIS)
    found = text(detectable(AT_C, (whole, *rows)))
    assert found.startswith("A gap of 5.8 points or more at “C or higher” would have been found")
    assert "what is found would be 1.23 times" in found


DESIGN = tuple(
    row(variant, quantity, estimate, Check.DESIGN_ANALYSIS, threshold=0.05, power=power)
    for variant, quantity, estimate, power in (
        (Version.IN_PERSON, "smallest_detectable", 0.058, 0.669),
        (Version.IN_PERSON, "type_s", 0.00002, None),
        (Version.IN_PERSON, "type_m", 1.225, None),
        ("design effect 1", "smallest_detectable", 0.0635, 0.6),
        (Version.PHONE_IN_PLACE, "smallest_detectable", 0.096, 0.31),
        (Version.PHONE_AGAINST, "smallest_detectable", 0.077, 0.44),
    )
)


def test_what_the_design_can_detect():
    first, second = (text([one]) for one in detectable(TWO, DESIGN))
    assert first == (
        "A gap of 5.8 points or more would have been found with at least 80 % probability, with "
        "the phone interviews in place of the in-person ones 9.6, and a difference between the "
        "two modes of 7.7."
    )
    assert second == (
        "A true gap of 5.0 points would be found with 66.9 % probability; what is found would be "
        "1.23 times that on average, and of the wrong sign in less than 0.1 % of findings."
    )
    wrong = (DESIGN[0], replace(DESIGN[1], estimate=0.021), *DESIGN[2:])
    assert "wrong sign in 2.1 % of findings" in text(detectable(TWO, wrong))
    assert "modes" not in text(detectable(TWO, DESIGN[:4]))


def test_superiority_is_told_beside_the_thresholds():
    rows = (
        row(Version.IN_PERSON, "smallest_superiority", 0.534, Check.DESIGN_ANALYSIS),
        *(replace(DESIGN[0], category=f">={c}", estimate=v) for c, v in (("A", 0.02), ("B", 0.04))),
    )
    assert text(detectable(FIVE, rows)) == (
        "A chance of a member to stand higher of 53.4 % or more would have been found with at "
        "least 80 % probability; at the thresholds, a gap of 2.0 to 4.0 points."
    )


def test_columns_of_one_version_stand_together():
    # The first outcome has no tipping share: its rows name the versions in another order.
    blank = row(Version.INTERVAL_AT_ZERO, "share_off", verdict=Verdict.NOT_APPLICABLE)
    rows = [replace(one, outcome="x", model="x") for one in (blank, *ROWS[3:])]
    view = view_of(("no", "yes"), label=str, group=str, mark="")
    (table,) = (block for block in check_blocks(view, [*rows, *ROWS]) if isinstance(block, Table))
    heads = [head.partition(",")[0] for head in table.header[2:-1]]
    assert heads == [*["Interval reaches zero"] * 3, *["Gap halves"] * 2, "Phone minus in person"]


def test_nothing_to_tell():
    assert tipping(TWO, ()) == ()
    assert detectable(TWO, ()) == ()
