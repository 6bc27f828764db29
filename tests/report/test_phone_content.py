"""What the phone section makes of odds ratios, margins out of reach and mode terms."""

from __future__ import annotations

import pandas as pd
import pytest

from coopgap.estimate import SensitivityRow, to_frame
from coopgap.report.content.phone import phone_section
from coopgap.report.content.said.phone import beyond_reach, one_odds_ratio, with_mode_term
from coopgap.report.document import Items, Paragraph, Table
from coopgap.report.view import make_view
from coopgap.vocabulary import Check, Family, Quantity, Verdict

INTERVAL = {"interval_prob": 0.95, "interval_kind": "confidence"}
KEYS = {"model": "agree", "outcome": "agree", "source": "EXAMPLE DATA"}
SES = {**KEYS, "model": "ses", "outcome": "ses"}
TERM, THRESHOLDS = "joins with a mode term", "joins with mode-specific thresholds"


def gap(variant, estimate, *, check=Check.PHONE_JOINS_MODE, verdict=None, keys=KEYS, **more):
    return SensitivityRow(
        **keys,
        check=check,
        variant=variant,
        family=more.pop("family", Family.MATCHED_LOGIT),
        quantity=more.pop("quantity", Quantity.RISK_DIFFERENCE),
        estimate=estimate,
        lower=estimate - 0.05,
        upper=estimate + 0.05,
        verdict=verdict,
        **(INTERVAL | more),
    )


def pooled(variant, estimate, **more):
    return gap(variant, estimate, family=Family.HIERARCHICAL, interval_kind="credible", **more)


def margin(quantity, estimate, variant, category=">=A", threshold=None):
    return SensitivityRow(
        **SES,
        check=Check.PHONE_EQUIVALENCE,
        variant=variant,
        quantity=quantity,
        category=category,
        estimate=estimate,
        threshold=threshold,
        power=0.0,
        note="A sentence.",
    )


@pytest.fixture
def make(build):
    def make(*rows):
        frames = build.frames()
        added = to_frame("sensitivity", rows)
        frames["sensitivity"] = pd.concat([frames["sensitivity"], added], ignore_index=True)
        return make_view(frames, build.study(), build.meta())

    return make


def section(view, kind):
    return [block for block in phone_section(view, ()).blocks if isinstance(block, kind)]


def test_mode_versions_stand_beside_the_gap_in_person(make):
    view = make(
        gap("in person", 0.09),
        gap(TERM, 0.08, verdict=Verdict.HOLDS),
        pooled("in person", 0.10),
        pooled("phone", 0.07, check=Check.PHONE_REPLACES, verdict=Verdict.CHANGES),
        pooled(TERM, 0.11, verdict=Verdict.HOLDS),
    )
    balanced, matched, regions = (
        table for table in section(view, Table) if table.header[2] == "In person only"
    )
    assert balanced.header[3::2] == ("By phone instead", "Both together")
    assert matched.header[3::2] == ("With a mode term",)
    assert matched.rows[0][2:] == ("+9.0 (4.0\xa0to\xa014.0)", "+8.0 (3.0\xa0to\xa013.0)", "holds")
    assert regions.header[3::2] == ("By phone instead", "With a mode term")
    assert regions.rows[0][3:5] == ("+7.0 (2.0\xa0to\xa012.0)", "changes")
    # Balanced rows have no family, and no row of another estimator slips in among them.
    assert "+7.0" not in str(balanced.rows)
    assert "credible" in regions.notes[0]
    assert "credible" not in matched.notes[0]


def test_what_a_version_lacks_is_said_below_and_not_as_the_check(make):
    why = SensitivityRow(
        **KEYS,
        check=Check.PHONE_JOINS_MODE,
        variant=THRESHOLDS,
        verdict=Verdict.NOT_APPLICABLE,
        note="One threshold.",
    )
    withheld = SensitivityRow(
        **KEYS,
        check=Check.PHONE_JOINS_MODE,
        variant=TERM,
        family=Family.HIERARCHICAL,
        verdict=Verdict.NOT_ASSESSED,
        note="Withheld: divergences.",
    )
    view = make(gap("in person", 0.09), gap(TERM, 0.08, verdict=Verdict.HOLDS), why, withheld)
    texts = [" ".join(item) for block in section(view, Items) for item in block.items]
    assert "With thresholds by mode: not applicable. One threshold. (Agrees)" in texts
    here = "With a mode term, in the model by region: not assessed. Withheld: divergences. (Agrees)"
    assert here in texts
    (below,) = [block for block in section(view, Items) if here in map(" ".join, block.items)]
    assert below.brief is False
    assert not any("Not applicable. One threshold" in text for text in texts)


def test_the_mode_term_in_words(build):
    view = make_view(build.frames(), build.study(), build.meta())
    said = with_mode_term(
        view,
        [
            gap("in person", 0.09),
            gap(TERM, 0.04, verdict=Verdict.CHANGES),
            pooled("in person", 0.10),
            pooled(TERM, 0.11, verdict=Verdict.HOLDS),
        ],
    )
    plain = said[0].replace("\N{NO-BREAK SPACE}", " ")
    assert plain.startswith("The gap is +9.0 points (4.0 to 14.0) in person (matched);")
    assert "+4.0 points (−1.0 to 9.0) when it joins with a mode term" in plain
    assert said[0].endswith("The gap changes when it joins with a mode term.")
    assert said[1].startswith("In the model by region the gap is +10.0 points")
    assert "95 % credible interval" in said[1]
    assert said[1].endswith("The gap holds.")
    opened = [gap("in person", 0.09), gap(TERM, 0.06, verdict=Verdict.UNDECIDED)]
    assert with_mode_term(view, opened)[0].endswith("The gap is undecided.")
    same = with_mode_term(view, [gap("in person", 0.09), gap(TERM, 0.09, verdict=Verdict.HOLDS)])
    assert same[0].endswith("so that only the interval could move.")
    assert with_mode_term(view, [gap("in person", 0.09)]) == []


def test_an_ordered_outcome_is_told_by_its_superiority(build):
    view = make_view(build.frames(), build.study(), build.meta())
    rows = [
        gap(name, 0.6, keys=SES, quantity=Quantity.SUPERIORITY, verdict=verdict)
        for name, verdict in (("in person", None), (TERM, "holds"), (THRESHOLDS, "changes"))
    ]
    (text,) = with_mode_term(view, [*rows, gap(TERM, 0.3, keys=SES, category=">=A")])
    assert "The probability of superiority is 60.0" in text
    assert "when it joins with a mode term and 60.0" in text
    assert text.endswith("The gap changes when it joins with mode-specific thresholds.")
    assert "30.0" not in text


def test_thresholds_by_mode_stand_in_the_table_of_the_model_by_region(make):
    rows = [
        pooled(name, 0.1, keys=SES, quantity=Quantity.SUPERIORITY, verdict=verdict)
        for name, verdict in (("in person", None), (TERM, "changes"), (THRESHOLDS, "holds"))
    ]
    view = make(*rows)
    (table,) = (
        one
        for one in section(view, Table)
        if one.header[-2:] == ("With thresholds by mode", "Conclusion")
    )
    assert table.caption == "The same in the model by region, in points"
    assert table.rows[-1][-1] == "holds"
    assert "thresholds by mode" in table.notes[0]
    (text,) = with_mode_term(view, rows)
    assert "when it joins with mode-specific thresholds (95 % credible interval)" in text
    assert text.endswith("The gap changes when it joins with a mode term.")


def test_one_odds_ratio_has_a_sentence_and_no_margin(make):
    row = SensitivityRow(
        **SES,
        check=Check.PHONE_EQUIVALENCE,
        variant="adjusted",
        quantity=Quantity.CUMULATIVE_ODDS_RATIO,
        estimate=1.13,
        lower=0.91,
        upper=1.4,
        interval_prob=0.9,
        interval_kind="confidence",
        p_value=0.35,
        note="Odds.",
    )
    (sentence,) = one_odds_ratio([row])
    assert sentence == (
        "Over all thresholds the odds of a higher answer by phone are 1.13 times those in person "
        "(90 % confidence interval 0.91 to 1.40)."
    )
    view = make(row)
    assert sentence in dict(section(view, Items)[0].items)["Class."]
    line = next(
        line for line in section(view, Table)[0].rows if line[1] == "odds ratio over all thresholds"
    )
    assert line[2:] == ("adjusted", "1.13 (0.91\xa0to\xa01.40)", "–", "–", "–", "–")


def test_margins_out_of_reach_are_named_once(make):
    rows = [
        margin("smallest_margin", 0.09, "design effect 1", threshold=0.06),
        margin("smallest_margin_possible", 0.05, "design effect 1"),
        margin("smallest_margin", 0.11, "design effect 1.5", threshold=0.06),
        margin("smallest_margin_possible", 0.0612, "design effect 1.5"),
        margin("smallest_margin", 0.13, "design effect 2", threshold=0.06),
        margin("smallest_margin_possible", 0.0707, "design effect 2"),
    ]
    view = make(*rows)
    assert beyond_reach(view, rows) == (
        "Whatever these interviews find, the declared ± 6.0 points cannot be confirmed at “A” "
        "from a design effect of 1.5 on."
    )
    assert beyond_reach(view, rows[:2]) == ""
    table = next(table for table in section(view, Table) if "Smallest margins" in table.caption)
    assert table.rows == (
        (
            "Class",
            "A",
            "confirmed with 80 % probability",
            "6.0",
            *(f"{value} (power\xa00.0\xa0%)" for value in ("9.0", "11.0", "13.0")),
        ),
        ("", "A", "up to which nothing is ever confirmed", "–", "5.0", "6.1", "7.1"),
    )


def test_both_gaps_in_person_are_explained_where_both_stand(make):
    balanced = [
        gap("in person", 0.10, check=Check.PHONE_REPLACES, family=None),
        gap("phone", 0.08, check=Check.PHONE_REPLACES, family=None, verdict=Verdict.HOLDS),
    ]
    both = make(*balanced, gap("in person", 0.09), gap(TERM, 0.08, verdict=Verdict.HOLDS))
    (told,) = (block for block in section(both, Paragraph) if "their weights do" in block.text)
    assert told.brief


def test_the_gap_of_the_same_members_stands_beside_the_conclusion_drawn_from_it(make):
    here = {"check": Check.PHONE_REPLACES, "family": None, "keys": SES, "category": ">=A"}
    view = make(
        gap("phone", 0.04, verdict=Verdict.HOLDS, **here),
        gap("in person", 0.123, **here),
        gap("in person, same members", 0.03, **here),
    )
    table = next(one for one in section(view, Table) if one.header[2] == "In person only")
    (line,) = (row for row in table.rows if "+12.3" in row[2])
    cell = line[table.header.index("By phone instead")].replace("\xa0", " ")
    assert cell == "+4.0 (−1.0 to 9.0); same members in person +3.0 (−2.0 to 8.0)"


def test_margins_are_in_the_short_report_and_say_how_differences_are_tested(make):
    view = make(
        margin("smallest_margin_possible", 0.05, "design effect 1", threshold=0.04),
        gap("adjusted", 0.061, check=Check.PHONE_EQUIVALENCE, keys=SES, category=">=A"),
    )
    tables = section(view, Table)
    (margins,) = (one for one in tables if one.caption.startswith("Smallest margins"))
    assert margins.brief
    (alike,) = (one for one in tables if one.caption.startswith("Phone less in-person"))
    assert "tested at 5 % on both sides together" in " ".join(alike.notes)
