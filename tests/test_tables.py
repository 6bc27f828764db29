"""What stands in diagnostics.csv beside one family's rows."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import REASONS, Family, Population, Status
from coopgap.families.estimate import Estimate, Tables

LABELS = Keys(model="m", outcome="y", levels=("no", "yes"), source="s.csv", group="region=East")


@pytest.mark.parametrize("ess", [None, 7.5])
def test_effective_size_of_raked_weights_stands_where_anything_was_raked(ess):
    tables = Tables()
    estimate = Estimate(
        family=Family.BENCHMARK,
        population=Population.POSTSTRATIFIED,
        people=np.array([[40, 60], [7, 2]]),
        comparator="a census",
        ess_own=ess,
    )
    tables.collect(estimate.named(LABELS))
    found = [row for row in tables.diagnostics if row.diagnostic == "effective_size"]
    assert [row.value for row in found] == ([ess] if ess else [])
    places = {(row.family, row.about, row.group, row.population) for row in found}
    assert places <= {("benchmark", "a census", "region=East", "poststratified")}
    assert not estimate.reason


def test_a_reason_says_of_what_it_is_in_columns():
    tables = Tables()
    estimate = Estimate(
        family=Family.BENCHMARK,
        population=Population.ALL_MEMBERS,
        people=np.array([[40, 60], [7, 2]]),
        comparator="a census",
        status=Status.NOT_ESTIMABLE,
        reason="4 zones are too few",
    )
    tables.collect(estimate.named(LABELS))
    (row,) = [row for row in tables.diagnostics if row.diagnostic in REASONS]
    assert (row.diagnostic, row.note) == ("not_estimable", "4 zones are too few")
    assert (row.family, row.about) == ("benchmark", "a census")
    assert (row.group, row.population) == ("region=East", "all_members")
