"""The README's tables are the ones that are made."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from coopgap.bayes.records import Priors
from coopgap.report.schema import column_dictionary
from coopgap.study.model import PRIORS
from coopgap.study.spec import Hierarchical

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


def test_the_readmes_priors_are_the_defaults():
    blocks = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    found = [tomllib.loads(block)["hierarchical"] for block in blocks if "beta_sd" in block]
    assert len(found) == 1
    priors, usual = found[0].pop("priors"), Hierarchical()
    assert set(priors) == set(PRIORS)
    assert asdict(Priors.with_scales(priors)) == asdict(Priors())
    assert all(getattr(usual, key) == value for key, value in found[0].items())
    assert set(found[0]) == {"zones", "draws", "target_accept"}
