"""The output tables' columns as Markdown, for the README."""

from __future__ import annotations

from coopgap.core.estimate import TABLES, columns

__all__ = ["column_dictionary"]


def column_dictionary() -> str:
    """Every column of every output table with its meaning, one Markdown table each."""
    parts = []
    for name in TABLES:
        rows = [f"| `{column}` | {doc} |" for column, doc in columns(name).items()]
        parts.append("\n".join([f"### {name}.csv", "", "| column | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"
