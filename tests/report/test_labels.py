"""What a study calls its two groups reaches the page; else they are members and non-members."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coopgap.core.errors import StudyError
from coopgap.report.content import Content
from coopgap.report.data import make_results
from coopgap.study.parts import read_group
from coopgap.study.section import Section


def group(**keys):
    table = {"column": "m", "member": 1, "comparison": 0, **keys}
    return read_group(Section({"group": table}, "study.toml", ("group",)))


def test_the_two_groups_are_called_what_the_study_calls_them(build):
    study = build.study()
    named = group(member_label="socios", comparison_label="vecinos")
    frames, meta = build.frames(printed=False), build.meta()

    def text(one):
        results = make_results(frames, replace(study, group=one), meta)
        return Content(results).render("report.md.j2")

    own, usual = text(named), text(group())
    assert "socios" in own
    assert "vecinos" in own
    assert "non-members" not in own
    assert "non-members" in usual


@pytest.mark.parametrize("value", [3, ["members"], True])
def test_a_label_that_is_no_text_is_refused(value):
    with pytest.raises(StudyError, match="member_label"):
        group(member_label=value)
