"""The README's tables are the ones that are made."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pandas as pd

from coopgap.bayes.layout import Priors
from coopgap.report.schema import check_dictionary, column_dictionary
from coopgap.report.values import points
from coopgap.study.spec import Hierarchical, PriorName

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_readmes_column_dictionary_is_made_from_the_schema():
    text = README.read_text(encoding="utf-8")
    start = text.index("<!-- columns:")
    inside = text[text.index("-->", start) + 3 : text.index("<!-- end of columns -->")]
    assert inside.strip() == column_dictionary().strip()


def test_the_readmes_checks_are_the_registered_ones():
    text = README.read_text(encoding="utf-8")
    start = text.index("<!-- checks:")
    inside = text[text.index("-->", start) + 3 : text.index("<!-- end of checks -->")]
    assert inside.strip() == check_dictionary().strip()


def test_the_readmes_coverage_is_the_committed_table():
    folder = ROOT / "tests" / "coverage"
    sys.path.insert(0, str(folder))
    try:
        from run import failing_defaults, markdown, read, uneven
    finally:
        sys.path.remove(str(folder))
    table, text = read(folder / "table.csv"), README.read_text(encoding="utf-8")
    for made in (markdown(table), uneven(table), failing_defaults(table)):
        assert made in text


def test_the_readmes_priors_are_the_defaults():
    blocks = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.S)
    found = [tomllib.loads(block)["hierarchical"] for block in blocks if "beta_sd" in block]
    assert len(found) == 1
    priors, usual = found[0].pop("priors"), Hierarchical()
    assert set(priors) == set(get_args(PriorName))
    assert asdict(Priors.with_scales(priors)) == asdict(Priors())
    assert all(getattr(usual, key) == value for key, value in found[0].items())
    assert set(found[0]) == {"zones", "draws", "target_accept"}


def test_the_phone_sections_numbers_are_the_examples():
    rows = pd.read_csv(ROOT / "reports" / "example" / "sensitivity.csv")
    rows = rows[rows["model"] == "trusted_person"]

    def pick(check, variant, quantity):
        keys = (rows["check"] == check, rows["variant"] == variant, rows["quantity"] == quantity)
        return rows[keys[0] & keys[1] & keys[2]].iloc[0]

    def gap(check, variant):
        row = pick(check, variant, "risk_difference")
        return f"({points(row['lower'])} to {points(row['upper'])})", points(
            row["estimate"], signed=True
        )

    size = pick("phone_composition", "balanced", "ess")["estimate"]
    alike, instead = gap("phone_equivalence", "adjusted"), gap("phone_replaces", "phone")
    person = gap("phone_replaces", "in person")
    power = pick("phone_equivalence", "design effect 1", "smallest_margin")["power"]
    off = pick("tipping_point", "interval reaches zero", "share_off")["estimate"]
    odds = pick("tipping_point", "interval reaches zero", "odds_multiple")["estimate"]
    phone = pick("tipping_point", "phone minus in person", "odds_multiple")
    limits = f"({phone['lower']:.2f} to {phone['upper']:.2f})"
    words = [
        f"are worth {size:.0f}",
        f"{alike[1]} points {alike[0]}",
        f"confirmed ± 6.0 with {100 * power:.0f} % probability",
        f"{instead[1]} {instead[0]} where in person it is {person[1]} {person[0]}",
        f"Here {100 * off:.1f} % of answers, odds times {odds:.2f}",
        f"by phone {phone['estimate']:.2f} {limits}",
    ]
    text = " ".join(README.read_text(encoding="utf-8").split())
    assert [part for part in words if part not in text] == []
