"""The gap made otherwise: zones drawn again person by person, ties broken by other keys."""

from dataclasses import replace
from statistics import median, stdev

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.app.plan import make_plan
from coopgap.checks import variants as module
from coopgap.checks.context import context_for
from coopgap.checks.registry import Scope, answer, parts
from coopgap.checks.variants import KEYS, resampled
from coopgap.core.vocabulary import Check, Quantity, Verdict, Version
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.plan import sample_for
from coopgap.families.shares import estimate_shares
from coopgap.matching.dispatch import match
from coopgap.matching.distances import Distance
from coopgap.matching.nearest import nearest_pairs
from coopgap.study.spec import Matching, Variant
from coopgap.survey.records import complete_rows

from ..studies import BINARY, model, nominal, write_study
from .conftest import build_rows, context_of, rows_of, sample_of

LEVELS = ("low", "middle", "high")


def make_sample(matching=None, zones=40, n=1600, zoned=True, **fitting):
    rng = np.random.default_rng(7)
    zone = rng.integers(0, zones, n)
    sex, age = rng.integers(0, 2, n), rng.integers(0, 3, n)
    member = rng.random(n) < 0.35 + 0.2 * sex
    latent = 0.6 * member + 0.3 * sex + rng.normal(0, 0.4, zones)[zone] + rng.logistic(size=n)
    rows = build_rows(
        {"sex": sex, "age": age},
        member,
        np.digitize(latent, [-0.3, 1.5]),
        levels=LEVELS,
        zone=zone if zoned else None,
        weight=rng.uniform(0.5, 2, n),
    )
    sample = sample_of(rows, ("sex",), **fitting)
    return replace(sample, matched=match(rows, matching)) if matching else sample


def margins(sample):
    """Shares of the matched gap, both groups, highest level last."""
    tied = sample.fitting.form == "proportional"
    found = headline_estimate(sample) if tied else estimate_shares(sample)
    return [
        interval.estimate
        for contrast, interval in found.intervals.items()
        if contrast.quantity is Quantity.SHARE
    ]


@pytest.mark.parametrize("form", ["free", "proportional"])
def test_the_sample_itself_is_the_declared_estimate(form):
    sample = make_sample(form=form)
    found = resampled(sample, seed=1, replicates=2)
    estimate = [*found.estimate[2::-1], *found.estimate[:2:-1]]
    assert estimate == pytest.approx(margins(sample), abs=1e-8)


@pytest.mark.parametrize("form", ["free", "proportional"])
def test_draws_are_the_whole_way_done_again_person_by_person(form):
    """Zones as people, copied, matched and fitted by the families: the same distribution."""
    sample = make_sample(zones=25, n=900, form=form)
    rows, rng = sample.rows, np.random.default_rng(3)
    gaps = []
    for _ in range(120):
        drawn = rng.integers(0, 25, 25)
        parts = [np.flatnonzero(rows.zone == zone) for zone in drawn]
        people = np.concatenate(parts)
        copies = np.repeat(np.arange(25), [part.size for part in parts])
        again = replace(
            rows,
            index=np.arange(people.size),
            outcome=rows.outcome[people],
            member=rows.member[people],
            factors={name: codes[people] for name, codes in rows.factors.items()},
            zone=copies,
            weight=rows.weight[people],
            tie=None,
        )
        matched = match(again, Matching(on=("sex", "age")))
        shares = margins(replace(sample, rows=again, matched=matched))
        gaps.append(shares[0] - shares[3])
    found = resampled(sample, seed=2, replicates=1000).margins
    ours = found[:, 2] - found[:, 5]
    # The spread of 120 draws is known to 7 percent, their mean to a tenth of it: three of each.
    assert np.std(gaps) == pytest.approx(ours.std(), rel=0.2)
    assert np.mean(gaps) == pytest.approx(ours.mean(), abs=0.3 * ours.std())


def test_rows_stand_beside_the_declared_ones():
    sample = make_sample()
    context = context_of(sample, seed=4)
    declared = estimate_shares(sample)
    rows = rows_of(Check.VARIANT, context)
    assert [(row.quantity, row.category) for row in rows] == [
        (Quantity.RISK_DIFFERENCE, ">=high"),
        (Quantity.RISK_DIFFERENCE, ">=middle"),
        (Quantity.SUPERIORITY, ""),
    ]
    for row in rows:
        assert (row.check, row.variant) == (Check.VARIANT, Version.BOOTSTRAP)
        wald = declared.at(row.category, row.quantity)
        assert row.estimate == pytest.approx(wald.estimate, abs=1e-8)
        # 40 zones: CR2 is a little wider; the matching's own variation goes either way.
        assert row.std_error == pytest.approx(wald.std_error, rel=0.2)
        assert row.lower < row.estimate < row.upper
        assert row.family == "shares"
        moved = row.estimate - context.headline.at(row.category, row.quantity).estimate
        assert row.difference == pytest.approx(moved)
        assert "1,000 draws of 40 zones, matched anew" in row.note
    assert rows == rows_of(Check.VARIANT, context)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {
                "matching": Matching(
                    method="nearest", on=("sex",), covariates=("age",), replace=True
                )
            },
            "zones are redrawn for exact matching only; this is nearest",
        ),
        (
            {"matching": Matching(method="entropy", on=("sex", "age"))},
            "zones are redrawn for exact matching only; this is entropy",
        ),
        (
            {"free": ("sex",), "form": "proportional"},
            "zones are redrawn without freed covariates only",
        ),
        ({"zoned": False}, "the study declares no zone"),
    ],
)
def test_what_is_not_redrawn_says_why(keys, reason, monkeypatch):
    def never(*_, **__):
        raise AssertionError("was redrawn")

    monkeypatch.setattr(module, "bootstrap_margins", never)
    sample = make_sample(**keys)
    (row,) = rows_of(Check.VARIANT, context_of(sample))
    assert (row.verdict, row.note) == (Verdict.NOT_APPLICABLE, reason)
    assert row.estimate is None


METHODS = {
    "nearest": {},
    "replaced": {"replace": True},
    "replaced, two": {"replace": True, "ratio": 2},
    "all": {"replace": True, "ties": "all"},
    "optimal": {"method": "optimal"},
    "full": {"method": "full"},
    "cardinality": {"method": "cardinality"},
}


def sorted_by_answer():
    """480 members, 800 others standing sorted; half of each say yes in either sex."""
    rows = [(1, "male" if i % 2 else "female", i // 2 % 2, i % 40) for i in range(480)]
    others = [(0, "male" if i % 2 else "female", i // 2 % 2, i % 40) for i in range(800)]
    rows += sorted(others, key=lambda row: -row[2])
    return pd.DataFrame(rows, columns=["member", "sex", "yes", "zone"])


@pytest.fixture
def plan_of(tmp_path):
    def make(method, data, *variants, **more):
        matching = {"method": "nearest", "on": ["sex"]} | METHODS[method] | more
        files = {"model": model("yes", "sex", matching=matching, variant=[*variants])}
        variables = {"yes": BINARY, "sex": nominal("male", "female")}
        folder = write_study(tmp_path, variables, files, design={"zone": "zone"})
        return make_plan(folder, data)

    return make


def difference(estimate):
    (interval,) = (
        one for key, one in estimate.intervals.items() if key.quantity is Quantity.RISK_DIFFERENCE
    )
    return interval.estimate


def test_in_file_order_the_pairs_make_a_gap_of_a_third():
    # What the case shows: the first 240 of 400 others of either sex hold all 200 who say yes.
    data = sorted_by_answer()
    member, yes = data["member"].to_numpy() == 1, data["yes"].to_numpy()
    sex = np.unique(data["sex"], return_inverse=True)[1]
    at_one = Distance(cell=np.zeros(len(data), int), points=np.zeros((1, 1)), score=np.zeros(1))
    for order, gap in ((slice(None), -1 / 3), (slice(None, None, -1), 1 / 3)):
        pairs = nearest_pairs(sex[order], member[order], at_one)
        shares = [yes[order][pairs[:, side]].mean() for side in (0, 1)]
        assert shares[0] - shares[1] == pytest.approx(gap)


@pytest.mark.parametrize("method", METHODS)
def test_any_order_of_the_rows_gives_one_gap_near_zero(plan_of, method):
    data = sorted_by_answer()
    found = []
    for turned in (data, data.iloc[::-1], data.sample(frac=1, random_state=1)):
        (model,) = plan_of(method, turned).models
        found.append(difference(headline_estimate(model.sample)))
        tied = [row for row in model.feasibility if row.diagnostic == "tied_members"]
        assert [row.value for row in tied] == ([] if method == "cardinality" else [480])
    assert found[0] == found[1] == found[2]
    # 480 drawn of 800, half of whom say yes: one standard error is 0.014.
    assert abs(found[0]) < (1e-9 if method == "all" else 3 * 0.0145)


def tie_rows(plan, quick=True, matched=None):
    (model,) = plan.models
    estimate = matched or headline_estimate(model.sample)
    context = context_for(plan, model, [estimate])
    mine = [one for one in parts(Scope.MODEL, "full") if one.name == Check.MATCHING_TIES]
    return [row for one in mine if (one.cost == "quick") == quick for row in answer(one, context)]


def test_the_spread_is_that_of_matching_under_each_key(plan_of):
    plan = plan_of("nearest", sorted_by_answer(), seed=5)
    (model,) = plan.models
    gaps = []
    for seed in range(6, 6 + KEYS):
        matching = replace(model.spec.matching, seed=seed)
        sample = sample_for(model.rows, replace(model.spec, matching=matching))
        # Pairs by hand: everybody in them weighs the same.
        yes, kept = model.rows.outcome == 1, sample.matched.weight > 0
        gaps.append(yes[kept & model.rows.member].mean() - yes[kept & ~model.rows.member].mean())
    rows = {row.quantity: row for row in tie_rows(plan)}
    spread = rows["median_risk_difference"]
    assert spread.estimate == pytest.approx(median(gaps), abs=1e-9)
    assert (spread.lower, spread.upper) == pytest.approx((min(gaps), max(gaps)), abs=1e-9)
    assert rows["sd_risk_difference"].estimate == pytest.approx(stdev(gaps), abs=1e-9)
    assert rows["tied_members"].estimate == rows["tied_members"].n == 480
    assert rows["tied_members"].of == int(plan.models[0].rows.member.sum())
    # Of two levels superiority is one half plus half the difference.
    assert rows["median_superiority"].upper == pytest.approx(0.5 + max(gaps) / 2, abs=1e-9)
    assert 0.005 < stdev(gaps) < 0.03
    assert {row.variant for row in rows.values()} == {""}


def test_a_key_changes_what_it_moves_by_half_the_smallest_gap(plan_of):
    plan = plan_of("nearest", sorted_by_answer())
    (model,) = plan.models
    own = difference(headline_estimate(model.sample))
    (spread,) = (row for row in tie_rows(plan) if row.quantity == "median_risk_difference")
    moved = max(spread.upper - own, own - spread.lower)
    for smallest, verdict in ((1.9 * moved, Verdict.CHANGES), (2.1 * moved, Verdict.HOLDS)):
        judged = replace(plan, study=replace(plan.study, smallest_gap=smallest))
        found = {row.quantity: row.verdict for row in tie_rows(judged)}
        assert found["median_risk_difference"] == verdict
        assert found["sd_risk_difference"] is None


def test_a_clear_gap_that_a_key_turns_round_changes(plan_of):
    plan = plan_of("nearest", sorted_by_answer())
    (model,) = plan.models
    estimate = headline_estimate(model.sample)
    clear = {
        key: one and one._replace(estimate=0.02, lower=0.01, upper=0.03)
        for key, one in estimate.intervals.items()
    }
    wide = replace(plan, study=replace(plan.study, smallest_gap=0.9))
    found = tie_rows(wide, matched=replace(estimate, given=clear))
    verdicts = {row.quantity: row.verdict for row in found}
    assert verdicts["median_risk_difference"] == Verdict.CHANGES


@pytest.mark.parametrize(("method", "quick"), [("nearest", True), ("cardinality", False)])
def test_costly_designs_are_matched_again_with_full_checks_only(plan_of, method, quick):
    plan = plan_of(method, sorted_by_answer())
    assert tie_rows(plan, quick=not quick) == []
    assert {row.check for row in tie_rows(plan, quick=quick)} == {Check.MATCHING_TIES}


def test_variants_have_a_spread_of_their_own(plan_of):
    plan = plan_of("all", sorted_by_answer())
    (model,) = plan.models
    pairs = replace(model.spec, matching=Matching(method="optimal", covariates=("sex",)))
    spec = replace(model.spec, variants=(Variant(name="pairs", spec=pairs),))
    varied = replace(plan, models=(replace(model, spec=spec),))
    rows = tie_rows(varied)
    assert {row.variant for row in rows} == {"pairs"}
    own = difference(
        headline_estimate(sample_for(complete_rows(plan.survey, plan.study, pairs), pairs))
    )
    (spread,) = (row for row in rows if row.quantity == "median_risk_difference")
    assert spread.lower <= own <= spread.upper or abs(own - spread.estimate) < 0.05


def test_a_design_without_choices_says_so(plan_of):
    (row,) = tie_rows(plan_of("all", sorted_by_answer()))
    assert (row.verdict, row.quantity) == (Verdict.NOT_APPLICABLE, "")
    assert tie_rows(plan_of("all", sorted_by_answer()), quick=False) == []


def test_without_a_gap_there_is_nothing_to_compare(plan_of):
    plan = plan_of("nearest", sorted_by_answer())
    (model,) = plan.models
    none = headline_estimate(model.sample)
    none = Estimate(
        family=none.family, population=none.population, people=none.people, reason="nobody is left"
    )
    (row,) = tie_rows(plan, matched=none)
    assert row.verdict == Verdict.NOT_ASSESSED
    assert "nobody is left" in row.note


@pytest.mark.parametrize("checks", ["quick", pytest.param("full", marks=pytest.mark.slow)])
def test_a_shuffled_file_gives_the_same_tables(plan_of, tmp_path, checks):
    data = sorted_by_answer().sample(320, random_state=3)
    rng = np.random.default_rng(2)
    data = data.assign(yes=np.where(rng.random(len(data)) < 0.05, np.nan, data["yes"]))
    weights = {"name": "weights", "matching": {"method": "entropy", "on": ["sex"]}}
    plan_of("nearest", data, weights)
    one, other = (
        coopgap.run(tmp_path, data=these, checks=checks, jobs=1)
        for these in (data, data.sample(frac=1, random_state=7))
    )
    # Bit for bit: people stand in the order of their own records before anything is computed.
    for name in ("gaps", "coefficients", "balance", "sensitivity", "diagnostics"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    assert len(one.gaps) > 20
    assert ("missing_imputation" in set(one.sensitivity["check"])) == (checks == "full")
