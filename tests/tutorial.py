"""The tutorial in a fresh environment from a wheel: `make tutorial`, or `python tests/tutorial.py`.

Every command and every line of Python that `docs/tutorial.md` shows is run, in the order of the
page, in an empty folder far from the repository. It says what was installed and how large it is.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorial.md"
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
SIZE = """
import importlib.metadata as found
sizes = {
    one.name: sum(p.stat().st_size for f in one.files or () if (p := one.locate_file(f)).is_file())
    for one in found.distributions()
}
sizes.pop("pip", None)
print(f"{len(sizes)} distributions, {sum(sizes.values()) / 1e6:,.0f} MB")
"""


def steps() -> Iterator[list[str]]:
    """Arguments of the interpreter for each step of the page."""
    text = PAGE.read_text(encoding="utf-8")
    for kind, code in re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", text, flags=re.M | re.S):
        if kind == "python":
            yield ["-c", code]
        for line in code.splitlines() if kind in ("", "console") else ():
            program, *arguments = shlex.split(line.removeprefix("$ "))
            if program == "coopgap":
                yield ["-m", "coopgap", *arguments]


def build(folder: Path) -> Path:
    """A wheel of the checkout."""
    subprocess.run([sys.executable, *PIP, "wheel", "--no-deps", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("coopgap-*.whl")
    return wheel


def follow(python: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> None:
    """Carry out each step in a folder; a step ends with 0, or with 3 where rows are withheld."""
    for arguments in steps():
        done = subprocess.run(
            [*python, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{arguments}: exit {done.returncode}\n{done.stderr}")
        print(done.stdout, end="")


def main() -> None:
    """Make the environment, install the wheel, go through the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "env", with_pip=True)
        python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
        pins = ("-c", ROOT / "constraints.txt")
        subprocess.run([python, *PIP, "install", *pins, build(folder)], check=True)
        subprocess.run([python, "-c", SIZE], check=True)
        empty = folder / "empty"
        empty.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        follow([python, "-P"], empty, kept)
        assert (empty / "reports" / "peru" / "report.html").is_file()


if __name__ == "__main__":
    main()
