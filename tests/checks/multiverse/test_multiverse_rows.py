"""Rows of the check: a specification's row is a variant's, whatever the order and the processes."""

import json
import os
import shutil
import warnings
from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from coopgap.app.meta import run_meta
from coopgap.app.plan import make_plan
from coopgap.checks.compare import gaps_again
from coopgap.checks.context import context_for
from coopgap.checks.multiverse.rows import joint_statistics, multiverse_rows, share_clear
from coopgap.checks.multiverse.run import common_contrast, fit_specifications, make_scheme, rows_for
from coopgap.checks.multiverse.specifications import specifications
from coopgap.core.estimate import SensitivityRow
from coopgap.core.vocabulary import Check, Population, Quantity, Verdict, Version
from coopgap.families.dispatch import family_estimates, headline_estimate
from coopgap.families.plan import sample_for, variant_sample
from coopgap.study.load import load_study
from coopgap.study.spec import Coding, Headline, Multiverse

from ..conftest import rows_of, survey_context

VARIANTS = {
    "method: entropy; covariates: education too; link: probit; region: strata": """
link = "probit"
covariates = ["age_band", "sex", "region", "education"]
matching = { method = "entropy", on = ["region", "age_band", "sex", "education"] }
""",
    "method: exact; covariates: age and sex; link: logit; region: covariate": """
matching = { method = "exact", on = ["age_band", "sex"] }
""",
    "method: exact; covariates: education too; link: cloglog; region: left_out": """
link = "cloglog"
covariates = ["age_band", "sex", "education"]
matching = { method = "exact", on = ["age_band", "sex", "education"] }
""",
    "method: nearest; caliper: 0.2; covariates: age and sex; link: logit; region: strata": """
matching = { method = "nearest", on = ["region"], caliper = 0.2 }
""",
    "method: nearest; caliper: none; covariates: education too; link: logit; region: covariate": """
covariates = ["age_band", "sex", "region", "education"]
matching = { method = "nearest" }
""",
    "method: overlap; covariates: education too; link: logit; region: left_out": """
covariates = ["age_band", "sex", "education"]
matching = { method = "overlap" }
""",
    "method: optimal; caliper: 0.2; covariates: age and sex; link: probit; region: strata": """
link = "probit"
matching = { method = "optimal", on = ["region"], caliper = 0.2 }
""",
    "method: cardinality; covariates: age and sex; link: logit; region: strata": """
matching = { method = "cardinality", on = ["region"] }
""",
    "method: full; caliper: none; covariates: age and sex; link: logit; region: strata": """
matching = { method = "full", on = ["region"] }
""",
}
"""Specifications of a multiverse, and what a model file says to have them as variants."""

AXES = """
[multiverse]
method = ["exact", "entropy", "nearest", "overlap", "optimal", "cardinality", "full"]
caliper = ["none", 0.2]
link = ["logit", "probit", "cloglog"]
region = ["strata", "covariate", "left_out"]
covariates."age and sex" = ["age_band", "sex", "region"]
covariates."education too" = ["age_band", "sex", "region", "education"]
"""


def named(one):
    """A specification's choices in a line."""
    return "; ".join(f"{axis}: {value}" for axis, value in one.choices.items())


@pytest.fixture(scope="module")
def declared(tmp_path_factory):
    """The shipped study with a model whose variants are specifications of its multiverse."""
    folder = tmp_path_factory.mktemp("study") / "peru"
    shutil.copytree(load_study("peru").folder, folder)
    head = (folder / "trust_agree.toml").read_text("utf-8").partition("[[variant]]")[0]
    tables = "".join(f'[[variant]]\nname = "{n}"{text}' for n, text in VARIANTS.items())
    (folder / "trust_agree.toml").write_text(head + tables + AXES, encoding="utf-8")
    return make_plan(folder, only=["trust_agree"])


def numbers(row):
    return (row.family, row.population, row.estimate, row.std_error, row.lower, row.upper)


def test_a_row_is_that_of_the_variant_with_the_same_choices(declared):
    model = declared.models[0]
    context = context_for(declared, model, [headline_estimate(model.sample)])
    listed = specifications(declared.study, model.spec)
    assert listed.n_combinations == 7 * 2 * 2 * 3 * 3
    chosen = replace(listed, listed=tuple(one for one in listed.listed if named(one) in VARIANTS))
    assert len(chosen.listed) == len(VARIANTS)
    scheme = make_scheme(declared.survey, declared.study, model.spec, 1, 1)
    fitted = fit_specifications(declared.survey, declared.study, chosen, scheme, jobs=1)
    variants = {one.name: one for one in model.spec.variants}
    for one in fitted:
        variant = variants[named(one.specification)]
        again = headline_estimate(variant_sample(declared, variant))
        mine, theirs = (list(gaps_again(context, estimate)) for estimate in (one.estimate, again))
        assert [numbers(row) for row in mine] == [numbers(row) for row in theirs]
        assert mine[0].estimate is not None
        assert one.specification.spec.matching == variant.spec.matching
        shuffled = one.specification.spec.matching.method in ("exact", "entropy", "overlap")
        assert (one.studentised is not None) == shuffled


def test_the_choices_of_each_specification_stand_in_run_json(declared):
    model = declared.models[0]
    headlines = {one.spec.name: headline_estimate(one.sample) for one in declared.models}
    quick, full = (
        run_meta(declared, headlines, checks=checks, seed=1, draws=None, seconds={})
        for checks in ("quick", "full")
    )
    assert quick["multiverse"] == {}
    rows = json.loads(json.dumps(full["multiverse"]))[model.spec.name]
    listed = specifications(declared.study, model.spec).listed
    assert [row["variant"] for row in rows] == [one.id for one in listed]
    assert [row["choices"] for row in rows] == [dict(one.choices) for one in listed]
    assert [row["is_declared"] for row in rows].count(True) == 1
    assert {axis for row in rows for axis in row["choices"]} == {
        "method", "caliper", "covariates", "link", "region"
    }  # fmt: skip


def gaps(estimate):
    """Intervals of what has a p-value: shares have none, and NaN equals nothing."""
    return {c: i for c, i in estimate.intervals.items() if c.quantity != Quantity.SHARE}


def together_of(study, spec, survey, *, n_shuffles=199, jobs=1):
    context = survey_context(survey, study, spec, seed=3, jobs=jobs)
    return list(multiverse_rows(context, n_shuffles))


def test_rows_are_the_same_with_any_number_of_processes(make_study, make_survey, wide):
    study, spec = make_study(replace(wide, link=("logit",), region=("strata",)))
    survey = make_survey(np.random.default_rng(2), zones=60)
    one, two = (together_of(study, spec, survey, jobs=jobs, n_shuffles=20) for jobs in (1, 2))
    assert len(one) == 3 + 3 + 2 + 3 + 18
    for mine, theirs in zip(one, two, strict=True):
        # Processes have one thread each, and BLAS rounds sums of several another way.
        for field in ("estimate", "std_error", "lower", "upper", "p_value"):
            values = [getattr(row, field) for row in (mine, theirs)]
            assert values == [None, None] or values[0] == pytest.approx(values[1], rel=1e-10)
        assert (mine.variant, mine.verdict, mine.note) == (
            theirs.variant,
            theirs.verdict,
            theirs.note,
        )


def test_a_dask_cluster_gives_the_same_gaps(make_study, make_survey, wide):
    distributed = pytest.importorskip("distributed")
    study, spec = make_study(replace(wide, link=("logit",), region=("strata",)))
    survey = make_survey(np.random.default_rng(2), zones=60)
    listed = specifications(study, spec)
    scheme = make_scheme(survey, study, spec, 7, 5)
    with (
        warnings.catch_warnings(action="ignore"),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
    ):
        there = fit_specifications(
            survey, study, listed, scheme, scheduler=cluster.scheduler_address
        )
    here = fit_specifications(survey, study, listed, scheme, jobs=1)
    for mine, theirs in zip(here, there, strict=True):
        assert mine.specification == theirs.specification
        # Another process may round sums another way.
        assert mine.studentised == pytest.approx(theirs.studentised, rel=1e-9)


def test_the_order_of_the_list_changes_nothing(make_study, make_survey, wide):
    study, spec = make_study(replace(wide, region=("strata",)))
    survey = make_survey(np.random.default_rng(2), zones=60)
    listed = specifications(study, spec)
    scheme = make_scheme(survey, study, spec, 7, 10)
    turned = replace(listed, listed=listed.listed[::-1])
    first = fit_specifications(survey, study, listed, scheme, jobs=1)
    second = fit_specifications(survey, study, turned, scheme, jobs=1)[::-1]
    for mine, theirs in zip(first, second, strict=True):
        assert mine.specification == theirs.specification
        assert gaps(mine.estimate) == gaps(theirs.estimate)
        assert mine.studentised == pytest.approx(theirs.studentised, rel=1e-9)


def test_rows_together_and_by_choice_are_of_the_rows_of_specifications(
    make_study, make_survey, wide
):
    study, spec = make_study(wide)
    survey = make_survey(np.random.default_rng(2), zones=60, gap=0.8)
    rows = together_of(study, spec, survey, n_shuffles=20)
    single = [row for row in rows if row.quantity == Quantity.SUPERIORITY]
    together = {row.quantity: row for row in rows if row.variant == Version.TOGETHER}
    values = [row.estimate for row in single]
    assert together["median_superiority"].estimate == pytest.approx(median(values))
    assert together["share_same_sign"].estimate == np.mean([value > 0.5 for value in values])
    # With 60 zones the rows' intervals are those that are compared over the shuffles.
    assert together["share_significant"].estimate == np.mean([row.lower > 0.5 for row in single])
    assert together["median_superiority"].note.startswith("108 specifications of 108 comb")
    listed = {one.id: dict(one.choices) for one in specifications(study, spec).listed}
    assert {row.variant for row in single} == {*listed}
    exact = [row.estimate for row in single if listed[row.variant]["method"] == "exact"]
    by_choice = next(row for row in rows if row.variant == "method: exact")
    assert (by_choice.about, by_choice.choice) == ("method", "exact")
    assert (by_choice.n, by_choice.of) == (36, 108)
    assert {(row.n, row.of) for row in together.values()} == {(108, 108)}
    assert (by_choice.lower, by_choice.upper) == (min(exact), max(exact))
    assert by_choice.estimate == pytest.approx(median(exact))
    assert None not in {row.difference for row in single}
    assert {row.verdict for row in single} <= {*Verdict}


def test_codings_of_two_levels_are_compared_by_the_difference(make_study, make_survey):
    study, spec = make_study(Multiverse(link=("logit", "probit"), method=("exact", "entropy")))
    spec = replace(spec, outcome="y_high")
    rows = together_of(study, spec, make_survey(np.random.default_rng(2)), n_shuffles=5)
    assert {row.quantity for row in rows if row.verdict} == {Quantity.RISK_DIFFERENCE}
    assert {row.quantity for row in rows if row.variant == Version.TOGETHER} == {
        "median_risk_difference",
        "share_same_sign",
        "share_significant",
    }


def test_a_declared_threshold_is_compared_where_every_coding_has_it(make_study, make_survey):
    study, spec = make_study(Multiverse(link=("logit", "probit"), method=("exact", "entropy")))
    declared = {"y": (Headline(model="m", at=">=high"),)}
    rows = together_of(
        replace(study, headline=declared),
        spec,
        make_survey(np.random.default_rng(2)),
        n_shuffles=5,
    )
    single = [row for row in rows if row.verdict]
    assert {(row.quantity, row.category) for row in single} == {("risk_difference", ">=high")}
    assert "median_risk_difference" in {
        row.quantity for row in rows if row.variant == Version.TOGETHER
    }


def test_what_every_coding_has():
    three, cut = ("low", "middle", "high"), ("below middle", ">=middle")
    whole, gap = Quantity.SUPERIORITY, Quantity.RISK_DIFFERENCE
    for levels, at, expected in (
        ([three, three], "", (whole, "")),
        ([three, three], ">=high", (gap, ">=high")),
        ([three, cut], ">=high", (whole, "")),
        ([cut, cut], ">=middle", (gap, "")),
        ([cut, ("no", "yes")], ">=high", (gap, "")),
    ):
        found = common_contrast(levels, at)
        assert (found.quantity, found.category) == expected


def test_what_cannot_be_estimated_is_a_row_with_its_reason(make_study, make_survey):
    axes = Multiverse(method=("exact", "cardinality"), link=("logit", "probit"))
    study, spec = make_study(axes)
    survey = make_survey(np.random.default_rng(2))
    lost = {**survey.codes, "sex": np.where(survey.member, 0, 1)}
    rows = together_of(study, spec, replace(survey, codes=lost), n_shuffles=5)
    single = [row for row in rows if row.variant.startswith("specification")]
    assert len(single) == 4
    assert {row.verdict for row in single} == {Verdict.NOT_ASSESSED}
    assert all(row.note and row.estimate is None for row in single)
    together = [row for row in rows if row.variant == Version.TOGETHER]
    assert [row.verdict for row in together] == [Verdict.NOT_ASSESSED]
    assert (together[0].n, together[0].of) == (0, 4)
    assert "4 left out, it could not be estimated" in together[0].note


def test_a_model_without_a_multiverse_has_one_row(make_study, make_survey):
    study, spec = make_study(None)
    context = survey_context(make_survey(np.random.default_rng(2)), study, spec)
    (row,) = rows_of(Check.MULTIVERSE, context)
    assert (row.check, row.verdict) == (Check.MULTIVERSE, Verdict.NOT_APPLICABLE)
    assert (row.note, row.family) == ("The model file declares no multiverse.", None)


def test_populations_are_those_of_the_adjusted_family(make_study, make_survey):
    axes = Multiverse(population=("members", "all_members", "pooled", "overlap"))
    study, spec = make_study(axes)
    survey = make_survey(np.random.default_rng(6), zones=60)
    listed = specifications(study, spec)
    scheme = make_scheme(survey, study, spec, 1, 1)
    fitted = fit_specifications(survey, study, listed, scheme, jobs=1)
    sample = sample_for(rows_for(survey, study, listed.listed[0]), spec)
    for one in fitted:
        population = one.specification.population
        if population is None:
            expected = headline_estimate(sample)
        else:
            found = family_estimates(sample, population)
            expected = next(
                e for e in found if e.family.startswith("adjusted") and e.population == population
            )
        assert gaps(one.estimate) == gaps(expected)
        assert one.estimate.population == (population or Population.MEMBERS)


def test_a_cut_is_the_declared_variable_that_is_cut_there(make_study, make_survey):
    axes = Multiverse(coding=(Coding(outcome="y"), Coding(outcome="y", at="high")))
    study, spec = make_study(axes)
    survey = make_survey(np.random.default_rng(6), zones=60)
    cut = specifications(study, spec).listed[1]
    declared = replace(cut.spec, outcome="y_high")
    first = headline_estimate(sample_for(rows_for(survey, study, cut), cut.spec))
    rows = rows_for(survey, study, replace(cut, spec=declared, at=""))
    for contrast, interval in headline_estimate(sample_for(rows, declared)).intervals.items():
        if contrast.quantity in (Quantity.SUPERIORITY, Quantity.RISK_DIFFERENCE):
            assert first.intervals[contrast] == interval


def test_of_two_levels_superiority_is_half_plus_half_the_difference(make_study, make_survey):
    study, spec = make_study(Multiverse(link=("logit",)))
    one = specifications(study, replace(spec, outcome="y_high")).listed[0]
    survey = make_survey(np.random.default_rng(6), zones=60)
    intervals = headline_estimate(sample_for(rows_for(survey, study, one), one.spec)).intervals
    found = {contrast.quantity: interval for contrast, interval in intervals.items()}
    difference, chance = found[Quantity.RISK_DIFFERENCE], found[Quantity.SUPERIORITY]
    assert chance.estimate == pytest.approx(0.5 + difference.estimate / 2, rel=1e-12)
    assert chance.std_error == pytest.approx(difference.std_error / 2, rel=1e-9)


@pytest.mark.skipif("COOPGAP_UGANDA" not in os.environ, reason="needs COOPGAP_UGANDA")
def test_a_real_survey_has_its_declared_gap_among_the_specifications():
    plan = make_plan("uganda_dairy", os.environ["COOPGAP_UGANDA"], ["food_insecurity"])
    (model,) = plan.models
    declared = headline_estimate(model.sample)
    rows = list(multiverse_rows(context_for(plan, model, [declared], seed=1, jobs=1), 9))
    own = next(one for one in specifications(plan.study, model.spec).listed if one.is_declared)
    row = next(row for row in rows if row.variant == own.id)
    gap = next(i for c, i in declared.intervals.items() if c.quantity == Quantity.RISK_DIFFERENCE)
    assert (row.estimate, row.lower, row.upper) == (gap.estimate, gap.lower, gap.upper)
    assert row.verdict == Verdict.HOLDS
    single = [row for row in rows if row.quantity == Quantity.RISK_DIFFERENCE]
    assert len(single) == 24
    assert all(row.estimate is not None for row in single)


def test_with_few_zones_the_share_counts_the_intervals_shown(make_study, make_survey):
    """CR1 with t(G − 1), which the p-value compares, leaves out zero where CR2 does not."""
    axes = Multiverse(method=("exact", "entropy"), link=("logit", "probit"))
    study, spec = make_study(axes)
    apart = 0
    for seed in range(12):
        survey = make_survey(np.random.default_rng(seed), n=300, zones=8, gap=0.5)
        rows = together_of(study, spec, survey, n_shuffles=2)
        single = [row for row in rows if row.quantity == Quantity.SUPERIORITY]
        clear = np.mean([row.lower > 0.5 or row.upper < 0.5 for row in single])
        (share,) = (row for row in rows if row.quantity == "share_significant")
        assert share.estimate == clear
        assert "counts those shown" in share.note
        listed = specifications(study, spec)
        fitted = fit_specifications(
            survey, study, listed, make_scheme(survey, study, spec, 3, 2), jobs=1
        )
        own = np.array([one.studentised[0] for one in fitted])
        df = np.array([one.df for one in fitted])
        apart += joint_statistics(own, df).significant != clear
    assert apart


def test_the_share_is_of_the_more_frequent_side():
    def row(at, low, high):
        return SensitivityRow(
            check=Check.MULTIVERSE,
            model="m",
            outcome="y",
            source="s",
            estimate=at,
            lower=low,
            upper=high,
        )

    above, below, neither = row(2, 1, 3), row(-2, -3, -1), row(0.5, -1, 2)
    assert share_clear([above, neither, below], 0.0) == pytest.approx(1 / 3)
    assert share_clear([above, above, below, below, neither], 0.0) == pytest.approx(2 / 5)
    assert share_clear([below, below, above], 0.0) == pytest.approx(2 / 3)
    # Signs that balance: the side with more intervals clear of no gap.
    assert share_clear([neither, neither, below, below], 0.0) == 0.5


def test_one_specification_is_not_several(make_study, make_survey):
    study, spec = make_study(Multiverse(method=("exact", "entropy")))
    survey = make_survey(np.random.default_rng(2), zones=60)
    rows = together_of(study, spec, survey, n_shuffles=2)
    assert {row.variant for row in rows if row.quantity == "median_superiority"} == {
        Version.TOGETHER,
        "method: exact",
        "method: entropy",
    }
