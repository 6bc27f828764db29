"""What the report says of outside shares: whose, how sure, at which regions, raked to whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coopgap.estimate import DiagnosticRow, GapRow
from coopgap.families.benchmark import COMPARISON_GROUP, standardised_name
from coopgap.report.content.outside import outside_blocks, taken_as
from coopgap.report.document import Paragraph, Table
from coopgap.report.view import make_view
from coopgap.study.spec import Benchmark, DeclaredPopulation, Margin, OutsideShares
from coopgap.vocabulary import EXAMPLE

NAME = "ENSO 2024"
SHARES = {"C": 50.0, "B": 30.0, "A": 20.0}
POPULATION = DeclaredPopulation(
    file="people.csv",
    margins=(
        Margin(variables=("sex",), shares={("m",): 0.5, ("f",): 0.5}),
        Margin(variables=("region", "sex"), shares={}),
    ),
)


def shares(n=None, design_effect=1.0):
    return OutsideShares(shares=SHARES, n=n, design_effect=design_effect)


def row(group="all", comparator=NAME, population="all_members", estimate=0.1, **more):
    return GapRow(
        model="ses",
        family="benchmark",
        outcome="ses",
        comparator=comparator,
        group=group,
        population=population,
        quantity="risk_difference",
        category=">=A",
        estimate=estimate,
        lower=estimate - 0.04,
        upper=estimate + 0.04,
        interval_prob=0.95,
        interval_kind="confidence",
        n_member=406,
        status="ok",
        source=EXAMPLE,
        **more,
    )


def worth(group, value):
    return DiagnosticRow(
        model="ses",
        diagnostic="effective_size",
        about=NAME,
        family="benchmark",
        group=group,
        population="poststratified",
        value=value,
        note="people that the raked weights are worth",
        source=EXAMPLE,
    )


@pytest.fixture
def said(build):
    view = make_view(build.frames(), build.study(), build.meta())

    def make(*rows, benchmark=None, population=None, diagnostics=()):
        one = benchmark or Benchmark(outcome="ses", source="A yearbook", name=NAME, whole=shares())
        study = replace(
            view.study,
            benchmarks=(one,),
            design=replace(view.study.design, population=population),
        )
        table, text = outside_blocks(
            replace(view, study=study, diagnostics=tuple(diagnostics)), "ses", rows
        )
        assert isinstance(table, Table)
        assert isinstance(text, Paragraph)
        return table, text.text.replace("\N{NO-BREAK SPACE}", " ")

    return make


def test_a_name_keeps_its_letters_and_the_short_report_has_the_source(said):
    table, text = said(row())
    assert text.startswith("ENSO 2024: A yearbook. No size is declared: taken as exact.")
    assert table.rows[0][:2] == ("Members", "ENSO 2024")
    assert "members among them unless it says otherwise" in text
    assert table.brief


def test_only_what_was_done_is_explained(said):
    _, plain = said(row())
    assert "regions" not in plain
    assert "aked" not in plain
    _, placed = said(row(comparator=standardised_name(NAME)))
    assert "weighs the outside regions as the people on the left live" in placed
    assert "aked" not in placed


def test_raking_says_to_whom_by_what_and_what_is_left_of_the_people(said):
    _, text = said(
        row(population="poststratified"),
        row(group=COMPARISON_GROUP, population="poststratified"),
        population=POPULATION,
        diagnostics=[worth("all", 153.7), worth(COMPARISON_GROUP, 391.2)],
    )
    assert "to people.csv (sex and region by sex), whose people are not the members" in text
    assert "Members: 406, worth 154 once raked." in text
    assert "Comparison people: 406, worth 391 once raked." in text


def test_an_effective_size_of_another_model_benchmark_or_group_is_not_this_ones(said):
    rows = (row(population="poststratified"),)
    for other in (
        replace(worth("all", 99.0), model="trust"),
        replace(worth("all", 99.0), about="B"),
        replace(worth("all", 99.0), population="members"),
        worth(COMPARISON_GROUP, 99.0),
    ):
        _, text = said(*rows, population=POPULATION, diagnostics=[other])
        assert "once raked" not in text


def test_without_differences_there_is_nothing_to_say(build):
    view = make_view(build.frames(), build.study(), build.meta())
    own = replace(row(comparator=""), quantity="share", category="A")
    assert outside_blocks(view, "ses", [own]) == []


def test_people_of_a_region_are_named_with_their_group(said):
    table, _ = said(
        row(group="region=North"),
        row(group=f"{COMPARISON_GROUP}, region=North"),
        row(group=COMPARISON_GROUP),
        row(),
    )
    who = [line[0] for line in table.rows]
    assert who == ["Members", "Comparison people", "Members, North", "Comparison people, North"]


@pytest.mark.parametrize(
    ("benchmark", "expected"),
    [
        ({"whole": shares(1508)}, "Taken as a simple random sample of 1,508 people."),
        (
            {"whole": shares(1508, 1.5)},
            "Taken as a simple random sample of 1,508 people, with a design effect of 1.5.",
        ),
        (
            {"whole": shares(), "regions": {"North": shares(300), "South": shares(150)}},
            "No size is declared: taken as exact. "
            "By region: taken as simple random samples of 150 to 300 people.",
        ),
        (
            {"regions": {"North": shares(300, 2.0), "South": shares(300)}},
            "Taken as simple random samples of 300 people, with design effects of 1 and 2.",
        ),
    ],
)
def test_the_error_of_outside_shares_in_words(benchmark, expected):
    one = Benchmark(outcome="ses", source="A yearbook", **benchmark)
    assert taken_as(one).replace("\N{NO-BREAK SPACE}", " ") == expected
