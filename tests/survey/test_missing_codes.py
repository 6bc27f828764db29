"""Codes for no answer, wherever they stand: refused until the study names them, then dropped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import coopgap
from coopgap import fit
from coopgap.app.meta import with_warnings
from coopgap.app.plan import make_plan
from coopgap.core.disclose import protected_meta
from coopgap.report.plan import plan_text
from coopgap.survey.values import reads_as_missing, stands_out

from ..r.invented import SILENT
from .conftest import plan_refusal

EXPECTED = json.loads(
    (Path(__file__).parents[1] / "r" / "fixtures" / "codes.json").read_text(encoding="utf-8")
)
"""What R finds among those who answer."""


def spoilt(people, column, code):
    return people.assign(**{column: np.where(SILENT, code, people[column].astype(float))})


def sav(tmp_path, data, **options):
    path = tmp_path / "survey.sav"
    pyreadstat.write_sav(data, path, **options)
    return path


def gap(run, family):
    rows = run.gaps.query("group == 'all' and quantity == 'risk_difference'")
    return rows[(rows.family == family) & (rows.population == "members")].iloc[0]


RANGES = [
    pytest.param(98.0, {"lo": 97, "hi": float("inf")}, id="to HIGHEST"),
    pytest.param(0.0, {"lo": -float("inf"), "hi": 0}, id="from LOWEST"),
]


class TestFile:
    """What the file itself declares missing."""

    @pytest.mark.parametrize(("code", "span"), RANGES)
    def test_a_range_without_an_end_is_refused_in_bands(
        self, tmp_path, people, make_folder, code, span
    ):
        path = sav(tmp_path, spoilt(people, "age", code), missing_ranges={"age": [span]})
        message = plan_refusal(make_folder(), path)
        assert (
            f"age: undeclared code '{code:g}' (52 times) that the file itself declares" in message
        )
        named = make_folder(age="missing = [98, 0]")
        survey = make_plan(named, path).survey
        assert (survey.codes["age"] < 0).sum() == 52
        assert survey.doubts == ()

    def test_once_named_they_are_dropped_and_the_gap_is_that_of_the_others(
        self, tmp_path, people, make_folder
    ):
        code, span = RANGES[0].values
        path = sav(tmp_path, spoilt(people, "age", code), missing_ranges={"age": [span]})
        run = coopgap.run(make_folder(age="missing = [98]"), data=path)
        matched = gap(run, "matched_logit")
        adjusted = gap(run, "adjusted_logit")
        assert adjusted.estimate == pytest.approx(EXPECTED["adjusted"], abs=1e-8)
        assert matched.estimate == pytest.approx(EXPECTED["matched"], abs=1e-8)
        counted = (EXPECTED["n_member"], EXPECTED["n_comparison"])
        assert (matched.n_member, matched.n_comparison) == counted == (260, 288)
        oldest = run.balance.query("group == 'all' and covariate == 'age' and level == '65+'")
        members = people[~SILENT & (people.member == 1)]
        assert oldest.member_mean.item() == pytest.approx((members.age >= 65).mean())
        assert oldest.member_mean.item() == pytest.approx(EXPECTED["oldest_members"])

    def test_weights(self, tmp_path, people, make_folder):
        path = sav(tmp_path, spoilt(people, "w", 999), missing_ranges={"w": [999]})
        message = plan_refusal(make_folder(design='weight = "w"'), path)
        assert "w: undeclared code '999' (52 times) that the file itself calls missing" in message
        assert "design.missing.weight" in message
        named = make_folder(design='weight = "w"\nmissing = { weight = [999] }')
        run = coopgap.run(named, data=path)
        matched = gap(run, "matched_logit")
        assert matched.estimate == pytest.approx(EXPECTED["weighted"], abs=1e-8)
        others = coopgap.run(make_folder(design='weight = "w"'), data=people[~SILENT])
        numbers = ["estimate", "std_error", "lower", "upper"]
        pd.testing.assert_frame_equal(run.gaps[numbers], others.gaps[numbers])
        assert {"reason": "weight missing", "count": 52} in run.meta["dropped"]
        counts = [run.meta[name] for name in ("n_read", "n_member", "n_comparison")]
        assert counts == [600, 260, 288]

    @pytest.mark.parametrize(
        ("key", "column", "declared"),
        [
            ("zone", "zone", ""),
            ("id", "id", 'id = "id"'),
            ("mode", "how", 'mode = { column = "how", in_person = 1, phone = 2 }'),
        ],
    )
    def test_every_other_column_of_the_design(
        self, tmp_path, people, make_folder, key, column, declared
    ):
        data = people.assign(how=1.0)
        data[column] = data[column].astype(float)
        data.loc[3, column] = 9999.0
        path = sav(tmp_path, data, missing_ranges={column: [{"lo": 9000, "hi": float("inf")}]})
        assert f"{column}: undeclared code '9999' (1 time)" in plan_refusal(
            make_folder(design=declared), path
        )
        named = make_folder(design=f"{declared}\nmissing = {{ {key} = [9999] }}")
        plan = make_plan(named, path)
        assert [(one.reason, one.count) for one in plan.survey.dropped] == [(f"{key} missing", 1)]
        assert plan.survey.n == 599

    @pytest.mark.parametrize("column", ["member", "region", "yes"])
    def test_membership_region_and_coded_answers(self, tmp_path, people, make_folder, column):
        data = people.assign(region=people.region.map({"North": 1.0, "South": 2.0, "East": 3.0}))
        data[column] = data[column].astype(float)
        data.loc[[3, 4], column] = 7.0
        path = sav(tmp_path, data, missing_ranges={column: [{"lo": 7, "hi": float("inf")}]})
        study = make_folder()
        text = (study / "study.toml").read_text()
        codes = 'codes = { 1 = "North", 2 = "South", 3 = "East" }'
        (study / "study.toml").write_text(text.replace('"East"]', f'"East"]\n{codes}'))
        assert f"{column}: undeclared code '7' (2 times)" in plan_refusal(study, path)

    def test_items_of_a_count(self, tmp_path, people, make_folder):
        items = {f"food{k}": np.random.default_rng(k).integers(1, 3, 600) * 1.0 for k in (1, 2)}
        data = people.assign(**items)
        data.loc[:3, "food2"] = 98.0
        span = {"lo": 90, "hi": float("inf")}
        path = sav(tmp_path, data, missing_ranges={"food1": [span], "food2": [span]})
        count = (
            '[variables.food]\ntype = "count_of"\nitems = ["food1", "food2"]\n'
            "yes = [1]\nno = [2]\nat_least = 1\ngroups = true\n"
        )
        message = plan_refusal(make_folder(tables=count), path)
        assert "food2: undeclared code '98' (4 times)" in message
        named = make_folder(tables=count + "missing = [98]\n")
        assert (make_plan(named, path).survey.codes["food"] < 0).sum() == 4

    def test_texts_that_the_file_declares_missing(self, tmp_path, people, make_folder):
        data = people.assign(zone="v" + people.zone.astype(str))
        data.loc[:11, "zone"] = "NR"
        path = sav(tmp_path, data, missing_ranges={"zone": ["NR"]})
        assert "zone: undeclared code 'NR' (12 times)" in plan_refusal(make_folder(), path)

    def test_what_the_study_gives_a_meaning_keeps_it(self, tmp_path, people, make_folder):
        """The study has the last word on a code of its own."""
        code, span = RANGES[0].values
        path = sav(tmp_path, spoilt(people, "age", code), missing_ranges={"age": [span]})
        plan = make_plan(make_folder(age='codes = { 98 = "65+" }'), path)
        assert plan.survey.codes["age"].min() == 0


SILENCE = """
Don't know; don’t know (spontaneous); DK/NA; No answer; Refused; Refused to answer; Not applicable
No sabe; No responde; No aplica; NS/NR; 99. Ns / Nc; Rehúsa; Prefer not to say; Recusou
Ne sait pas; Refus de répondre; Sans réponse; Sans objet; Non concerné
Não sabe; Não se aplica; Não respondeu; Sem resposta
"""
SILENCE = [text.strip() for text in SILENCE.replace("\n", ";").split(";") if text.strip()]
ANSWERS = """
None; None at all; 18 or younger; 97 or more; Less than a year; Refuse collection; Refugee
Nothing; No one; Ninguno; Aucun; Nenhum; Never; No; Knows well
"""
ANSWERS = [text.strip() for text in ANSWERS.replace("\n", ";").split(";") if text.strip()]


class TestLabels:
    def test_a_labelled_non_answer_is_refused_in_bands_and_weights(
        self, tmp_path, people, make_folder
    ):
        labels = {"age": {888888: "Don't know"}, "w": {66: "No aplica"}}
        data = spoilt(people, "age", 888888)
        path = sav(tmp_path, data, variable_value_labels=labels)
        message = plan_refusal(make_folder(), path)
        assert "age: undeclared code '888888' (52 times) that the file labels" in message
        path = sav(tmp_path, spoilt(people, "w", 66), variable_value_labels=labels)
        message = plan_refusal(make_folder(design='weight = "w"'), path)
        assert "w: undeclared code '66' (52 times)" in message

    def test_codes_within_the_scale_are_found_by_their_label(self, tmp_path, people, make_folder):
        """70 is an age like any other, but for what the file says of it."""
        labels = {"age": {70: "NS/NR", 18: "18 or younger"}}
        data = people.assign(age=people.age.replace(70, 71).where(~SILENT, 70))
        path = sav(tmp_path, data, variable_value_labels=labels)
        assert "undeclared code '70' (52 times)" in plan_refusal(make_folder(), path)
        survey = make_plan(make_folder(age="missing = [70]"), path).survey
        assert (survey.codes["age"] < 0).sum() == 52

    @pytest.mark.parametrize("text", [*SILENCE, *ANSWERS])
    def test_what_reads_as_no_answer(self, text):
        assert reads_as_missing(text, label=True) is (text in SILENCE)


WARNING = (
    "age: 88 (52 times) is taken as it stands; if it means no answer, name it in missing, and if "
    "it is one, give a variable its range"
)


class TestShape:
    @pytest.mark.parametrize("code", [888888, 888, 777, 9996, 66666])
    def test_a_code_out_of_range_of_the_rest_is_refused(self, tmp_path, people, make_folder, code):
        message = plan_refusal(make_folder(), spoilt(people, "age", code))
        assert f"undeclared code '{code}' (52 times) that looks like a missing code" in message
        people.loc[7, "age"] = code
        assert f"undeclared code '{code}' (1 time)" in plan_refusal(make_folder(), people)

    def test_a_code_that_may_be_an_age_is_a_warning_of_the_plan(
        self, tmp_path, people, make_folder
    ):
        study = make_folder()
        plan = make_plan(study, spoilt(people, "age", 88))
        (doubt,) = plan.survey.doubts
        assert (doubt.column, doubt.code, doubt.count) == ("age", "88", 52)
        assert f"warning   {WARNING}" in plan_text(plan)
        assert make_plan(study, people).survey.doubts == ()

    def test_a_band_s_range_vouches_for_what_lies_in_it(self, people, make_folder):
        vouched = make_folder(age="range = [15, 110]")
        assert make_plan(vouched, spoilt(people, "age", 88)).survey.doubts == ()
        message = plan_refusal(vouched, spoilt(people, "age", 888))
        assert "52 numbers lie outside the declared range of variable age" in message
        assert "allowed: 15 to 110" in message

    def test_it_is_one_of_the_finished_run_too(self, tmp_path, people, make_folder, capsys):
        study, path, out = make_folder(), tmp_path / "survey.csv", tmp_path / "out"
        command = [str(study), "--data", str(path), "--out", str(out), "--quiet"]
        for code, warnings in ((88, [WARNING]), (70, [])):
            spoilt(people, "age", code).to_csv(path, index=False)
            exit_code = fit.main(command)
            lines = capsys.readouterr().err.splitlines()
            told = [line for line in lines if "warning" in line]
            assert told == [f"coopgap: warning: {one}" for one in warnings]
            assert lines[len(lines) - len(told) :] == told
            # A warning is no exception of the run.
            assert (exit_code == 3) == (len(lines) > len(told))
            assert json.loads((out / "run.json").read_text("utf-8"))["warnings"] == warnings

    def test_an_official_release_rounds_its_count(self):
        doubts = [{"column": "age", "code": "88", "count": n} for n in (52, 4)]
        meta = with_warnings(protected_meta({"doubts": doubts}, 10))
        assert meta["warnings"] == [WARNING.replace("52", "50")]
        alone = with_warnings({"doubts": [doubts[0] | {"count": 1}]})
        assert alone["warnings"] == [WARNING.replace("52 times", "1 time")]

    def test_among_its_like_a_code_stands_out_by_its_number_of_people(self):
        ages = np.array([75.0, 80, 86, 87, 88, 89, 90, 99])
        shape = np.isin(ages, [88, 99])
        few = np.array([40, 20, 4, 5, 6, 3, 2, 0])
        assert not stands_out(ages, few, shape).any()
        many = np.where(ages == 88, 16, few)
        assert ages[stands_out(ages, many, shape)].tolist() == [88]
        assert ages[stands_out(ages, np.where(ages == 99, 1, few), shape)].tolist() == [99]


class TestDesign:
    """Weights and zones that may stand for no answer, without a word of the file."""

    @pytest.mark.parametrize("code", [999, 9999, 888])
    def test_a_weight_far_beyond_the_rest_is_refused(self, people, make_folder, code):
        data = spoilt(people, "w", code)
        message = plan_refusal(make_folder(design='weight = "w"'), data)
        assert f"w: undeclared code '{code}' (52 times) that looks like a missing code" in message
        assert "design.missing.weight" in message
        assert "weight = []" in message
        every = make_plan(make_folder(design='weight = "w"\nmissing = { weight = [] }'), data)
        assert every.survey.n == 600
        named = make_folder(design=f'weight = "w"\nmissing = {{ weight = [{code}] }}')
        survey = make_plan(named, data).survey
        assert survey.n == 548
        assert survey.weight.max() == people.w[~SILENT].max()

    def test_weights_of_that_shape_among_their_like_are_weights(self, people, make_folder):
        study = make_folder(design='weight = "w"')
        data = people.assign(w=np.linspace(200, 1400, len(people)).round())
        data.loc[9, "w"] = 999.0
        survey = make_plan(study, data).survey
        assert survey.doubts == ()
        assert np.array_equal(np.sort(survey.weight), np.sort(data.w))
        # Beyond them all, yet not by far: taken, and said.
        data["w"] = np.linspace(200, 700, len(people)).round()
        data.loc[9, "w"] = 999.0
        (doubt,) = make_plan(study, data).survey.doubts
        assert (doubt.column, doubt.code, doubt.count) == ("w", "999", 1)

    def test_a_zone_that_reads_as_no_answer_is_a_warning(self, tmp_path, people, make_folder):
        zone = people.zone.astype(str).where(~SILENT, "n/a")
        (doubt,) = make_plan(make_folder(), people.assign(zone=zone)).survey.doubts
        assert (doubt.column, doubt.code, doubt.count) == ("zone", "n/a", 52)
        labels = {"zone": {99: "No answer", 1: "Santa Rosa"}}
        labelled = sav(tmp_path, spoilt(people, "zone", 99), variable_value_labels=labels)
        (doubt,) = make_plan(make_folder(), labelled).survey.doubts
        assert (doubt.column, doubt.code, doubt.count) == ("zone", "99", 52)
        named = make_folder(design='missing = { zone = ["n/a", 99] }')
        for data in (people.assign(zone=zone), labelled):
            survey = make_plan(named, data).survey
            assert survey.doubts == ()
            assert survey.n == 548


class TestStudy:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("missing = { wieght = [9] }", "unknown key wieght; allowed: zone, weight; did"),
            ("missing = { weight = 9 }", "design.missing.weight: is a whole number"),
        ],
    )
    def test_what_is_wrong_with_it_is_one_line(self, tmp_path, people, make_folder, line, message):
        study = make_folder(design=f'weight = "w"\n{line}')
        assert message in plan_refusal(study, people)

    def test_a_blank_is_named_like_a_code(self, tmp_path, people, make_folder):
        data = spoilt(people, "w", np.nan)
        assert "52 weights are missing" in plan_refusal(make_folder(design='weight = "w"'), data)
        named = make_folder(design='weight = "w"\nmissing = { weight = [""] }')
        assert make_plan(named, data).survey.n == 548

    def test_a_mode_has_one_meaning(self, tmp_path, people, make_folder):
        mode = 'mode = { column = "how", in_person = 1, phone = 2 }'
        study = make_folder(design=f"{mode}\nmissing = {{ mode = [2] }}")
        message = plan_refusal(study, people.assign(how=1))
        assert "missing.mode: holds a value that phone holds too" in message
