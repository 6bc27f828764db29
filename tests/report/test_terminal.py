"""What a command says: headlines, paths, progress, the plan of a dry run, names of commands."""

from __future__ import annotations

import re
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest

from coopgap.__main__ import COMMANDS, main
from coopgap.app.pipeline import execute, stages
from coopgap.app.plan import make_plan
from coopgap.app.result import Run
from coopgap.core.estimate import DiagnosticRow
from coopgap.core.progress import Stages, progress
from coopgap.families.plan import Foreseen
from coopgap.report.data import make_results
from coopgap.report.lookat import doubts
from coopgap.report.plan import plan_text
from coopgap.report.terminal import paths_to_tell, run_text, show_headlines
from coopgap.report.write import notebook_html
from coopgap.survey.records import Doubt


@pytest.fixture
def frames(build):
    """Tables whose shares of two levels stand at the upper one, as a run writes them."""
    found = build.frames()
    gaps = found["gaps"]
    whole = (gaps["model"] == "agree") & (gaps["quantity"] == "share")
    gaps.loc[whole, "category"] = "yes"
    return found


@pytest.fixture
def results(build, frames):
    return make_results(frames, build.study(), build.meta())


@pytest.fixture(scope="module")
def plan():
    return make_plan("peru")


def lines_with(text, word):
    return [line for line in text.splitlines() if word in line]


def test_headlines_are_a_table_on_stderr_plain_in_a_pipe(results, capsys):
    show_headlines(results)
    told = capsys.readouterr()
    assert told.out == ""
    assert "\x1b" not in told.err
    (line,) = lines_with(told.err, "Agrees")
    for cell in ("40.0\xa0%", "30.0\xa0%", "+9.1", "4.2\xa0to\xa014.0"):
        assert cell in line
    (head,) = lines_with(told.err, "Outcome")
    for cell in ("Members", "Non-members", "Gap, points", "95 % interval", "Look at"):
        assert cell in head
    assert "EXAMPLE DATA" in told.err


def test_what_speaks_against_an_answer_stands_in_its_row(build, frames, results):
    frames = dict(frames, balance=frames["balance"].copy())
    frames["balance"].loc[frames["balance"]["model"] == "agree", "smd_after"] = 0.25
    changed = make_results(frames, build.study(), build.meta())
    told = {one.model: doubts(one) for one in changed.answers}
    assert "balance: 0.25" in told["agree"]
    assert "balance" not in doubts(results.answers[0])
    assert told["agree"] in run_text(changed).replace("\n", " ")


def test_a_headline_without_a_number_says_why(build):
    frames = build.frames()
    gaps = frames["gaps"]
    first = (gaps["model"] == "agree") & (gaps["family"] == "matched_logit")
    gaps.loc[first, ["estimate", "lower", "upper"]] = float("nan")
    gaps.loc[first, "status"] = "not_estimable"
    text = run_text(make_results(frames, build.study(), build.meta()))
    (line,) = lines_with(text, "Agrees")
    assert "not estimable" in line


def test_labels_are_text_and_never_markup_or_escapes(build, hostile):
    for label in (*hostile, "[red]x[/red]", "[/]"):
        study = build.study((label,) * 4)
        text = run_text(make_results(build.frames(), study, build.meta()))
        assert "\x1b" not in text
        plain = re.sub(r"\s+", "", text)
        wanted = re.sub(r"\s+", "", label.replace("\x07", "�").replace("\x1b", "�"))
        # Where it begins a cell its first letter is large.
        assert wanted[:12].casefold() in plain.casefold()


def test_a_run_is_a_few_lines_at_a_prompt_and_its_summary_in_a_notebook(build, frames):
    run = Run(study=build.study(), meta=build.meta(), **frames)
    text = repr(run)
    assert text.splitlines()[0] == "Run of A study: 2 models"
    assert len(text.splitlines()) < 12
    page = run._repr_html_()
    assert page.startswith('<div class="coopgap">')
    assert "<svg " in page
    assert "A study</h1>" in page
    assert "EXAMPLE DATA" in page
    assert "<a " not in page
    assert "<h2" not in page


def test_a_notebook_takes_no_label_for_html(build, frames, hostile):
    for label in hostile[:2]:
        results = make_results(frames, build.study((label,) * 4), build.meta())
        assert "<script" not in notebook_html(results)


def test_the_reports_path_is_told_and_all_of_them_on_request(tmp_path):
    written = [tmp_path / name for name in ("gaps.csv", "report.html", "report.md")]
    assert paths_to_tell(tmp_path, written, verbose=False) == [tmp_path / "report.html"]
    assert paths_to_tell(tmp_path, written[::2], verbose=False) == [tmp_path / "report.md"]
    assert paths_to_tell(tmp_path, written[:1], verbose=False) == [tmp_path]
    assert paths_to_tell(tmp_path, written, verbose=True) == written


def test_stages_are_counted_once_it_is_known_how_many_come():
    begun, ended = [], []
    tell = Stages(begun.append, lambda words, seconds: ended.append((words, seconds >= 0)))
    tell("reading")
    tell.expect(2)
    for stage in ("one", "two", "three"):
        tell(stage)
    tell.finish()
    assert begun == ["reading", "1 of 2  one", "2 of 2  two", "three"]
    assert ended == [(words, True) for words in begun]


@pytest.mark.parametrize("model", ["neighbours", "trust"])
def test_a_run_tells_of_as_many_stages_as_it_says(model, monkeypatch):
    # Checks are one stage each, however long.
    monkeypatch.setattr("coopgap.app.pipeline.answers", lambda *given: ())
    plan, told = make_plan("peru", only=[model]), []
    execute(plan, notify=told.append)
    assert len(told) == stages(plan)


def test_progress_is_silent_in_a_pipe_and_left_behind_on_request(capsys):
    with progress() as notify:
        notify("one")
    assert capsys.readouterr() == ("", "")
    with progress(verbose=True) as notify:
        notify("reading")
        notify.expect(3)
        notify("fitting [red]")
    told = capsys.readouterr()
    assert told.out == ""
    assert re.findall(r"^ +\d+\.\d s  (.*)$", told.err, flags=re.M) == [
        "reading",
        "1 of 3  fitting [red]",
    ]


def test_a_plan_is_one_table_of_designs_in_at_most_sixty_lines(plan):
    text = plan_text(plan)
    assert len(text.splitlines()) <= 60
    for model in plan.models:
        (line,) = lines_with(text, f"{model.spec.name}: ")[-1:]
        sample = model.sample
        kept = int((sample.rows.member & (sample.matched.weight > 0)).sum())
        assert f"{kept:,} of {int(sample.rows.member.sum()):,}" in line
        assert "exact on region, age_band, sex" in line
    assert len(lines_with(text, "  education too ")) == 4
    assert "946 of 1,004" in lines_with(text, "  education too ")[0]
    assert "160 specifications" in text
    whole = plan_text(plan, verbose=True)
    assert len(whole.splitlines()) > 200
    assert "pairs possible: region=Lima" in whole
    assert "; covariates age_band, sex, region, education" in whole


def test_a_plan_counts_one_as_one_and_lists_phone_checks_where_there_are_interviews(plan):
    taken = tuple(Doubt(column="age", code=str(n), count=n) for n in (1, 2))
    strata = tuple(
        DiagnosticRow(
            model="agree",
            diagnostic="stratum_members_only",
            about=f"region={n}",
            value=float(n),
            source="survey.csv",
        )
        for n in (1, 2)
    )
    (first, *others), survey = plan.models, replace(plan.survey, doubts=taken)
    own = replace(plan, survey=survey, models=(replace(first, feasibility=strata), *others))
    text = plan_text(own, verbose=True)
    assert "age: 1 (1 time) is taken" in text
    assert "age: 2 (2 times) is taken" in text
    assert "region=1 (1 member); region=2 (2 members)" in text
    assert "phone_composition: " in text
    nobody = replace(survey, phone=np.zeros_like(survey.phone))
    alone = plan_text(replace(own, survey=nobody), verbose=True)
    assert "phone_composition: " not in alone
    assert "rosenbaum: " in alone


def test_a_long_plan_is_cut_and_what_is_not_estimable_is_not(plan):
    many = replace(plan, models=plan.models * 4)
    gone = [
        Foreseen(model=f"m{number}", families="matched families", group="all", reason="no pair")
        for number in range(30)
    ]
    text = plan_text(many, gone)
    assert len(text.splitlines()) <= 60
    assert len(lines_with(text, "not estimable  ")) == 30
    assert lines_with(text, "more lines with --verbose")
    assert "neighbours: 2 levels" in text
    more = plan_text(many, gone * 3)
    assert len(lines_with(more, "not estimable  ")) == 90


@pytest.mark.parametrize(
    ("typed", "near"),
    [("fti", "fit"), ("reprot", "report"), ("Describe", "describe"), ("calibrat", "calibrate")],
)
def test_an_unknown_command_names_the_nearest(typed, near, capsys):
    assert main([typed]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert f"did you mean {near}?" in told.err


def test_a_command_like_no_other_lists_them_and_help_does(capsys):
    assert main(["x" * 5000]) == 2
    told = capsys.readouterr().err
    assert "did you mean" not in told
    assert len(told) < 500
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert name in told
        assert re.search(rf"^  {name} +\w", text, flags=re.M)
    assert {"fit", "report", "describe", "example", "printed", "calibrate"} <= {*COMMANDS}
    assert main([]) == 2


@pytest.mark.parametrize("module", ["fit", "report", "describe", "example", "printed", "calibrate"])
def test_every_command_is_a_module_too(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    monkeypatch.delitem(sys.modules, f"coopgap.{module}", raising=False)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(f"coopgap.{module}", run_name="__main__", alter_sys=True)
    assert not stopped.value.code
    assert capsys.readouterr().out.startswith(f"usage: coopgap {module}")
