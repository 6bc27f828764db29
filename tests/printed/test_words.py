"""The report on a printed report says nothing of cause but what it quotes."""

from __future__ import annotations

import re
from html import unescape

import pytest

from coopgap.estimate import TABLES, to_frame
from coopgap.printed.__main__ import main
from coopgap.printed.registry import SHIPPED
from coopgap.printed.rows import printed_rows
from coopgap.printed.run import find_registry
from coopgap.report.document import Paragraph
from coopgap.report.figures.canvas import drawing_style, drawn_words
from coopgap.report.markdown import markdown_page
from coopgap.report.page import html_page
from coopgap.report.printed_shape import printed_shape, printed_study
from coopgap.report.view import make_view
from coopgap.report.wording import causal_language, quoted_words, registry_words


@pytest.fixture(scope="module", params=SHIPPED)
def made(request):
    result = printed_rows(request.param)
    frames = {name: to_frame(name, getattr(result, name)) for name in TABLES}
    study = printed_study(result.registry, "What the numbers hold")
    return result, make_view(frames, study, {})


def words(text, quoted):
    return [found.word for found in causal_language(text, quoted)]


def test_sections_say_so_themselves(made):
    result, view = made
    sections = printed_shape(result).sections(view, ("printed_gaps",))
    last = sections[-1].blocks[-1]
    assert last.lead == "Wording."
    said = r"Words of cause stand only in the printed report's own words: \d+ texts?\."
    assert re.fullmatch(said, last.text)
    assert len(last.text) < 100


def test_pages(made):
    result, view = made
    quoted = registry_words(result.registry)
    sections = printed_shape(result).sections(view, ("printed_gaps",))
    html = re.sub(r"<style\b.*?</style>", " ", html_page(view, {"printed_gaps": ""}, sections))
    html = re.sub(r"</?(?:b|strong|span)\b[^>]*>", "", html)
    assert words(unescape(re.sub(r"<[^>]+>", " | ", html)), quoted) == []
    assert words(markdown_page(view, sections), quoted) == []


def test_figures(made):
    result, view = made
    quoted = registry_words(result.registry)
    with drawing_style():
        for drawing in printed_shape(result).drawings(view):
            assert words(" | ".join(drawn_words(drawing)), quoted) == [], drawing.name


def test_notes_of_every_row(made):
    result, _ = made
    quoted = registry_words(result.registry)
    notes = [row.note for row in (*result.sensitivity, *result.diagnostics)]
    assert all(words(note, quoted) == [] for note in notes)


def test_a_report_that_says_more_is_told_on(made):
    result, view = made
    sections = printed_shape(result).sections(view, ())
    assert "that no gap carries" in quoted_words((), sections, "nobody")


def test_a_figure_that_says_more_is_told_on(made):
    result, view = made
    sections = printed_shape(result).sections(view, (), ("trust that membership creates",))
    last = sections[-1].blocks[-1]
    assert isinstance(last, Paragraph)
    assert "no gap carries: “trust that membership creates”" in last.text


@pytest.mark.parametrize("name", SHIPPED)
def test_titles_and_what_the_command_prints(name, tmp_path, capsys):
    registry, title, _ = find_registry(name)
    assert words(title, {"What Difference Do Cooperatives Make?"}) == []
    main([name, "--out", str(tmp_path / "out"), "--formats", "csv"])
    printed = capsys.readouterr()
    said = (printed.out + printed.err).replace(str(tmp_path), "")
    assert said
    assert words(said, registry_words(registry)) == []
