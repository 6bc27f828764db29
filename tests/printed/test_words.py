"""The report on a printed report says nothing of cause but what it quotes."""

from __future__ import annotations

import pytest
from matplotlib.text import Text

from coopgap.estimate import TABLES, to_frame
from coopgap.printed.registry import SHIPPED
from coopgap.printed.rows import printed_rows
from coopgap.report.figures.canvas import drawing_style
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
    assert last.text.startswith("Words of cause stand only in quotations")
    assert "that no gap carries" not in html_page(view, {"printed_gaps": ""}, sections)


def test_figures(made):
    result, view = made
    # A label cut to its room: the report's heading Social Benefits to Cooperative Members.
    quoted = registry_words(result.registry) | {"social benefits to cooperativ…"}
    with drawing_style():
        for drawing in printed_shape(result).drawings(view):
            texts = [one.get_text() for one in drawing.figure.findobj(Text)]
            assert words(" | ".join([drawing.alt, *texts]), quoted) == [], drawing.name


def test_notes_of_every_row(made):
    result, _ = made
    quoted = registry_words(result.registry)
    notes = [row.note for row in (*result.sensitivity, *result.diagnostics)]
    assert all(words(note, quoted) == [] for note in notes)


def test_a_report_that_says_more_is_told_on(made):
    result, view = made
    sections = printed_shape(result).sections(view, ())
    assert "that no gap carries" in quoted_words((), sections, "nobody")
