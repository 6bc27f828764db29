"""What the sections say, row by row."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from coopgap.estimate import TABLES, DiagnosticRow, SensitivityRow, columns, to_frame
from coopgap.report.content.checks import check_blocks
from coopgap.report.content.compared import compared_section
from coopgap.report.content.gaps import family_table, gaps_section
from coopgap.report.content.phone import phone_section
from coopgap.report.content.printed import printed_section
from coopgap.report.content.regions import regions_section
from coopgap.report.content.says import headline_sentences, headline_table
from coopgap.report.document import Items, Table
from coopgap.report.schema import column_dictionary
from coopgap.report.view import make_view
from coopgap.study.spec import Headline


@pytest.fixture
def view(build):
    return make_view(build.frames(), build.study(), build.meta())


def tables(section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def with_headline(build, **changes):
    """A view whose headline difference of the two-level outcome is changed."""
    frames = build.frames()
    gaps = frames["gaps"].copy()
    rows = (
        (gaps["family"] == "matched_logit")
        & (gaps["group"] == "all")
        & (gaps["quantity"] == "risk_difference")
    )
    for name, value in changes.items():
        gaps.loc[rows, name] = value
    return make_view({**frames, "gaps": gaps}, build.study(), build.meta())


def test_fewer_is_said_as_less_often(build):
    view = with_headline(build, estimate=-0.091, lower=-0.14, upper=-0.042)
    text = headline_sentences(view)[0][1]
    assert "9.1 points less often (95 % confidence interval −14.0 to −4.2) than" in text


def test_an_interval_that_holds_zero_is_said_not_to_settle_the_direction(build):
    settled = headline_sentences(with_headline(build))[0][1]
    open_ = headline_sentences(with_headline(build, lower=-0.01))[0][1]
    assert "do not settle its direction" in open_
    assert "do not settle its direction" not in settled


@pytest.mark.parametrize(
    ("status", "word"), [("suppressed", "suppressed"), ("not_estimable", "not estimable")]
)
def test_a_headline_without_number_says_why(build, status, word):
    none = float("nan")
    view = with_headline(build, status=status, estimate=none, lower=none, upper=none)
    assert headline_sentences(view)[0][1].startswith(f"No number: {word}")


def test_a_declared_threshold_is_told_first_and_the_whole_distribution_after_it(build):
    study = build.study()
    declared = {"ses": (Headline(model="ses", at=">=B"), Headline(model="agree"))}
    view = make_view(build.frames(), replace(study, headline=declared), build.meta())
    (_, text), (_, second) = headline_sentences(view)
    found = text.replace("\N{NO-BREAK SPACE}", " ")
    assert found.startswith(
        "Members stand at “B or higher” 9.1 points more often (95 % confidence interval 4.2 to "
        "14.0) than comparison people"
    )
    assert "Probability of superiority 56.0 %" in found
    assert "A +9.1" in found
    assert second.startswith("Members answer")
    lines = [row[:2] for row in headline_table(view).rows]
    assert [at for _, at in lines] == ["B or higher", "superiority", "A", "yes"]


def test_every_sentence_calls_itself_an_association(view):
    sentences = headline_sentences(view)
    assert len(sentences) == 2
    assert all("This is an association." in text for _, text in sentences)


def test_the_family_table_sets_off_the_headline(view):
    rows = view.by_model[("ses", "ses")]
    table = family_table(view, "ses", "ses", rows)
    assert table.header == (
        "Family",
        "Standardised to",
        "A",
        "B or higher",
        "superiority",
    )
    assert [table.rows[number][0] for number in table.strong] == ["matched"]
    assert table.rows[0][2].replace("\N{NO-BREAK SPACE}", " ") == "+9.1 (4.2 to 14.0)"


def test_conditional_ratios_stand_beside_marginal_ones_and_say_so(view):
    found = [table for table in tables(gaps_section(view, ())) if table.caption == "Ratios"]
    assert any("within matched sets" in row for table in found for row in table.rows)
    assert "is not the marginal odds ratio" in " ".join(found[0].notes)


def test_regions_alone_stand_beside_pooled_ones(view):
    table = tables(regions_section(view, ()))[0]
    assert [row[:2] for row in table.rows] == [
        ("North", "alone"),
        ("", "pooled"),
        ("South", "alone"),
        ("", "pooled"),
    ]


def test_spreads_and_ranks_are_told(view):
    section = regions_section(view, ())
    chances = next(table for table in tables(section) if "probabilities" in table.caption)
    assert any("98.7\N{NO-BREAK SPACE}%" in row for row in chances.rows)
    spreads = [block for block in section.blocks if isinstance(block, Items)]
    assert "0.200" in spreads[0].items[0][1]


def test_counts_drops_and_reasons_are_told(view):
    text = str(compared_section(view, ()))
    assert "3 left out, membership missing" in text
    assert "North, matched, members with a comparison: Class." in text
    assert "4 zones are too few." in text


def test_joint_verdicts_come_first(build):
    frames = build.frames()
    base = {"model": "ses", "outcome": "ses", "source": "EXAMPLE DATA", "variant": "adjusted"}
    joint = to_frame(
        "sensitivity",
        [
            SensitivityRow(
                **base,
                check="phone_equivalence",
                quantity="largest_difference",
                estimate=0.044,
                verdict="inconclusive",
                note="Over all thresholds.",
            )
        ],
    )
    frames["sensitivity"] = pd.concat([frames["sensitivity"], joint], ignore_index=True)
    view = make_view(frames, build.study(), build.meta())
    items = next(block for block in phone_section(view, ()).blocks if isinstance(block, Items))
    text = dict(items.items)["Class."]
    assert text.startswith("Inconclusive: all thresholds together (largest +4.4 points).")


def test_versions_of_a_check_stand_side_by_side(view, build):
    rows = [
        SensitivityRow(
            check="variant",
            variant=name,
            model="ses",
            outcome="ses",
            quantity="risk_difference",
            category=">=B",
            verdict=verdict,
            source="x",
            **build.interval(estimate),
        )
        for name, estimate, verdict in (("one", 0.1, "holds"), ("two", 0.02, "changes"))
    ]
    table = next(block for block in check_blocks(view, rows) if isinstance(block, Table))
    assert table.header == ("Outcome", "At", "One", "Two", "Verdict")
    assert table.rows[0][-1] == "one: holds; two: changes"
    many = [
        SensitivityRow(
            check="variant",
            variant=str(number),
            model="ses",
            outcome="ses",
            quantity="superiority",
            estimate=0.5,
            source="x",
        )
        for number in range(80)
    ]
    table = next(block for block in check_blocks(view, many) if isinstance(block, Table))
    assert len(table.rows) == 60
    assert "The first 60 of 80 rows" in table.notes[0]


def test_printed_items_lose_their_prefix_and_keep_their_bounds(view):
    table = tables(printed_section(view))[0]
    assert table.rows[0] == (
        "Agrees (trust)",
        "40.0\N{NO-BREAK SPACE}%",
        "27.0\N{NO-BREAK SPACE}%",
        "+13.0",
        "8.9 to 17.1",
        "12.0 to 14.0",
        "–",
        "–",
    )


def test_a_dash_is_explained_where_there_is_one():
    bare = Table(caption="c", header=("a", "b"), rows=(("x", "1"),))
    dashed = Table(caption="c", header=("a", "b"), rows=(("x", "–"),))
    assert bare.explained == ()
    assert dashed.explained == ("A dash: there is no such number.",)


def test_the_column_dictionary_names_every_column():
    text = column_dictionary()
    for name in TABLES:
        section = text.split(f"### {name}.csv")[1].split("###")[0]
        for column, doc in columns(name).items():
            assert f"| `{column}` | {doc} |" in section


def test_shipped_printed_rows_fill_the_first_section(build):
    from coopgap.printed.rows import printed_rows

    found = printed_rows("peru")
    frames = {name: to_frame(name, getattr(found, name)) for name in TABLES}
    section = printed_section(make_view(frames, build.study(), build.meta()))
    gaps, classes = tables(section)[:2]
    # WDDCM Peru, Social Benefits: 40 % of members against 27 % of non-members agree.
    assert any(
        row[1:4] == ("40.0\N{NO-BREAK SPACE}%", "27.0\N{NO-BREAK SPACE}%", "+13.0")
        for row in gaps.rows
    )
    # WDDCM Peru, Figure 1: 26 % of members in class B against 9 % of the national average.
    assert classes.rows[1][:4] == (
        "B",
        "26.0\N{NO-BREAK SPACE}%",
        "9.0\N{NO-BREAK SPACE}%",
        "+17.0",
    )


def test_strata_without_comparison_people_are_named_as_far_as_they_can_be_read(build):
    frames = build.frames()
    base = {"source": "EXAMPLE DATA"}
    named = [
        DiagnosticRow(model=model, diagnostic="stratum_members_only", about=cell, **base)
        for model in ("agree", "ses")
        for cell in ("North x m", "South x f")
    ]
    few = [
        DiagnosticRow(model="ses", diagnostic="stratum_few_comparison", about=f"c{number}", **base)
        for number in range(15)
    ]
    other = to_frame("diagnostics", [*named, *few])
    frames["diagnostics"] = pd.concat([frames["diagnostics"], other], ignore_index=True)
    section = compared_section(make_view(frames, build.study(), build.meta()), ())
    items = dict(
        item for block in section.blocks if isinstance(block, Items) for item in block.items
    )
    assert items["Members without a comparison person."] == "North x m; South x f."
    shown = "; ".join(f"c{number}" for number in range(12))
    assert items["Members with few comparison people."] == (
        f"{shown}; and 3 more in diagnostics.csv. (Class)"
    )


def test_small_counts_of_people_left_aside_are_told(build):
    meta = build.meta() | {"dropped": [{"reason": "membership missing", "count": 3}]}
    section = compared_section(make_view(build.frames(), build.study(), meta), ())
    assert "3 left out, membership missing" in str(section)


def test_a_headline_of_few_people_is_marked(build):
    sentences = headline_sentences(with_headline(build, status="few_people"))
    assert "Few people: fewer than 10 at the answer" in sentences[0][1]
