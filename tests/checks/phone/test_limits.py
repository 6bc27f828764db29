"""The limits of the phone checks are told as the survey was: members called or not."""

import numpy as np

import coopgap
from coopgap.checks.by_mode import LIMITS, MEMBERS_ASIDE
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.survey.example import make_example


def notes(run):
    phone = run.sensitivity[run.sensitivity["check"].str.startswith("phone")]
    return " ".join(phone["note"])


def test_members_among_the_calls_are_left_aside_and_nothing_says_there_were_none():
    data = make_example().data
    called = np.flatnonzero(data["mode"] == "phone")
    plain = coopgap.run("peru", data=data, only=["trusted_person"])
    fewer = data.drop(index=data.index[called[:40]])
    turned = data.copy()
    turned.loc[turned.index[called[:40]], "member"] = 1
    with_members, without_them = (
        coopgap.run("peru", data=frame, only=["trusted_person"]) for frame in (turned, fewer)
    )
    assert LIMITS in notes(plain)
    assert MEMBERS_ASIDE in notes(with_members)
    for text in (LIMITS, "No members were called"):
        assert text not in notes(with_members)
    columns = ["check", "variant", "quantity", "category", "estimate", "lower", "upper"]
    assert with_members.sensitivity[columns].equals(without_them.sensitivity[columns])
    assert with_members.gaps.equals(without_them.gaps)
    assert "members were called" not in page(with_members)
    assert "no members were called" in page(plain)


def page(run):
    return Content(make_results(run.frames, run.study, run.meta)).render("report.md.j2")
