"""A run of the default study: every table as the contract says, the same numbers again."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.app.plan import make_plan
from coopgap.checks.registry import checks
from coopgap.core.estimate import GAP_KEY, TABLES, columns
from coopgap.core.gap import LOG_SCALE
from coopgap.core.vocabulary import (
    BLANK,
    Check,
    Comparator,
    Diagnostic,
    Direction,
    Family,
    IntervalKind,
    OddsTest,
    Population,
    Quantity,
    Scale,
    Status,
    Use,
    Verdict,
)
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.report.words import escape_markdown
from coopgap.survey.example import make_example, write_example

from .studies import BINARY, copy_of, model, nominal, ordinal, pick, where, write_study

# The contract's closed vocabularies, written out: the module must not drift from them.
VOCABULARY = {
    Family: "unadjusted adjusted_logit adjusted_ordinal adjusted_proportional matched_logit "
    "conditional_logit matched_ordinal matched_proportional conditional_ordinal linear shares "
    "doubly_robust hierarchical benchmark printed",
    Comparator: "comparison national phone",
    Population: "members all_members pooled overlap poststratified printed",
    Quantity: "risk_difference risk_ratio odds_ratio cumulative_odds_ratio superiority share "
    "sd_superpopulation sd_finite prob_above_zero prob_above_smallest expected_rank "
    "gap_difference",
    IntervalKind: "confidence joint credible bounds",
    Scale: "log_odds probit cloglog probability threshold sd",
    Status: "ok few_people suppressed withheld not_estimable few_clusters predicted",
    Check: "phone_composition phone_equivalence phone_replaces phone_joins phone_joins_mode "
    "phone_power_prior phone_robust_mixture phone_subsample_reference phone_linked tipping_point "
    "e_value rosenbaum robustness_value negative_control missing_bounds missing_imputation "
    "multiplicity multiverse variant matching_ties leave_one_region leave_one_zone prior_refit "
    "power_scaling design_analysis design_effect prior_predictive posterior_predictive loo",
    Verdict: "equivalent different different_within_margin inconclusive not_assessed holds "
    "changes undecided not_applicable",
    Direction: "members_higher members_lower",
    OddsTest: "likelihood_ratio brant wald bootstrap",
    Diagnostic: "rows_complete dropped strata_members_only strata_comparison_only "
    "strata_few_comparison stratum_members_only stratum_few_comparison "
    "members_without_comparison "
    "members_without_comparison_share members_lost comparison_unused ess_comparison "
    "matched_sets tied_members comparison_weight_moved member_weight_moved "
    "largest_smd_before largest_smd_after pairs_possible pairs_ignoring_strata variant "
    "effective_size shares_instead correct_decimals constant_within_sets poststratified "
    "not_poststratified std_errors replicates matching_held discordant_sets bias_reduced "
    "wild_score_p "
    "proportional_odds group_gaps_equal imputation_convergence gate gate_retried zones_in_model "
    "correction_clusters corrected_width departments_in_model prior_share draws_reused "
    "withheld not_estimable few_clusters contradiction chi2 chi2_df chi2_p smd pairs",
    Use: "matched adjusted component reported",
}
NUMBERS = ["estimate", "std_error", "lower", "upper", "p_value"]
WORDS = {
    "gaps": (Family, Population, Quantity, Status, IntervalKind),
    "coefficients": (Scale, Family),
    "balance": (Use,),
    "sensitivity": (Verdict, Direction),
    "diagnostics": (Diagnostic, OddsTest, Family, Population),
}
COLUMN = {OddsTest: "test", IntervalKind: "interval_kind"}
"""Columns that are not named as their vocabulary is."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The default study; nothing is sampled by zones, neighbours have no multiverse."""
    without_zones = dict.fromkeys(("ses", "trust_agree"), "zones = false\n")
    return copy_of(
        tmp_path_factory.mktemp("models") / "peru",
        neighbours=lambda text: text.partition("[multiverse]")[0],
        **without_zones,
    )


@pytest.fixture(scope="module")
def run(folder):
    """Two outcomes of the default study, each with its hierarchical model."""
    return coopgap.run(folder, only=["ses_top", "trust_agree", "ses"], draws=None, jobs=1)


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "peru"
    run.save(folder, ["csv", "html", "md", "xlsx", "tex", "docx"])
    return folder


@pytest.mark.parametrize("vocabulary", VOCABULARY, ids=lambda v: v.__name__)
def test_vocabularies_are_the_contracts(vocabulary):
    assert [item.value for item in vocabulary] == VOCABULARY[vocabulary].split()


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_the_contracts_columns_and_words(run, saved, table):
    frame = run.frames[table]
    written = pd.read_csv(saved / f"{table}.csv", keep_default_na=False, dtype=str)
    assert list(frame.columns) == list(columns(table)) == list(written.columns)
    assert len(frame) == len(written) > 0
    assert set(frame["source"]) <= {"EXAMPLE DATA", "printed"}
    assert written.columns[-1] == "source"
    raw = (saved / f"{table}.csv").read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    raw.decode("utf-8")
    for vocabulary in WORDS[table]:
        words = set(frame[COLUMN.get(vocabulary, vocabulary.__name__.lower())])
        assert words - {""} <= {item.value for item in vocabulary}


def test_keys_are_unique_and_numbers_blank_exactly_where_the_status_says_so(run):
    gaps = run.gaps
    assert not gaps.duplicated(list(GAP_KEY)).any()
    assert set(gaps["status"]) == {"ok", "few_people", "few_clusters", "not_estimable"}
    blank = gaps["status"].isin(BLANK)
    assert gaps.loc[blank, NUMBERS].isna().all(axis=None)
    assert gaps.loc[~blank, "estimate"].notna().all()
    # Somewhere nobody stands on one side: then the ratio does not exist, the difference does.
    assert set(gaps.loc[blank, "quantity"]) <= {*LOG_SCALE}
    assert len(run.exceptions) == 0
    assert set(run.sensitivity["check"]) <= set(checks())


def test_intervals_hold_their_estimates_and_name_their_kind(run):
    gaps = run.gaps[run.gaps["lower"].notna()]
    # A posterior mean of a skewed ratio lies inside its interval too, with 95 % of the draws.
    assert (gaps["lower"] <= gaps["estimate"]).all()
    assert (gaps["estimate"] <= gaps["upper"]).all()
    assert (gaps["interval_kind"] != "").all()
    bounds = gaps["interval_kind"] == "bounds"
    assert gaps.loc[bounds, "interval_prob"].isna().all()
    assert set(gaps.loc[~bounds, "interval_prob"]) == {0.95}


def test_every_family_of_the_contract_is_there(run):
    assert set(run.gaps["family"]) == {item.value for item in Family}
    by_levels = {model: set(rows["family"]) for model, rows in run.gaps.groupby("model")}
    every = {"unadjusted", "linear", "shares", "doubly_robust"}
    binary = every | {"adjusted_logit", "matched_logit", "conditional_logit"}
    assert by_levels["ses_top"] == binary
    assert by_levels["trust_agree"] == binary | {"hierarchical"}
    ordinal = every | {"adjusted_ordinal", "matched_ordinal", "conditional_ordinal"}
    ordinal |= {"adjusted_proportional", "matched_proportional"}
    assert by_levels["ses"] == ordinal | {"hierarchical", "benchmark"}
    conditional = run.gaps["family"].str.startswith("conditional")
    ratios = {"odds_ratio", "cumulative_odds_ratio"}
    assert set(run.gaps.loc[conditional, "quantity"]) == ratios


def test_of_a_part_of_the_headlines_no_adjusted_p_value_is_known(run):
    assert run.gaps["p_adjusted"].isna().all()
    # ses_top and trust_agree answer no other question.
    row = pick(run.sensitivity, check="multiplicity", outcome="ses_class", category=">=C")
    assert (row.quantity, row.verdict) == ("risk_difference", "not_assessed")
    assert set(where(run.sensitivity, check="multiplicity")["outcome"]) == {"ses_class"}
    declared = len(run.study.headline) - 1  # one is the negative control
    assert f"1 of {declared} declared headline gaps was run" in row.note


def on_sex(folder, variables, **tables):
    """A study of models that are all matched on sex."""
    files = {name: model(name, "sex", on=("sex",)) for name in variables}
    write_study(folder, variables | {"sex": nominal("m", "f")}, files, **tables)


def test_adjusted_p_values_are_holms_and_models_of_one_question_count_once(tmp_path):
    rng = np.random.default_rng(6)
    member = rng.integers(0, 2, 600)
    data = pd.DataFrame({"member": member, "sex": rng.choice(["m", "f"], 600)})
    data["a"] = (rng.random(600) < 0.4 + 0.08 * member).astype(int)
    data["grade"] = rng.integers(0, 3, 600) + (rng.random(600) < 0.2 * member)
    few = dict.fromkeys("01", "few") | dict.fromkeys("23", "many")
    variables = {"a": BINARY, "grade": ordinal(*"0123")}
    variables["b"] = ordinal("few", "many", column="grade", codes=few)
    question = {"a": "a", "grade": [{"model": "grade", "at": ">=2"}, "b"]}
    on_sex(tmp_path, variables, headline=question)
    found = coopgap.run(tmp_path, data=data, jobs=1)
    rows = found.gaps[found.gaps["p_adjusted"].notna()]
    keys = list(zip(rows["model"], rows["quantity"], rows["category"], strict=True))
    assert keys == [("a", "risk_difference", ""), ("grade", "risk_difference", ">=2")]
    p = np.sort(rows["p_value"].to_numpy(float))
    expected = np.minimum(np.maximum.accumulate(p * [2, 1]), 1)
    assert np.sort(rows["p_adjusted"].to_numpy(float)) == pytest.approx(expected)
    assert set(found.gaps["model"]) == {"a", "b", "grade"}
    assert len(where(found.gaps, model="grade", quantity="superiority"))
    adjusted = where(found.sensitivity, check="multiplicity")
    assert sorted(set(adjusted["model"])) == ["a", "grade"]
    assert len(adjusted) == 4
    for only, verdict, note in (
        ("a", "not_assessed", "1 of 2 declared headline gaps was run"),
        (
            "b",
            "not_applicable",
            "The model is no question's headline: its p-value is not adjusted.",
        ),
    ):
        alone = coopgap.run(tmp_path, data=data, only=[only], jobs=1)
        assert alone.gaps["p_adjusted"].isna().all()
        row = pick(alone.sensitivity, check="multiplicity")
        assert (row.model, row.verdict) == (only, verdict)
        assert row.note.startswith(note)


def test_with_too_few_zones_variants_and_adjusted_p_values_say_why(tmp_path):
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"member": rng.integers(0, 2, 600), "zone": rng.integers(0, 4, 600)})
    data["sex"] = rng.choice(["m", "f"], 600)
    for name in "ab":
        data[name] = rng.integers(0, 2, 600)
    on_sex(tmp_path, dict.fromkeys("ab", BINARY), design={"zone": "zone"})
    found = coopgap.run(tmp_path, data=data, jobs=1).sensitivity
    for check in ("variant", "multiplicity"):
        rows = where(found, check=check)
        assert sorted(rows["outcome"]) == ["a", "b"]
        assert set(rows["verdict"]) == {"not_assessed"}
        assert (rows["note"] != "").all()


def test_the_truth_of_the_example_lies_in_the_intervals(run):
    truth = make_example().truth.set_index(["outcome", "group", "quantity", "category"])["estimate"]
    families = ["adjusted_ordinal", "matched_ordinal", "hierarchical"]
    rows = where(
        run.gaps, family=families, quantity="risk_difference", group="all", outcome="ses_class"
    )
    rows = rows[rows["category"].str.startswith(">=") & (rows["status"] == "ok")]
    assert len(rows) >= 12
    for row in rows.itertuples():
        value = truth[row.outcome, "all", "risk_difference", row.category]
        # Calibrated totals are exact, so this is one draw near its expectation: four standard
        # errors, not two, and proportional odds holds in the declared model.
        assert abs(row.estimate - value) < 4 * row.std_error


def test_regions_are_partially_pooled(run):
    rows = where(run.gaps, model="trust_agree", quantity="risk_difference", status="ok")
    rows = rows[rows["group"].str.startswith("region=")]
    spread = rows.groupby("family")["estimate"].std()
    assert spread["hierarchical"] < spread["matched_logit"]


def test_run_json_names_the_design_and_whom_each_model_is_about(run, saved):
    """By hand: the members of cells of region, age and sex that hold a comparison person."""
    meta = json.loads((saved / "run.json").read_text(encoding="utf-8"))
    assert meta["headline"]["ses_class"] == [
        {"model": "ses", "at": ">=C"},
        {"model": "ses_top", "at": ""},
    ]
    assert {len(meta[key]) for key in ("survey_sha256", "study_sha256")} == {64}
    assert meta["seed"] == inspect.signature(coopgap.run).parameters["seed"].default
    assert (meta["n_phone"], meta["is_example"]) == (250, True)
    assert meta["seconds"]["hierarchical"] > 0
    assert {"statsmodels", "linearmodels", "nutpie"} <= meta["versions"].keys()
    assert meta["design"] == {
        "region": "region",
        "zone": ["zone"],
        "weight": None,
        "id": "id",
        "cluster": None,
        "mode": "mode",
        "population": "peru_2019_population_16plus.csv",
    }
    data = make_example().data
    data = data[data["mode"] == "in person"]
    band = pd.cut(data["age"], [0, 25, 35, 45, 55, 65, 200], right=False).astype(str)
    cells = data.groupby([data["region"], band, data["sex"]])["member"]
    kept = cells.transform("nunique") == 2
    zones = data[kept].groupby("member")["zone"].nunique()
    by_model = {one["model"]: one for one in meta["models"]}
    for one in by_model.values():
        assert one["n"] == len(data)
        assert one["members"] == (data["member"] == 1).sum()
        assert one["members_matched"] == (kept & (data["member"] == 1)).sum() < one["members"]
        assert one["n_zones"] == data.loc[kept, "zone"].nunique()
        assert (one["zones_member"], one["zones_comparison"]) == (zones[1], zones[0])
        assert one["tied_members"] is None
    assert (by_model["ses"]["form"], by_model["ses_top"]["form"]) == ("free", None)


def test_groups_gaps_are_compared_with_their_own_rows(run):
    """A difference is that of the two gaps; its variance leaves theirs by what zones share."""
    gaps = where(run.gaps, model="ses", category=">=C")
    found = where(gaps, quantity="gap_difference")
    assert len(found) == len(where(run.gaps, model="ses", quantity="gap_difference"))
    assert found.groupby("family").size().to_dict() == {"hierarchical": 10, "matched_ordinal": 21}
    own = where(
        gaps[gaps["interval_kind"] != "joint"],
        family=["matched_ordinal", "hierarchical"],
        quantity="risk_difference",
        population=["members", "all_members"],
    ).set_index(["family", "group"])
    for row in found.itertuples():
        first, second = (own.loc[(row.family, name)] for name in (row.group, row.comparator))
        assert row.estimate == pytest.approx(first["estimate"] - second["estimate"], abs=1e-12)
        assert row.n_member == min(first["n_member"], second["n_member"])
        if row.family == "matched_ordinal" and row.group.startswith("region="):
            apart = np.hypot(first["std_error"], second["std_error"])
            # A region's zones are its own.
            assert row.std_error == pytest.approx(apart, rel=1e-9)
    rows = where(run.diagnostics, model="ses", diagnostic="group_gaps_equal")
    tests = rows.set_index("about")["value"]
    assert {0 < tests[name] < 1 for name in ("region", "sex")} == {True}
    pair = found[found["group"] == "sex=female"]["p_value"].item()
    assert tests["sex"] == pytest.approx(pair)


def test_every_output_is_there_and_says_example_data(run, saved):
    for name in ("report.html", "report.md", "tables.tex", "tables.xlsx", "tables.docx"):
        path = saved / name
        assert path.stat().st_size > (400 if path.suffix == ".tex" else 1000)
        if path.suffix in (".html", ".md", ".tex"):
            assert "EXAMPLE DATA" in path.read_text(encoding="utf-8")
    shown = run._repr_html_()  # in a notebook
    assert "EXAMPLE DATA" in shown
    assert "<script" not in shown


def test_the_same_survey_gives_the_same_people_from_every_kind_of_file(tmp_path):
    frame = make_example().data
    expected = make_plan("peru", frame, only=["trusted_person"])
    for suffix in (".csv", ".parquet", ".sav", ".dta"):
        path = tmp_path / f"example{suffix}"
        write_example(frame, path)
        plan = make_plan("peru", path, only=["trusted_person"])
        (found,), (model,) = plan.models, expected.models
        for part in ("member", "outcome", "zone", "weight", "index", "tie"):
            np.testing.assert_array_equal(getattr(found.rows, part), getattr(model.rows, part))
        assert found.rows.factor_levels == model.rows.factor_levels
        for name, codes in model.rows.factors.items():
            np.testing.assert_array_equal(found.rows.factors[name], codes)
        np.testing.assert_array_equal(plan.survey.phone, expected.survey.phone)


def test_shuffled_rows_change_no_number(run, folder):
    shuffled = make_example().data.sample(frac=1, random_state=3)
    first, second = (
        where(one.gaps, model="ses_top", source="EXAMPLE DATA")
        for one in (run, coopgap.run(folder, data=shuffled, only=["ses_top"]))
    )
    for name, rel in (("estimate", 1e-9), ("std_error", 1e-7)):
        same = pytest.approx(second[name].to_numpy(), nan_ok=True, rel=rel)
        assert first[name].to_numpy() == same


@pytest.mark.slow
def test_full_checks_refit_the_hierarchical_model():
    run = coopgap.run("peru", only=["trust_agree"], checks="full", jobs=2)
    rows = run.sensitivity
    refits = rows[(rows["check"] == "prior_refit") & (rows["group"] == "all")]
    assert refits["variant"].nunique() == 5
    gaps = refits[refits["quantity"] == "risk_difference"].set_index("variant")
    declared = run.gaps.query(
        "family == 'hierarchical' and group == 'all' and population == 'all_members' "
        "and quantity == 'risk_difference'"
    ).iloc[0]
    same = gaps.loc["region and zone SDs half-normal 0.5"]
    assert same["estimate"] == declared["estimate"]
    spread = refits[refits["quantity"] == "sd_superpopulation"].set_index("variant")["estimate"]
    assert (
        spread["region and zone SDs half-normal 0.25"] < spread["region and zone SDs half-Cauchy 1"]
    )
    parts = rows[rows["check"] == "loo"].set_index("variant")
    assert list(parts.index) == [
        "as declared",
        "no regional gaps, minus declared",
        "no zones, minus declared",
    ]
    assert parts.loc["as declared", "estimate"] < 0
    assert_every_check_is_there_and_told(run)


def assert_every_check_is_there_and_told(run):
    """Each check has rows, and the report their sentence or the reason for none."""
    assert set(run.sensitivity["check"]) == set(checks())
    content = Content(make_results(run.frames, run.study, run.meta))
    page = content.render("report.md.j2")
    (answer,) = content.results.answers
    for check in checks():
        texts = [content.sentence(answer, check), content.detail(answer, check)]
        reasons = [escape_markdown(row.note) for row in answer.check(check) if not row.quantity]
        told = [text for text in texts if text] or [note for note in reasons if note in page]
        assert told, check
        assert all(" ".join(text.split()) in " ".join(page.split()) for text in told), check


def test_full_checks_place_the_phone_answers_among_subsamples(folder):
    full = coopgap.run(folder, only=["neighbours"], checks="full", draws=500).sensitivity
    found, alike = (
        where(full, check=f"phone_{name}").set_index("variant")
        for name in ("subsample_reference", "equivalence")
    )
    for variant in ("adjusted", "unadjusted"):
        row = found.loc[variant]
        assert row["lower"] < row["threshold"] < row["upper"]
        # The unadjusted share in person is in the regional mix of the phone people.
        assert row["estimate"] - row["threshold"] == pytest.approx(
            alike.loc[variant, "estimate"], abs=1e-9 if variant == "adjusted" else 0.01
        )
    assert pick(full, check="phone_linked").verdict == "not_applicable"


def test_quick_checks_leave_the_subsamples_out(run):
    assert "phone_subsample_reference" not in set(run.sensitivity["check"])
    assert set(where(run.sensitivity, check="phone_linked")["verdict"]) == {"not_applicable"}
