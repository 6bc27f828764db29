"""The report's one text in Markdown, and the HTML page that is set from it.

Words stand in the templates. Whatever a template puts in is escaped, so that a label is never taken
for Markdown or HTML; what a template itself says is taken as written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from coopgap.report.words import clean

if TYPE_CHECKING:
    from jinja2 import Environment
    from markdown_it.token import Token

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|>&$~!])")
_LEADING = re.compile(r"^(\d*)([-+.)=])(?=[-=\s]|$)")
_BLANKS = re.compile(r"\n{3,}")
_STACKED = 4
"""Columns from which a table is set as one card a row on a narrow screen."""


def escape_markdown(text: str) -> str:
    """One line of text that Markdown takes for nothing else, inside a table cell too."""
    line = re.sub(r"[ \t\r\n]+", " ", clean(text)).strip(" \t\r\n")
    return _LEADING.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line).replace("<", "&lt;"))


def environment(filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Templates of this package; `filters` are what they call, as filters and by their names."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finish(value: object) -> object:
        if value is None:
            return ""
        if isinstance(value, Markup):
            return value
        text = str(value)
        first, last = (" " if end.isspace() else "" for end in (text[:1], text[-1:]))
        return Markup(f"{first}{escape_markdown(text)}{last}" if text.strip() else text)

    made = Environment(
        loader=PackageLoader("coopgap.report", "templates"),
        autoescape=True,
        finalize=finish,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do"],
    )
    made.filters.update(filters)
    made.globals.update(filters)
    return made


def tidy(text: str) -> str:
    """Markdown without the empty lines that templates leave."""
    lines = (line.rstrip() for line in text.splitlines())
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip() + "\n"


def html_page(text: str, *, title: str, drawings: Mapping[str, str]) -> str:
    """A self-contained page: no script, nothing fetched; drawings are SVG by the text's paths."""
    from html import escape

    page = _template("page.html")
    parts = {"title": escape(title), "style": _template("style.css"), "body": html(text, drawings)}
    return re.sub(r"@@(\w+)@@", lambda found: parts[found[1]], page)


def html_fragment(text: str, drawings: Mapping[str, str]) -> str:
    """The same for a notebook: a fragment with its style."""
    return (
        f'<div class="coopgap"><style>{_template("style.css")}</style>{html(text, drawings)}</div>'
    )


def _template(name: str) -> str:
    from importlib.resources import files

    return (files("coopgap.report") / "templates" / name).read_text(encoding="utf-8")


def html(text: str, drawings: Mapping[str, str]) -> str:
    """Markdown of a report as HTML."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(text)
    _name_headings(tokens, set(re.findall(r'id="([^"]+)"', text)))
    _set_tables(tokens)
    _set_figures(tokens, drawings)
    return str(parser.renderer.render(tokens, parser.options, {}))


def _name_headings(tokens: list[Token], used: set[str]) -> None:
    """Give every heading an id that nothing else has."""
    for number, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        plain = re.sub(r"[^a-z0-9]+", "-", tokens[number + 1].content.lower()).strip("-")
        base = name = plain or "section"
        count = 1
        while name in used:
            count += 1
            name = f"{base}-{count}"
        used.add(name)
        token.attrSet("id", name)


def _set_tables(tokens: list[Token]) -> None:
    """Captions inside their tables, row heads, column names at cells, room to scroll."""
    heads: list[str] = []
    caption = ""
    column = 0
    in_head = False
    for number, token in enumerate(tokens):
        match token.type:
            case "table_open":
                heads, in_head = [], True
                caption = _caption(tokens, number)
            case "thead_close":
                in_head = False
                wide = len(heads) > _STACKED
                _wrap(tokens, number, caption, wide=wide)
            case "tr_open":
                column = 0
            case "th_open":
                token.attrSet("scope", "col")
                heads.append(_plain(tokens[number + 1]))
            case "td_open" if not in_head:
                token.attrSet("data-label", heads[column])
                column += 1
            case "table_close":
                token.type, token.tag, token.content = "html_block", "", "</table></div>\n"


def _caption(tokens: list[Token], number: int) -> str:
    """Take a paragraph `Table: …` before a table into it."""
    from markdown_it import MarkdownIt

    before = tokens[number - 2] if number > 2 else None
    if before is None or before.type != "inline" or not before.content.startswith("Table: "):
        return ""
    for one in (tokens[number - 3], tokens[number - 1]):
        one.hidden = True
    before.children = []
    return str(MarkdownIt("commonmark").renderInline(before.content.removeprefix("Table: ")))


def _wrap(tokens: list[Token], number: int, caption: str, *, wide: bool) -> None:
    start = next(n for n in range(number, -1, -1) if tokens[n].type == "table_open")
    token = tokens[start]
    label = re.sub(r"<[^>]*>", "", caption) or "Table"
    kind = ' class="stack"' if wide else ""
    shown = f"<caption>{caption}</caption>" if caption else ""
    token.type, token.tag = "html_block", ""
    token.content = (
        f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table{kind}>{shown}\n'
    )


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or [])


def _set_figures(tokens: list[Token], drawings: Mapping[str, str]) -> None:
    """Put drawings in the place of the images that stand for them."""
    from html import escape

    for number, token in enumerate(tokens):
        if token.type != "inline" or not token.children or token.children[0].type != "image":
            continue
        image = token.children[0]
        svg = drawings.get(str(image.attrGet("src")))
        if svg is None:
            continue
        caption = escape(str(image.attrGet("title") or ""))
        below = f"<figcaption>{caption}</figcaption>" if caption else ""
        token.type, token.children = "html_block", None
        token.content = f'<figure><div class="wide">{svg}</div>{below}</figure>\n'
        tokens[number - 1].hidden = tokens[number + 1].hidden = True
