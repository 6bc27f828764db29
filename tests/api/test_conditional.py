"""Conditional fits by formula against survival::clogit (tests/r/conditional.R) and the command."""

import numpy as np
import pytest

import coopgap as cg

COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}


@pytest.mark.parametrize(("name", "sets"), [("infert", "stratum"), ("infert_pooled", "pooled")])
def test_clogit_infert(infert, fixture, name, sets):
    expected = fixture("conditional")[name]
    fit = cg.conditional(f"case ~ spontaneous + induced | {sets}", infert, vcov="iid")
    tidy = fit.tidy()
    assert tidy["estimate"].to_numpy() == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert tidy["std_error"].to_numpy() == pytest.approx(expected["std_errors"], **STD_ERROR)
    glance = fit.glance().iloc[0]
    assert glance["log_lik"] == pytest.approx(expected["log_likelihood"], rel=1e-12)
    assert glance["n_in_sets"] == len(infert)


def test_clogit_of_an_ordered_answer(wine, fixture):
    fit = cg.conditional("rating ~ contact + temp | judge", wine, vcov={"CR1": "judge"})
    expected = fixture("conditional")["wine"]["slopes"]
    assert fit.tidy()["estimate"].to_numpy()[:2] == pytest.approx(expected, **COEFFICIENT)
    assert fit.tidy()["term"].tolist()[2:] == ["contact=yes:>=3", "contact=yes:>=4"]
    assert {cut.category for cut in fit.cuts if cut.reason} == {">=2", ">=5"}


def test_the_example_in_its_strata(example, fixture):
    m = cg.match(example, "member ~ region + age_band + sex", method="exact")
    for outcome, name in (("ses_class", "conditional_ordinal"), ("trusts", "conditional_logit")):
        fit = cg.conditional(f"{outcome} ~ member | match_set", m.data, vcov={"CR1": "zone"})
        expected = fixture("example")[name]
        assert fit.tidy().loc[0, "estimate"] == pytest.approx(expected["slope"], **COEFFICIENT)
        assert fit.glance()["n_clusters"].item() == 100


def test_one_cut_is_the_logit_of_that_cut(example):
    m = cg.match(example, "member ~ region + age_band + sex", method="exact")
    whole = cg.conditional("ses_class ~ member | match_set", m.data, vcov={"CR1": "zone"}).tidy()
    data = m.data.assign(top=m.data["ses_class"] >= "B")
    cut = cg.conditional("top ~ member | match_set", data, vcov={"CR1": "zone"}).tidy().iloc[0]
    row = whole.set_index("term").loc["member:>=B"]
    assert row["estimate"] == pytest.approx(cut["estimate"])
    assert row["std_error"] == pytest.approx(cut["std_error"])


def test_terms_constant_within_sets_are_left_out(example):
    m = cg.match(example, "member ~ region + age_band + sex", method="exact")
    fit = cg.conditional("trusts ~ member + region + age | match_set", m.data)
    assert fit.constant == ("region=Center", "region=East", "region=North", "region=South")
    assert fit.tidy()["term"].tolist() == ["member", "age"]
    lp = fit.predict(example.head(3))
    slopes = fit.tidy()["estimate"].to_numpy()
    assert lp.to_numpy() == pytest.approx(example[["member", "age"]].head(3).to_numpy() @ slopes)


def test_a_design_gives_the_clusters(example):
    m = cg.match(example, "member ~ region + age_band + sex", method="exact")
    design = cg.Design(zone=("zone",))
    fit = cg.conditional("trusts ~ member | match_set", m.data, design=design)
    assert fit.glance()["vcov"].item() == "cluster CR1"


@pytest.mark.parametrize(
    ("formula", "vcov", "words"),
    [
        ("case ~ member", None, "formula: names no sets"),
        ("case ~ member | nope", None, "no column 'nope'"),
        ("case ~ member | pooled", {"CR2": "cluster"}, "vcov: is CR2"),
        ("parity ~ member | pooled", "iid", "is iid of an outcome of several cuts"),
    ],
)
def test_wrong_input_is_one_line(infert, formula, vcov, words):
    with pytest.raises(cg.InputError) as caught:
        cg.conditional(formula, infert, vcov=vcov)
    assert words in str(caught.value)


def test_no_discordant_set(infert):
    with pytest.raises(cg.NotEstimable, match="no discordant set"):
        cg.conditional("case ~ member | alone", infert.assign(alone=np.arange(len(infert))))


def test_a_conditional_fit_has_no_gap(infert):
    fit = cg.conditional("case ~ member | pooled", infert)
    with pytest.raises(cg.InputError, match="is conditional and has odds ratios only"):
        cg.gap(fit, "member")
