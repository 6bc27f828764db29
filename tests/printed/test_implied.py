"""What printed figures imply: design effects, gradients, power, proportional odds, the sample."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.special import logit
from statsmodels.stats.proportion import confint_proportions_2indep

from coopgap.core.estimate import TABLES, to_frame
from coopgap.core.vocabulary import Check, Quantity
from coopgap.datasets.registry import load_registry
from coopgap.printed.checks import gradient_shares, standardised_bounds
from coopgap.printed.compare import people_of, proportionality_rows
from coopgap.printed.contradictions import two_values
from coopgap.printed.lines import lines, ordered, outside_lines
from coopgap.printed.rows import analyse
from coopgap.printed.sample import covariates
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.report.printed import printed_study
from coopgap.study.spec import Benchmark, OutsideShares

FIXTURE = json.loads(
    (Path(__file__).parents[1] / "r" / "fixtures" / "printed.json").read_text(encoding="utf-8")
)


def checks(result, check, model, category=""):
    return [
        row
        for row in result.sensitivity
        if (row.check, row.model, row.category) == (check, f"printed_{model}", category)
    ]


# Design effects


def newcombe(first, n_first, second, n_second):
    """Statsmodels' hybrid of score limits."""
    counts = (first * n_first, n_first, second * n_second, n_second)
    return confint_proportions_2indep(*counts, method="newcomb")


def test_a_design_effect_counts_people_for_fewer(peru):
    rows = {row.variant: row for row in checks(peru, Check.DESIGN_EFFECT, "trust")}
    for factor in (1, 1.5, 2, 3):
        row = rows[f"design effect {factor:g}"]
        assert row.setting == factor
        low, high = newcombe(0.40, 1004 / factor, 0.27, 1003 / factor)
        assert (row.lower, row.upper) == pytest.approx((low, high))
        assert row.std_error == pytest.approx(
            np.sqrt(factor * (0.4 * 0.6 / 1004 + 0.27 * 0.73 / 1003))
        )
        assert row.verdict is None  # the estimate stays
    reach = rows["reaches zero"].estimate
    assert newcombe(0.40, 1004 / reach, 0.27, 1003 / reach)[0] == pytest.approx(0, abs=1e-8)


def test_the_verdict_changes_where_the_interval_reaches_zero(peru):
    rows = {
        row.variant: row
        for row in checks(
            peru, Check.DESIGN_EFFECT, "programme_access_of_aware", "health campaigns"
        )
    }
    reach = rows["reaches zero"].estimate
    assert 1 < reach < 3
    for factor in (1, 1.5, 2, 3):
        row = rows[f"design effect {factor:g}"]
        assert (row.lower <= 0 <= row.upper) == (factor > reach)


def test_every_comparison_with_an_interval_has_its_scenarios(peru):
    gaps = [
        row
        for row in peru.gaps
        if row.quantity is Quantity.RISK_DIFFERENCE and row.interval_kind == "confidence"
    ]
    rows = [
        row
        for row in peru.sensitivity
        if row.check is Check.DESIGN_EFFECT and row.quantity == Quantity.RISK_DIFFERENCE
    ]
    assert len(rows) == 4 * len(gaps)
    one = {
        (row.model, row.comparator, row.group, row.category): (row.lower, row.upper)
        for row in rows
        if row.variant == "design effect 1"
    }
    for gap in gaps:
        key = (gap.model, gap.comparator, gap.group, gap.category)
        assert one[key] == (gap.lower, gap.upper)


# Age and sex


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95), st.floats(-3, 3))
def test_an_even_gradient_is_even(seed, share, log_odds):
    own = np.random.default_rng(seed).dirichlet(np.ones(6))
    shares = gradient_shares(share, own, log_odds)
    assert own @ shares == pytest.approx(share, abs=1e-9)
    assert np.diff(logit(shares)) == pytest.approx(log_odds, abs=1e-6)


def test_the_gradient_over_age_that_leaves_no_gap_in_trust(peru):
    (row,) = checks(peru, Check.TIPPING_POINT, "trust")
    age = next(one for one in covariates(peru.registry) if one.name == "age")
    shares = gradient_shares(0.27, age.comparison, np.log(row.estimate))
    assert age.member @ shares == pytest.approx(0.40, abs=1e-8)
    assert f"{100 * shares[0]:.0f} percent at 16-24, {100 * shares[-1]:.0f} at 65+" in row.note
    # With a gradient a tenth weaker some gap is left.
    weaker = gradient_shares(0.27, age.comparison, 0.9 * np.log(row.estimate))
    assert age.member @ weaker < 0.40


def test_a_level_that_the_group_lacks_may_have_any_share():
    own, target = np.array([0.5, 0.5, 0.0]), np.array([0.2, 0.3, 0.5])
    assert standardised_bounds(0.5, own, target) == pytest.approx((0.2, 0.8))


def test_the_sample_of_tables_1_to_3(peru):
    found = {one.name: one for one in covariates(peru.registry)}
    assert found["age"].member_people.tolist() == [80, 142, 183, 219, 185, 195]
    assert found["region"].member_people.tolist() == [40, 70, 402, 131, 361]
    values = {f"{row.about}_{row.diagnostic}": row.value for row in peru.diagnostics}
    tests = {row.about: row for row in peru.diagnostics if row.diagnostic == "chi2_p"}
    for name in ("age", "sex"):
        assert values[f"{name}_chi2"] == pytest.approx(FIXTURE[name]["statistic"], rel=1e-12)
        assert values[f"{name}_chi2_df"] == tests[name].df == FIXTURE[name]["df"]
        assert tests[name].statistic == values[f"{name}_chi2"]
        assert values[f"{name}_chi2_p"] == pytest.approx(FIXTURE[name]["p"], rel=1e-9)
    balance = {(row.covariate, row.level): row for row in peru.balance}
    assert len(balance) == 6 + 2 + 5
    female = balance["sex", "female"]
    assert (female.member_mean, female.comparison_mean_before) == pytest.approx(
        (572 / 1004, 499 / 1003)
    )
    assert female.smd_before == pytest.approx(0.145, abs=5e-4)
    assert balance["region", "Lima"].smd_before == 0
    # Standardised differences of the printed counts, computed independently; Table 3 prints the
    # same percentages for both groups.
    for name, smd in {"age": 0.533, "sex": 0.145, "region": 0.0}.items():
        assert values[f"{name}_smd"] == pytest.approx(smd, abs=5e-4 if smd else 0)
    assert [values[f"{name}_chi2_df"] for name in ("age", "sex", "region")] == [5, 1, 4]
    assert values["age_pairs"] == 803
    assert values["region_chi2"] < 0.01
    passed = {f"{d.about}_{d.diagnostic}": d.passed for d in peru.diagnostics}
    assert (passed["age_smd"], passed["sex_smd"], passed["region_smd"]) == (False, False, True)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_standardised_bounds_equal_linear_programming(seed, share):
    rng = np.random.default_rng(seed)
    own, target = rng.dirichlet(np.ones(5)) + 0.02, rng.dirichlet(np.ones(5))
    own = own / own.sum()
    ends = [
        sign * linprog(sign * target, A_eq=own[None], b_eq=[share], bounds=(0, 1)).fun
        for sign in (1, -1)
    ]
    assert standardised_bounds(share, own, target) == pytest.approx(ends, abs=1e-7)


# The phone


def test_power_of_the_phone_subsample(peru):
    rows = checks(peru, Check.PHONE_EQUIVALENCE, "trust")
    power = {(row.variant, row.threshold): row.power for row in rows if row.threshold is not None}
    # Published with the study's numbers: 0, .44 and .88; with design effect 1.5 .14 and .66.
    for (effect, margin), expected in {
        (1, 0.05): 0.0,
        (1, 0.07): 0.44,
        (1, 0.10): 0.88,
        (1.5, 0.07): 0.14,
        (1.5, 0.10): 0.66,
    }.items():
        found = power[f"power at design effect {effect:g}", margin]
        assert found == pytest.approx(expected, abs=5e-3)


def test_power_of_the_phone_subsample_by_simulation(peru):
    rng = np.random.default_rng(11)
    n = 40_000
    called, asked = rng.binomial(250, 0.27, n) / 250, rng.binomial(1003, 0.27, n) / 1003
    std_error = np.sqrt(0.27 * 0.73 * (1 / 250 + 1 / 1003))
    confirmed = abs(called - asked) + 1.6448536 * std_error < 0.07
    (row,) = (
        one
        for one in checks(peru, Check.PHONE_EQUIVALENCE, "trust")
        if (one.variant, one.threshold) == ("power at design effect 1", 0.07)
    )
    # Shares move in steps of 0.4 points, a seventh of a standard error: so far the normal
    # approximation may be off.
    assert row.power == pytest.approx(confirmed.mean(), abs=0.02)


# Proportional odds


def test_proportional_odds_of_the_printed_classes_equal_r(peru):
    terms = {row.term: row for row in peru.coefficients}
    expected = FIXTURE["ordered"]
    assert terms["member"].estimate == pytest.approx(expected["slopes"], rel=1e-9)
    # Published with the study's numbers.
    assert terms["member"].estimate == pytest.approx(1.2185, abs=5e-5)
    assert terms["member"].std_error == pytest.approx(expected["std_errors"][0], rel=1e-7)
    cuts = [terms[name].estimate for name in ("E|D", "D|C", "C|B", "B|A")]
    assert cuts == pytest.approx(expected["thresholds"], rel=1e-9)
    tests = {row.test: row for row in peru.diagnostics if row.diagnostic == "proportional_odds"}
    ratio, brant = tests["likelihood_ratio"], tests["brant"]
    assert (ratio.df, brant.df) == (3, 3)
    assert ratio.statistic == pytest.approx(expected["likelihood_ratio"], rel=1e-6)
    assert brant.statistic == pytest.approx(41.2, abs=0.05)
    assert (brant.about, brant.group, brant.family) == ("national", "all", "printed")
    assert "taken as 1,003 people" in brant.note
    assert brant.passed is False


def test_odds_ratios_of_whole_people_at_each_cut_equal_r(peru):
    (pair,) = (one for one in ordered(peru.registry) if one.line.slug == "ses_class")
    member, other = people_of(pair, 1003).counts
    found = []
    for cut in (4, 3, 2, 1):
        up, low = (np.array([side[cut:].sum(), side[:cut].sum()]) for side in (member, other))
        found.append(up[0] * low[1] / (up[1] * low[0]))
    assert found == pytest.approx(FIXTURE["ordered"]["cumulative_odds"], rel=1e-12)
    assert found == pytest.approx([0.659, 2.860, 3.330, 4.657], abs=5e-4)


def test_without_any_size_proportional_odds_are_not_tested(registry):
    found = registry(
        *(
            f"Figure 1,{group},class,{level},percent,{value},,,,{rank},,"
            for group in ("member", "national average")
            for rank, (level, value) in enumerate((("C", 50), ("B", 30), ("A", 20)), start=1)
        )
    )
    (pair,) = ordered(found)
    assert people_of(pair, None) is None
    rows = list(proportionality_rows(pair, None))
    assert [row.value for row in rows] == [None, None]
    assert "no base is printed" in rows[0].note
    assert not analyse(found).coefficients


def test_members_beside_several_have_a_model_and_a_sentence_against_each(registry):
    sides = {
        "member": (20, 70, 30),
        "women members": (10, 40, 20),
        "non-member": (30, 45, 5),
        "national average": (40, 50, 10),
    }
    rows = [
        f"T,{group},wealth,{level},{'percent' if 'nat' in group else 'count'},{value},"
        f"{'' if 'nat' in group else sum(values)},,,{rank},,"
        for group, values in sides.items()
        for rank, (level, value) in enumerate(zip(("low", "mid", "high"), values, strict=True), 1)
    ]
    rows.append("T,non-member,sample size,people,count,80,,,,,,")
    result = analyse(registry(*rows))
    keys = [(row.model, row.term) for row in result.coefficients]
    assert len(set(keys)) == len(keys) == 4 * 3
    models = {pair.model: pair for pair in ordered(result.registry)}
    assert set(models) == {
        "printed_wealth_against_comparison",
        "printed_wealth_against_national",
        "printed_wealth_women_members_against_comparison",
        "printed_wealth_women_members_against_national",
    }
    tests = [row for row in result.diagnostics if row.diagnostic == "proportional_odds"]
    assert {row.model for row in tests} == set(models)
    assert len({(row.about, row.group, row.test) for row in tests}) == len(tests) == 8
    frames = {name: to_frame(name, getattr(result, name)) for name in TABLES}
    results = make_results(frames, printed_study(result, "t", "Any"), {})
    results.published.registry = result.registry
    text = Content(results).render("printed_report.md.j2")
    assert sorted(re.findall(r"every threshold of (.*?), would be", text)) == [
        "Wealth, beside non-members",
        "Wealth, beside the national average",
        "Wealth, members: women, beside non-members",
        "Wealth, members: women, beside the national average",
    ]
    assert text.count("Brant’s test") == 4


# Lines


def test_access_of_everybody_in_the_same_table_is_no_first_stage(registry):
    rows = (
        "Table 5,member,awareness,x,percent,50,200,,,,,",
        'Table 5,member,"access, of those aware",x,percent,40,100,,,,,',
        "Table 5,member,access,x,percent,35,200,,,,,",
    )
    found = registry(*rows)
    assert {line.slug for line in lines(found)} >= {"access_of_all"}
    ((size, sentence),) = two_values(found)
    assert size == pytest.approx(0.15)
    assert "35 in Table 5, but Table 5 prints 50 and then 40 of those" in sentence


@pytest.mark.parametrize(("group", "fixed"), [("control group", False), ("national average", True)])
def test_a_comparator_without_a_base_is_exact_only_if_it_is_the_nation(registry, group, fixed):
    result = analyse(
        registry(
            "Text,member,thing,yes,percent,40,100,,,,,", f"Text,{group},thing,yes,percent,30,,,,,,"
        )
    )
    (gap,) = (
        row
        for row in result.gaps
        if row.quantity is Quantity.RISK_DIFFERENCE and not row.model.endswith("_rounding")
    )
    assert gap.estimate == pytest.approx(0.10)
    assert (gap.lower is not None, gap.p_value is not None) == (fixed, fixed)


@pytest.mark.parametrize(
    "name", ["non-member", "Nonmembers", "Non-cooperative members", "non co-operative member"]
)
def test_non_members_under_any_name_are_the_comparison_group(registry, name):
    (line,) = lines(
        registry(
            "Text,member,thing,yes,percent,40,100,,,,,", f"Text,{name},thing,yes,percent,30,90,,,,,"
        )
    )
    assert (line.group, line.comparator, line.other.n) == ("all", "comparison", 90)


def test_women_stand_beside_women_alone(registry):
    found = lines(
        registry(
            "Text,men members,thing,yes,percent,40,100,,,,,",
            "Text,women members,thing,yes,percent,45,100,,,,,",
            "Text,women nonmembers,thing,yes,percent,30,90,,,,,",
            "Text,children non-members,thing,yes,percent,20,90,,,,,",
        )
    )
    assert [(line.group, line.comparator, line.member is None) for line in found] == [
        ("members=men", "", False),
        ("members=women", "women non-members", False),
        ("all", "children non-members", True),
    ]


@pytest.mark.parametrize("values", [(20, 70, 30, 30, 45, 5), (16, 50, 34, 30, 45, 25)])
def test_ordered_counts_have_thresholds_too(registry, values):
    stat = "count" if sum(values[:3]) == 120 else "percent"
    bases = (120, 80) if stat == "count" else (3, 80)
    rows = [
        f"Table 2,{group},wealth,{level},{stat},{value},{base},,,{rank},,"
        for group, part, base in zip(
            ("member", "non-member"), (values[:3], values[3:]), bases, strict=True
        )
        for rank, (level, value) in enumerate(zip(("low", "mid", "high"), part, strict=True), 1)
    ]
    found = {line.category: line for line in lines(registry(*rows))}
    assert found[">=mid"].member.value == pytest.approx(sum(values[1:3]) / sum(values[:3]))
    # Of 3 people none are 16 percent: the share stands, without bounds.
    assert found[">=mid"].member.range is None
    if stat == "count":
        rows = analyse(registry(*rows)).diagnostics
        assert any("Printed counts." in row.note for row in rows)


def test_bounds_of_a_threshold_keep_to_a_sum_that_is_printed_elsewhere(peru):
    """Figure 1 and Key Finding 1: all whole people of 1,004 that print both."""
    printed_ = {"A": 2, "B": 26, "C": 40, "D": 22, "E": 10}
    ranges = {
        level: [k for k in range(1005) if abs(100 * k / 1004 - value) <= 0.5]
        for level, value in printed_.items()
    }
    top = {a + b for a in ranges["A"] for b in ranges["B"] if abs(100 * (a + b) / 1004 - 28) <= 0.5}
    rest = {
        d + e for d in ranges["D"] for e in ranges["E"] if abs(100 * (d + e) / 1004 - 32) <= 0.5
    }
    # What is left for C has to print 40.
    top = {t for t in top if any(1004 - t - r in ranges["C"] for r in rest)}
    low = {1004 - r for r in rest if any(1004 - t - r in ranges["C"] for t in top)}
    line = {
        one.category: one
        for one in peru.lines
        if (one.slug, one.comparator) == ("ses_class", "national")
    }
    for category, people in ((">=B", top), (">=C", low)):
        expected = (min(people) / 1004, max(people) / 1004)
        assert line[category].member.range == pytest.approx(expected)


def test_a_printed_sum_that_contradicts_its_levels_bounds_nothing(registry):
    rows = [
        f"Figure 1,{group},class,{level},percent,{value},{base},,,{rank},,"
        for group, base in (("member", 200), ("national average", ""))
        for rank, (level, value) in enumerate((("C", 72), ("B", 26), ("A", 2)), start=1)
    ]
    beside = registry(*rows, "Text,member,class,A or B,percent,50,200,,,,,")
    for found in (registry(*rows), beside):
        top = {line.category: line.member for line in lines(found)}[">=B"]
        # C is 143 to 145 of 200.
        assert top.range == pytest.approx((55 / 200, 57 / 200))


def test_a_share_of_outside_people_stands_for_one_of_them_at_least(registry):
    small = OutsideShares(shares={"A": 2.0, "B": 98.0}, n=1, design_effect=5.0)
    found = registry(
        *(
            f"T,member,class,{level},percent,{value},50,,,{rank},,"
            for rank, (level, value) in enumerate((("B", 90), ("A", 10)), start=1)
        )
    )
    benchmark = Benchmark(outcome="class", source="B", name="B", whole=small)
    others = [one.other for one in outside_lines(found, [benchmark])]
    assert others
    assert all(one.n == 1 for one in others)


def test_impossible_percentages_still_have_their_shares(registry):
    found = registry("Text,member,thing,yes,percent,40,3,,,,,")
    (line,) = lines(found)
    assert line.member.range is None
    result = analyse(found)
    assert result.gaps[0].estimate == pytest.approx(0.4)
    # Without phone interviews there is no power to show.
    assert not [row for row in result.sensitivity if row.check is Check.PHONE_EQUIVALENCE]


def test_lines_of_the_shipped_report_are_found_in_its_order(registry):
    places = [line.place for line in lines(load_registry("peru"))]
    assert places.index("Table 1") < places.index("Figure 1") < places.index("Figure 7")
