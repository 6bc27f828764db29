"""Cumulative fits by formula against ordinal::clm, VGAM and sandwich (tests/r)."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import coopgap as cg

# Two programs at convergence: coefficients to 8 digits, standard errors to 6, as both carry more.
COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}
FORMULA = "ses_class ~ member + age_band + sex + region"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_clm_wine(wine, fixture, link, weighted):
    expected = fixture("ordinal")[link]["wine_weighted" if weighted else "wine"]
    chosen = {"link": link, "weights": "w" if weighted else None}
    fit = cg.ordinal("rating ~ contact + temp", wine, vcov="iid", **chosen)
    tidy = fit.tidy()
    params = [*expected["slopes"], *expected["thresholds"]]
    assert tidy["term"].tolist() == ["contact=yes", "temp=warm", "1|2", "2|3", "3|4", "4|5"]
    assert tidy["estimate"].to_numpy() == pytest.approx(params, **COEFFICIENT)
    assert tidy["std_error"].to_numpy() == pytest.approx(expected["std_errors"], **STD_ERROR)
    assert fit.glance()["log_lik"].item() == pytest.approx(expected["log_likelihood"], rel=1e-12)
    robust = cg.ordinal("rating ~ contact + temp", wine, vcov={"CR1": "judge"}, **chosen)
    errors = robust.tidy()["std_error"].to_numpy()
    assert errors == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert robust.glance()["n_clusters"].item() == 9
    assert robust.glance()["vcov"].item() == "cluster CR1"


def test_intervals_are_walds(wine):
    tidy = cg.ordinal("rating ~ contact", wine, vcov={"CR1": "judge"}).tidy(conf_level=0.9)
    half = stats.t.ppf(0.95, 8) * tidy["std_error"]
    assert (tidy["estimate"] - half).to_numpy() == pytest.approx(tidy["conf_low"].to_numpy())
    assert (tidy["estimate"] + half).to_numpy() == pytest.approx(tidy["conf_high"].to_numpy())
    p_value = 2 * stats.t.sf(tidy["statistic"].abs(), 8)
    assert tidy["p_value"].to_numpy() == pytest.approx(p_value)
    assert list(tidy) == [
        "term",
        "estimate",
        "std_error",
        "statistic",
        "p_value",
        "conf_low",
        "conf_high",
    ]


def test_ratios(wine):
    fit = cg.ordinal("rating ~ contact", wine)
    log, ratio = fit.tidy(), fit.tidy(exponentiate=True)
    for name in ("estimate", "conf_low", "conf_high"):
        assert ratio[name].to_numpy() == pytest.approx(np.exp(log[name]).to_numpy())
    same = ["term", "std_error", "statistic", "p_value"]
    pd.testing.assert_frame_equal(ratio[same], log[same])


@pytest.mark.parametrize("weighted", [False, True])
def test_vglm_wine_with_a_freed_term(wine, fixture, weighted):
    expected = fixture("vglm")["wine_weighted" if weighted else "wine"]
    fit = cg.ordinal(
        "rating ~ contact + temp", wine, free=["contact"], weights="w" if weighted else None
    )
    tidy = fit.tidy().set_index("term")["estimate"]
    free = tidy[[f"contact=yes:>={level}" for level in (2, 3, 4, 5)]]
    assert free.to_numpy() == pytest.approx(expected["free"], **COEFFICIENT)
    assert tidy["temp=warm"] == pytest.approx(expected["slopes"], **COEFFICIENT)
    assert fit.glance()["log_lik"].item() == pytest.approx(expected["log_likelihood"], rel=1e-12)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("matched", [False, True])
def test_clm_of_the_example(example, fixture, matched, free):
    data, weights = example, None
    if matched:
        m = cg.match(example, "member ~ region + age_band + sex", method="exact")
        data, weights = m.data, "match_weight"
    family = f"{'matched' if matched else 'adjusted'}_{'ordinal' if free else 'proportional'}"
    expected = fixture("example")[family]
    fit = cg.ordinal(
        FORMULA, data, weights=weights, vcov={"CR1": "zone"}, free=["member"] if free else []
    )
    if not free:
        expected = expected["logit"]
        expected["params"] = [*expected["slopes"], *expected["thresholds"]]
    tidy = fit.tidy()
    assert tidy["estimate"].to_numpy() == pytest.approx(expected["params"], **COEFFICIENT)
    errors = tidy["std_error"].to_numpy()
    assert errors == pytest.approx(expected["cluster_std_errors"], **STD_ERROR)
    assert fit.glance()["n_obs"].item() == expected["n"]


def test_likelihood_ratios_are_clms(table, fixture):
    housing = table("housing")
    people = housing.loc[housing.index.repeat(housing["Freq"])]
    people = people.assign(
        Sat=pd.Categorical(people["Sat"], ["Low", "Medium", "High"], ordered=True),
        Infl=pd.Categorical(people["Infl"], ["Low", "Medium", "High"]),
        Type=pd.Categorical(people["Type"], ["Tower", "Apartment", "Atrium", "Terrace"]),
        Cont=pd.Categorical(people["Cont"], ["Low", "High"]),
    )
    found = cg.ordinal("Sat ~ Infl + Type + Cont", people).brant()
    expected = fixture("proportional")["ratio"]
    ratio = found[found["test"] == "likelihood_ratio"].set_index("term").loc[expected["terms"]]
    assert ratio["statistic"].to_numpy() == pytest.approx(expected["statistic"], rel=1e-6)
    assert ratio["df"].tolist() == expected["df"]
    assert ratio["p_value"].to_numpy() == pytest.approx(expected["p_value"], rel=1e-6)


def test_brant_by_hand(wine):
    """Brant (1990), equations 4 and 5: separate logits, with the covariance of those who share."""
    some = wine[wine["rating"].between(2, 4)]
    found = cg.ordinal("rating ~ contact", some).brant().set_index(["term", "test"])
    x = np.column_stack([np.ones(len(some)), some["contact"] == "yes"]).astype(float)
    above = [(some["rating"] > cut).astype(float) for cut in (2, 3)]
    fits = [sm.Logit(y, x).fit(disp=0, tol=1e-14) for y in above]
    low, high = (np.asarray(fit.predict()) for fit in fits)
    inner = [np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x) for p in (low, high)]
    shared = inner[0] @ (x * (high * (1 - low))[:, None]).T @ x @ inner[1]
    variance = inner[0][1, 1] + inner[1][1, 1] - 2 * shared[1, 1]
    apart = np.asarray(fits[0].params)[1] - np.asarray(fits[1].params)[1]
    row = found.loc[("contact", "brant")]
    assert row["statistic"] == pytest.approx(apart**2 / variance, rel=1e-6)
    assert row["p_value"] == pytest.approx(stats.chi2.sf(row["statistic"], 1))
    assert found.loc[("all terms", "brant"), "statistic"] == pytest.approx(row["statistic"])


def test_weights_leave_the_clustered_test_alone(wine):
    found = cg.ordinal("rating ~ contact", wine, weights="w", vcov={"CR1": "judge"}).brant()
    assert set(found["test"]) == {"wald"}
    assert found["note"].ne("").any() or found["statistic"].notna().all()


def test_predictions_are_the_models(wine):
    fit = cg.ordinal("rating ~ contact + temp", wine)
    tidy = fit.tidy().set_index("term")["estimate"]
    new = pd.DataFrame({"contact": ["yes", "no", None], "temp": ["cold", "warm", "cold"]})
    found = fit.predict(new)
    assert list(found) == ["1", "2", "3", "4", "5"]
    below = 1 / (1 + np.exp(-(tidy["1|2"] - tidy["contact=yes"])))
    assert found.loc[0, "1"] == pytest.approx(below)
    assert found.loc[:1].sum(axis=1).to_numpy() == pytest.approx([1, 1])
    assert found.loc[2].isna().all()
    assert fit.predict().index.equals(wine.index)


def test_terms_of_formulaic(example):
    """Interactions, transformations and levels written out give one fit."""
    frame = example.assign(both=((example["member"] == 1) & (example["sex"] == "female")) * 1)
    first = cg.ordinal("ses_class ~ member * sex + log(age)", frame)
    second = cg.ordinal(
        "ses_class ~ member + sex + both + loga", frame.assign(loga=np.log(frame["age"]))
    )
    keys = ["estimate", "std_error"]
    assert first.tidy()["term"].tolist()[:4] == [
        "member",
        "sex=female",
        "log(age)",
        "member:sex=female",
    ]
    one, other = first.tidy().set_index("term")[keys], second.tidy().set_index("term")[keys]
    assert one.loc["member:sex=female"].to_numpy() == pytest.approx(other.loc["both"].to_numpy())
    spline = cg.ordinal("ses_class ~ member + bs(age, df=4)", frame)
    assert spline.predict(frame.head(3)).to_numpy() == pytest.approx(
        spline.predict().to_numpy()[:3]
    )


def test_names_with_spaces_and_numbers(wine):
    """Names between backticks, also within what Python evaluates."""
    frame = wine.rename(columns={"judge": "the judge"}).assign(**{"7": wine["judge"]})
    found = cg.ordinal("rating ~ `the judge` + I(`the judge` ** 2)", frame).tidy()
    squares = wine.assign(square=wine["judge"] ** 2)
    expected = cg.ordinal("rating ~ judge + square", squares).tidy()
    assert found["estimate"].to_numpy() == pytest.approx(expected["estimate"].to_numpy())
    numbered = wine.rename(columns={"judge": 3})
    assert cg.ordinal("rating ~ contact", numbered).frame.n == len(wine)


def test_rows_are_dropped_and_counted(wine):
    lacking = wine.assign(
        temp=wine["temp"].where(wine.index > 4), w=wine["w"].where(wine.index != 9)
    )
    fit = cg.ordinal("rating ~ contact + temp", lacking, weights="w")
    assert fit.glance()[["n_obs", "n_dropped"]].iloc[0].tolist() == [len(wine) - 6, 6]
    whole = cg.ordinal("rating ~ contact + temp", wine.drop(index=[*range(5), 9]), weights="w")
    pd.testing.assert_frame_equal(fit.tidy(), whole.tidy())


def test_people_of_weight_zero_stay_out_and_scale_is_nothing(wine):
    zero = wine.assign(w=wine["w"].where(wine.index % 5 > 0, 0.0))
    first = cg.ordinal("rating ~ contact", zero, weights="w").tidy()
    second = cg.ordinal(
        "rating ~ contact", zero[zero["w"] > 0].assign(w=lambda d: 7 * d["w"]), weights="w"
    )
    pd.testing.assert_frame_equal(first, second.tidy(), rtol=1e-9)


def test_separation_is_reduced_and_said(wine):
    apart = wine.assign(alone=(wine["rating"] == 5).astype(int))
    fit = cg.ordinal("rating ~ alone", apart)
    assert fit.glance()["bias_reduced"].item()
    assert fit.infinite == ("alone",)
    assert np.isfinite(fit.tidy()["estimate"]).all()
    with pytest.raises(cg.NotEstimable, match="no finite estimate for alone"):
        cg.ordinal("rating ~ alone", apart, free=["alone"])


@pytest.mark.parametrize(
    ("formula", "choices", "words"),
    [
        ("rating ~ contcat", {}, "formula: no column 'contcat'; the nearest are 'contact'"),
        ("rating ~ contact", {"free": ["temp"]}, "names temp, which is no term of the formula"),
        ("rating ~ contact", {"vcov": "HC9"}, "vcov: is 'HC9'; allowed: iid, HC0, HC1, HC3"),
        ("rating ~ contact", {"vcov": {"CR9": "judge"}}, "allowed: one of CR0, CR1, CR1S, CR2"),
        ("rating ~ contact", {"vcov": {"CR2": "judge + temp"}}, "two ways with CR0"),
        (
            "rating ~ contact",
            {"vcov": {"CR1": "juge"}},
            "no column 'juge'; the nearest are 'judge'",
        ),
        ("rating ~ contact", {"weights": "minus"}, "data: minus: 72 weights are negative"),
        ("rating ~ contact", {"weights": "temp"}, "data: temp: holds no numbers"),
        ("word ~ contact", {}, "data: word: has levels without an order"),
        ("same ~ contact", {}, "data: same: has 1 different answers"),
        ("rating ~ contact - 1", {}, "leaves the intercept out"),
        ("rating ~ contact | judge", {}, "absorbs judge; use conditional or linear"),
        ("rating ~ contact +", {}, "formula: Operator"),
        ("rating ~ .", {}, "formula: The `.` operator requires additional context"),
        ("rating ~ nofun(judge)", {}, "name 'nofun' is not defined"),
        ("rating ~ log(judge - judge)", {}, "no finite value of log(judge - judge)"),
        ("rating ~ contact + rating", {}, "has rating on both sides"),
        ("rating ~ contact", {"vcov": {"CR1": 3}}, "vcov: is {'CR1': 3}"),
        ("rating ~ contact", {"vcov": 3}, "vcov: is 3"),
        ("rating ~ contact", {"link": "log"}, "link: is 'log'; allowed: logit, probit, cloglog"),
        ("rating ~ empty", {}, "data: no row has all that is needed; needed: rating, empty"),
    ],
)
def test_wrong_input_is_one_line(wine, formula, choices, words):
    frame = wine.assign(minus=-1.0, word=wine["rating"].astype(str) + "!", same=1, empty=np.nan)
    with pytest.raises(cg.InputError) as caught:
        cg.ordinal(formula, frame, **choices)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_quotes_no_answer(wine):
    frame = wine.assign(word=["Maria Quispe", *["-"] * (len(wine) - 1)])
    with pytest.raises(cg.InputError) as caught:
        cg.ordinal("rating ~ I(word.astype(float))", frame)
    assert "Quispe" not in str(caught.value)


def test_no_table():
    with pytest.raises(cg.InputError, match="list: this is no table"):
        cg.ordinal("y ~ x", [1, 2])
    for wrong in (pd.Series([1]), "survey.csv", None, np.ones((2, 2))):
        with pytest.raises(cg.InputError, match="this is no table"):
            cg.ordinal("y ~ x", wrong)
    with pytest.raises(cg.InputError, match="DataFrame: there are no rows"):
        cg.ordinal("y ~ x", pd.DataFrame({"y": [], "x": []}))
    with pytest.raises(cg.InputError, match="columns differ in length"):
        cg.ordinal("y ~ x", {"y": [1, 2], "x": [1]})


def test_terms_that_depend_on_one_another(wine):
    with pytest.raises(cg.NotEstimable, match="cannot be told apart"):
        cg.ordinal("rating ~ contact + again", wine.assign(again=wine["contact"] == "yes"))
