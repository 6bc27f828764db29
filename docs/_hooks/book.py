"""How pages of the book come by their numbers: MkDocs calls this file while it builds.

A page is Markdown with two additions. `{{ … }}` is an expression over the functions of the other
files here, which read committed tables or the code. A fence that opens with `run` is carried out in
a folder of its own, and what it gives stands below it: Python in one namespace a page, `console`
lines as commands of coopgap.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import drawings  # noqa: E402
import reference  # noqa: E402
import tables  # noqa: E402
import validation  # noqa: E402

FENCE = re.compile(
    r"^```(?P<kind>python|console) run(?: (?P<options>[^\n]*))?\n(?P<code>.*?)^```$", re.M | re.S
)
FIGURES = ROOT / "reports" / "example" / "figures"
_WORK = tempfile.TemporaryDirectory(prefix="coopgap-book-")


def render(text: str, page: str = "", *, cells: bool = True) -> str:
    """A page's Markdown with its expressions worked out and, unless told not to, its cells run."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.globals.update(tables.FUNCTIONS | reference.FUNCTIONS | validation.FUNCTIONS)
    environment.filters.update(tables.WORDS)
    up = "../" * page.count("/")
    environment.globals["drawn"] = partial(drawings.drawn, up=up)
    text = environment.from_string(text).render()
    if not cells:
        return FENCE.sub(lambda match: f"```{match['kind']}\n{match['code']}```", text)
    namespace: dict[str, Any] = {"__name__": "book"}
    return FENCE.sub(lambda match: _cell(match, page, namespace), text)


def _cell(match: re.Match[str], page: str, namespace: dict[str, Any]) -> str:
    code, options = match["code"], (match["options"] or "").split()
    shown = "" if "hidden" in options else f"```{match['kind']}\n{code}```\n"
    given = _console(code) if match["kind"] == "console" else _python(code, page, namespace)
    if "quiet" in options or not given.strip():
        return shown
    return shown + ("\n" if given.startswith("![") else "") + _clipped(given, options)


def _clipped(given: str, options: list[str]) -> str:
    """What a cell gave, as text; `lines=N` keeps the first ones."""
    if given.startswith("!["):
        return given
    lines = given.rstrip().splitlines()
    most = next((int(one[6:]) for one in options if one.startswith("lines=")), len(lines))
    kept = [line.rstrip() for line in lines[:most]] + (["…"] if len(lines) > most else [])
    return "\n".join(["", "``` {.text .output}", *kept, "```"])


def _console(code: str) -> str:
    """Output of `coopgap` commands, in the folder of the build; one that fails ends the build."""
    given = []
    for line in code.strip().splitlines():
        command = line.removeprefix("$ ").partition("#")[0]
        program, _, rest = command.partition(" ")
        if program != "coopgap":
            raise ValueError(f"a page may run coopgap, not {program}")
        done = subprocess.run(
            f"{sys.executable} -m coopgap {rest}",
            shell=True,
            cwd=_WORK.name,
            env=os.environ | {"COLUMNS": "88", "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{command}: exit {done.returncode}\n{done.stderr}")
        given.append(done.stdout + done.stderr)
    return "".join(given)


def _python(code: str, page: str, namespace: dict[str, Any]) -> str:
    """What a cell prints, and its last expression as a prompt would show it; or a picture."""
    import pandas as pd

    body = ast.parse(code)
    last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    wide = ("display.width", 100, "display.max_columns", 20, "display.precision", 3)
    with (
        contextlib.chdir(_WORK.name),
        contextlib.redirect_stdout(printed),
        pd.option_context(*wide),
    ):
        exec(compile(body, page, "exec"), namespace)  # noqa: S102 - the book's own pages
        if last is not None:
            expression = ast.Expression(last.value)
            value = eval(compile(expression, page, "eval"), namespace)  # noqa: S307
        figure = getattr(value, "figure", value)
        if hasattr(figure, "savefig"):
            return _picture(figure, page)
        if value is not None:
            print(value.to_string() if isinstance(value, pd.DataFrame) else repr(value))
    return printed.getvalue()


def _picture(figure: Any, page: str) -> str:
    """A drawing, kept for the build and shown on the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="#ffffff")
    name = f"assets/made/{page.removesuffix('.md').replace('/', '-')}-{len(drawings.MADE)}.png"
    drawings.MADE[name] = buffer.getvalue()
    return f"![The picture that the lines above draw]({'../' * page.count('/')}{name})"


def on_files(files: Any, config: Any) -> Any:
    """Pictures of committed runs stand in the book without a copy in docs/."""
    from mkdocs.structure.files import File

    for path in sorted(FIGURES.glob("*.png")):
        name = f"assets/example/{path.name}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Work a page out; what its cells drew joins the files of the build."""
    from mkdocs.structure.files import File

    text = render(markdown, page.file.src_uri)
    for name, content in drawings.MADE.items():
        if files.get_file_from_path(name) is None:
            files.append(File.generated(config, name, content=content))
    return text
