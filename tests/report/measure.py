"""How long a page is: words, tables and figures, open and in closed details; its height in pixels.

`python tests/report/measure.py report.html …` prints a line a page.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

_SILENT = {"style", "svg", "title", "script"}


@dataclass
class Size:
    """Counts by where they stand: `open`, `closed`, and open words by section."""

    words: Counter[str] = field(default_factory=Counter)
    tables: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    sections: Counter[str] = field(default_factory=Counter)


class _Counter(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.size, self.details, self.silent, self.summary = Size(), 0, 0, 0
        self.section = ["summary"]

    @property
    def where(self) -> str:
        return "closed" if self.details and not (self.details == 1 and self.summary) else "open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.details += tag == "details"
        self.silent += tag in _SILENT
        self.summary += tag == "summary"
        if tag == "section":
            self.section.append(dict(attrs).get("id") or "")
        self.size.tables[self.where] += tag == "table"
        self.size.figures[self.where] += tag == "figure"

    def handle_endtag(self, tag: str) -> None:
        self.details -= tag == "details"
        self.silent -= tag in _SILENT
        self.summary -= tag == "summary"
        if tag == "section":
            self.section.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent:
            n = len(data.split())
            self.size.words[self.where] += n
            if self.where == "open":
                self.size.sections[self.section[-1]] += n


def measure(page: str) -> Size:
    """Count what a page holds."""
    counter = _Counter()
    counter.feed(page)
    return counter.size


def browser() -> str | None:
    """A headless Chromium, where there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


_PROBE = """<script>
const begin = (name) => Math.round(
  (document.querySelector(name) || document.body).getBoundingClientRect().top);
addEventListener("load", () => { document.title = JSON.stringify({
  height: document.documentElement.scrollHeight, width: document.documentElement.scrollWidth,
  headline: begin("figure"), summary: begin("section")
}); });</script>"""


def pixels(page: str, width: int) -> dict[str, int]:
    """Height and width that a page takes at a width of the window, and where its parts begin."""
    frame = '<iframe style="border:0;width:{}px;height:900px" src="page.html"></iframe>'
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "page.html").write_text(page + _PROBE, encoding="utf-8")
        outer = Path(folder) / "outer.html"
        # A headless window is never narrower than 500 pixels; a frame is as narrow as it is told.
        outer.write_text(
            "<body style=margin:0>" + frame.format(width) + "<script>addEventListener('load', () =>"
            " setTimeout(() => { document.body.textContent ="
            " document.querySelector('iframe').contentDocument.title; }, 300))</script>",
            encoding="utf-8",
        )
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
        command = [str(browser()), *flags, "--virtual-time-budget=4000", "--dump-dom", str(outer)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    text = re.search(r"\{[^{}]*\}", found.stdout)
    assert text is not None, found.stdout[:300]
    sizes: dict[str, int] = json.loads(text[0])
    return sizes


def main(paths: list[str]) -> None:
    """Print the sizes of pages."""
    for path in paths:
        page = Path(path).read_text(encoding="utf-8")
        size = measure(page)
        print(path, *(f"{k}: {dict(v)}" for k, v in vars(size).items()), sep="\n  ")
        if browser():
            print("  pixels", {width: pixels(page, width) for width in (1200, 390)})


if __name__ == "__main__":
    main(sys.argv[1:])
