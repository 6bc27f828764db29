"""What must be said on the first screen, each made to happen; and what must never be said."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from coopgap.checks.registry import checks, on_page
from coopgap.core.estimate import (
    TABLES,
    BalanceRow,
    CoefficientRow,
    DiagnosticRow,
    GapRow,
    SensitivityRow,
    to_frame,
)
from coopgap.report import lookat
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.study.spec import Design

from .conftest import record

SOURCE = "survey.csv"


@pytest.fixture
def screen(build):
    """Renders the summary of the small study with rows added to its tables."""
    kinds = {kind: name for name, kind in TABLES.items()}

    def render(*rows, study=None, meta=None, keep=True):
        frames = build.frames(SOURCE, printed=False)
        if not keep:
            frames["sensitivity"] = to_frame("sensitivity", [])
        for row in rows:
            name = kinds[type(row)]
            frames[name] = pd.concat([frames[name], to_frame(name, [row])], ignore_index=True)
        meta = build.meta(is_example=False) | (meta or {})
        results = make_results(frames, study or build.study(), meta)
        return " ".join(Content(results).render("summary.md.j2").split())

    return render


def diagnostic(name, value, model="agree", **how):
    return record(DiagnosticRow, model, SOURCE, diagnostic=name, value=value, **how)


def balance(covariate, smd):
    keys = {"group": "all", "covariate": covariate, "level": "x"}
    return record(BalanceRow, "agree", SOURCE, **keys, smd_after=smd)


def checked(check, verdict, model="agree", **how):
    return record(SensitivityRow, model, SOURCE, check=check, verdict=verdict, **how)


def test_an_unbalanced_covariate_is_named_with_its_difference(screen):
    assert "Region is left unbalanced (0.31)" in screen(balance("region", 0.31))
    assert "unbalanced" not in screen(balance("region", 0.09))


def test_what_two_models_print_alike_is_said_once_with_a_large_letter(screen, build):
    study = build.study(labels=("Agrees", "Class", "region of birth", "Sex"))
    rows = balance("region", 0.312), replace(balance("region", 0.314), model="ses")
    text = screen(*rows, study=study)
    assert text.count("egion of birth is left unbalanced (0.31).") == 1
    assert "Region of birth is left unbalanced" in text
    apart = screen(rows[0], replace(rows[1], smd_after=0.352), study=study)
    assert apart.count("egion of birth is left unbalanced") == 2


def test_a_covariate_only_adjusted_for_is_said_to_be_so(screen, build):
    study = build.study()
    bare = tuple(
        replace(one, matching=replace(one.matching, method="none")) for one in study.models
    )
    row = replace(balance("region", None), smd_before=0.4)
    assert "Region is left unbalanced (0.40) and only adjusted for" in screen(
        row, study=replace(study, models=bare)
    )


@pytest.mark.parametrize(("p", "said"), [(0.003, True), (0.3, False)])
def test_rejected_proportional_odds_are_said_with_what_they_mean(screen, p, said):
    text = screen(diagnostic("proportional_odds", p, "ses", about="member", test="wald"))
    assert ("Proportional odds of membership are rejected for Class" in text) is said
    assert ("not one odds ratio" in text) is said


def test_a_check_that_changes_a_gap_at_any_threshold_is_named_there(screen):
    gap = {"quantity": "risk_difference", "category": ">=A", "estimate": 0.1}
    row = checked("leave_one_region", "changes", "ses", variant="without North", **gap)
    assert "Leaving one region out: changes for Class (A)" in screen(row, keep=False)
    assert "Leaving one region out" not in screen(replace(row, verdict="holds"), keep=False)


def test_a_confounder_that_changes_a_gap_is_said_with_the_gap_it_changes(screen):
    gap = {"quantity": "risk_difference", "estimate": 0.1}
    like = {"variant": "region x 1", "about": "region", "setting": 1.0}
    row = checked("robustness_value", "changes", **gap, **like)
    text = screen(row, keep=False)
    assert "would change the unmatched linear gap for Agrees" in text
    assert "one to three times as strong as a measured covariate" in text


def test_a_gate_that_withheld_is_named(screen):
    keys = {"comparator": "comparison", "group": "all", "population": "all_members"}
    keys |= {"family": "hierarchical", "quantity": "superiority", "status": "withheld"}
    row = record(GapRow, "ses", SOURCE, **keys)
    assert "hierarchical model of Agrees and Class is withheld" in screen(row)


@pytest.mark.parametrize(("share", "said"), [(0.12, True), (0.05, False)])
def test_members_without_a_match_above_5_percent_are_said(screen, share, said):
    text = screen(diagnostic("members_without_comparison_share", share))
    assert ("of members have no match" in text) is said


def test_members_left_out_are_told_by_why(screen, build):
    lost = diagnostic("members_without_comparison", 18, n=18, of=304)
    complete = diagnostic("rows_complete", 884, n=393, of=884)
    frames = build.frames(SOURCE, printed=False)
    base = frames["diagnostics"]
    told = [to_frame("diagnostics", [lost, complete])]
    frames["diagnostics"] = pd.concat([*told, base], ignore_index=True)
    meta = build.meta(is_example=False)
    said = "of the members left out, 7 lack an answer that is needed and 18 have no match;"
    for minimum, expected in ((0, True), (10, False)):
        study = replace(build.study(), disclosure_minimum=minimum)
        text = Content(make_results(frames, study, meta)).render("summary.md.j2")
        assert (said in text) is expected
    assert "left out" not in screen()


def dropped(variable, n):
    return diagnostic("dropped", n, about=f"{variable} missing")


def test_people_without_a_covariate_are_counted_where_no_answer_is_missing(screen, build):
    def word(*rows, checks=()):
        answer = answer_of(build, diagnostics=rows, sensitivity=checks)
        return lookat.grid(answer, [lookat.Topic.MISSING])[0].text

    assert word() == "none"
    assert word(dropped("age", 27.0), dropped("sex", 2.0)) == "29 left out"
    assert word(dropped("age", 27.0), dropped("sex", None)) == "some left out"
    none = checked("missing_bounds", "not_applicable")
    assert word(dropped("age", 27.0), checks=[none]) == "27 left out"
    assert word(dropped("age", 27.0), checks=[checked("missing_bounds", "holds")]) == "holds"


def answer_of(build, **rows):
    """The answer of one model with nothing but these rows in two of its tables."""
    frames = build.frames(SOURCE, printed=False)
    frames |= {name: to_frame(name, list(own)) for name, own in rows.items()}
    results = make_results(frames, build.study(), build.meta(is_example=False))
    return next(answer for answer in results.answers if answer.model == "agree")


@pytest.mark.parametrize(
    ("variant", "multiplicity", "word", "is_bad"),
    [
        ("holds", "holds", "holds", False),
        ("undecided", "changes", "multiplicity", True),
        ("changes", "changes", "changes", True),
        ("changes", "holds", "changes", True),
        (None, "changes", "multiplicity", True),
        ("undecided", "not_applicable", "undecided", False),
    ],
)
def test_variants_that_hold_do_not_change_for_a_p_value_adjusted(
    build, variant, multiplicity, word, is_bad
):
    rows = [checked("multiplicity", multiplicity)]
    rows += [checked("variant", variant)] if variant else []
    found = lookat.grid(answer_of(build, sensitivity=rows), [lookat.Topic.VARIANTS])[0]
    assert (found.text, found.is_bad) == (word, is_bad)


def test_weights_and_zones_are_in_the_line_of_design(screen, build):
    keys = {"family": "matched_logit", "term": "sex=f", "scale": "log_odds"}
    zones = record(CoefficientRow, "agree", SOURCE, **keys, n_clusters=57)
    assert "57 zones; no sampling weights" in screen(zones)
    weighted = replace(build.study(), design=Design(region="region", zone=("z",), weight="w"))
    assert "57 zones; sampling weights used" in screen(zones, study=weighted)
    few = screen(replace(zones, n_clusters=lookat.FEW_ZONES - 1))
    assert f"Only {lookat.FEW_ZONES - 1} zones" in few
    assert "Only" not in screen(zones)


def test_a_study_without_zones_says_what_that_means(screen, build):
    study = replace(build.study(), design=Design(region="region"))
    assert "No zones are declared: if people were sampled in clusters" in screen(study=study)


def test_ties_are_counted(screen):
    assert "31 matched members had several equally near" in screen(diagnostic("tied_members", 31.0))
    assert "equally near" not in screen(diagnostic("tied_members", 0.0))


def test_a_headline_without_a_number_and_one_of_few_people_are_named(screen, build):
    frames = build.frames(SOURCE, printed=False)
    gaps = frames["gaps"]
    first = (gaps["family"] == "matched_logit") & (gaps["group"] == "all")
    for status, said in (("not_estimable", "No headline number"), ("few_people", "Fewer than ten")):
        changed = {**frames, "gaps": gaps.assign(status=gaps["status"].mask(first, status))}
        if status == "not_estimable":
            changed["gaps"]["estimate"] = gaps["estimate"].mask(first)
        results = make_results(changed, build.study(), build.meta(is_example=False))
        assert said in Content(results).render("summary.md.j2")


def test_a_study_without_phone_has_no_word_of_telephones(screen):
    without = screen(meta={"n_phone": 0}, keep=False)
    assert not re.search(r"phone|\bmode\b", without, flags=re.IGNORECASE)
    assert "phone" in screen(meta={"n_phone": 10}, keep=False).lower()


def test_nothing_says_that_a_conclusion_holds_or_that_groups_are_alike(screen):
    text = screen()
    assert not re.search(r"conclusion holds|groups are alike", text)


def test_every_check_answers_one_topic_or_is_about_who_was_reached():
    listed = on_page()
    assert len(listed) == len(set(listed))
    assert set(checks()) - set(listed) == {lookat.Check.PHONE_COMPOSITION}


def test_a_whole_distribution_put_first_has_its_number_on_the_screen(screen):
    text = screen()
    assert re.search(
        r"\*\*Class\*\*: probability of superiority 56\.0 % \(",
        text.replace("\N{NO-BREAK SPACE}", " "),
    )
    assert "**Agrees**: probability" not in text
