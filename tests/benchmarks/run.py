"""Run the benchmarks, or those named, each in a process of its own: `python run.py [NAME ...]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from judged import Judged, load, markdown

HERE = Path(__file__).parent
NAMES = ("ordinal", "large", "sizes", "bootstrap", "matching", "multiverse", "hierarchical")


def run(name: str) -> list[Judged]:
    """Run one benchmark, which prints what it finds."""
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        command = [sys.executable, str(HERE / f"benchmark_{name}.py"), "--results", str(results)]
        subprocess.run(command, check=True)
        return load(results)


def main() -> int:
    """Print each benchmark under its name; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--write", action="store_true", help="keep all of it in results.md")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.write and set(options.names) != set(NAMES):
        parser.error("--write keeps a run of all of them")
    found = [(name, run(name)) for name in options.names]
    if options.write:
        (HERE / "results.md").write_text(markdown(found), encoding="utf-8")
    missed = [one.what.strip() for _, rows in found for one in rows if one.met is False]
    print(f"missed: {', '.join(missed)}" if missed else "no target missed")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
