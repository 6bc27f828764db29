"""No word of cause in anything coopgap says: templates, labels, figures, reports, its own code."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from matplotlib.text import Text

import coopgap
from coopgap.report.document import Paragraph, Section
from coopgap.report.figures.canvas import drawing_style
from coopgap.report.figures.draw import drawings
from coopgap.report.markdown import markdown_page
from coopgap.report.page import html_page, sections
from coopgap.report.view import make_view
from coopgap.report.wording import causal_language, own_words, wording_words
from coopgap.study.load import load_study, shipped_studies

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "coopgap"
NAMED = {
    # The titles of works cited, and what a report is quoted with.
    "Journal of Causal Inference",
    "Improved estimation in cumulative link models",
    "an improved R-hat",
    "Nonparametric bounds on treatment effects",
    "Social Benefits to Cooperative Members",
    "the section on social benefits",
}


def words(text, quoted=()):
    return [found.word.lower() for found in causal_language(text, quoted)]


@pytest.mark.parametrize(
    "text",
    [
        "The effect of membership is 5 points.",
        "Membership has an impact on trust",
        "members benefit from it",
        "Trust is higher due to membership",
        "which leads to more trust",
        "caused by the co-operative",
        "Co-operatives improve lives",
        "a causal estimate",
        "can be attributed to membership",
        "membership results in a higher class",
        "more trust thanks to the co-operative",
        "Membership raises trust",
        "joining increases income",
        "They trust more because they joined",
    ],
)
def test_a_word_of_cause_is_found(text):
    assert len(words(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Under a design effect of 1.5 the conclusion holds.",
        "the effective sample size",
        "This is an association, never a causal effect.",
        "no effects are claimed",
        "because members are older",
        "the gap is the difference, adjusted for age",
        "fixed effects of sets",
    ],
)
def test_allowed_contexts_are_no_finding(text):
    assert words(text) == []


def test_a_quotation_is_somebody_elses_word():
    label = "Economic situation improved due to membership"
    text = f"Share who agree: economic situation improved due to membership. {label}!"
    assert words(text, [label]) == []
    assert words(f"{text} It improved.", [label]) == ["improved"]


def test_a_label_of_one_word_hides_it_only_where_it_stands_alone_or_in_quotation_marks():
    quoted = ("Impact", "impact on trust")
    assert words("Impact", quoted) == []
    assert words(" impact ", quoted) == []
    assert words("The gap in “Impact” is 5 points.", quoted) == []
    assert words("Membership has an impact of 5 points.", quoted) == ["impact"]
    assert words("“Impact” is the impact of membership.", quoted) == ["impact"]
    assert words("What people say of impact on trust", quoted) == []


def test_the_run_details_name_a_word_that_slipped_in():
    study = replace(load_study("uganda_dairy"), title="Dairy")
    bad = Section(title="T", anchor="t", blocks=(Paragraph(text="It had an impact."),))
    good = replace(bad, blocks=(Paragraph(text="It had a gap."),))
    assert "impact" in wording_words(study, [good, bad])
    assert wording_words(study, [good]) == "no words of cause"
    titled = replace(study, title="Impact study")
    quoted = replace(bad, blocks=(Paragraph(text="Impact study"),))
    assert wording_words(titled, [quoted]).startswith("words of cause stand only in quotations")


@pytest.mark.parametrize("name", shipped_studies())
def test_labels_that_are_shipped(name):
    study = load_study(name)
    assert own_words(replace(study, printed=None)) == frozenset()


def test_templates():
    for path in (SOURCE / "report" / "templates").iterdir():
        assert words(path.read_text(encoding="utf-8")) == [], path.name


def literals(tree):
    """Every text of a module but its docstrings, whose references carry titles."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def names(tree):
    for node in ast.walk(tree):
        for field in ("name", "arg", "id", "attr"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield value.replace("_", " ")


def test_texts_and_names_of_the_package():
    rule = SOURCE / "report" / "wording.py"
    found = [
        (path.relative_to(SOURCE).as_posix(), text)
        for path in sorted(SOURCE.rglob("*.py"))
        if path != rule
        for tree in [ast.parse(path.read_text(encoding="utf-8"))]
        for text in (*literals(tree), *names(tree))
        if words(text, NAMED)
    ]
    assert found == []


def test_comments_docstrings_and_the_pages_beside_the_code():
    rule = SOURCE / "report" / "wording.py"
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    found = [
        (path.name, word)
        for path in (*sorted(SOURCE.rglob("*.py")), *pages)
        if path != rule
        for word in causal_language(path.read_text(encoding="utf-8"), NAMED)
    ]
    assert found == []


@pytest.fixture(scope="module")
def view():
    run = coopgap.run("peru", only=["trusted_person", "neighbours"], checks="full")
    return make_view(run.frames, run.study, run.meta)


def visible(html):
    """Text of a page, without drawings and style."""
    html = re.sub(r"<(svg|style)\b.*?</\1>", " ", html, flags=re.S)
    return unescape(re.sub(r"<[^>]+>", " ", html))


def test_a_rendered_report(view):
    quoted = own_words(view.study)
    assert any("due to membership" in text for text in quoted)
    found = sections(view, ())
    for text in (visible(html_page(view, {}, found)), markdown_page(view, found)):
        assert words(text, quoted | {"words of cause"}) == []
    assert sections(view, ())[-1].blocks[-1].rows[-1][1].startswith("words of cause stand only in")


def test_figures(view):
    quoted = own_words(view.study)
    with drawing_style():
        for drawing in drawings(view):
            texts = [one.get_text() for one in drawing.figure.findobj(Text)]
            assert words(" | ".join([drawing.alt, *texts]), quoted) == [], drawing.name
