"""`coopgap COMMAND …`: the same as `python -m coopgap.COMMAND …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

from coopgap.core.errors import shortened

COMMANDS = {
    "fit": "estimate the gaps of a study and write its report",
    "report": "make the report of a saved run again, without fitting",
    "describe": "draft a study.toml from a survey file's own labels",
    "schema": "print the JSON Schema of study.toml or of a model file",
    "example": "write the example survey",
    "printed": "re-analyse the numbers that a report prints",
    "calibrate": "simulation-based calibration of a model by region",
}

_MODULES = {name: f"coopgap.{name}.__main__" for name in ("printed", "report")}
"""Where a command is a package."""


def main(argv: Sequence[str] | None = None) -> int:
    """Call the command named first."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--version"]:
        print(f"coopgap {version('coopgap')}")
        return 0
    if arguments and arguments[0] in COMMANDS:
        command = import_module(_MODULES.get(arguments[0], f"coopgap.{arguments[0]}"))
        return int(command.main(arguments[1:]))
    if arguments and not arguments[0].startswith("-"):
        print(f"coopgap: {_unknown(arguments[0])}", file=sys.stderr)
        return 2
    asked = arguments[:1] in (["-h"], ["--help"])
    print(_usage(), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def _unknown(name: str) -> str:
    near = get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.5)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"{shortened(name)}: no such command; {guess}allowed: {', '.join(COMMANDS)}"


def _usage() -> str:
    lines = [f"  {name:<9} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        ["usage: coopgap COMMAND …", "", *lines, "", "coopgap COMMAND --help says more."]
    )


if __name__ == "__main__":
    sys.exit(main())
