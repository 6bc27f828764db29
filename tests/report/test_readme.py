"""The README's tables are the ones that are made."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from coopgap.report.schema import column_dictionary

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_readmes_column_dictionary_is_made_from_the_schema():
    text = README.read_text(encoding="utf-8")
    start = text.index("<!-- columns:")
    inside = text[text.index("-->", start) + 3 : text.index("<!-- end of columns -->")]
    assert inside.strip() == column_dictionary().strip()


def test_the_readmes_coverage_is_the_committed_table():
    folder = ROOT / "tests" / "coverage"
    sys.path.insert(0, str(folder))
    try:
        from run import markdown
    finally:
        sys.path.remove(str(folder))
    table = pd.read_csv(folder / "table.csv")
    assert markdown(table) in README.read_text(encoding="utf-8")
