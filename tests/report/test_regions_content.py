"""What the report says of the hierarchical model: its headline, its spreads and its checks."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from coopgap.report.content.checks import checks_section
from coopgap.report.content.closing import details_section
from coopgap.report.content.regions import regions_section
from coopgap.report.document import Figure, Items, Paragraph, Table
from coopgap.report.figures.canvas import drawing_style
from coopgap.report.figures.draw import drawings
from coopgap.report.figures.gaps import regions
from coopgap.report.figures.predictive import predictive
from coopgap.report.view import make_view
from coopgap.report.words import category_words
from coopgap.report.write import write_report
from coopgap.study.spec import DeclaredPopulation, Headline


@pytest.fixture
def view(build):
    return make_view(build.pooled(), build.study(), build.meta())


def changed(build, table, where, **changes):
    """A view with some cells of the hierarchical rows changed."""
    frames = build.pooled()
    frame = frames[table].copy()
    rows = frame.eval(where)
    assert rows.any()
    for name, value in changes.items():
        frame.loc[rows, name] = value
    return make_view({**frames, table: frame}, build.study(), build.meta())


def without(build, check):
    frames = build.pooled()
    frame = frames["sensitivity"]
    kept = frame[frame["check"] != check].reset_index(drop=True)
    return make_view({**frames, "sensitivity": kept}, build.study(), build.meta())


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def paragraph(section, lead: str) -> str:
    found = [b.text for b in section.blocks if isinstance(b, Paragraph) and b.lead == lead]
    assert found
    return plain(found[-1])


def table(section, start: str) -> Table:
    found = [b for b in section.blocks if isinstance(b, Table) and b.caption.startswith(start)]
    return found[-1]


def cells(section, start: str) -> list[tuple[str, ...]]:
    return [tuple(plain(cell) for cell in row) for row in table(section, start).rows]


def test_the_headline_is_the_gap_over_the_members_own_regions(view):
    text = paragraph(regions_section(view, ()), "Over the members' own regions.")
    assert "A +3.0 (1.0 to 5.0); B or higher +12.0 (10.0 to 14.0)." in text
    assert "Probability of superiority 57.0 % (54.0 to 60.0 %)." in text
    assert "weighted by members, is +0.50 (0.30 to 0.70) log odds" in text
    assert text.endswith("In brackets: 95 % credible interval. This is an association.")


def test_the_headline_comes_first_under_its_outcome_and_the_footnote_after_it(view):
    blocks = regions_section(view, ()).blocks
    leads = [block.lead for block in blocks if isinstance(block, Paragraph) and block.lead]
    at = leads.index("Footnote: regions like these.")
    assert leads[at - 1] == "Over the members' own regions."
    place = next(n for n, block in enumerate(blocks) if getattr(block, "text", "") == "Class")
    assert blocks[place + 1].lead == "Over the members' own regions."


def test_the_footnote_has_its_own_interval_and_its_reason(view):
    text = paragraph(regions_section(view, ()), "Footnote: regions like these.")
    # Half-widths .5 and .2: 2.5 times as wide.
    assert "+0.60 (0.10 to 1.10) log odds, with an interval 2.5 times as wide" in text
    assert "no headline: 2 regions" in text


def test_a_footnote_that_is_no_wider_does_not_say_so(build):
    view = changed(build, "coefficients", "term == 'member:superpopulation'", lower=0.4, upper=0.6)
    text = paragraph(regions_section(view, ()), "Footnote: regions like these.")
    assert "times as wide" not in text


def test_probits_are_called_probits(build):
    view = changed(build, "coefficients", "scale == 'log_odds'", scale="probit")
    section = regions_section(view, ())
    assert "+0.50 (0.30 to 0.70) probits" in paragraph(section, "Over the members' own regions.")
    text = str(section.blocks[next(n for n, b in enumerate(section.blocks) if "Class" in str(b)) :])
    assert "(probits):" in text
    assert "(log odds):" not in text


def test_a_withheld_model_shows_no_number_and_keeps_what_the_prior_allowed(build):
    frames = build.pooled()
    gaps = frames["gaps"].copy()
    rows = (gaps["family"] == "hierarchical") & (gaps["model"] == "ses")
    gaps.loc[rows, ["estimate", "lower", "upper"]] = float("nan")
    gaps.loc[rows, "status"] = "withheld"
    table_ = frames["coefficients"]
    none = table_[table_["family"] != "hierarchical"].reset_index(drop=True)
    checks = frames["sensitivity"]
    left = checks[(checks["family"] != "hierarchical") | (checks["check"] == "prior_predictive")]
    frames |= {"gaps": gaps, "coefficients": none, "sensitivity": left.reset_index(drop=True)}
    section = regions_section(make_view(frames, build.study(), build.meta()), ())
    assert paragraph(section, "Over the members' own regions.") == "No number: withheld."
    assert not any("Footnote" in getattr(block, "lead", "") for block in section.blocks)
    prior = cells(section, "Gap in points before")
    assert prior[0][2] == "–"
    assert prior[0][1] == "+0.1 (−29.9 to 30.1)"


def test_gaps_by_threshold_say_how_far_from_one_odds_ratio(view):
    text = paragraph(regions_section(view, ()), "How far from one odds ratio?")
    assert "run from +0.30 (0.00 to 0.60) at “A” to +0.70 (0.45 to 0.95) at “B or higher”" in text
    assert "root mean square of 0.071 (0.021 to 0.121)" in text


def test_spreads_of_zones_stand_beside_those_of_regions(view):
    items = [b.items for b in regions_section(view, ()).blocks if isinstance(b, Items)][-1]
    assert [lead for lead, _ in items] == [
        "Spread between these regions' gaps (log odds):",
        "Spread between gaps of regions like these (log odds):",
        "Spread between the gaps of zones (log odds):",
        "Spread between the levels of zones (log odds):",
    ]
    assert [plain(text)[:5] for _, text in items] == ["0.110", "0.210", "0.410", "0.310"]


def test_probabilities_are_by_threshold_and_never_one(view):
    rows = cells(regions_section(view, ()), "What the hierarchical model adds")
    assert rows[0] == ("North", "above zero", "> 99.9 %", "> 99.9 %", "1.4 (1 to 2)")
    assert rows[1] == ("", "above 5.0 points", "81.2 %", "81.2 %", "")
    assert len(rows) == 4


def test_the_prior_stands_beside_the_posterior_from_both_ends(view):
    rows = cells(regions_section(view, ()), "Gap in points before")
    assert [row[0] for row in rows] == ["A", "B or higher", "C", "B or lower"]
    # From below the gap is the other side of the threshold above, with its limits swapped.
    assert [row[2] for row in rows] == [
        "+3.0 (1.0 to 5.0)",
        "+12.0 (10.0 to 14.0)",
        "−12.0 (−14.0 to −10.0)",
        "−3.0 (−5.0 to −1.0)",
    ]


def test_shares_outside_their_interval_are_counted_and_named(view):
    text = paragraph(regions_section(view, ()), "Does the model fit?")
    assert "Of 8 shares, by group, region and answer, 7 lie in" in text
    assert "Outside: members, South, B: 42.0 % observed, 25.0 to 35.0 % predicted." in text


def test_many_shares_outside_are_named_as_far_as_they_can_be_read(build):
    view = changed(
        build, "sensitivity", "check == 'posterior_predictive'", verdict="changes", threshold=0.5
    )
    text = paragraph(regions_section(view, ()), "Does the model fit?")
    assert "0 lie in" in text
    assert text.count("observed") == 6
    assert "; and 2 more in sensitivity.csv." in text


def test_of_two_levels_one_share_counts(build):
    frames = build.pooled()
    rows = frames["sensitivity"].query("check == 'posterior_predictive'").copy()
    rows[["model", "outcome"]] = "agree"
    rows["category"] = rows["category"].map({"B": "yes", "C": "no"}).astype("string")
    frames["sensitivity"] = pd.concat([frames["sensitivity"], rows], ignore_index=True)
    section = regions_section(make_view(frames, build.study(), build.meta()), ())
    fits = [b.text for b in section.blocks if getattr(b, "lead", "") == "Does the model fit?"]
    assert ["Of 4 shares" in text for text in fits] == [True, False]


def test_priors_that_have_a_say_are_named(view):
    text = paragraph(regions_section(view, ()), "Weight of the prior and of the data.")
    assert "at a rate of 0.01 to 0.08; let the answers, and it is 0.13 to 0.81." in text
    assert text.endswith("Above 0.05 the priors have a say: “B or higher”.")


def test_priors_without_a_say_are_said_to_have_none(build):
    view = changed(
        build, "sensitivity", "check == 'power_scaling' and verdict == 'changes'", verdict="holds"
    )
    text = paragraph(regions_section(view, ()), "Weight of the prior and of the data.")
    assert text.endswith("Above 0.05 the priors have a say: at no gap.")


def test_refits_stand_below_the_declared_priors(view):
    section = regions_section(view, ())
    rows = cells(section, "Headline gap in points, and spread")
    assert rows[0] == (
        "as declared",
        "+3.0 (1.0 to 5.0)",
        "+12.0 (10.0 to 14.0)",
        "57.0 % (54.0 to 60.0 %)",
        "0.110 (0.010 to 0.210)",
    )
    assert rows[1][:2] == ("region and zone SDs half-Cauchy 1", "+10.4 (5.4 to 15.4)")
    assert rows[2][1:] == ("withheld",) * 4
    text = paragraph(section, "Other priors.")
    assert "Of 4 gaps over all members and in regions, 1 change under other priors" in text
    assert "Withheld, as their draws did not pass: threshold shifts x." in text


def test_each_part_is_told_by_the_rule_of_two_standard_errors(view):
    section = regions_section(view, ())
    rows = cells(section, "Expected log predictive density")
    assert [row[3] for row in rows] == ["–", "open", "needed", "not assessed"]
    assert rows[0][1:3] == ("−2,345.6", "–")
    assert rows[0][4] == "3 people have Pareto k above 0.7: read with care"
    text = paragraph(section, "What each part of the hierarchical model adds.")
    assert "more than twice the standard error" in text


@pytest.mark.parametrize(
    ("check", "lead"),
    [
        ("prior_predictive", "What the prior allows before an answer is seen."),
        ("posterior_predictive", "Does the model fit?"),
        ("power_scaling", "Weight of the prior and of the data."),
        ("prior_refit", "Other priors."),
        ("loo", "What each part of the hierarchical model adds."),
    ],
)
def test_a_check_that_was_not_made_is_not_spoken_of(build, view, check, lead):
    def leads(found):
        return [getattr(block, "lead", "") for block in regions_section(found, ()).blocks]

    assert lead in leads(view)
    assert lead not in leads(without(build, check))


def test_the_list_of_checks_has_a_line_each_and_no_row(view):
    section = checks_section(view)
    items = dict([b.items for b in section.blocks if isinstance(b, Items)][-1])
    assert items == {
        "What the prior allows before an answer is seen.": (
            "Gaps that the prior allows, beside the posterior."
        ),
        "Answers drawn from the posterior beside those given.": (
            "Of 8 shares, by group, region and answer, 7 lie in their 95 % predictive interval."
        ),
        "Weight of the prior and of the data.": "The priors have a say in 1 of 3 headline gaps.",
        "Other priors.": (
            "Of 4 gaps over all members and in regions, 1 change under other priors by more than "
            "half the smallest gap that matters. Withheld, as their draws did not pass: "
            "threshold shifts x."
        ),
        "What each part of the hierarchical model adds.": (
            "The answers need 1 of 2 parts that were left out in turn."
        ),
    }
    captions = {block.caption for block in section.blocks if isinstance(block, Table)}
    assert not captions & set(items) | {lead.rstrip(".") for lead in items} & captions


def test_run_details_say_where_the_draws_come_from(view):
    rows = dict(details_section(view, "no words of cause").blocks[0].rows)
    assert rows["Wording"] == "no words of cause"
    assert rows["Draws"] == "ses kept from an earlier run"


def test_a_run_without_draws_has_no_line_for_them(build):
    view = make_view(build.frames(), build.study(), build.meta())
    assert "Draws" not in dict(details_section(view, "").blocks[0].rows)


def test_the_picture_stands_where_it_is_drawn(build, view, tmp_path):
    with drawing_style():
        names = [drawing.name for drawing in drawings(view)]
    assert "predictive_ses" in names
    assert "predictive_agree" not in names
    figures = [b for b in regions_section(view, names).blocks if isinstance(b, Figure)]
    assert [figure.name for figure in figures][-1] == "predictive_ses"
    assert all(figure.mark == "EXAMPLE DATA" for figure in figures)
    write_report(build.pooled(), build.study(), build.meta(), tmp_path, ("html", "md"))
    assert (tmp_path / "figures" / "predictive_ses.png").stat().st_size > 10_000


def test_the_picture_has_a_point_a_share_and_names_the_one_off_the_line(view):
    with drawing_style():
        figure = predictive(view, "ses", "ses").figure
    members, others = figure.axes
    for axes in (members, others):
        points = [line for line in axes.lines if len(line.get_xdata()) == 1]
        assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in points] == [
            (pytest.approx(30.0), pytest.approx(y))
            for y in ((32.0, 28.0, 42.0, 28.0) if axes is members else (32.0, 28.0) * 2)
        ]
        assert axes.get_xlim() == axes.get_ylim()
        assert axes.get_ylim()[1] > 42.0
    assert [text.get_text() for text in members.texts] == ["South, B"]
    assert not others.texts


def test_levels_at_or_below_are_named():
    levels = ("C", "B", "A")
    assert category_words("<=C", levels) == "C"
    assert category_words("<=B", levels) == "B or lower"


def test_a_level_called_higher_is_not_said_twice():
    levels = ("much lower", "lower", "the same", "higher", "much higher")
    words = [
        category_words(name, levels) for name in (">=higher", ">=lower", "<=lower", "<=higher")
    ]
    assert words == ["higher or above", "lower or above", "lower or below", "higher or below"]
    assert category_words(">=the same", levels) == "the same or higher"
    assert category_words(">=much higher", levels) == "much higher"


def test_hostile_labels_pass_through_the_whole_report(build, tmp_path, hostile):
    # Markup, mathematics and control characters; test_write.py tries every label.
    for number, label in enumerate((hostile[0], hostile[1], hostile[-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        frames = build.hostile(build.pooled(), label)
        write_report(frames, build.study((label,) * 4), build.meta(), folder, ("html", "md"))
        page = (folder / "report.html").read_text("utf-8")
        assert "<script" not in page
        assert (folder / "figures" / "predictive_ses.png").is_file()


def test_a_declared_population_is_named_and_stands_beside_the_members(build):
    frames = build.pooled()
    gaps = frames["gaps"]
    over = gaps[
        (gaps["family"] == "hierarchical")
        & (gaps["group"] == "all")
        & (gaps["quantity"] == "risk_difference")
    ].assign(population="poststratified")
    over = over.assign(estimate=over["estimate"] + 0.05, lower=0.01, upper=0.4)
    frames = {**frames, "gaps": pd.concat([gaps, over], ignore_index=True)}
    declared = DeclaredPopulation(file="people_of_2019.csv", margins=())
    study = build.study()
    study = replace(study, design=replace(study.design, population=declared))
    section = regions_section(make_view(frames, study, build.meta()), ())
    text = paragraph(section, "Over a declared population.")
    assert "mix of people_of_2019.csv in place of the members'" in text
    assert "A +8.0 (1.0 to 40.0); B or higher +17.0" in text
    assert "not co-operative members" in text
    headline = paragraph(section, "Over the members' own regions.")
    assert "A +3.0 (1.0 to 5.0); B or higher +12.0" in headline
    alone = regions_section(make_view(frames, build.study(), build.meta()), ())
    assert not [b for b in alone.blocks if getattr(b, "lead", "") == "Over a declared population."]


@pytest.mark.parametrize(("at", "words"), [(">=A", "A"), (">=B", "B or higher")])
def test_the_picture_by_region_is_at_the_declared_threshold(build, at, words):
    study = build.study()
    declared = replace(study, headline={"ses": (Headline(model="ses", at=at),)})
    view = make_view(build.pooled(), declared, build.meta())
    with drawing_style():
        drawn = regions(view, "ses", "ses", view.by_model[("ses", "ses")])
    titles = [
        text.get_text() for text in drawn.figure.findobj(match=lambda one: hasattr(one, "get_text"))
    ]
    assert [one for one in titles if one.endswith("by region")] == [f"Class: {words}, by region"]
