"""The book and the README: every page is made, and its numbers are those that are counted."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from coopgap.app.cli import COMMANDS
from coopgap.app.plan import make_plan
from coopgap.bayes.layout import Priors
from coopgap.checks.registry import checks
from coopgap.core.estimate import TABLES, columns
from coopgap.report.sheets import check_dictionary, column_dictionary
from coopgap.report.words import points
from coopgap.report.write import _DRAWN as FIGURES_KEY
from coopgap.study.load import load_study
from coopgap.study.spec import Hierarchical, PriorName
from coopgap.survey.draft import draft_folder
from coopgap.survey.example import make_example
from coopgap.survey.raw import from_dataframe

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_made_and_is_in_the_navigation(name, page):
    text = page(name)
    assert text.startswith("# ")
    assert re.findall(r"\{\{|\{%", text) == []
    assert f" {name}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_columns_are_those_of_the_tables(page):
    text = page("reference/tables.md")
    assert column_dictionary().strip() in text
    for name in TABLES:
        for column, meaning in columns(name).items():
            cell = meaning.replace("|", "\\|")  # a bar would end the cell
            assert f"| `{column}` | {cell} |" in text


def test_the_checks_are_the_registered_ones(page):
    assert check_dictionary().strip() in page("explanation/checks.md")
    text = page("reference/checks.md")
    for one in checks().values():
        assert f"## {one.title} {{#{one.name}}}" in text
        assert one.question in text
        assert one.formula
        assert one.formula.split()[0] in text


def test_the_digests_of_a_run_are_named(page):
    text = page("reference/output.md")
    for key in (FIGURES_KEY, "tables_sha256"):
        assert f"`{key}`" in text


def test_the_commands_are_those_of_the_parser(page):
    text = page("reference/command.md")
    assert [name for name in COMMANDS if f"## coopgap {name}\n" not in text] == []
    for option in ("--dry-run", "--formats LIST", "--scheduler ADDRESS", "--only MODEL"):
        assert f"`{option}`" in text


def test_every_public_name_has_an_entry(page):
    assert "::: coopgap.run\n" in page("reference/python.md")
    assert sys.modules["reference"].untold() == set()


def test_coverage_is_the_committed_table(page):
    folder = ROOT / "tests" / "coverage"
    sys.path.insert(0, str(folder))
    try:
        from run import failing_defaults, markdown, read, uneven
    finally:
        sys.path.remove(str(folder))
        for name in ("run", "intervals", "simulate"):
            sys.modules.pop(name, None)
    table, text = read(folder / "table.csv"), page("explanation/coverage.md")
    for made in (markdown(table), uneven(table), failing_defaults(table)):
        assert made in text


def test_false_findings_are_those_counted(page):
    """By hand from the committed counts: what lies outside where there is no gap."""
    table = pd.read_csv(ROOT / "tests" / "coverage" / "table.csv", keep_default_na=False)

    def outside(gap, gaps, threshold):
        rows = table[(table["gap"] == gap) & (table["gaps"] == gaps)]
        rows = rows[(rows["threshold"] == threshold) & (rows["interval"] == "CR1 t(G-1)")]
        (row,) = rows.to_dict("records")
        return f"{100 - float(row['coverage']):.1f} % of {int(row['replicates']):,}"

    text = flat(page("explanation/coverage.md"))
    rare = "0.49 0.49 0.49 0"
    assert f"zero there in {outside('matched proportional', rare, 'strongly agree')}" in text
    assert f"free form does in {outside('matched free', rare, 'strongly agree')}" in text
    common = outside("matched free", "0.49 0.49 0 0.49", "agree").partition(" of")[0]
    assert f"and in {common} where the gap is none" in text


@pytest.mark.parametrize("name", PAGES)
def test_keys_of_a_page_are_those_of_a_study_folder(name, page):
    """Every table of TOML that a page shows can be read, and its keys are known."""
    known = set(re.findall(r"\| `([\w.\[\]]+)` \|", page("reference/study.md")))
    known |= set(re.findall(r"\| `([\w.\[\]]+)` \|", page("reference/model.md")))
    for block in re.findall(r"```toml\n(.*?)```", (DOCS / name).read_text("utf-8"), flags=re.S):
        for key, value in tomllib.loads(block).items():
            # Lines of a table shown without its head, as those of [group], are keys of that.
            assert {key, f"group.{key}"} & known, (name, key)
            if isinstance(value, dict) and key in ("design", "group", "matching", "hierarchical"):
                assert {f"{key}.{one}" for one in value} <= known, (name, key)


def test_the_priors_are_the_defaults():
    text = (DOCS / "explanation" / "hierarchical.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, flags=re.S)
    found = [tomllib.loads(block)["hierarchical"] for block in blocks if "beta_sd" in block]
    assert len(found) == 1
    priors, usual = found[0].pop("priors"), Hierarchical()
    assert set(priors) == set(get_args(PriorName))
    assert asdict(Priors.with_scales(priors)) == asdict(Priors())
    assert all(getattr(usual, key) == value for key, value in found[0].items())
    assert set(found[0]) == {"zones", "draws", "target_accept"}


def test_the_phone_pages_numbers_are_the_examples(page):
    rows = pd.read_csv(ROOT / "reports" / "example" / "sensitivity.csv")
    rows = rows[rows["model"] == "trusted_person"]

    def pick(check, variant, quantity):
        keys = (rows["check"] == check, rows["variant"] == variant, rows["quantity"] == quantity)
        return rows[keys[0] & keys[1] & keys[2]].iloc[0]

    def gap(check, variant):
        row = pick(check, variant, "risk_difference")
        estimate = points(row["estimate"], signed=True)
        return f"({points(row['lower'])} to {points(row['upper'])})", estimate

    size = pick("phone_composition", "balanced", "ess")["estimate"]
    alike, instead = gap("phone_equivalence", "adjusted"), gap("phone_replaces", "phone")
    person = gap("phone_replaces", "in person")
    power = pick("phone_equivalence", "design effect 1", "smallest_margin")["power"]
    off = pick("tipping_point", "interval reaches zero", "share_off")["estimate"]
    odds = pick("tipping_point", "interval reaches zero", "odds_multiple")["estimate"]
    phone = pick("tipping_point", "phone minus in person", "odds_multiple")
    limits = f"({phone['lower']:.2f} to {phone['upper']:.2f})"
    alarms = pd.read_csv(ROOT / "tests" / "alarms" / "table.csv")
    equal = alarms[~alarms["younger"] & (alarms["method"] == "shipped")]
    equal = equal[equal["judged"] == "adjusted, agree"]
    words = [
        f"are worth {size:.0f}",
        f"{alike[1]} {alike[0]} points",
        f"confirmed ± 6.0 with {100 * power:.0f} % probability",
        f"{instead[1]} {instead[0]} where in person it is {person[1]} {person[0]}",
        f"Here {100 * off:.1f} % of answers, odds times {odds:.2f}",
        f"by phone {phone['estimate']:.2f} {limits}",
        f"{equal['surveys'].sum():,} simulated surveys",
        f"in {100 * equal['alarms'].sum() / equal['surveys'].sum():.2f} % (Monte Carlo",
    ]
    text = flat(page("howto/phone.md"))
    assert [part for part in words if part not in text] == []


def test_validation_is_read_off_the_tests(page):
    """Every script of R has a line, with the tests that read its numbers."""
    text = page("validation.md")
    for path in (ROOT / "tests" / "r" / "fixtures").glob("*.json"):
        assert f"| `{path.stem}.R` |" in text
    (line,) = re.findall(r"\| `matching\.R` .*", text)
    assert "`MatchIt`" in line
    assert "`test_against_r.py`" in line
    assert "1e-8" in line


def test_the_glossary_has_words_that_a_page_can_name(page):
    words = re.findall(r"^### (.+) \{#(.+)\}$", page("glossary.md"), flags=re.M)
    assert len(words) >= 40
    named = {
        anchor
        for path in DOCS.rglob("*.md")
        for anchor in re.findall(r"glossary\.md#([\w-]+)", path.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= {anchor for _, anchor in words}


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert README.count("\n") <= 150
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / unquote(target)).exists(), target
    assert re.findall(r"https?://", README) == []


def test_the_readmes_python_gives_what_stands_below_it():
    code, told = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, flags=re.S).groups()
    assert code.count("\n") <= 14
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102
    assert printed.getvalue() == told


def test_the_readmes_study_is_one(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", README, flags=re.S)
    study, model = block.split("# models/mine/trust.toml\n")
    assert len([line for line in block.splitlines() if line and line[0] != "#"]) <= 11
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    (tmp_path / "trust.toml").write_text(model, encoding="utf-8")
    made = load_study(tmp_path)
    assert [one.name for one in made.models] == ["trust"]
    assert made.models[0].matching.on == ("region",)


SURVEY_PAGE = (DOCS / "survey.md").read_text(encoding="utf-8")
ADDED = SURVEY_PAGE.partition("## 6. Add a question")[2].partition("\n## ")[0]
BLOCKS = [tomllib.loads(one) for one in re.findall(r"```toml\n(.*?)```", ADDED, flags=re.S)]
QUESTIONS = {name: one for block in BLOCKS for name, one in block.get("variables", {}).items()}


LEVELS = {
    "income_codes": ("5", "4", "3", "2", "1"),
    "income_words": ("much lower", "lower", "the same", "higher", "much higher"),
    "trust_short": ("disagree", "neither", "agree"),
    "age_band": ("<30", "30-44", "45-59", "60+"),
}


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    """The study that the page drafts, its membership named, and the survey with a scale more."""
    data = make_example(2007).data
    folder = tmp_path_factory.mktemp("added")
    for name, text in draft_folder(from_dataframe(data), "mine.sav").items():
        named = text.replace('column = "TODO"  #', 'column = "member"  #')
        (folder / name).write_text(named, encoding="utf-8")
    return folder, data.assign(income=np.clip(np.arange(len(data)) % 7, 2, 6) - 1)


def write_added(folder, name, model, headline):
    """Add a block of the page to the study as a reader would."""
    path = folder / "study.toml"
    text = path.read_text(encoding="utf-8")
    block = next(
        part
        for part in re.findall(r"^(\[variables\..*?)(?=^```|^# |\n\n)", ADDED, flags=re.M | re.S)
        if part.startswith(f"[variables.{name}]")
    )
    text = re.sub(r"(?m)^(\[headline\].*)$", rf"\1\n{headline}", text, count=1)
    path.write_text(f"{text}\n{block}", encoding="utf-8")
    (folder / f"{name}.toml").write_text(model, encoding="utf-8")


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_example_of_a_question_is_one_of_a_study(name, drafted, tmp_path):
    """Every block is added to the drafted study, with a model, and read with the survey."""
    folder, data = drafted
    shutil.copytree(folder, tmp_path / "study")
    (model,) = re.findall(r"# models/mine/help.toml\n(.*?)```", ADDED, flags=re.S)
    (line,) = re.findall(r"^help = .*$", ADDED, flags=re.M)
    if QUESTIONS[name].get("column") == "age":  # as a covariate
        model = model.replace('"age"', f'"{name}"').replace('"help"', '"trust"')
        line = ""
    model, line = (text.replace("help", name) for text in (model, line))
    write_added(tmp_path / "study", name, model, line)
    plan = make_plan(tmp_path / "study", data, only=[name])
    codes, levels = plan.survey.codes[name], plan.survey.variables[name].levels
    if name == "help":
        either = (data["trusted_person"] == 1) | (data["neighbours"] == 1)
        assert (codes == 1).sum() == either.sum()
    if name.startswith("income"):
        assert (codes == 4).sum() == (data["income"] == 1).sum() > len(data) / 3
    assert levels == LEVELS.get(name, levels)


def test_the_examples_have_every_key_of_a_question():
    keys = {key for one in QUESTIONS.values() for key in one}
    wanted = {"codes", "yes", "no", "items", "at_least", "collapse", "cuts", "knots", "range"}
    assert wanted <= keys


def test_the_readmes_picture_is_of_the_kept_run(page):
    from PIL import Image

    page("index.md")
    drawings = sys.modules["drawings"]
    kept, drawn = (
        np.asarray(Image.open(one).convert("RGB"), dtype=float)
        for one in (drawings.PICTURE, io.BytesIO(drawings.picture()))
    )
    assert kept.shape == drawn.shape
    assert np.abs(kept - drawn).mean() < 0.5


@pytest.mark.slow
def test_the_book_is_built_strictly_and_asks_no_other_host(tmp_path):
    """Cells of pages are run, anchors are looked up, and nothing is loaded from elsewhere."""
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = [*tmp_path.rglob("*.html")]
    assert len(pages) >= len(PAGES)
    for path in pages:
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"(https?:[^\"]*)", text)
        loaded += re.findall(
            r"<link[^>]*rel=\"(?:stylesheet|preconnect)\"[^>]*(https?:[^\"]*)", text
        )
        assert loaded == [], path
    for path in tmp_path.rglob("*.css"):
        assert re.findall(r"url\(\s*[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem
)
def test_notebooks_run_from_top_to_bottom(path):
    pytest.importorskip("marimo")
    subprocess.run([sys.executable, str(path)], check=True, capture_output=True, timeout=300)
