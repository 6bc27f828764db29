"""What stands in diagnostics.csv beside one family's rows."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.families.records import FamilyEstimate
from coopgap.families.rows import Labels
from coopgap.tables import Tables
from coopgap.vocabulary import Family, Population

LABELS = Labels(model="m", outcome="y", levels=("no", "yes"), source="s.csv", group="region=East")


@pytest.mark.parametrize("ess", [None, 7.5])
def test_effective_size_of_raked_weights_stands_where_anything_was_raked(ess):
    tables = Tables()
    estimate = FamilyEstimate(
        family=Family.BENCHMARK,
        population=Population.POSTSTRATIFIED,
        people=np.array([[40, 60], [7, 2]]),
        comparator="a census",
        ess_own=ess,
    )
    tables.collect(estimate, LABELS)
    found = [row for row in tables.diagnostics if row.diagnostic.startswith("effective_size: ")]
    assert [row.value for row in found] == ([ess] if ess else [])
    named = "effective_size: benchmark, a census, region=East, poststratified"
    assert {row.diagnostic for row in found} <= {named}
