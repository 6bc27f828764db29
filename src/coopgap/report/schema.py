"""The output tables' columns, and the checks, as Markdown for the README."""

from __future__ import annotations

from coopgap.checks.registry import checks
from coopgap.core.estimate import TABLES, columns


def column_dictionary() -> str:
    """Every column of every output table with its meaning, one Markdown table each."""
    parts = []
    for name in TABLES:
        rows = [f"| `{column}` | {doc} |" for column, doc in columns(name).items()]
        parts.append("\n".join([f"### {name}.csv", "", "| column | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def check_dictionary() -> str:
    """Every check with what it asks, and with which `--checks` it is run."""
    rows = [f"| `{one.name}` | {one.question} | {one.cost} |" for one in checks().values()]
    return "\n".join(["| check | question | `--checks` |", "|---|---|---|", *rows]) + "\n"
