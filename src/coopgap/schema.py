"""The command `python -m coopgap.schema`: the JSON Schema of a study folder's files."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from coopgap.app.command import run_command
from coopgap.core.errors import OutputError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coopgap schema",
        description="Print the JSON Schema of study.toml, or of a model file.",
        epilog="There are two: coopgap schema study --out study.schema.json, and coopgap schema "
        "model --out model.schema.json. An editor that knows TOML schemas completes and checks "
        "the keys of a file whose first line is #:schema study.schema.json",
    )
    parser.add_argument("file", choices=("study", "model"), nargs="?", default="study")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there")
    parser.add_argument("--keys", action="store_true", help="the keys as a table in Markdown")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = _parser().parse_args(argv)
    return run_command(lambda: _write(args))


def _write(args: argparse.Namespace) -> int:
    from coopgap.study.load import StudyFile
    from coopgap.study.model import ModelFile
    from coopgap.study.schema import json_schema, key_reference

    kind = StudyFile if args.file == "study" else ModelFile
    made = key_reference(kind) if args.keys else json.dumps(json_schema(kind), indent=2)
    if args.out is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        print(made)
        return 0
    try:
        args.out.write_text(f"{made}\n", encoding="utf-8")
    except OSError as error:
        reason = error.strerror or "check it"
        raise OutputError(str(args.out), "cannot be written", reason) from error
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
