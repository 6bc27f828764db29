"""Run the benchmarks, or those named, each in a process of its own: `python run.py [NAME ...]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

NAMES = ("ordinal", "large", "bootstrap", "matching")


def main() -> None:
    """Print each benchmark under its name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=", ".join(NAMES))
    names = parser.parse_args().names
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    for name in names:
        print(f"== {name}", flush=True)
        script = Path(__file__).with_name(f"benchmark_{name}.py")
        subprocess.run([sys.executable, str(script)], check=True)


if __name__ == "__main__":
    main()
