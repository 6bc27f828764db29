"""What a run says in a terminal and at a prompt: its headlines, and where the report is."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coopgap.core.vocabulary import Quantity
from coopgap.report import lookat, words
from coopgap.report.data import Answer, Results
from coopgap.report.words import capital, clean

_WIDTH = 120
"""Columns where there is no terminal to ask."""


def _cells(answer: Answer) -> Iterator[str]:
    row = answer.headline
    yield answer.title
    yield words.percent(answer.share(""))
    yield words.percent(answer.share("comparison"))
    if row is None:
        yield from ("not estimated", "")
    else:
        # A probability of superiority is no gap in points and keeps its sign of percent.
        of = "superiority " if row.quantity == Quantity.SUPERIORITY else ""
        yield of + words.estimate_words(row.quantity, row.estimate, status=row.status)
        yield words.limits_words(row.quantity, row.lower, row.upper)
    yield lookat.doubts(answer) or words.DASH


def _table(results: Results) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    rows = [one.headline for one in results.headlines]
    probs = {row.interval_prob for row in rows if row is not None and row.interval_prob}
    interval = words.interval_name(probs.pop(), None) if len(probs) == 1 else "interval"
    sides = (capital(results.members), capital(results.others))
    for number, head in enumerate(("Outcome", *sides, "Gap, points", interval, "Look at")):
        is_number = 0 < number < 5
        table.add_column(Text(head), justify="right" if is_number else "left")
    for answer in results.headlines:
        table.add_row(*(Text(cell) for cell in _cells(answer)))
    return table


def _print(results: Results, console: Console) -> None:
    if not results.answers:
        return
    if results.mark:
        console.print(Text(f"{results.mark}: no finding about anybody", style="bold yellow"))
    console.print(_table(results))


def _plain_text(results: Results) -> str:
    """The headlines without colour, for a pipe and a prompt."""
    file = io.StringIO()
    _print(results, Console(file=file, width=_WIDTH, highlight=False, color_system=None))
    lines = (line.rstrip() for line in file.getvalue().splitlines())
    return "\n".join(line for line in lines if line)


def show_headlines(results: Results) -> None:
    """Print the headlines on stderr: in colour on a terminal that has it, plain in a pipe."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        _print(results, console)
    elif results.answers:
        print(_plain_text(results), file=sys.stderr)


def run_text(results: Results) -> str:
    """A run in a few lines, for a prompt."""
    models = len(results.answers)
    head = f"Run of {clean(results.study.title)}: {models} {'model' if models == 1 else 'models'}"
    return f"{head}\n{_plain_text(results)}".rstrip()


def paths_to_tell(folder: Path, written: Sequence[Path], *, verbose: bool) -> list[Path]:
    """Paths for stdout: the report's, the folder's where no page was written; all of them."""
    if verbose:
        return list(written)
    pages = [path for name in ("report.html", "report.md") for path in written if path.name == name]
    return [*pages[:1]] or [folder]
