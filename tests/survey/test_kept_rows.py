"""Which rows of a file are a study's, who is in which group, and that it is all counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import coopgap
from coopgap.app.plan import make_plan
from coopgap.report.plan import plan_text

from .conftest import plan_refusal


class TestBlanks:
    def test_one_blank_hides_no_count(self, tmp_path, people, make_folder):
        """A blank covariate and a blank membership are one row each, wherever N is told."""
        data = people.assign(member=people.member.astype(float))
        data.loc[3, "member"] = np.nan
        data.loc[5, "age"] = np.nan
        run = coopgap.run(make_folder(), data=data)
        assert run.meta["n_read"] == 600
        assert run.meta["n_member"] + run.meta["n_comparison"] == 599
        assert run.meta["dropped"] == [{"reason": "membership blank", "count": 1}]
        assert run.meta["models"][0]["dropped"] == [
            {"reason": "age missing", "count": 1, "variable": "age"}
        ]
        run.save(tmp_path / "out", ["md"])
        report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
        rows = [line.replace(" ", "").strip("|").split("|") for line in report.splitlines()]
        told = {cells[0]: cells[-1] for cells in rows if len(cells) > 1}
        assert told["Rowsread"] == "600"
        assert told["Leftout:membershipblank"] == told["Leftout:agemissing"] == "1"
        text = plan_text(make_plan(make_folder(), data))
        assert "600 rows read" in text
        assert "dropped   1: membership blank" in text


WHERE = "[where]\nwave = 2\n"


def two_waves(people):
    """The same people, and an earlier wave with another codebook and other places."""
    earlier = people.assign(
        member=9, yes=5, zone="x", age=999.0, region="West", sex="?", wave=1, w=-1.0
    )
    data = pd.concat([earlier, people.assign(wave=2, zone=people.zone.astype(str))])
    return data.sample(frac=1, random_state=2)


class TestWhere:
    def test_one_wave_has_the_numbers_of_its_own_file(self, people, make_folder):
        """Of rows left out nothing is looked at: not their codes, weights, zones, identifiers."""
        design = 'id = "id"\nweight = "w"'
        alone = coopgap.run(make_folder(design=design), data=people)
        study = make_folder(design=design, tables=WHERE)
        run = coopgap.run(study, data=two_waves(people))
        pd.testing.assert_frame_equal(run.gaps, alone.gaps)
        assert run.meta["n_read"] == 1200
        assert run.meta["dropped"] == [{"reason": "not in where.wave", "count": 600}]
        text = plan_text(make_plan(study, two_waves(people)))
        assert "1,200 rows read" in text
        assert "dropped   600: not in where.wave" in text

    def test_several_values_of_several_columns(self, people, make_folder):
        data = people.assign(wave=np.arange(600) % 4, kind=np.where(people.id < 400, "a", "b"))
        study = make_folder(tables='[where]\nwave = [2, "3.0", 1]\nkind = "a"\n')
        survey = make_plan(study, data).survey
        kept = data[(data.wave > 0) & (data.kind == "a")]
        assert survey.n == len(kept)
        counts = [(one.reason, one.count) for one in survey.dropped]
        assert counts == [
            ("not in where.wave", 150),
            ("not in where.kind", int(((data.wave > 0) & (data.kind == "b")).sum())),
        ]

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ("wave = 7", "wave: no row has '7'; where.wave names values of the column"),
            ("wvae = 2", "no column 'wvae'; the nearest are 'wave'"),
            ("wave = [2]\nkind = 'b'", "where keeps no row"),
            ("wave = []", "study.toml: where.wave: is an empty list; allowed: a value, or a list"),
            ("wave = [1, '1.0']", "study.toml: where.wave: holds a value twice"),
            ("wave = { a = 1 }", "study.toml: where.wave: is a table; allowed: a text, a number"),
        ],
    )
    def test_what_is_not_there_or_may_not_be_said(self, people, make_folder, lines, message):
        data = people.assign(wave=1 + (people.id > 300), kind=np.where(people.id > 300, "a", "b"))
        assert message in plan_refusal(make_folder(tables=f"[where]\n{lines}\n"), data)


class TestGroups:
    def test_several_codes_make_a_group(self, people, make_folder):
        """Current and former members, never and not yet, against the two groups as one code."""
        plain = coopgap.run(make_folder(), data=people)
        second = np.random.default_rng(6).integers(0, 2, 600)
        detailed = people.assign(member=np.where(people.member == 1, 1, 3) + second)
        assert detailed.member.nunique() == 4
        study = make_folder(member="[1, 2]", comparison='[3, "4.0"]')
        pd.testing.assert_frame_equal(coopgap.run(study, data=detailed).gaps, plain.gaps)

    def test_several_modes(self, people, make_folder):
        mode = 'mode = { column = "how", in_person = ["paper", "tablet"], phone = [3] }'
        how = np.array(["paper", "tablet", "3"])[np.arange(600) % 3]
        survey = make_plan(make_folder(design=mode), people.assign(how=how)).survey
        assert survey.phone.sum() == 200

    def test_another_code_is_refused_with_both_lists(self, people, make_folder):
        study = make_folder(member="[1, 2]", comparison="[0, 3]")
        message = plan_refusal(study, people.assign(member=people.member.where(people.id > 2, 7)))
        assert "code '7' (2 times); group.member is 1 or 2, group.comparison is 0 or" in message

    @pytest.mark.parametrize(
        ("group", "message"),
        [
            ({"member": "[1, 2]", "comparison": "[2, 3]"}, "comparison: holds a value that member"),
            ({"member": "[]"}, "study.toml: group.member: is an empty list"),
            ({"member": "[1, 1.0]"}, "study.toml: group.member: holds a value twice"),
        ],
    )
    def test_a_code_is_in_one_group_once(self, people, make_folder, group, message):
        assert message in plan_refusal(make_folder(**group), people)


class TestZones:
    def test_numbers_within_regions_are_those_of_zones_with_names_of_their_own(
        self, people, make_folder
    ):
        study = make_folder()
        text = (study / "study.toml").read_text()
        plain = coopgap.run(study, data=people).gaps
        within = people.groupby("region").zone.rank(method="dense").astype(int)
        data = people.assign(zone=within)
        assert "zones stand in more than one region" in plan_refusal(study, data)
        (study / "study.toml").write_text(text.replace('"zone"', '["region", "zone"]', 1))
        keys = ["model", "family", "outcome", "comparator", "group", "population", "quantity"]
        keys += ["category", "interval_kind"]
        numbers = ["estimate", "std_error", "lower", "upper"]
        found = coopgap.run(study, data=data).gaps.set_index(keys)[numbers]
        expected = plain.set_index(keys)[numbers]
        pd.testing.assert_frame_equal(found, expected, rtol=1e-10)

    @pytest.mark.parametrize(
        ("zone", "message"),
        [
            ("[]", "study.toml: design.zone: is empty; allowed: 1 or more"),
            ('["zone", "zone"]', 'study.toml: design.zone: holds "zone" twice'),
            ("[1]", "study.toml: design.zone[1]: is a whole number; allowed: a text"),
            ('["region", "zona"]', "no column 'zona'; the nearest are 'zone'"),
        ],
    )
    def test_what_is_wrong_with_it_is_one_line(self, people, make_folder, zone, message):
        study = make_folder()
        text = (study / "study.toml").read_text()
        (study / "study.toml").write_text(text.replace('zone = "zone"', f"zone = {zone}"))
        assert message in plan_refusal(study, people)
