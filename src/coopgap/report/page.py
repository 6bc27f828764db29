"""The report as one document, and as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from coopgap.report.content.checks import checks_section
from coopgap.report.content.closing import association_section, details_section, methods_section
from coopgap.report.content.compared import compared_section
from coopgap.report.content.gaps import gaps_section
from coopgap.report.content.phone import phone_section
from coopgap.report.content.printed import printed_section
from coopgap.report.content.regions import regions_section
from coopgap.report.content.says import says_section
from coopgap.report.document import Section
from coopgap.report.view import View
from coopgap.report.wording import wording_words
from coopgap.report.words import clean

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["environment", "html_page", "sections"]


def sections(view: View, drawn: Sequence[str], figures: Sequence[str] = ()) -> list[Section]:
    """Every section of the report, printed numbers first.

    Parameters
    ----------
    view
        The tables.
    drawn
        Names of the figures that exist.
    figures
        Texts in the figures, for the rule on words.
    """
    found = (
        printed_section(view),
        says_section(view),
        gaps_section(view, drawn),
        regions_section(view, drawn),
        compared_section(view, drawn),
        phone_section(view, drawn),
        checks_section(view, drawn),
        association_section(view),
        methods_section(view),
    )
    told = [section for section in found if section is not None]
    return [*told, details_section(view, wording_words(view.study, told, figures))]


def environment() -> Environment:
    """Templates of this package; whatever is put into HTML is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("coopgap.report", "templates"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def html_page(view: View, figures: Mapping[str, str], found: Sequence[Section]) -> str:
    """A self-contained page: no script, nothing fetched.

    Parameters
    ----------
    view
        The tables.
    figures
        Inline SVG by figure name.
    found
        The report's sections.
    """
    from markupsafe import Markup

    drawings = {name: Markup(svg) for name, svg in figures.items()}
    return (
        environment()
        .get_template("report.html")
        .render(
            title=clean(view.study.title),
            mark=view.mark,
            sections=found,
            drawings=drawings,
            meta=view.meta,
        )
    )
