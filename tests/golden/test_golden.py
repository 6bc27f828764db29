"""Runs give the numbers that they gave: a step that means to change them makes the copies anew."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.core.estimate import TABLES

HERE = Path(__file__).parent
POSTERIOR = {
    "family": ("hierarchical",),
    "check": ("prior_refit", "power_scaling", "prior_predictive", "posterior_predictive", "loo"),
    "diagnostic": ("gate", "gate_retried", "withheld"),
}
"""What says of a row that draws are behind it."""

NO_SURVEY = not Path(os.environ.get("COOPGAP_UGANDA", "")).is_file()
SLOW = {
    "peru": [],
    "uganda": [pytest.mark.skipif(NO_SURVEY, reason="COOPGAP_UGANDA names no file")],
}
"""Whole studies, compared where `make golden` has kept them."""

CASES = [
    "census",
    "quick",
    *(
        pytest.param(name, marks=[pytest.mark.slow, pytest.mark.timeout(3600), *marks])
        for name, marks in SLOW.items()
        if (HERE / name).is_dir()
    ),
]


@pytest.fixture(scope="module")
def make():
    """The script of this folder."""
    sys.path.insert(0, str(HERE))
    try:
        import make

        yield make
    finally:
        sys.path.remove(str(HERE))
        sys.modules.pop("make", None)


@pytest.fixture(scope="module", params=CASES)
def pair(make, request):
    """What was kept of a study, by table, and a fresh run, both as they are written; same draws?"""
    found = make.fresh(request.param)
    kept = json.loads((HERE / request.param / "draws.json").read_text(encoding="utf-8"))
    here = hashlib.sha256(make.processor().encode()).hexdigest()
    assert set(found.draws) == set(kept["draws"])
    same = found.draws == kept["draws"]
    # The same processor and other draws: what decides them changed.
    assert same or here != kept["processor"]
    tables = {
        table: (make.load(request.param, table), make.as_text(make.written(frame)))
        for table, frame in found.frames.items()
    }
    return tables, same


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_what_it_was(pair, table):
    tables, same_draws = pair
    differences = differing(*tables[table], posterior=same_draws)
    assert not differences, "\n".join(differences[:20])


def differing(kept, found, *, posterior):
    """Cells that differ, one a line; of rows with draws behind them none unless `posterior`."""
    if list(kept.columns) != list(found.columns):
        return [f"columns: {list(kept.columns)}, {list(found.columns)}"]
    if not posterior:
        kept, found = (frame[~drawn(frame)].reset_index(drop=True) for frame in (kept, found))
    if len(kept) != len(found):
        return [f"rows: {len(kept)}, {len(found)}"]
    result = []
    for column in kept.columns:
        old, new = kept[column], found[column]
        apart = old != new
        numbers = [pd.to_numeric(one[apart], errors="coerce") for one in (old, new)]
        # Twelve digits are kept, and a number next to nought is nought.
        near = np.isclose(*numbers, rtol=1e-9, atol=1e-12)
        result += [
            f"{column}, row {row}: {old[row]}, {new[row]}" for row in apart[apart].index[~near]
        ]
    return result


def drawn(frame):
    """Rows that draws are behind."""
    found = [frame[column].isin(words) for column, words in POSTERIOR.items() if column in frame]
    return np.logical_or.reduce(found) if found else np.zeros(len(frame), dtype=bool)


def test_a_difference_is_seen_and_rounding_is_not():
    kept = pd.DataFrame({"family": ["linear", "hierarchical"], "estimate": ["0.25", "1"]})

    def at(*estimates):
        return differing(kept, kept.assign(estimate=estimates), posterior=True)

    assert at("0.2500000000001", "1") == []
    assert at("0.250000001", "1") == ["estimate, row 0: 0.25, 0.250000001"]
    assert at("", "1") == ["estimate, row 0: 0.25, "]
    other = kept.assign(estimate=["0.25", "2"])
    assert len(differing(kept, other, posterior=True)) == 1
    assert differing(kept, other, posterior=False) == []
    assert differing(kept, kept.iloc[:1], posterior=True) == ["rows: 2, 1"]
