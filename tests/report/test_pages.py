"""Markdown and HTML of the report: escapes, headings, ids, links, alternatives of figures."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest

from coopgap.checks.registry import checks
from coopgap.core.estimate import DiagnosticRow, to_frame
from coopgap.core.vocabulary import Check
from coopgap.report.data import make_results
from coopgap.report.figures import draw
from coopgap.report.figures.canvas import drawing_style, svg_text
from coopgap.report.pages import Content, html, html_page
from coopgap.report.words import escape_markdown

from .conftest import FIRST, HOSTILE_TOGETHER

KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "a", "div"),
    *("section", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li", "br"),
    *("strong", "em", "code", "details", "summary", "figure", "figcaption"),
    *("svg", "g", "path", "defs", "use", "text", "tspan", "rect", "clippath"),
}
"""Elements that a page is made of."""


class Elements(HTMLParser):
    """Names and attributes of elements, and what is open at the end."""

    VOID = ("meta", "br", "hr", "img", "use", "link")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag


def page_of(results, draw=draw) -> str:
    content = Content(results, draw)
    with drawing_style():
        text = content.render("report.md.j2")
        drawings = {f"figures/{n}.png": svg_text(one) for n, one in content.drawings.items()}
    return html_page(text, title="A study", drawings=drawings)


@pytest.fixture(scope="module")
def page(build):
    return page_of(make_results(build.pooled(), build.study(), build.meta()))


def test_elements_are_closed_in_order(page):
    assert Elements(page).open == []


def test_headings_go_down_one_level_at_a_time_and_have_ids(page):
    heads = [(tag, a) for tag, a in Elements(page).found if re.fullmatch("h[1-6]", tag)]
    levels = [int(tag[1]) for tag, _ in heads]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all(attributes.get("id") for _, attributes in heads)


def test_ids_are_unique_and_every_link_has_its_target(page):
    found = Elements(page).found
    ids = [
        a["id"] for tag, a in found if a.get("id") and tag in ("section", "div", "h1", "h2", "h3")
    ]
    assert len(ids) == len(set(ids))
    links = {a["href"].removeprefix("#") for tag, a in found if tag == "a" and "href" in a}
    assert links
    assert links <= set(ids)


def test_every_figure_has_words_and_says_that_its_data_are_an_example(page):
    found = Elements(page).found
    drawn = [a for tag, a in found if tag == "svg" and a.get("role") == "img"]
    assert len(drawn) == sum(tag == "figure" for tag, _ in found) > 0
    assert all(len(a["aria-label"]) > 20 for a in drawn)
    assert page.count("EXAMPLE DATA") > len(drawn)


def test_nothing_runs_and_nothing_is_fetched(page):
    assert not re.search(r"<script|javascript:|https?://(?!www\.w3\.org)", page.split("<h1")[1])


def test_pages_are_set_for_dark_screens_for_paper_and_for_telephones(page):
    for rule in (
        "prefers-color-scheme: dark",
        "@media print",
        "max-width: 40rem",
        "details-content",
    ):
        assert rule in page


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"model": "agree", "value": 0.28}, "Wild score test: p 0.28."),
        ({"model": "ses", "value": 0.0419, "category": ">=B"}, "Wild score test: p 0.042."),
        ({"model": "ses", "value": 0.0419}, "Wild score test of one odds ratio: p 0.042."),
        ({"model": "ses", "note": "the study declares no zone"}, None),
    ],
)
def test_the_wild_score_test_is_told_beside_the_interval(build, row, said):
    frames = build.frames()
    row = DiagnosticRow(diagnostic="wild_score_p", source="survey.csv", **row)
    added = [frames["diagnostics"], to_frame("diagnostics", [row])]
    frames["diagnostics"] = pd.concat(added, ignore_index=True)
    results = make_results(frames, build.study(), build.meta())
    text = " ".join(Content(results).render("report.md.j2").split())
    assert re.findall(r"Wild score test.*?: p .*?\.(?= )", text) == ([said] if said else [])


@pytest.mark.parametrize(
    ("label", "drawn"),
    [(label, label == HOSTILE_TOGETHER[0]) for label in HOSTILE_TOGETHER],
    ids=FIRST,
)
def test_a_label_is_never_taken_for_markup(build, label, drawn):
    study = build.study((label, label, label, label))
    meta = build.meta() | {"title": label}
    results = make_results(build.hostile(build.pooled(), label), study, meta)
    page = page_of(results, draw if drawn else None)
    elements = Elements(page)
    assert elements.open == []
    assert {tag for tag, _ in elements.found} <= KNOWN
    outside = [a["href"] for tag, a in elements.found if tag == "a" and a["href"][:1] != "#"]
    assert outside == []


def test_a_pipe_or_a_mark_stays_in_its_cell():
    table = f"| a | b |\n| --- | --- |\n| {escape_markdown('x | **y** <b>')} | 2 |\n"
    assert html(table, {}).count("<td") == 2
    assert "x | **y** &lt;b&gt;" in html(table, {})


@pytest.mark.parametrize("check", checks())
def test_every_check_has_a_template_with_a_sentence_and_a_detail(build, check):
    results = make_results(build.frames(), build.study(), build.meta())
    module = Content(results).templates.get_template(f"checks/{check}.md.j2").module
    assert callable(module.sentence)
    assert callable(module.detail)


@pytest.mark.parametrize(("verdict", "said"), [("holds", True), ("not_assessed", False)])
def test_a_gap_that_was_not_assessed_is_not_said_to_hold(build, verdict, said):
    frames = build.frames(printed=False)
    rows = frames["sensitivity"]
    variants = rows["check"] == "variant"
    frames["sensitivity"] = rows.assign(verdict=rows["verdict"].mask(variants, verdict))
    results = make_results(frames, build.study(), build.meta())
    told = Content(results).sentence(results.answers[0], Check.VARIANT)
    assert ("The gap holds" in told) is said
