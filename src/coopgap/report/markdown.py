"""The short report in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from coopgap.report.document import Section
from coopgap.report.page import environment
from coopgap.report.view import View
from coopgap.report.words import clean

__all__ = ["escape_markdown", "markdown_page"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|<>&$~!])")
_LEADING = re.compile(r"^(\d*)([-+.)=])(?=[-=\s]|$)")


def escape_markdown(text: str) -> str:
    """One line of text that Markdown takes for nothing else, inside a table cell too."""
    line = " ".join(clean(text).split())
    return _LEADING.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line).replace(r"\<", "&lt;"))


def markdown_page(view: View, found: Sequence[Section]) -> str:
    """The short report.

    Parameters
    ----------
    view
        The tables.
    found
        The report's sections.
    """
    templates = environment()
    templates.filters["md"] = escape_markdown
    text = templates.get_template("report.md").render(
        title=view.study.title, mark=view.mark, sections=found
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"
