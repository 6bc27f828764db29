"""The report's one text in Markdown, from templates over the tables, and the HTML page set from it.

Words stand in the templates. Whatever a template puts in is escaped, so that a label is never taken
for Markdown or HTML; what a template itself says is taken as written. Each check has a template of
its own with two macros: `sentence` for the text, `detail` for the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from coopgap.core.vocabulary import Check
from coopgap.report import appendix, lookat, paper, words
from coopgap.report.data import Answer, Results, by
from coopgap.report.figures.canvas import Drawing
from coopgap.report.tables import Table, pivot
from coopgap.report.words import escape_markdown


class Content:
    """What one run's pages are rendered from; `draw` makes a figure where a template places it."""

    def __init__(self, results: Results, draw: Callable[..., Drawing | None] | None = None) -> None:
        self.results = results
        self.draw = draw
        self.drawings: dict[str, Drawing] = {}

    @cached_property
    def templates(self) -> Environment:
        """The templates with this run's functions, as filters and by their names."""
        made = Environment(
            loader=PackageLoader("coopgap.report", "templates"),
            autoescape=True,
            auto_reload=False,
            finalize=_escaped,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=["jinja2.ext.do"],
        )
        functions = {
            **_FUNCTIONS,
            "at": self.at,
            "category_of": lambda category, answer: self.at(answer, category),
            "label": self.results.label,
            "label_inside": self.results.label_inside,
            "group": self.results.group,
            "table": self.table,
            "figure": self.figure,
            "sentence": self.sentence,
            "detail": self.detail,
        }
        made.filters |= functions
        made.globals |= functions
        made.tests["headline_of"] = lambda row, answer: answer.is_headline(row)
        made.globals |= {
            "run": self.results,
            "meta": self.results.meta,
            "study": self.results.study,
            "members": self.results.members,
            "others": self.results.others,
            "lookat": lookat,
            "paper": paper,
            "appendix": appendix,
            "used": appendix.Used(results=self.results),
            "Check": Check,
        }
        return made

    def render(self, name: str, **context: Any) -> str:
        """One template as Markdown."""
        return tidy(self.templates.get_template(name).render(**context))

    def at(self, answer: Answer, category: str | None = None) -> str:
        """A threshold of an outcome in words; empty over the whole distribution."""
        return words.category_words(
            answer.first.category if category is None else category, answer.levels
        )

    def table(self, rows: Sequence[Any], **how: Any) -> Markup:
        """Rows set out by `pivot`."""
        return show(pivot(self.results, rows, **how))

    def figure(
        self, name: str, answer: Answer | None = None, caption: str = "", *, real: bool = False
    ) -> Markup:
        """The place of a figure; nothing where there is nothing to draw; `real` bears no mark."""
        drawing = self.draw(name, self.results, answer) if self.draw else None
        if drawing is None:
            return Markup("")
        self.drawings[drawing.name] = drawing
        mark = f"{self.results.mark}. " if self.results.mark and not real else ""
        told = escape_markdown(f"{mark}{caption}" if caption else "").replace('"', "&quot;")
        title = f' "{told}"' if told else ""
        return Markup(f"\n![{escape_markdown(drawing.alt)}](figures/{drawing.name}.png{title})\n")

    def sentence(self, answer: Answer, check: str) -> Markup:
        """What one check found for a model, in words; empty where it found nothing."""
        return self._of_check("sentence", answer, check)

    def detail(self, answer: Answer, check: str) -> Markup:
        """The evidence of one check: its table and figure."""
        return self._of_check("detail", answer, check)

    def _of_check(self, part: str, answer: Answer, check: str) -> Markup:
        rows = [row for row in answer.check(check) if row.quantity]
        if not rows:
            return Markup("")
        module = self.templates.get_template(f"checks/{check}.md.j2").module
        return Markup(getattr(module, part)(answer, rows)).strip()


def show(table: Table) -> Markup:
    """A table as Markdown that needs no escape."""
    return Markup(table.markdown())


def some(rows: Iterable[Any], **fields: Any) -> list[Any]:
    """Rows whose fields have these values; a tuple allows any of its members."""
    wanted = {name: one if isinstance(one, tuple) else (one,) for name, one in fields.items()}
    return [row for row in rows if all(getattr(row, name) in wanted[name] for name in wanted)]


def largest(rows: Iterable[Any]) -> list[Any]:
    """Rows with a number, those farthest from zero first."""
    told = [row for row in rows if row.estimate is not None]
    return sorted(told, key=lambda row: -abs(row.estimate))


_BLANKS = re.compile(r"\n{3,}")
_STACKED = 4
"""Columns from which a table is set as one card a row on a narrow screen."""


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "points": words.points,
    "signed": lambda value: words.points(value, signed=True),
    "percent": words.percent,
    "ratio": words.ratio,
    "count": words.count,
    "number": words.number,
    "p_value": words.p_value,
    "value": words.value_words,
    "quantity": words.quantity_words,
    "interval": lambda row: words.limits_words(row.quantity, row.lower, row.upper),
    "gap": words.row_words,
    "kind": lambda row: words.interval_name(row.interval_prob, row.interval_kind),
    "joined": words.joined,
    "capital": words.capital,
    "family": words.family_words,
    "population": words.population_words,
    "version": words.version_words,
    "verdict": words.verdict_words,
    "status": words.status_word,
    "title": words.check_title,
    "imbalance": lookat.imbalance,
    "gate_words": appendix.gate_words,
    "by": by,
    "some": some,
    "at_first": lambda answer, rows: [row for row in rows if answer.is_first(row)],
    "head": lambda rows: next(iter(rows), None),
    "largest": largest,
    "show": show,
}
"""What templates call, whatever the run."""


def _escaped(value: object) -> object:
    """What a template puts in, escaped unless it is Markdown already."""
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    text = str(value)
    first, last = (" " if end.isspace() else "" for end in (text[:1], text[-1:]))
    return Markup(f"{first}{escape_markdown(text)}{last}" if text.strip() else text)


def tidy(text: str) -> str:
    """Markdown without the empty lines that templates leave."""
    lines = (line.rstrip() for line in text.splitlines())
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip() + "\n"


def html_page(text: str, *, title: str, drawings: Mapping[str, str]) -> str:
    """A self-contained page: no script, nothing fetched; drawings are SVG by the text's paths."""
    page = _template("page.html")
    parts = {"title": escape(title), "style": _template("style.css"), "body": html(text, drawings)}
    return re.sub(r"@@(\w+)@@", lambda found: parts[found[1]], page)


def html_fragment(text: str, drawings: Mapping[str, str]) -> str:
    """The same for a notebook: a fragment with its style."""
    return (
        f'<div class="coopgap"><style>{_template("style.css")}</style>{html(text, drawings)}</div>'
    )


def _template(name: str) -> str:
    return (files("coopgap.report") / "templates" / name).read_text(encoding="utf-8")


def html(text: str, drawings: Mapping[str, str]) -> str:
    """Markdown of a report as HTML."""
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
