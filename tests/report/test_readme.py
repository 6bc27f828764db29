"""The README's column dictionary is the schema's."""

from __future__ import annotations

from pathlib import Path

from coopgap.report.schema import column_dictionary

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_column_dictionary_is_made_from_the_schema():
    text = README.read_text(encoding="utf-8")
    start = text.index("<!-- columns:")
    inside = text[text.index("-->", start) + 3 : text.index("<!-- end of columns -->")]
    assert inside.strip() == column_dictionary().strip()
