"""Matched samples against MatchIt (tests/r/matching.R), the command's own, and by hand."""

import numpy as np
import pandas as pd
import pytest

import coopgap as cg
from coopgap.core.estimate import to_frame
from coopgap.matching.weighting import overlap_match

MEASURED = "treat ~ age + educ + race + married + nodegree + re74 + re75"


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("propensity", {"order": "largest"}),
        ("propensity_smallest", {"order": "smallest"}),
        ("propensity_data", {"order": "random"}),
        ("two", {"order": "largest", "ratio": 2}),
        ("by_race", {"order": "largest", "exact": ["race"]}),
        ("replace_two", {"replace": True, "ratio": 2}),
        ("mahalanobis", {"distance": "mahalanobis"}),
        ("robust_mahalanobis", {"distance": "robust_mahalanobis"}),
    ],
)
def test_nearest_is_matchits(lalonde, fixture, name, choices):
    m = cg.match(lalonde, MEASURED, method="nearest", id="person", **choices)
    assert m.sample.weight == pytest.approx(fixture("matching")["measured"][name]["weights"])
    kept = m.sample.weight > 0
    assert m.data.index.tolist() == np.flatnonzero(kept).tolist()
    assert m.data["match_weight"].to_numpy() == pytest.approx(m.sample.weight[kept])


def test_who_chooses_first_is_as_in_a_model_file(lalonde):
    """By a propensity score the largest, as in MatchIt; other distances order nobody."""
    assert cg.match(lalonde, "treat ~ age").matching.order == "largest"
    assert cg.match(lalonde, "treat ~ age", distance="mahalanobis").matching.order == "random"


def test_exact_is_matchits(lalonde, fixture):
    bands = lalonde.assign(
        age=np.searchsorted([20, 25, 30, 40], lalonde["age"]),
        educ=np.searchsorted([8, 11, 12], lalonde["educ"]),
        earned=lalonde["re74"] > 0,
    )
    m = cg.match(bands, "treat ~ age + educ + race + married + earned", method="exact")
    expected = fixture("matching")["banded"]["exact"]["weights"]
    assert m.sample.weight == pytest.approx(expected)
    same = cg.match(
        bands, "treat ~ age", exact=["educ", "race", "married", "earned"], method="exact"
    )
    assert same.sample.weight == pytest.approx(expected)


def test_entropy_balances_margins(lalonde):
    m = cg.match(lalonde, "treat ~ race + married", method="entropy")
    balance = m.balance()
    assert balance["member_mean"].to_numpy() == pytest.approx(balance["comparison_mean_after"])
    assert m.data["match_set"].isna().all()


def test_overlap_weights_are_those_of_the_score(lalonde):
    """Li, Morgan & Zaslavsky (2018): with a logit score the means balance exactly."""
    m = cg.match(lalonde, "treat ~ age + married", method="overlap")
    balance = m.balance()
    assert balance["smd_after"].abs().max() < 1e-9
    assert m.sample.method == "overlap"
    rows, strata = m.rows, np.zeros(len(lalonde), dtype=np.int64)
    own = overlap_match(rows, strata, ("age", "married")).weight
    assert m.sample.weight == pytest.approx(own)


@pytest.mark.parametrize("method", ["optimal", "full"])
def test_sets_of_a_flow_hold_both_groups(lalonde, method):
    some = lalonde.iloc[100:400]
    m = cg.match(some, "treat ~ age + educ", exact=["race"], method=method, caliper=0.5)
    groups = m.data.groupby("match_set")["treat"]
    assert (groups.nunique() == 2).all()
    assert (m.data.groupby("match_set")["race"].nunique() == 1).all()
    if method == "optimal":
        assert (groups.sum() == 1).all()
        assert (groups.size() == 2).all()
    # Comparison people of a set weigh as its members do, scaled to their own number.
    members = groups.sum()
    other = m.data.loc[m.data["treat"] == 0].groupby("match_set")["match_weight"].sum()
    ratio = other / members.loc[other.index]
    assert ratio.to_numpy() == pytest.approx(ratio.iloc[0])


def test_cardinality_keeps_within_the_limit(lalonde):
    some = lalonde.iloc[100:400]
    m = cg.match(some, "treat ~ married + nodegree", method="cardinality", limit=0.05)
    assert m.balance()["smd_after"].abs().max() <= 0.05 + 1e-9


def test_sampling_weights_enter_once(lalonde):
    w = pd.Series(1 + np.arange(len(lalonde)) % 3, index=lalonde.index)
    m = cg.match(lalonde.assign(w=w), "treat ~ race", method="exact", weights="w")
    data = m.data
    for race, people in data.groupby("race"):
        sides = people.groupby("treat")["match_weight"].sum()
        total = data.groupby("treat")["match_weight"].sum()
        assert sides[1] / total[1] == pytest.approx(sides[0] / total[0]), race
    members = data["treat"] == 1
    assert data.loc[members, "match_weight"].to_numpy() == pytest.approx(w[data.index[members]])


@pytest.mark.parametrize("id", ["person", None])
def test_the_order_of_rows_changes_nothing(lalonde, id):
    mixed = lalonde.sample(frac=1, random_state=1)
    chosen = {"method": "nearest", "exact": ["race"], "id": id}
    first, second = (
        cg.match(frame, "treat ~ married", **chosen).data["match_weight"].sort_index()
        for frame in (lalonde, mixed)
    )
    pd.testing.assert_series_equal(first, second)


def test_balance_has_the_columns_of_the_table(lalonde):
    m = cg.match(lalonde, "treat ~ race", exact=["married"], method="exact")
    assert list(m.balance()) == list(to_frame("balance", []))
    row = m.balance().set_index(["covariate", "level"]).loc[("race", "black")]
    black = lalonde["race"] == "black"
    members = lalonde["treat"] == 1
    assert row["member_mean_before"] == pytest.approx(black[members].mean())
    assert row["comparison_mean_before"] == pytest.approx(black[~members].mean())


def test_a_design_gives_weights_and_identifiers(lalonde):
    design = cg.Design(weight="w", id="person")
    frame = lalonde.assign(w=2.0)
    first = cg.match(frame, "treat ~ race", design=design)
    second = cg.match(frame, "treat ~ race", weights="w", id="person")
    pd.testing.assert_frame_equal(first.data, second.data)


def test_groups_by_name(lalonde):
    named = lalonde.assign(
        treat=pd.Categorical.from_codes(lalonde["treat"], ["without", "with"], ordered=True)
    )
    first = cg.match(named, "treat ~ race", method="exact")
    assert first.sample.weight == pytest.approx(
        cg.match(lalonde, "treat ~ race", method="exact").sample.weight
    )


def test_rows_with_a_missing_value_are_dropped_and_counted(lalonde):
    lacking = lalonde.assign(race=lalonde["race"].where(lalonde["age"] != 30))
    m = cg.match(lacking, "treat ~ race", method="exact")
    assert m.n_dropped == (lalonde["age"] == 30).sum() > 0
    assert "rows dropped" in m.summary()
    whole = cg.match(lalonde.loc[lalonde["age"] != 30], "treat ~ race", method="exact")
    pd.testing.assert_series_equal(m.data["match_weight"], whole.data["match_weight"])


@pytest.mark.parametrize(
    ("formula", "choices", "words"),
    [
        ("treat ~ rcae", {}, "no column 'rcae'; the nearest are 'race'"),
        ("treat ~ race", {"exact": ["nope"]}, "no column 'nope'"),
        ("treat ~ race", {"weights": "nope"}, "no column 'nope'"),
        ("age ~ race", {}, "data: age: has 40 different values; allowed: two groups"),
        ("treat ~ race * married", {}, "terms that are no plain columns"),
        ("treat ~ log(age)", {}, "terms that are no plain columns"),
        ("treat ~ race | married", {}, "terms that are no plain columns"),
        ("~ race", {}, "formula: has no outcome"),
        ("treat ~ race", {"caliper": -1.0}, "match: matching.caliper: is -1"),
        ("treat ~ race", {"method": "nearset"}, 'match: matching.method: is "nearset"'),
        ("treat ~ race", {"ratio": 0}, "match: matching.ratio: is 0"),
        ("treat ~ race", {"order": "any"}, 'match: matching.order: is "any"'),
        ("treat ~ race", {"method": "full", "ratio": 2}, "ratio: is not used where method is full"),
        ("treat ~ race", {"ties": "all"}, "ties: is all, which shares people"),
        ("treat ~ race", {"weights": "minus"}, "185 weights are negative or not finite"),
    ],
)
def test_wrong_input_is_one_line(lalonde, formula, choices, words):
    frame = lalonde.assign(minus=np.where(lalonde["treat"] == 1, -1.0, 1.0))
    with pytest.raises(cg.InputError) as caught:
        cg.match(frame, formula, **choices)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nobody_to_match(lalonde):
    apart = lalonde.assign(race=lalonde["treat"])
    with pytest.raises(cg.NotEstimable, match="no stratum holds both groups"):
        cg.match(apart, "treat ~ race", method="exact")


@pytest.mark.parametrize("answered", [["trusts", "age"], ["trusts", "age", "zone"]])
def test_who_has_no_answer_is_left_out_before_the_match(example, answered):
    """As if they had not been asked; the groups that a fit takes are balanced exactly."""
    lacking = example.assign(
        trusts=example["trusts"].where(example.index % 7 > 0),
        age=example["age"].where(example.index > 20),
    )
    m = cg.match(lacking, "member ~ region + sex", method="exact", answered=answered)
    alone = cg.match(lacking.dropna(subset=answered), "member ~ region + sex", method="exact")
    pd.testing.assert_frame_equal(m.data, alone.data)
    assert m.n_dropped == lacking[answered].isna().any(axis=1).sum() > 300
    fit = cg.logit("trusts ~ member + age", m.data, weights="match_weight", vcov={"CR1": "zone"})
    assert fit.frame.n_dropped == 0
    assert m.balance()["smd_after"].abs().max() < 1e-12


def test_a_fit_drops_nobody_of_a_matched_sample(example):
    lacking = example.assign(
        trusts=example["trusts"].where(example.index % 7 > 0),
        age=example["age"].where(example.index > 20),
    )
    m = cg.match(lacking, "member ~ region + sex", method="exact")
    lost = m.data[["trusts", "age"]].isna().any(axis=1).sum()
    told = rf'data: trusts, age: {lost} of the {len(m.data)} people .*answered=\["trusts", "age"\]'
    for verb in (cg.logit, cg.linear, cg.ordinal):
        with pytest.raises(cg.InputError, match=told):
            verb("trusts ~ member + sex + age", m.data, weights="match_weight")
    assert cg.logit("trusts ~ member", m.data).frame.n_dropped > 0  # of no matched sample
    assert cg.conditional("trusts ~ member | match_set", m.data).frame.n_dropped > 0
