"""What the report says of a check: of which gap, under which rule, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coopgap.core.estimate import SensitivityRow, to_frame
from coopgap.core.vocabulary import BY_PHONE, Check
from coopgap.report.appendix import unanswered
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.study.spec import Design

from .conftest import record

SOURCE = "survey.csv"


@pytest.fixture
def told(build):
    """The small report of a study whose sensitivity table has these rows alone."""

    def content(*rows, study=None, **meta):
        frames = build.frames(SOURCE, printed=False)
        frames["sensitivity"] = to_frame("sensitivity", list(rows))
        meta = build.meta(is_example=False) | meta
        return Content(make_results(frames, study or build.study(), meta))

    return content


def row(check, variant="", quantity="", model="agree", **numbers):
    keys = {"check": check, "variant": variant, "quantity": quantity}
    return record(SensitivityRow, model, SOURCE, **keys, **numbers)


def gap(estimate, verdict=None, **keys):
    numbers = {
        "difference": estimate + 0.009,
        "estimate": estimate,
        "lower": estimate - 0.05,
        "upper": estimate + 0.05,
    }
    return row("robustness_value", quantity="risk_difference", verdict=verdict, **numbers, **keys)


def said(content, check):
    text = content.sentence(content.results.answers[0], check)
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def bounds(study, told, reference):
    ends = {"quantity": "risk_difference", "lower": -0.043, "upper": -0.038}
    judged = {"verdict": "holds", "reference": reference} if reference else {}
    wide = row("missing_bounds", "bounds with sampling error", **ends, **judged)
    content = told(row("missing_bounds", "bounds", n=2, of=884, **ends), wide, study=study)
    return said(content, Check.MISSING_BOUNDS)


def test_bounds_over_missing_answers_name_the_gap_they_are_of(build, told):
    text = bounds(build.study(), told, -0.042)
    assert "(2 of 884), the gap of weighted shares (−4.2) lies between −4.3 and −3.8" in text
    assert text.endswith("It holds at either end.")
    assert bounds(build.study(), told, None).endswith("between −4.3 and −3.8.")


def robustness(limit, verdict):
    return (
        row("robustness_value", "estimate", "robustness_value", estimate=0.08),
        row("robustness_value", "interval", "robustness_value", estimate=limit),
        gap(-0.009, variant="no confounder"),
        gap(0.055, verdict, variant="region x 1", about="region", setting=1.0),
        gap(-0.008, "holds", variant="sex x 1", about="sex", setting=1.0),
        gap(0.031, verdict, variant="sex x 3", about="sex", setting=3.0),
    )


def test_benchmarks_say_from_which_gap_they_start_and_when_it_counts_as_changed(build, told):
    study, check = replace(build.study(), smallest_gap=0.06), Check.ROBUSTNESS_VALUE
    text = said(told(*robustness(0.0, "changes"), study=study), check)
    assert "account for the linear gap, whose interval includes zero already." in text
    moved = "moves the unmatched linear gap, −0.9 (−5.9, 4.1), by over 3.0"
    assert f"One as strong as Region or 3 times as strong as Sex {moved}." in text
    wide = said(told(*robustness(0.0, "changes"), study=replace(study, smallest_gap=0.2)), check)
    assert "by over 10.0 or across zero." in wide
    quiet = said(told(*robustness(0.03, "holds"), study=study), check)
    assert "; 3.0 % to bring zero into its interval." in quiet
    assert f"None up to three times a covariate's strength {moved}." in quiet


@pytest.mark.parametrize("gamma", [1.4, 1.0])
@pytest.mark.parametrize("zone", [("zone",), ()])
def test_rosenbaums_sentence_says_that_zones_do_not_count(build, told, gamma, zone):
    study = replace(build.study(), design=Design(region="region", zone=zone))
    found = row("rosenbaum", "Γ at p 0.025", "gamma", estimate=gamma, threshold=0.025)
    text = said(told(found, study=study), Check.ROSENBAUM)
    assert ("Zones ignored, the one-sided" in text) is bool(zone)


@pytest.mark.parametrize("n_phone", [0, 10])
def test_a_survey_without_phone_interviews_has_no_reasons_and_no_fold_of_them(told, n_phone):
    none = {"verdict": "not_applicable", "note": "Nobody."}
    asked = [row(check, model=name, **none) for check in BY_PHONE for name in ("agree", "ses")]
    content = told(*asked, row("negative_control", **none), n_phone=n_phone)
    reasons = {reason.what for reason in unanswered(content.results)}
    assert reasons == ({*BY_PHONE, "negative_control"} if n_phone else {"negative_control"})
    assert ("people-phone" in content.render("report.md.j2")) is bool(n_phone)


def test_how_fast_superiority_moves_has_a_name_in_its_line(told):
    content = told(row("power_scaling", "answers", "rate_of_superiority", "ses", estimate=0.04))
    assert "| superiority | " in content.detail(content.results.answers[1], Check.POWER_SCALING)
