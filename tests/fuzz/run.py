"""Try what no test has thought of: `python tests/fuzz/run.py --minutes 5 --seed 1`.

Five parts share the time: survey files with altered bytes through the reader, altered files of
kept draws, kills while an output or draws are saved, sick posteriors at the gate, hostile labels
through every format. A refusal in one line is right; anything else is a fault, printed with the
round that made it. With --write what came of the rounds is kept in table.csv, by seed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat

from coopgap.bayes.gate import SamplerStats
from coopgap.bayes.store import DrawsError, StoredDraws, load_draws, save_draws
from coopgap.core.atomic import check_target
from coopgap.core.errors import SurveyError
from coopgap.report.write import write_report
from coopgap.survey.example import make_example, write_example
from coopgap.survey.read import Limits, read_table

TESTS = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).parent / "table.csv"
FORMATS = ("csv", "sav", "dta", "parquet", "xpt", "sas7bdat", "xlsx")
LIMITS = Limits(memory=4 << 30, seconds=20)

type Round = Callable[[int], str]
"""One try, numbered: what came of it. Raising is a fault."""


def neighbour(path: str) -> ModuleType:
    """A module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), TESTS / f"{path}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def altered(whole: bytes, rng: random.Random) -> bytes:
    """Bytes with bits flipped, a piece cut out, doubled, blanked or moved, or the end missing."""
    content = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(content))
        upto = min(len(content), at + rng.choice((1, 4, 64, 1024)))
        match rng.randrange(7):
            case 0 | 1:
                content[at] ^= 1 << rng.randrange(8)
            case 2:
                content[at:upto] = rng.randbytes(upto - at)
            case 3:
                content[at:upto] = content[at:upto] * 2
            case 4:
                content[at:upto] = bytes(upto - at)
            case 5:
                content[at:upto] = b"9" * rng.choice((20, 400, 6000))
            case _:
                del content[rng.randrange(at, len(content)) :]
        if not content:
            break
    return bytes(content)


def reader(folder: Path, seed: int) -> Iterator[Round]:
    """Survey files: read or refused, in time, never a crash of the parent."""
    data = make_example(200, mode="free", seed=seed).data
    sound = {}
    for kind in FORMATS:
        path = folder / f"sound.{kind}"
        match kind:
            case "xpt":
                pyreadstat.write_xport(data, path)
            case "xlsx":
                data.to_excel(path, index=False)
            case "sas7bdat":  # which no library here writes
                path = TESTS / "survey" / "formats" / "extended.sas7bdat"
            case _:
                write_example(data, path)
        sound[kind] = path.read_bytes()

    def one(number: int) -> str:
        rng = random.Random(f"{seed} {number}")
        kind = FORMATS[number % len(FORMATS)]
        path = folder / f"survey.{kind}"
        path.write_bytes(altered(sound[kind], rng))
        started = time.perf_counter()
        try:
            read_table(path, None, limits=LIMITS)
            found = f"{kind} read"
        except SurveyError as error:
            found = f"{kind} refused" if "\n" not in str(error) else "more than one line"
        assert found != "more than one line"
        assert time.perf_counter() - started < 3 * LIMITS.seconds, "took too long"
        return found

    yield one


def kept_draws(folder: Path, seed: int) -> Iterator[Round]:
    """Files of draws: only the file that was written is taken."""
    rng = np.random.default_rng(seed)
    path = folder / "model.nc"
    draws = {"beta": rng.normal(size=(4, 100)), "region": rng.normal(size=(4, 100, 5))}
    stats = SamplerStats(energy=rng.normal(size=(4, 100)), divergences=0, deepest=0)
    save_draws(path, StoredDraws(digest="a", draws=draws, stats=stats, seconds=1.0, retried=False))
    whole = path.read_bytes()

    def one(number: int) -> str:
        content = altered(whole, random.Random(f"{seed} {number}"))
        path.write_bytes(content)
        try:
            load_draws(path, "a")
        except DrawsError:
            assert content != whole
            return "refused"
        assert content == whole, "an altered file was taken"
        return "as written"

    yield one


SAVE_DRAWS = """
import pathlib, sys
import numpy as np
from coopgap.bayes.gate import SamplerStats
from coopgap.bayes.store import StoredDraws, save_draws
for mark in range(10**6):
    draws = np.full((4, 20_000), float(mark))
    stats = SamplerStats(energy=draws, divergences=mark, deepest=0)
    save_draws(pathlib.Path(sys.argv[1]), StoredDraws(
        digest="a", draws={"beta": draws}, stats=stats, seconds=1.0, retried=False))
    if mark == 0:
        print("ready", flush=True)
"""
"""A program that saves draws without end, each time others; the first take seconds."""


def kills(folder: Path, seed: int) -> Iterator[Round]:
    """What a kill leaves is one whole output, and draws of one time or none."""
    output = neighbour("test_atomic").LOOP
    run_folder, draws = folder / "out", folder / "model.nc"
    whole: set[Path] = set()

    def left() -> str:
        """The folder, and what its files were written as."""
        check_target(run_folder)
        if not run_folder.exists():
            assert run_folder not in whole, "an earlier output is gone"
            return "output, none yet"
        marks = [path.read_text() for path in run_folder.glob("*.txt")]
        assert len(marks) == 20, "files are missing"
        assert len(set(marks)) == 1, "files of two outputs"
        whole.add(run_folder)
        return "output, whole"

    def left_draws() -> str:
        try:
            kept = load_draws(draws, "a")
        except DrawsError:
            return "draws, refused"
        assert (kept.draws["beta"] == kept.stats.divergences).all(), "draws of two times"
        assert (kept.stats.energy == kept.stats.divergences).all(), "draws of two times"
        return "draws, whole"

    def one(number: int) -> str:
        if number % 4 == 3:
            program, place, look = SAVE_DRAWS, draws, left_draws
        else:
            program, place, look = output, run_folder, left
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(place)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.Random(f"{seed} {number}").uniform(0.0, 0.4))
        process.kill()
        process.communicate()
        return look()

    yield one


def posteriors(_folder: Path, seed: int) -> Iterator[Round]:
    """The gate: no sick posterior passes; sound ones that are withheld are counted."""
    made = neighbour("bayes/posteriors")

    def one(number: int) -> str:
        kind, again = number % (len(made.SICK) + 3), 1_000_003 * seed + number
        if kind < len(made.SICK):
            name = [*made.SICK][kind]
            assert not made.sick_passed(name, again), name
            return "sick, withheld"
        rho = list(made.SOUND.values())[kind - len(made.SICK)]
        return "sound, withheld" if made.withheld(rho, 3, again) else "sound, shown"

    yield one


PIECES = (
    *("=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "<script>alert(1)</script>"),
    *("<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "&lt;b&gt;", "]]>", "{{ 7*7 }}"),
    *("[x](javascript:alert(1))", "| a | b |", "```", "# head", "\\input{/etc/passwd}", "$x_$"),
    *("100% \\write18{id}", "~ ^ _ &", "\x00\x07\x1b[31m", "\u202e", "字 é", "'", '"', "\r\n", " "),
)


class _Active(HTMLParser):
    """Elements and attributes that would act."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        acts = (
            name.startswith("on") or (value or "").strip().lower().startswith("javascript:")
            for name, value in attrs
        )
        if tag in ("script", "iframe", "object") or any(acts):
            self.found.append(f"<{tag} {attrs}>")


def labels(folder: Path, seed: int) -> Iterator[Round]:
    """Labels that mean harm stay text in CSV, workbook, HTML, Markdown and TeX."""
    build = neighbour("report/conftest")

    def one(number: int) -> str:
        rng = random.Random(f"{seed} {number}")
        label = "".join(rng.choices(PIECES, k=rng.choice((1, 1, 2, 4)))).strip() or "x"
        frames = build.make_hostile(build.make_frames(), label)
        out = folder / str(number)
        out.mkdir()
        formats = ("csv", "html", "md", "xlsx", "tex")
        study = build.make_study((label,) * 4)
        for path in write_report(frames, study, build.make_meta(), out, formats):
            faults = unsafe(path)
            assert not faults, f"{path.name}: {faults[0]!r} of {label!r}"
        return "text"

    yield one


def unsafe(path: Path) -> list[str]:
    """What a program that opens a file would act on."""
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        cells = (cell for sheet in book for row in sheet.iter_rows() for cell in row)
        return [str(cell.value) for cell in cells if cell.data_type == "f"]
    if path.suffix not in (".csv", ".html", ".md", ".tex"):
        return []
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    if path.suffix == ".csv":
        cells = (cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row)
        number = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?")
        return [x for x in cells if x[:1] in "=+-@\t\r" and x and not number.fullmatch(x)]
    if path.suffix == ".html":
        page = _Active()
        page.feed(text)
        return page.found
    if path.suffix == ".md":
        return re.findall(r"(?<!\\)<(?:script|img|svg)|(?<!\\)\]\(javascript", text)
    return re.findall(r"\\(?:input\{/|write18)", text)


PARTS = {
    "reader": reader,
    "draws": kept_draws,
    "kills": kills,
    "posteriors": posteriors,
    "labels": labels,
}
FAULT = "fault"


def run(name: str, seconds: float, seed: int) -> Counter[str]:
    """Rounds of one part until its time is up; prints and gives what came of them."""
    found: Counter[str] = Counter({FAULT: 0})
    number, end = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        (one,) = PARTS[name](Path(folder), seed)
        while number == 0 or time.monotonic() < end:
            try:
                found[one(number)] += 1
            except Exception as error:  # noqa: BLE001 - every fault is counted and printed
                found[FAULT] += 1
                print(f"  fault in round {number}: {type(error).__name__}: {str(error)[:300]}")
            number += 1
    figures = ", ".join(f"{what} {n:,}" for what, n in sorted(found.items()) if what != FAULT)
    print(f"{name}: {number:,} rounds; {figures or 'none'}; faults {found[FAULT]:,}", flush=True)
    return found


def keep(table: Path, seed: int, found: Mapping[str, Mapping[str, int]]) -> None:
    """Put what came of the parts in the table, in place of what the same seed and part had."""
    made = pd.DataFrame(
        [
            (seed, part, outcome, n)
            for part, outcomes in found.items()
            for outcome, n in sorted(outcomes.items())
        ],
        columns=["seed", "part", "outcome", "rounds"],
    )
    if table.exists():
        old = pd.read_csv(table)
        made = pd.concat([old[(old["seed"] != seed) | ~old["part"].isin(list(found))], made])
    made.sort_values(["part", "seed", "outcome"]).to_csv(table, index=False, lineterminator="\n")


def main() -> int:
    """Run the parts; 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[*PARTS], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--minutes", type=float, default=4.0, help="of all parts (default: 4)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep what came of it in table.csv")
    options = parser.parse_args()
    if unknown := sorted({*options.parts} - {*PARTS}):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    seconds = 60 * options.minutes / len(options.parts)
    found = {name: run(name, seconds, options.seed) for name in options.parts}
    if options.write:
        keep(TABLE, options.seed, found)
    return 1 if any(outcomes[FAULT] for outcomes in found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
