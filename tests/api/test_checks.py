"""Checks of one gap, called by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import coopgap as cg


def test_every_check_is_listed():
    found = cg.checks.available()
    assert list(found) == ["name", "title", "question", "topic", "cost", "scope"]
    assert found["name"].is_unique
    assert {"e_value", "rosenbaum", "robustness_value", "multiverse"} <= {*found["name"]}
    assert {*found["cost"]} == {"quick", "full"}
    assert found["question"].str.endswith("?").all()


def test_e_values_by_their_formula(example):
    g = cg.gap(cg.logit("trusts ~ member", example), "member")
    found = cg.checks.e_value(g).set_index("quantity")
    ratio = found.loc["risk_ratio"]
    # In the coding of the rarer answer: here those who do not trust.
    no = 1 - example.groupby("member")["trusts"].mean()
    assert no.mean() < 0.5
    assert ratio["estimate"] == pytest.approx(no[1] / no[0])
    inverse = 1 / ratio["estimate"]
    assert found.loc["e_value", "estimate"] == pytest.approx(
        inverse + np.sqrt(inverse * (inverse - 1))
    )
    near = 1 / ratio["upper"]
    assert found.loc["e_value", "lower"] == pytest.approx(near + np.sqrt(near * (near - 1)))


def test_one_threshold_alone(example):
    g = cg.gap(cg.ordinal("ses_class ~ member", example), "member")
    assert len(cg.checks.e_value(g)) == 8
    assert cg.checks.e_value(g, ">=B")["category"].unique().tolist() == [">=B"]
    with pytest.raises(cg.InputError, match="category: is '>=Z'"):
        cg.checks.e_value(g, ">=Z")


def test_rosenbaum_of_pairs_is_the_binomial():
    """Pairs of one yes: the bound is a binomial tail of Γ/(1 + Γ)."""
    rng = np.random.default_rng(3)
    n = 120
    member = np.tile([1, 0], n)
    sets = np.repeat(np.arange(n), 2)
    frame = pd.DataFrame(
        {"member": member, "pair": sets, "y": rng.random(2 * n) < 0.3 + 0.3 * member}
    )
    m = cg.match(frame, "member ~ pair", method="exact")
    found = cg.checks.rosenbaum(m, "y")
    wide = frame.assign(y=frame["y"] * 1).pivot(index="pair", columns="member", values="y")
    discordant = wide[wide[0] != wide[1]]
    assert found.loc[found["quantity"] == "n_sets", "estimate"].item() == len(discordant)
    for row in found[found["quantity"] == "p_bound"].itertuples():
        share = row.setting / (1 + row.setting)
        tail = stats.binom.sf(discordant[1].sum() - 1, len(discordant), share)
        assert row.p_value == pytest.approx(tail)


def test_robustness_value_by_its_formula(infert):
    """Cinelli & Hazlett (2020), theorem 1: from the classical t of the absorbed model."""
    m = cg.match(infert, "member ~ education", method="exact")
    found = cg.checks.robustness_value(m, "case").set_index("variant")["estimate"]
    fit = cg.linear("case ~ member | match_set", m.data, weights="match_weight", vcov="iid")
    f = abs(fit.tidy()["statistic"].item()) / np.sqrt(fit.df_residual)
    assert found["estimate"] == pytest.approx((np.sqrt(f**4 + 4 * f**2) - f**2) / 2)
    assert 0 <= found["interval"] < found["estimate"]


def test_no_sets(example):
    m = cg.match(example, "member ~ sex", method="entropy")
    with pytest.raises(cg.NotEstimable, match="makes no sets"):
        cg.checks.rosenbaum(m, "trusts")
    with pytest.raises(cg.NotEstimable, match="makes no sets"):
        cg.checks.robustness_value(m, "trusts")
    with pytest.raises(cg.InputError, match="data: no column 'truts'; the nearest are 'trusts'"):
        cg.checks.rosenbaum(m, "truts")


def test_people_without_an_answer_stay_out(example):
    lacking = example.assign(trusts=example["trusts"].where(example.index % 7 > 0))
    m = cg.match(lacking, "member ~ region + sex", method="exact")
    found = cg.checks.rosenbaum(m, "trusts")
    counted = m.data.dropna(subset="trusts").groupby("match_set")
    both = (counted["member"].nunique() == 2) & (counted["trusts"].nunique() == 2)
    assert found.loc[found["quantity"] == "n_sets", "estimate"].item() == both.sum()
