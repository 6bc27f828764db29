"""Every printed number goes somewhere; bounds are those of all whole-number tables."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from coopgap.core.estimate import GAP_KEY
from coopgap.core.vocabulary import IntervalKind, Quantity, Status
from coopgap.datasets.ranges import count_range, share_range, two_stage_ranges
from coopgap.families.benchmark import standardised_name
from coopgap.printed.rounding import joint_range, superiority_range, whole_people
from coopgap.printed.rows import analyse, printed_rows
from coopgap.study.load import load_study

GAP = Quantity.RISK_DIFFERENCE


def find(result, model, quantity=GAP, *, category="", comparator="comparison", group="all"):
    key = (f"printed_{model}", quantity, category, comparator, group)
    found = [
        row
        for row in result.gaps
        if (row.model, row.quantity, row.category, row.comparator, row.group) == key
    ]
    assert len(found) == 1, key
    return found[0]


# Where every number went


def test_every_printed_number_has_a_row_or_a_reason(peru):
    assert [one.printed.id for one in peru.traced] == [f"P{number:03d}" for number in range(1, 138)]
    models = {row.model for row in peru.gaps}
    for one in peru.traced:
        assert bool(one.models) or bool(one.reason)
        assert set(one.models) <= models
    # Sizes of samples, totals of both groups, counts of things, a mean, numbers without a base
    # and with nothing beside them, and charts whose numbers are not in the text.
    without = {one.printed.id for one in peru.traced if not one.models}
    totals = {f"P{number:03d}" for number in (*range(20, 26), 30, 31)}
    assert without == totals | {
        *("P001", "P002", "P003", "P004", "P005", "P006", "P007"),
        *("P117", "P118", "P119", "P120", "P121", "P122", "P123"),
        *("P124", "P125", "P126", "P127", "P128", "P133"),
        *("P134", "P135", "P136", "P137"),
    }


def test_every_number_stands_in_the_rows_it_is_traced_to(peru):
    shares = {}
    for row in peru.gaps:
        if row.quantity is Quantity.SHARE and row.estimate is not None:
            shares.setdefault(row.model, []).append(row.estimate)
    for one in peru.traced:
        if one.models and one.printed.is_share:
            assert any(
                one.printed.share == pytest.approx(share)
                for model in one.models
                for share in shares[model]
            ), one.printed.id


@pytest.mark.parametrize("name", ["kenya", "peru", "philippines", "poland"])
def test_keys_are_unique_and_sister_studies_have_rows_without_an_interval(name):
    result = printed_rows(name)
    keys = {tuple(str(getattr(row, part)) for part in GAP_KEY) for row in result.gaps}
    assert len(keys) == len(result.gaps)
    if name == "peru":
        return
    assert all(one.models or one.reason for one in result.traced)
    for row in result.gaps:
        assert row.n_member is None
        assert row.interval_kind in (None, IntervalKind.BOUNDS)
        assert row.status is Status.OK
    assert not [row for row in result.sensitivity if row.check == "design_effect"]


def test_what_is_printed_of_kenya_and_the_philippines():
    kenya, philippines = printed_rows("kenya"), printed_rows("philippines")
    gap = find(kenya, "income_above_360000")
    assert gap.estimate == pytest.approx(0.17)
    bounds = find(kenya, "income_above_360000_rounding")
    assert (bounds.lower, bounds.upper) == pytest.approx((0.16, 0.18))
    poor = find(philippines, "probability_of_being_poor_rounding")
    # 2.3 and 4.1 are printed with a decimal: each may be off by a twentieth of a point.
    assert (poor.lower, poor.upper) == pytest.approx((-0.019, -0.017))
    earnings = find(kenya, "difference_of_earnings", comparator="not stated")
    assert (earnings.estimate, earnings.lower) == (pytest.approx(0.11), None)


# Comparisons by rule


def pair(first, second, place="Text"):
    """A percentage of members and of non-members, each with its base."""
    sides = (("member", first), ("non-member", second))
    return [f"{place},{group},thing,yes,percent,{text}" for group, text in sides]


def test_numbers_that_repeat_another_place_are_given_once_and_those_that_differ_by_place(registry):
    result = analyse(registry(*pair("40,100", "30,100"), pair("40,100", "", "Figure 1")[0]))
    assert {row.model for row in result.gaps} >= {"printed_thing", "printed_thing_rounding"}
    assert [one.reason for one in result.traced][2] == "prints the same as X0"
    assert find(result, "thing").estimate == pytest.approx(0.1)
    both = pair("40,100", "30,100") + pair("42,100", "30,100", "Figure 1")
    result = analyse(registry(*both))
    for place, gap in (("text", 0.10), ("figure_1", 0.12)):
        found = find(result, f"thing_{place}")
        assert (found.outcome, found.estimate) == ("thing", pytest.approx(gap))


def test_members_of_a_kind_against_the_national_average(peru):
    gap = find(peru, "ses_class", category="A", comparator="national", group="members=other")
    # Figure 3 prints 6 against 3 without the size of any group: no interval can be made.
    assert (gap.estimate, gap.lower, gap.n_member) == (pytest.approx(0.03), None, None)


def test_numbers_that_the_registry_sets_beside_another(peru):
    census = "training attendance in the 2017 co-operative census"
    # 61 of all members in the census, beside 44 of all as the text has it, and beside the 91 who
    # knew and the 44 of those who took part, as Figure 5 has it. Never beside 44 of those who knew.
    for name, share in {"programme_access": 0.44, "programme_access_of_all": 0.91 * 0.44}.items():
        training = find(peru, name, category="training", comparator=census)
        assert training.estimate == pytest.approx(share - 0.61)
        assert (training.n_member, training.n_comparison) == (1004, None)
    assert {row.model for row in peru.gaps if row.comparator == census} == {
        *("printed_programme_access", "printed_programme_access_rounding"),
        *("printed_programme_access_of_all", "printed_programme_access_of_all_rounding"),
    }
    women = find(peru, "sex", category="female", comparator="2017 co-operative census, sex")
    assert women.estimate == pytest.approx(572 / 1004 - 0.43)


STAGES = {
    "health campaigns": {"": (1004, 40, 54), "comparison": (1003, 22, 44)},
    "education": {"": (1004, 48, 28), "comparison": (1003, 13, 37)},
}


@pytest.mark.parametrize("category", STAGES)
def test_two_stages_of_figure_7_by_brute_force(peru, category):
    people = STAGES[category]
    ends, of_aware = {}, {}
    for side, (n, aware, used) in people.items():
        found = [
            (first, second)
            for first in range(1, n + 1)
            if abs(100 * first / n - aware) <= 0.5
            for second in range(first + 1)
            if abs(100 * second / first - used) <= 0.5
        ]
        everyone = [second / n for _, second in found]
        passed = [second / first for first, second in found]
        ends[side] = min(everyone), max(everyone)
        of_aware[side] = min(passed), max(passed)
    for name, sides in {"all": ends, "aware": of_aware}.items():
        row = find(peru, f"programme_access_of_{name}_rounding", category=category)
        assert row.lower == pytest.approx(sides[""][0] - sides["comparison"][1])
        assert row.upper == pytest.approx(sides[""][1] - sides["comparison"][0])
    gap = find(peru, "programme_access_of_all", category=category)
    (_, aware, used), (_, aware_others, used_others) = people.values()
    assert gap.estimate == pytest.approx((aware * used - aware_others * used_others) / 1e4)


# Rounding


@pytest.mark.parametrize(
    ("percent", "n"), [(40, 1004), (27, 1003), (50, 7), (12, 8), (33, 3), (12, 200), (13, 200)]
)
def test_count_ranges_equal_brute_force(percent, n):
    """Half way cases round both ways; a percentage that no count gives has no range."""
    allowed = [k for k in range(n + 1) if abs(100 * k / n - percent) <= 0.5]
    assert count_range(percent, n) == ((allowed[0], allowed[-1]) if allowed else None)
    assert share_range(40, 3) is None
    assert two_stage_ranges(33, 40, 3) is None
    assert share_range(40, None) == pytest.approx((0.395, 0.405))


def test_trust_rounding_bounds_equal_every_integer_table(peru):
    ratios, gaps = [], []
    members = [k for k in range(1005) if abs(100 * k / 1004 - 40) <= 0.5]
    others = [k for k in range(1004) if abs(100 * k / 1003 - 27) <= 0.5]
    for a, c in product(members, others):
        ratios.append(a * (1003 - c) / ((1004 - a) * c))
        gaps.append(a / 1004 - c / 1003)
    odds = find(peru, "trust_rounding", Quantity.ODDS_RATIO)
    gap = find(peru, "trust_rounding")
    assert (odds.lower, odds.upper) == pytest.approx((min(ratios), max(ratios)))
    assert (gap.lower, gap.upper) == pytest.approx((min(gaps), max(gaps)))
    # Published rounding of the same: an odds ratio within [1.73, 1.88].
    assert (round(odds.lower, 2), round(odds.upper, 2)) == (1.73, 1.88)
    assert odds.interval_kind is IntervalKind.BOUNDS
    assert odds.interval_prob is None


def test_counts_that_differ_by_five_at_most_by_brute_force(peru):
    for region, percent in {"Center": 4, "East": 7, "Lima": 40, "North": 13, "South": 36}.items():
        gaps = [
            a / 1004 - c / 1003
            for a in range(1005)
            if abs(100 * a / 1004 - percent) <= 0.5
            for c in range(max(a - 5, 0), a + 6)
            if abs(100 * c / 1003 - percent) <= 0.5
        ]
        found = find(peru, "region_rounding", category=region)
        assert (found.lower, found.upper) == pytest.approx((min(gaps), max(gaps)), abs=1e-12)
        assert found.upper < 0.006
    notes = {f"{d.about}_{d.diagnostic}": d.note for d in peru.diagnostics}
    assert "no p-value" in notes["region_chi2_p"]
    values = {f"{d.about}_{d.diagnostic}": d.value for d in peru.diagnostics}
    assert values["region_chi2_p"] is None


def test_cumulative_odds_ratios_of_the_printed_classes(peru):
    # From the printed percentages of Figure 1, by hand.
    for category, expected in {">=A": 0.660, ">=B": 2.852, ">=C": 3.324, ">=D": 4.636}.items():
        found = find(
            peru,
            "ses_class",
            Quantity.CUMULATIVE_ODDS_RATIO,
            category=category,
            comparator="national",
        )
        assert found.estimate == pytest.approx(expected, abs=5e-4)
        assert found.lower < found.estimate < found.upper


def test_superiority_against_fixed_shares_by_simulation(peru):
    found = find(peru, "ses_class", Quantity.SUPERIORITY, comparator="national")
    rng = np.random.default_rng(7)
    member = np.array([10, 22, 40, 26, 2]) / 100
    national = np.array([34, 27, 27, 9, 3]) / 100
    below = np.cumsum(national) - national / 2
    draws = rng.multinomial(1004, member, size=20_000) @ below / 1004
    # The standard deviation of 20,000 draws is known to half a percent.
    assert found.std_error == pytest.approx(draws.std(), rel=0.02)
    assert found.estimate == pytest.approx(draws.mean(), abs=2e-4)


def test_the_trusted_person_stands_under_both_printed_values(peru):
    places = ("social_benefits_to_cooperative_members", "key_finding_4")
    for place, share in zip(places, (0.81, 0.83), strict=True):
        model = f"trusted_person_{place}"
        assert find(peru, model, Quantity.SHARE, comparator="").estimate == pytest.approx(share)
        gap = find(peru, model)
        assert gap.estimate == pytest.approx(share - 0.73)
        assert gap.outcome == "trusted_person"


def test_trust_standardised_to_the_members_ages_and_to_their_sex(peru):
    for name, expected in {"age": (0.139, 0.468), "sex": (0.231, 0.309)}.items():
        found = find(peru, f"trust_by_{name}", Quantity.SHARE)
        assert (found.lower, found.upper) == pytest.approx(expected, abs=5e-4)
        assert found.estimate == 0.27
        gap = find(peru, f"trust_by_{name}")
        assert (gap.lower, gap.upper) == pytest.approx((0.4 - found.upper, 0.4 - found.lower))
        assert gap.interval_kind is IntervalKind.BOUNDS


def integer_tables(percents, n):
    """Every table of whole people whose rounded percentages are those printed."""
    ranges = [
        [k for k in range(n + 1) if abs(100 * k / n - percent) <= 0.5 + 1e-9]
        for percent in percents
    ]
    for head in product(*ranges[:-1]):
        last = n - sum(head)
        if last in ranges[-1]:
            yield np.array([*head, last]) / n


PRINTED = {"low": (22, 34), "middle": (45, 36), "high": (34, 29)}
BASES = (1031, 1017)


@pytest.fixture(scope="module")
def three_levels(registry):
    lines = [
        f"Figure 1,{group},class,{level},percent,{PRINTED[level][side]},{BASES[side]},,,{rank},,"
        for side, group in enumerate(("member", "non-member"))
        for rank, level in enumerate(PRINTED, start=1)
    ]
    tables = [
        list(integer_tables([one[side] for one in PRINTED.values()], BASES[side]))
        for side in (0, 1)
    ]
    assert min(map(len, tables)) > 3
    return analyse(registry(*lines)), tables


@pytest.mark.parametrize("category", ["low", "middle", "high", ">=middle", ">=high"])
def test_bounds_of_ordered_levels_are_those_of_every_integer_table(three_levels, category):
    result, tables = three_levels
    start = list(PRINTED).index(category.removeprefix(">="))
    stop = None if category.startswith(">=") else start + 1
    odds = Quantity.CUMULATIVE_ODDS_RATIO if stop is None else Quantity.ODDS_RATIO
    pairs = [(one[start:stop].sum(), other[start:stop].sum()) for one, other in product(*tables)]
    expected = {
        GAP: [p - q for p, q in pairs],
        Quantity.RISK_RATIO: [p / q for p, q in pairs],
        odds: [p * (1 - q) / (q * (1 - p)) for p, q in pairs],
    }
    for quantity, values in expected.items():
        row = find(result, "class_rounding", quantity, category=category)
        assert (row.lower, row.upper) == pytest.approx((min(values), max(values)))


def test_superiority_bounds_are_those_of_every_integer_table(three_levels):
    result, tables = three_levels
    values = [float(one @ (np.cumsum(other) - other / 2)) for one, other in product(*tables)]
    row = find(result, "class_rounding", Quantity.SUPERIORITY)
    assert (row.lower, row.upper) == pytest.approx((min(values), max(values)))


def test_levels_that_sum_to_a_whole_are_bounded_jointly():
    # 33, 33 and 33 of a hundred-odd: the sum binds, and one level is above its printed share.
    ranges = [(0.325, 0.335)] * 3
    assert joint_range([0], ranges) == pytest.approx((0.33, 0.335))
    assert joint_range([0, 1], ranges) == pytest.approx((0.665, 0.67))
    assert joint_range([0], [(0.1, 0.2)] * 3) is None
    assert superiority_range([(0.1, 0.2)] * 3, [(0.3, 0.4)] * 3) is None


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_joint_ranges_equal_linear_programming(seed, size):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(4))
    ranges = [(max(p - 0.03 * rng.random(), 0), p + 0.03 * rng.random()) for p in shares]
    chosen = rng.choice(4, size, replace=False)
    costs = np.isin(np.arange(4), chosen).astype(float)
    ends = [
        sign * linprog(sign * costs, A_eq=np.ones((1, 4)), b_eq=[1], bounds=ranges).fun
        for sign in (1, -1)
    ]
    assert joint_range(chosen, ranges) == pytest.approx(ends, abs=1e-9)


def test_whole_people_of_the_printed_classes():
    assert whole_people([0.10, 0.22, 0.40, 0.26, 0.02], 1004).tolist() == [100, 221, 402, 261, 20]
    assert whole_people([0.34, 0.27, 0.27, 0.09, 0.03], 1003).tolist() == [341, 271, 271, 90, 30]
    assert whole_people([1 / 3, 1 / 3, 1 / 3], 100).sum() == 100


def test_ratios_that_do_not_exist_have_no_numbers(registry):
    result = analyse(registry(*pair("4,100", "0,100")))
    assert find(result, "thing", Quantity.RISK_RATIO).status is Status.NOT_ESTIMABLE
    gap = find(result, "thing")
    assert (gap.estimate, gap.status) == (pytest.approx(0.04), Status.OK)
    assert gap.lower < 0.04 < gap.upper
    # Of 0, 70, 20 and 10 percent the upper three sum to a little less than one as floats.
    sides = {"member": (0, 70, 20, 10), "non-member": (40, 30, 20, 10)}
    lines = [
        f"T,{group},class,L{rank},percent,{value},200,,,{rank}"
        for group, values in sides.items()
        for rank, value in enumerate(values, start=1)
    ]
    odds = Quantity.CUMULATIVE_ODDS_RATIO
    row = find(analyse(registry(*lines)), "class", odds, category=">=L2")
    assert (row.estimate, row.status) == (None, Status.NOT_ESTIMABLE)


def test_printed_members_beside_a_survey_of_the_country():
    """Figure 1 and Table 3 against ENADES 2024: as it is, and at the printed mix of regions."""
    benchmark = load_study("peru").benchmarks[1]
    found = {
        (row.comparator, row.quantity, row.category): row
        for row in printed_rows("peru", [benchmark]).gaps
        if row.model == "printed_ses_class"
    }
    mix = {"Center": 0.04, "East": 0.07, "Lima": 0.40, "North": 0.13, "South": 0.36}
    top = {name: one.shares["A"] + one.shares["B"] for name, one in benchmark.regions.items()}
    sums = {name: sum(one.shares.values()) for name, one in benchmark.regions.items()}
    share = sum(mix[name] * top[name] / sums[name] for name in mix)
    placed = found[standardised_name("ENADES 2024"), GAP, ">=B"]
    assert placed.estimate == pytest.approx(0.28 - share, abs=1e-12)
    variance = sum(
        mix[name] ** 2 * (top[name] / sums[name]) * (1 - top[name] / sums[name]) / one.n
        for name, one in benchmark.regions.items()
    )
    # The size that the weighted shares are worth is a whole number of people.
    assert placed.n_comparison == round(share * (1 - share) / variance)
    plain = found["ENADES 2024", GAP, ">=B"]
    assert plain.n_comparison == 1508
    assert plain.estimate == pytest.approx(0.28 - (1.81 + 12.47) / 100.01, abs=1e-12)
    assert abs(placed.estimate) < abs(plain.estimate)  # two fifths of the members live in Lima
    assert plain.lower < plain.estimate < plain.upper
    halved = {name: replace(one, design_effect=2.0) for name, one in benchmark.regions.items()}
    rows = printed_rows("peru", [replace(benchmark, regions=halved)]).gaps
    half = [
        row
        for row in rows
        if (row.comparator, row.quantity, row.category)
        == (standardised_name("ENADES 2024"), GAP, ">=B")
    ]
    assert half[0].n_comparison == round(share * (1 - share) / (2 * variance))


def test_the_printed_mix_of_regions_is_rounded_too():
    """Bounds by linear programming over whole people that print Table 3."""
    benchmark = load_study("peru").benchmarks[1]
    result = printed_rows("peru", [benchmark])
    mix = {"Center": 4, "East": 7, "Lima": 40, "North": 13, "South": 36}
    bounds = [(np.ceil((one - 0.5) * 10.04), np.floor((one + 0.5) * 10.04)) for one in mix.values()]
    for level, printed in {"E": 10, "D": 22, "C": 40, "B": 26, "A": 2}.items():
        regions = [benchmark.regions[name] for name in mix]
        shares = np.array([one.shares[level] / sum(one.shares.values()) for one in regions])
        whole = {"A_eq": np.ones((1, 5)), "b_eq": [1004.0], "bounds": bounds}
        low = linprog(shares, **whole).fun / 1004
        high = -linprog(-shares, **whole).fun / 1004
        members = [k / 1004 for k in range(1005) if abs(100 * k / 1004 - printed) <= 0.5]
        row = find(
            result,
            "ses_class_rounding",
            category=level,
            comparator=standardised_name("ENADES 2024"),
        )
        assert row.lower == pytest.approx(min(members) - high, abs=1e-9)
        assert row.upper == pytest.approx(max(members) - low, abs=1e-9)
    traced = {one.printed.id: one.models for one in result.traced}
    assert all("printed_ses_class" in traced[f"P{number:03d}"] for number in range(32, 37))


def test_no_printed_interval_and_p_value_disagree(peru):
    rows = [row for row in peru.gaps if row.quantity is GAP and row.p_value is not None]
    assert len(rows) > 30
    for row in rows:
        assert (row.p_value < 0.05) == (row.lower > 0 or row.upper < 0), (row.model, row.category)


def test_counts_said_to_be_closer_than_their_percentages_bound_nothing(registry):
    found = registry(*pair("40,100", "30,100"))
    closer = replace(found, rows=tuple(replace(row, within=2) for row in found.rows))
    rows = [find(analyse(one), "thing_rounding") for one in (found, closer)]
    assert (rows[0].lower, rows[0].upper) == (rows[1].lower, rows[1].upper)


# Many levels, many people


@pytest.mark.parametrize("seed", range(4))
def test_superiority_bounds_equal_linear_programming_from_every_corner(seed):
    """Against each corner of the others the least and most are linear programmes."""
    rng = np.random.default_rng(seed)
    centre = rng.dirichlet(np.ones(4), size=2)
    ranges = [
        [(max(value - 0.04, 0.0), min(value + 0.04, 1.0)) for value in side] for side in centre
    ]
    ends = []
    for free in range(4):
        for corner in product(*(one for place, one in enumerate(ranges[1]) if place != free)):
            left = 1 - sum(corner)
            if not ranges[1][free][0] <= left <= ranges[1][free][1]:
                continue
            other = np.insert(np.array(corner), free, left)
            weights = other.cumsum() - other / 2
            whole = {"A_eq": np.ones((1, 4)), "b_eq": [1.0], "bounds": ranges[0]}
            ends += [linprog(weights, **whole).fun, -linprog(-weights, **whole).fun]
    assert superiority_range(*ranges) == pytest.approx((min(ends), max(ends)), abs=1e-9)


def test_twenty_levels_and_ten_million_people_take_no_time(registry):
    lines_ = [
        f"Figure 1,{group},class,L{rank:02d},percent,5,{base},,,{rank},,"
        for group, base in (("member", 400), ("non-member", 390))
        for rank in range(1, 21)
    ]
    started = time.process_time()
    row = find(analyse(registry(*lines_)), "class_rounding", Quantity.SUPERIORITY)
    assert row.lower < 0.5 < row.upper
    of_passed, of_all = two_stage_ranges(44, 55, 10_000_000)
    assert of_passed == pytest.approx((0.545, 0.555), abs=1e-6)
    assert of_all == pytest.approx((0.435 * 0.545, 0.445 * 0.555), abs=1e-6)
    assert time.process_time() - started < 10


def test_counted_levels_have_no_rounding_bounds_of_standing_higher(peru):
    found = {row.model for row in peru.gaps if row.quantity is Quantity.SUPERIORITY}
    assert "printed_age" in found
    assert "printed_age_rounding" not in found
    assert "printed_ses_class_rounding" in found
