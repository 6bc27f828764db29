"""What a study calls its two groups reaches the page; else they are members and non-members."""

from __future__ import annotations

from dataclasses import replace

from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.study.spec import Group


def group(**labels):
    return Group(column="m", member=(1,), comparison=(0,), **labels)


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
