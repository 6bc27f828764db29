"""Gaps of fits: against R, by hand as marginaleffects has them, and against one another."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.miscmodels.ordinal_model import OrderedModel

import coopgap as cg

COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}
FORMULA = "ses_class ~ member + age_band + sex + region"


def by_hand(function, params, cov, step=1e-6):
    """A quantity of the coefficients with its delta-method error, the derivative by differences."""
    gradient = np.array(
        [
            (function(params + step * e) - function(params - step * e)) / (2 * step)
            for e in np.eye(params.size)
        ]
    )
    return function(params), np.sqrt(gradient @ cov @ gradient)


def design(frame, member):
    """Intercept, membership, sex, both, age."""
    female = (frame["sex"] == "female").to_numpy(float)
    m = np.full(len(frame), float(member)) if np.isscalar(member) else np.asarray(member, float)
    return np.column_stack([np.ones(len(frame)), m, female, frame["age"], m * female])


@pytest.mark.parametrize("target", ["members", "all"])
@pytest.mark.parametrize("vcov", ["iid", {"CR1": "zone"}])
def test_a_logit_with_an_interaction_by_hand(example, target, vcov):
    """What marginaleffects' avg_comparisons does: covariates fixed, the delta method."""
    fit = cg.logit("trusts ~ member * sex + age", example, vcov=vcov)
    g = cg.gap(fit, "member", target=target, fixed=True)
    people = example[example["member"] == 1] if target == "members" else example
    x = design(example, example["member"])
    y = example["trusts"].to_numpy()
    theirs = sm.Logit(y, x).fit(disp=0, method="newton", tol=1e-14)
    p = 1 / (1 + np.exp(-x @ theirs.params))
    cov = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x)
    if vcov != "iid":
        sums = pd.DataFrame(x * (y - p)[:, None]).groupby(example["zone"].to_numpy()).sum()
        n = len(sums)
        cov = n / (n - 1) * cov @ (sums.T @ sums).to_numpy() @ cov

    def mean_difference(b):
        one, zero = (1 / (1 + np.exp(-design(people, m) @ b)) for m in (1, 0))
        return float((one - zero).mean())

    value, error = by_hand(mean_difference, np.asarray(theirs.params), cov)
    assert g.at().estimate == pytest.approx(value, rel=1e-8)
    assert g.at().std_error == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("matched", [False, True])
def test_margins_of_the_example_are_rs(example, fixture, matched, free):
    """R stacks scores and differentiates numerically: covariates of the members vary too."""
    data, weights = example, None
    if matched:
        m = cg.match(example, "member ~ region + age_band + sex", method="exact")
        data, weights = m.data, "match_weight"
    family = f"{'matched' if matched else 'adjusted'}_{'ordinal' if free else 'proportional'}"
    expected = fixture("example")[family]
    expected = expected["standardised"]["members"] if free else expected["logit"]["standardised"]
    target = "members"
    if not matched:  # R's are the members who have a match
        kept = cg.match(example, "member ~ region + age_band + sex", method="exact").data.index
        target = ((example["member"] == 1) & example.index.isin(kept)).astype(float)
    fit = cg.ordinal(
        FORMULA, data, weights=weights, vcov={"CR1": "zone"}, free=["member"] if free else []
    )
    margins = cg.gap(fit, "member", target=target).estimate.margins
    assert margins.member == pytest.approx(expected["member"], **COEFFICIENT)
    assert margins.comparison == pytest.approx(expected["comparison"], **COEFFICIENT)
    if matched:
        assert margins.cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", ["members", "all"])
def test_margins_of_wine_are_rs(wine, fixture, weighted, target):
    fit = cg.ordinal(
        "rating ~ contact + temp", wine, weights="w" if weighted else None, vcov={"CR1": "judge"}
    )
    margins = cg.gap(fit, "contact", target=target).estimate.margins
    name, people = (
        "wine_weighted" if weighted else "wine",
        "everybody" if target == "all" else target,
    )
    expected = fixture("ordinal")["standardised"][name][people]
    assert margins.member == pytest.approx(expected["member"], **COEFFICIENT)
    assert margins.comparison == pytest.approx(expected["comparison"], **COEFFICIENT)
    assert margins.cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-11)


def test_the_gap_of_a_saturated_fit_is_the_difference_of_shares(example):
    g = cg.gap(cg.ordinal("ses_class ~ member", example, free=["member"]), "member")
    shares = pd.crosstab(example["member"], example["ses_class"], normalize="index")
    above = shares.loc[:, ["C", "B", "A"]].sum(axis=1)
    assert g.at(">=C").estimate == pytest.approx(above[1] - above[0])
    assert g.at("B", "share").estimate == pytest.approx(shares.loc[1, "B"])
    n = example["member"].value_counts()
    error = sum(above[m] * (1 - above[m]) / n[m] for m in (0, 1)) ** 0.5
    assert g.at(">=C").std_error == pytest.approx(error, rel=1e-6)
    probability = stats.mannwhitneyu(
        *(example.loc[example["member"] == m, "ses_class"].cat.codes for m in (1, 0))
    ).statistic / (n[0] * n[1])
    assert g.superiority.estimate == pytest.approx(probability)


def test_free_membership_in_a_table_of_gaps(example):
    fit = cg.ordinal(FORMULA, example, vcov={"CR1": "zone"}, free=["member"])
    frame = cg.gap(fit, "member").to_frame()
    assert {*frame["interval_kind"]} == {"confidence", "joint"}
    assert set(frame["form"]) == {"free"}
    assert set(frame["family"]) == {"adjusted_ordinal"}
    assert set(frame["population"]) == {"all_members"}
    own = frame[(frame["quantity"] == "risk_difference") & (frame["category"] == ">=C")]
    joint, alone = (own[own["interval_kind"] == kind].iloc[0] for kind in ("joint", "confidence"))
    assert joint["lower"] < alone["lower"]
    assert joint["estimate"] == alone["estimate"]


def test_levels_the_other_way_round(example):
    """Reversed levels turn every gap over; the mean of a threshold is one less its complement."""
    turned = example.assign(
        ses_class=pd.Categorical(example["ses_class"], list("ABCDE"), ordered=True)
    )
    chosen = {"vcov": {"CR2": "zone"}, "free": ["member"]}
    first = cg.gap(cg.ordinal(FORMULA, example, **chosen), "member").at(">=C")
    second = cg.gap(cg.ordinal(FORMULA, turned, **chosen), "member").at(">=D")
    assert second.estimate == pytest.approx(-first.estimate)
    assert second.std_error == pytest.approx(first.std_error)


def test_groups_by_name_and_other_order_of_rows(example):
    named = example.assign(member=np.where(example["member"] == 1, "with", "alone"))
    named["member"] = pd.Categorical(named["member"], ["alone", "with"], ordered=True)
    chosen = {"vcov": {"CR1": "zone"}}
    first = cg.gap(cg.ordinal(FORMULA, example, **chosen), "member")
    second = cg.gap(cg.ordinal(FORMULA, named.sample(frac=1, random_state=2), **chosen), "member")
    numbers = ["estimate", "std_error", "lower", "upper", "p_value"]
    pd.testing.assert_frame_equal(first.to_frame()[numbers], second.to_frame()[numbers])


def test_the_overlap_is_the_regression_on_overlap_weights(example):
    """Of a linear score e: sums of e(1 - e) predictions, by hand."""
    fit = cg.logit("trusts ~ member + age", example)
    g = cg.gap(fit, "member", target="overlap")
    score = smf.logit("member ~ age", example).fit(disp=0)
    e = np.asarray(score.predict())
    one, zero = (fit.predict(example.assign(member=m)).to_numpy() for m in (1, 0))
    assert g.at().estimate == pytest.approx(np.average(one - zero, weights=e * (1 - e)), rel=1e-6)
    assert g.estimate.population == "overlap"


def test_weights_as_the_target(example):
    fit = cg.logit("trusts ~ member + age", example)
    aim = (example["age"] < 30).astype(float)
    one, zero = (fit.predict(example.assign(member=m)).to_numpy() for m in (1, 0))
    g = cg.gap(fit, "member", target=aim)
    assert g.at().estimate == pytest.approx(np.average(one - zero, weights=aim))
    with pytest.raises(cg.InputError, match="target: holds other numbers than one a row"):
        cg.gap(fit, "member", target=[1.0, 2.0])


def test_doubly_robust_by_hand(example):
    """Moodie, Saarela & Stephens (2018): outcome model plus residuals at the odds of membership."""
    fit = cg.logit("trusts ~ member + age", example)
    g = cg.gap(fit, "member", doubly_robust=True)
    e = np.asarray(smf.logit("member ~ age", example).fit(disp=0, tol=1e-12).predict())
    zero = fit.predict(example.assign(member=0)).to_numpy()
    y, m = example["trusts"].to_numpy(), example["member"].to_numpy()
    other = (m * zero + (1 - m) * e / (1 - e) * (y - zero)).sum() / m.sum()
    assert g.at().estimate == pytest.approx(y[m == 1].mean() - other, rel=1e-6)
    assert g.estimate.family == "doubly_robust"
    with pytest.raises(cg.InputError, match="vcov: is HC3"):
        cg.gap(cg.logit("trusts ~ member", example, vcov="HC3"), "member", doubly_robust=True)
    with pytest.raises(cg.InputError, match="doubly_robust: is asked"):
        cg.gap(fit, "member", target="all", doubly_robust=True)


@pytest.mark.parametrize("target", ["members", "all"])
def test_statsmodels_logit_and_glm(example, target):
    formula = "trusts ~ member * sex + age"
    ours = cg.gap(cg.logit(formula, example, vcov="iid"), "member", target=target).at()
    family = sm.families.Binomial()
    for theirs in (
        smf.logit(formula, example).fit(disp=0, tol=1e-12),
        smf.glm(formula, example, family=family).fit(tol=1e-12),
    ):
        found = cg.gap(theirs, "member", target=target).at()
        assert found.estimate == pytest.approx(ours.estimate, rel=1e-7)
        assert found.std_error == pytest.approx(ours.std_error, rel=1e-5)
    effects = smf.logit("trusts ~ member + age", example).fit(disp=0)
    margin = effects.get_margeff(at="overall", dummy=True)
    found = cg.gap(effects, "member", target="all").at()
    assert found.estimate == pytest.approx(margin.margeff[0], rel=1e-6)
    assert found.std_error == pytest.approx(margin.margeff_se[0], rel=1e-4)


def test_statsmodels_arrays_and_weights(example):
    x = sm.add_constant(example[["member", "age"]].astype(float))
    w = pd.Series(1.0 + example["age"] % 2)
    theirs = sm.GLM(example["trusts"], x, family=sm.families.Binomial(), freq_weights=w).fit(
        tol=1e-12
    )
    ours = cg.logit("trusts ~ member + age", example.assign(w=w), weights="w", vcov="iid")
    first, second = cg.gap(theirs, "member").at(), cg.gap(ours, "member").at()
    assert first.estimate == pytest.approx(second.estimate, rel=1e-7)
    assert first.std_error == pytest.approx(second.std_error, rel=1e-5)


def test_statsmodels_ordered_model(example):
    theirs = OrderedModel.from_formula("ses_class ~ 0 + member + age", example, distr="logit").fit(
        disp=0, method="bfgs", gtol=1e-9, maxiter=500
    )
    found = cg.gap(theirs, "member")
    ours = cg.gap(cg.ordinal("ses_class ~ member + age", example, vcov="iid"), "member")
    for category in (">=D", ">=C", ">=B", ">=A"):
        assert found.at(category).estimate == pytest.approx(ours.at(category).estimate, rel=1e-4)
        assert found.at(category).std_error == pytest.approx(ours.at(category).std_error, rel=1e-3)


def test_other_models_are_refused(example):
    with pytest.raises(cg.InputError, match="fit: is a GLM of the Poisson family"):
        cg.gap(smf.glm("trusts ~ member", example, family=sm.families.Poisson()).fit(), "member")
    with pytest.raises(cg.InputError, match="fit: is int"):
        cg.gap(3, "member")
    with pytest.raises(cg.InputError, match="is no column of the fit"):
        cg.gap(smf.logit("trusts ~ member", example).fit(disp=0), "nobody")


def test_a_linear_gap_is_its_coefficient(example):
    fit = cg.linear("trusts ~ member + age", example, vcov={"CR2": "zone"})
    row, found = fit.tidy().set_index("term").loc["member"], cg.gap(fit, "member").at()
    assert found.estimate == pytest.approx(row["estimate"])
    assert [found.lower, found.upper] == pytest.approx([row["conf_low"], row["conf_high"]])
    with pytest.raises(cg.InputError, match="is no answer of 0 and 1"):
        cg.gap(cg.linear("age ~ member", example), "member")


def test_a_difference_knows_the_people_that_both_have(example):
    """The same gap less itself is nothing; of two fits the variance is that of paired people."""
    raw = cg.gap(cg.logit("trusts ~ member", example, vcov={"CR1": "zone"}), "member")
    adjusted = cg.gap(
        cg.logit("trusts ~ member + age_band", example, vcov={"CR1": "zone"}), "member"
    )
    nothing = raw.difference(raw)
    assert nothing.estimate == 0
    assert nothing.std_error == pytest.approx(0, abs=1e-12)
    found = adjusted.difference(raw)
    assert found.estimate == pytest.approx(adjusted.at().estimate - raw.at().estimate)
    assert found.std_error < adjusted.at().std_error
    # By zones left out one after another (jackknife).
    off = []
    for zone in example["zone"].unique():
        rest = example[example["zone"] != zone]
        both = [
            cg.gap(cg.logit(f, rest), "member").at().estimate
            for f in ("trusts ~ member + age_band", "trusts ~ member")
        ]
        off.append(both[0] - both[1])
    n = len(off)
    assert found.std_error == pytest.approx(np.sqrt((n - 1) * np.var(off)), rel=0.1)


def test_a_difference_over_frames_goes_by_index_and_zone(example):
    matched = cg.match(example, "member ~ region + age_band + sex", method="exact").data
    whole = cg.gap(cg.logit("trusts ~ member", example, vcov={"CR1": "zone"}), "member")
    first = cg.gap(
        cg.logit("trusts ~ member", matched, weights="match_weight", vcov={"CR1": "zone"}), "member"
    )
    # Other numbers for the zones must not tie strangers together.
    shuffled = matched.sample(frac=1, random_state=3)
    second = cg.gap(
        cg.logit("trusts ~ member", shuffled, weights="match_weight", vcov={"CR1": "zone"}),
        "member",
    )
    assert first.difference(whole).std_error == pytest.approx(second.difference(whole).std_error)
    apart = first.difference(whole).std_error
    assert apart < np.hypot(first.at().std_error, whole.at().std_error) / 2


def test_a_target_goes_by_its_index(example):
    lacking = example.assign(age=example["age"].where(example.index > 50))
    young = (example["age"] < 30).astype(float)
    fit = cg.logit("trusts ~ member + age", lacking)
    first = cg.gap(fit, "member", target=young).at()
    second = cg.gap(fit, "member", target=young[example.index > 50].to_numpy()).at()
    assert first == second


def test_people_of_one_label_cannot_be_told_apart(example):
    twice = pd.concat([example, example])
    g = cg.gap(cg.logit("trusts ~ member", twice), "member")
    assert g.at().std_error > 0
    with pytest.raises(cg.NotEstimable, match="no contributions"):
        g.difference(g)
    m = cg.match(twice, "member ~ region + sex", method="exact")
    lacking = twice["trusts"].where(np.arange(len(twice)) % 9 > 0)
    some = cg.match(twice.assign(trusts=lacking), "member ~ region + sex", method="exact")
    assert some.of_outcome("trusts").rows.n == int(lacking.notna().sum())
    assert m.of_outcome("trusts").rows.n == len(twice)


def test_no_difference_of_other_answers(example):
    first = cg.gap(cg.logit("trusts ~ member", example), "member")
    second = cg.gap(cg.ordinal("ses_class ~ member", example), "member")
    with pytest.raises(cg.InputError, match="other: is of an outcome with other levels"):
        first.difference(second)


def test_no_difference_without_contributions(example):
    g = cg.gap(cg.logit("trusts ~ member", example, vcov="iid"), "member")
    with pytest.raises(cg.NotEstimable, match="no contributions"):
        g.difference(g)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda fit: cg.gap(fit, "mebmer"), "variable: is 'mebmer', which the formula has not"),
        (lambda fit: cg.gap(fit, "age"), "data: age: has 70 different values; allowed: two groups"),
        (
            lambda fit: cg.gap(fit, "member", target="people"),
            "target: is 'people'; allowed: members",
        ),
        (lambda fit: cg.gap(fit, "member").at(">=C"), "category: is '>=C'; allowed"),
        (
            lambda fit: cg.gap(fit, "member").at("", "odds"),
            "quantity: is 'odds'; allowed: risk_diff",
        ),
    ],
)
def test_wrong_input_is_one_line(example, ask, words):
    fit = cg.logit("trusts ~ member + age", example)
    with pytest.raises(cg.InputError) as caught:
        ask(fit)
    assert words.partition(" 70 ")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_separated_gap_is_that_of_reduced_bias():
    """Two by two with an empty cell: half a person is added to each (Firth 1993), so to shares."""
    frame = pd.DataFrame({"y": [0] * 9 + [1] * 5 + [0] * 4, "m": [0] * 9 + [1] * 9})
    g = cg.gap(cg.logit("y ~ m", frame, vcov="HC3"), "m")
    assert g.at().estimate == pytest.approx(5.5 / 10 - 0.5 / 10, rel=1e-6)
    assert g.estimate.infinite == ("m",)
    assert g.estimate.std_errors.startswith("HC1")


def test_the_shown_gap_and_its_figure(example):
    g = cg.gap(cg.ordinal("ses_class ~ member", example), "member")
    assert "risk_difference" in repr(g)
    texts = {text.get_text() for text in g.plot().axes[0].texts}
    assert {">=A", ">=B", ">=C", ">=D"} <= texts
