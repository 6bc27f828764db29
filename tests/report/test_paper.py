"""Tables for papers, the papers that a run cites, and the figures beside them."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from typing import get_args

import pandas as pd
import pytest

from coopgap.checks.registry import checks
from coopgap.core.estimate import (
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    Rows,
    SensitivityRow,
    to_frame,
)
from coopgap.core.vocabulary import (
    Diagnostic,
    Family,
    IntervalKind,
    OddsTest,
    Population,
    Quantity,
)
from coopgap.report import appendix, paper
from coopgap.report.data import Results, make_results
from coopgap.report.figures import draw
from coopgap.report.figures.canvas import drawing_style
from coopgap.report.pages import Content
from coopgap.study.model import KEYS
from coopgap.study.spec import (
    Design,
    DistanceName,
    FormName,
    Group,
    Headline,
    Matching,
    ModelSpec,
    Study,
    Variable,
    Variant,
)

SOURCE = "survey.csv"
BASE = {"model": "trust", "outcome": "trust", "comparator": "comparison", "source": SOURCE}
MATCHED = {**BASE, "family": "matched_ordinal", "population": "members"}
LEVELS = ("low", "middle", "high")


def variable(name: str, levels: tuple[str, ...], label: str, **how: object) -> Variable:
    return Variable(
        name=name,
        column=name,
        type="nominal",
        levels=levels,
        declared_levels=levels,
        label=label,
        **how,  # type: ignore[arg-type]
    )


def study(**how: object) -> Study:
    trust = ModelSpec(
        name="trust",
        outcome="trust",
        covariates=("sex", "school"),
        matching=Matching(method="exact", on=("sex",)),
    )
    variables = (
        replace(variable("trust", LEVELS, "Trust"), type="ordinal"),
        variable("sex", ("men", "women"), "Sex of the head"),
        variable("school", ("none", "some"), "School"),
        variable("area", ("North", "South"), "Area"),
    )
    return Study(
        name="small",
        title="Small",
        survey=None,
        group=Group(column="m", member=(1,), comparison=(0,), comparison_label="Others"),
        design=Design(region="area"),
        variables={one.name: one for one in variables},
        models=(replace(trust, **how),),  # type: ignore[arg-type]
        headline={"trust": (Headline(model="trust", at=">=middle"),)},
        folder=files("coopgap"),  # type: ignore[arg-type]
        sha256="0" * 64,
    )


def gap(value: float | None, half: float = 0.05, **how: object) -> GapRow:
    limits = {} if value is None else {"estimate": value, "lower": value - half}
    limits |= {} if value is None else {"upper": value + half, "p_value": 0.02}
    return GapRow(
        **{
            **MATCHED,
            **limits,
            "group": "all",
            "quantity": "risk_difference",
            "category": ">=middle",
            "interval_prob": 0.95,
            "interval_kind": "confidence",
            "n_member": 90,
            "n_comparison": 80,
            **how,
        }
    )


def shares(side: str, values: tuple[float, ...]) -> list[GapRow]:
    return [
        gap(value, quantity="share", category=level, comparator=side)
        for level, value in zip(LEVELS, values, strict=True)
    ]


def results(
    *,
    gaps: tuple[GapRow, ...] = (),
    balance: tuple[object, ...] = (),
    coefficients: tuple[CoefficientRow, ...] = (),
    sensitivity: tuple[SensitivityRow, ...] = (),
    diagnostics: tuple[object, ...] = (),
    spec: dict[str, object] | None = None,
    **meta: object,
) -> Results:
    whole = gap(0.1, family="unadjusted", population="all_members", n_member=100, n_comparison=95)
    own = (*shares("", (0.2, 0.5, 0.3)), *shares("comparison", (0.35, 0.45, 0.2)))
    rows = Rows(
        gaps=(whole, gap(0.15, ess_comparison=61.4), *own, *gaps),
        balance=balance,  # type: ignore[arg-type]
        coefficients=coefficients,
        sensitivity=sensitivity,
        diagnostics=diagnostics,  # type: ignore[arg-type]
    )
    return Results(study=study(**(spec or {})), meta=meta, survey=rows, printed=Rows())


def cells(table: paper.Table) -> dict[str, dict[str, str]]:
    """A table by the first cell of a line and the head of a column."""
    rows = [[plain(cell) for cell in row] for row in table.rows]
    return {row[0]: dict(zip(table.header, row, strict=True)) for row in rows}


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_flow_adds_up_from_rows_read_to_people_compared():
    drop = {"reason": "sex missing", "count": 2, "variable": "sex"}
    run = results(
        n_read=260,
        n_member=101,
        n_comparison=96,
        n_phone=30,
        n_phone_member=4,
        dropped=[{"reason": "membership missing", "count": 33}],
        models=[{"model": "trust", "dropped": [drop]}],
    )
    lines = cells(paper.flow(run))
    assert lines["Rows read"]["All"] == "260"
    assert lines["Left out: membership missing"]["All"] == "33"
    assert (lines["By phone, in checks only"]["Members"], lines["In person"]["Others"]) == (
        "4",
        "96",
    )
    assert lines["By phone, in checks only"]["Others"] == "26"
    assert lines["Left out: Sex of the head missing"]["All"] == "2"
    assert [
        lines[step]["Members"] for step in ("Complete answers", "Without a match", "Matched")
    ] == [
        "100",
        "10",
        "90",
    ]
    assert lines["Matched"]["Effective size"] == "61"


def test_doubts_of_the_file_and_of_the_design_are_said():
    run = results(
        doubts=[{"column": "age", "code": "99", "count": 7}],
        extended_missing=[
            {"column": "school", "code": ".a", "count": 5},
            {"column": "school", "code": ".b", "count": 2},
        ],
        models=[{"model": "trust", "dropped": [], "zones_member": 12, "zones_comparison": 9}],
    )
    zoned = replace(run, study=replace(run.study, design=Design(zone=("psu",), weight="w")))
    text = plain(Content(zoned).render("people.md.j2"))
    assert "Sampling weights: w; zones (psu), members in 12 of them and Others in 9." in text
    assert "In age the value 99 (7 times) is taken as it stands" in text
    assert "In school the file tells missing answers apart: .a 5, .b 2." in text
    assert "no zones are declared" in Content(run).render("people.md.j2")


def test_flow_of_two_outcomes_is_told_apart_only_where_they_differ():
    run = results()
    other = ModelSpec(name="b", outcome="school", covariates=())
    both = replace(run.study, models=(*run.study.models, other), headline={})
    more = gap(0.1, model="b", outcome="school", family="unadjusted", population="all_members")
    two = replace(run, study=both, survey=replace(run.survey, gaps=(*run.survey.gaps, more)))
    assert "Complete answers" in cells(paper.flow(run))
    assert cells(paper.flow(two))["School: Complete answers"]["Members"] == "90"
    assert cells(paper.flow(two))["Trust: Complete answers"]["Members"] == "100"


def test_table_one_has_counts_before_shares_after_and_marks():
    """The columns of a full run; a run without them has the shares alone."""
    base = {"model": "trust", "group": "all", "source": SOURCE}
    bare = BalanceRow(
        **base,
        covariate="sex",
        level="women",
        member_mean=0.5,
        comparison_mean_before=0.4,
        comparison_mean_after=0.5,
        smd_before=0.2,
        smd_after=0.0,
    )
    old = cells(paper.table_one(results(balance=(bare,))))["Sex of the head"]
    assert old["Matched members"] == "50.0 %"
    assert "Missing" not in old
    kept = {name: getattr(bare, name) for name in BalanceRow.__dataclass_fields__}
    full = {
        **kept,
        "use": "matched",
        "member_mean_before": 0.52,
        "n_member_before": 52,
        "n_comparison_before": 38,
        "missing_member": 3,
        "missing_comparison": 4,
    }
    number = {
        **full,
        "covariate": "school",
        "level": "",
        "use": "component",
        "member_mean_before": 7.25,
        "member_sd_before": 2.5,
        "smd_after": 0.31,
    }
    run = results(balance=(BalanceRow(**full), BalanceRow(**number)))
    lines = cells(paper.table_one(run))
    sex, school = lines["Sex of the head"], lines["School (component)"]
    assert (sex["Members"], sex["Others"]) == ("52 (52.0 %)", "38 (40.0 %)")
    assert (sex["Difference"], sex["Difference left"], sex["Missing"]) == ("0.20", "0.00", "7")
    assert school["Members"] == "7.25 (2.50)"
    (left,) = paper.unbalanced(run)
    assert (left.row.covariate, left.row.use, left.is_matched) == ("school", "component", True)


def test_headline_table_has_shares_that_give_the_gap():
    line = cells(paper.gaps(results(gaps=(gap(0.58, quantity="superiority", category=""),))))[
        "Trust"
    ]
    assert (line["Members"], line["Others"]) == ("80.0 %", "65.0 %")
    assert line["Gap, points"].startswith("+15.0")
    assert line["Superiority"].startswith("58.0 %")
    assert "90 members and 80 Others." in paper.gaps(results()).notes


GROUPS = (
    gap(0.10, group="sex=men"),
    gap(0.25, group="sex=women"),
    gap(0.15, 0.12, group="sex=women", quantity="gap_difference", comparator="sex=men"),
)


def test_groups_have_their_gaps_and_the_difference_to_the_first_that_has_one():
    run = results(
        gaps=GROUPS,
        diagnostics=(diagnostic("group_gaps_equal", about="sex", value=0.04),),
    )
    (answer,) = run.answers
    assert paper.group_variables(answer) == ["sex"]
    lines = cells(paper.by_group(answer, "sex"))
    assert lines["women"]["Difference from men"].startswith("+15.0 (3.0")
    assert lines["men"]["Difference from men"] == "–"
    assert paper.equal_gaps(answer, "sex").value == 0.04
    assert paper.equal_gaps(answer, "area") is None
    blank = replace(GROUPS[0], estimate=None, lower=None, upper=None, status="not_estimable")
    (other,) = results(gaps=(blank, *GROUPS[1:])).answers
    assert not any("from men" in head for head in paper.by_group(other, "sex").header)


def test_a_colon_in_a_level_does_not_cut_it():
    rows = (gap(0.3, group="region=North: coast"), gap(0.1, group="sex=men: all"))
    (answer,) = results(gaps=rows).answers
    assert "North: coast" in cells(paper.by_group(answer, "region"))
    assert "men: all" in cells(paper.by_group(answer, "sex"))


def test_regions_have_pooled_gaps_beside_and_the_label_of_the_design():
    pooled = {"family": "hierarchical", "population": "all_members", "interval_kind": "credible"}
    run = results(
        gaps=(
            gap(0.3, group="region=North"),
            gap(0.1, group="region=South"),
            *(gap(0.2, group=group, **pooled) for group in ("all", "region=North", "region=South")),
        )
    )
    (answer,) = run.answers
    table = paper.by_group(answer, "region")
    assert table.caption == "Trust, middle or higher, by Area"
    assert cells(table)["North"]["Pooled"].startswith("+20.0")
    with drawing_style():
        drawing = draw("regions", run, answer)
    assert drawing is not None
    assert "North alone +30.0" in drawing.alt
    assert "South pooled +20.0" in drawing.alt
    without = results(gaps=(gap(0.3, group="region=North"),))
    with drawing_style():
        assert draw("regions", without, without.answers[0]) is None


def diagnostic(name: str, **how: object) -> DiagnosticRow:
    return DiagnosticRow(**{"model": "trust", "diagnostic": name, "source": SOURCE, **how})


def coefficient(term: str, family: str, value: float, **how: object) -> CoefficientRow:
    return CoefficientRow(
        **{
            "model": "trust",
            "family": family,
            "outcome": "trust",
            "term": term,
            "scale": "log_odds",
            "estimate": value,
            "std_error": 0.1,
            "std_error_kind": "cluster CR1",
            "n_obs": 170,
            "n_clusters": 12,
            "source": SOURCE,
            **how,
        }
    )


_FOOT = ("People", "Clusters", "Standard errors")


def test_coefficients_stand_side_by_side_membership_first():
    run = results(
        coefficients=(
            coefficient("school=some", "adjusted_ordinal", 0.5),
            coefficient("sex=women", "adjusted_ordinal", -0.25),
            coefficient("member:>=middle", "adjusted_ordinal", 0.75),
            coefficient("low|middle", "adjusted_ordinal", -1, scale="threshold"),
            coefficient("member:>=middle", "linear", 0.15, scale="probability", std_error=0.02),
            coefficient("region=South", "hierarchical", 0.1, std_error_kind="posterior"),
        )
    )
    table = paper.coefficients(run.answers[0])
    assert [row[0] for row in table.rows] == [
        "Members, middle or higher",
        "Sex of the head: women",
        "School: some",
        "Area: South",
        "low|middle",
        *_FOOT,
    ]
    short = paper.coefficients(run.answers[0], whole=False)
    assert [row[0] for row in short.rows] == ["Members, middle or higher", *_FOOT]
    first = cells(table)["Members, middle or higher"]
    assert (first["Adjusted"], first["Linear, matched sets absorbed"]) == (
        "0.75 (0.10)",
        "15.0 (2.0)",
    )
    assert cells(table)["Standard errors"]["Hierarchical"] == "posterior"


def test_reasons_are_told_once_with_the_outcomes_they_hold_for():
    base = {"model": "trust", "outcome": "trust", "source": SOURCE}
    rows = (
        SensitivityRow(**base, check="loo", verdict="not_applicable", note="No draws."),
        SensitivityRow(**base, check="variant", verdict="holds", quantity="risk_difference"),
    )
    without = diagnostic(
        "not_estimable",
        note="no members are left",
        family="benchmark",
        about="national",
        group="region=North",
    )
    run = results(sensitivity=rows, diagnostics=(without,))
    (one,) = appendix.unanswered(run)
    assert (one.what, one.note, one.outcomes) == ("loo", "No draws", ())
    (other,) = appendix.without_number(run)
    assert other.places == ("external benchmark, national, North",)


def test_a_gate_that_failed_names_what_failed():
    items = (
        diagnostic("gate", about="r_hat", value=1.42, bar=1.01, passed=False),
        diagnostic("gate", about="ess_bulk", value=812.0, bar=400.0, passed=True),
    )
    run = results(diagnostics=items)
    assert appendix.gated(run) == [run.answers[0]]
    assert appendix.gate_words(appendix.gate(run.answers[0])[0]) == "R-hat 1.42 (bar 1.01)"
    text = Content(run).render("appendix.md.j2")
    assert "Draws of Trust: failed on R-hat 1.42 (bar 1.01), of 2 bars." in text
    assert "Draws of Trust: 2 of 2" not in text
    passed = results(diagnostics=items[1:])
    assert "Draws of Trust: 1 of 1 bars passed." in Content(passed).render("appendix.md.j2")


_KINDS = {
    "family": set(Family),
    "quantity": {*Quantity, "gap_difference"},
    "population": set(Population),
    "interval": set(IntervalKind),
    "check": set(checks()),
    "diagnostic": {*Diagnostic, "group_gaps_equal"},
    "test": set(OddsTest),
    "form": set(get_args(FormName)),
    "method": set(KEYS),
    "distance": set(get_args(DistanceName)),
    "has": {"matching", "caliper", "balance", "p_adjusted", "negative_control"},
    "std_error": {"CR1", "CR1S", "CR2", "two-way", "bias-reduced"},
}


def test_every_paper_is_whole_and_cited_by_the_methods_paragraph():
    text = (files("coopgap.report") / "templates" / "methods.md.j2").read_text(encoding="utf-8")
    facts = appendix.Used(results=results()).facts
    for key, one in appendix.references().items():
        assert one.when
        for name, values in ((name, values) for each in one.when for name, values in each.items()):
            assert set(values) <= _KINDS[name], key
            assert name in facts, key
        assert f'"{key}"' in text
        assert {"author", "title"} <= set(one.fields)
        assert one.type != "article" or {"journal", "year", "volume", "pages"} <= set(one.fields)
        assert one.bibtex.count("{") == one.bibtex.count("}")
        assert re.fullmatch(r"10\.\d{4,}/\S+", one.fields.get("doi", "10.1000/none"))


def test_short_names_of_one_two_and_many_authors():
    papers = appendix.references()
    assert papers["hainmueller2012"].short == "Hainmueller 2012"
    assert papers["hansen2006"].short == "Hansen and Klopfer 2006"
    assert papers["vehtari2021"].short == "Vehtari et al. 2021"
    assert papers["nutpie"].short == "PyMC Developers"
    assert papers["bell2002"].text == "Bell and McCaffrey 2002, Survey Methodology 28(2), 169–181"
    assert papers["kish1965"].text == "Kish 1965, Survey Sampling, Wiley"


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({"matching": Matching(method="entropy", on=("sex",))}, "hainmueller2012"),
        ({"matching": Matching(method="overlap", covariates=("sex",))}, "li2018"),
        ({"matching": Matching(method="full", covariates=("sex",), caliper=0.2)}, "austin2011"),
        ({"matching": Matching(method="cardinality", covariates=("sex",))}, "zubizarreta2014"),
    ],
)
def test_a_method_of_matching_is_cited_by_its_own_paper_only(spec, key):
    cited = appendix.Used(results=results(spec=spec)).cited
    assert key in cited
    assert "iacus2012" not in cited
    assert key not in appendix.Used(results=results()).cited


def test_a_variant_that_was_not_estimated_cites_nothing():
    entropy = replace(study().models[0], matching=Matching(method="entropy", on=("sex",)))
    spec = {"variants": (Variant(name="entropy", spec=entropy),)}
    assert "hainmueller2012" not in appendix.Used(results=results(spec=spec)).cited
    row = SensitivityRow(
        model="trust",
        outcome="trust",
        source=SOURCE,
        check="variant",
        variant="entropy",
        quantity="risk_difference",
        estimate=0.1,
    )
    run = results(spec=spec, sensitivity=(row,))
    assert "hainmueller2012" in appendix.Used(results=run).cited
    assert "@article{hainmueller2012," in appendix.bibliography(run)


def test_love_plot_and_dumbbell_say_what_they_show():
    base = {"model": "trust", "group": "all", "covariate": "sex", "source": SOURCE}
    rows = (
        BalanceRow(**base, level="men", smd_before=0.02, smd_after=0.0),
        BalanceRow(**base, level="women", smd_before=-0.4, smd_after=0.0),
    )
    run = results(balance=rows)
    with drawing_style():
        love, dumbbell = draw("love", run, None), draw("shares", run, run.answers[0])
        none = draw("love", results(), None)
    assert love is not None
    assert "women −0.40 → 0.00" in love.alt
    assert "men 0" not in love.alt
    assert dumbbell is not None
    assert "high 30.0 % – 20.0 %" in plain(dumbbell.alt)
    assert none is None


def test_frames_and_labels_reach_the_page_escaped(build):
    """Hostile labels in every table of the section stay text."""
    frames = build.frames(SOURCE, printed=False)
    hostile = build.study(("<script>x</script>", "| a | b |", "R&D & <b>", "[y](http://z)"))
    frames["balance"] = pd.concat(
        [
            frames["balance"],
            to_frame(
                "balance",
                [BalanceRow(model="ses", group="all", covariate="sex", level="<b>", source=SOURCE)],
            ),
        ]
    )
    content = Content(make_results(frames, hostile, build.meta()))
    text = content.render("people.md.j2") + content.render("appendix.md.j2")
    assert "<script>" not in text
    assert "<b>" not in text
    assert "[y]" not in text
