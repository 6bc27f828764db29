"""The report's text: templates over the tables, with the few functions that they call.

A template says the words; here stand the pivot table, the numbers and the places of figures. Each
check has a template of its own with two macros: `sentence` for the text, `detail` for the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coopgap.core.vocabulary import Check
from coopgap.report import appendix, lookat, methods, paper, values, words
from coopgap.report.data import Answer, Results, by
from coopgap.report.pages import environment, tidy
from coopgap.report.tables import Table, pivot

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from coopgap.report.figures.canvas import Drawing


class Content:
    """What one run's pages are rendered from; `draw` makes a figure where a template places it."""

    def __init__(self, results: Results, draw: Callable[..., Drawing | None] | None = None) -> None:
        self.results = results
        self.draw = draw
        self.drawings: dict[str, Drawing] = {}

    @cached_property
    def templates(self) -> Environment:
        """The templates with this run's functions."""
        made = environment(
            {
                "points": values.points,
                "signed": lambda value: values.points(value, signed=True),
                "percent": values.percent,
                "ratio": values.ratio,
                "count": values.count,
                "number": values.number,
                "p_value": values.p_value,
                "value": values.value_words,
                "quantity": values.quantity_words,
                "interval": lambda row: values.limits_words(row.quantity, row.lower, row.upper),
                "gap": values.row_words,
                "kind": lambda row: values.interval_name(row.interval_prob, row.interval_kind),
                "at": self.at,
                "category_of": lambda category, answer: self.at(answer, category),
                "label": self.results.label,
                "group": self.results.group,
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
                "outside": outside,
                "table": self.table,
                "show": show,
                "figure": self.figure,
                "sentence": self.sentence,
                "detail": self.detail,
            }
        )
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
            "used": methods.Used(results=self.results),
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
        from markupsafe import Markup

        from coopgap.report.pages import escape_markdown

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
        from markupsafe import Markup

        rows = [row for row in answer.check(check) if row.quantity]
        if not rows:
            return Markup("")
        module = self.templates.get_template(f"checks/{check}.md.j2").module
        return Markup(getattr(module, part)(answer, rows)).strip()


def show(table: Table) -> Markup:
    """A table as Markdown that needs no escape."""
    from markupsafe import Markup

    return Markup(table.markdown())


def some(rows: Iterable[Any], **fields: Any) -> list[Any]:
    """Rows whose fields have these values; a tuple allows any of its members."""
    wanted = {name: one if isinstance(one, tuple) else (one,) for name, one in fields.items()}
    return [row for row in rows if all(getattr(row, name) in wanted[name] for name in wanted)]


def largest(rows: Iterable[Any]) -> list[Any]:
    """Rows with a number, those farthest from zero first."""
    told = [row for row in rows if row.estimate is not None]
    return sorted(told, key=lambda row: -abs(row.estimate))


def outside(rows: Iterable[Any]) -> list[Any]:
    """Rows whose interval does not hold what was observed."""
    return [row for row in rows if not row.lower <= row.threshold <= row.upper]
