"""Rows and the tables made of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coopgap.core.estimate import GAP_KEY, TABLES, GapRow, Keys, columns, to_frame
from coopgap.core.vocabulary import REASONS, Family, Population, Quantity, Status
from coopgap.families.estimate import Estimate, Tables

CONTRACT = {
    "gaps": "model, family, outcome, comparator, group, population, quantity, category, estimate, "
    "std_error, lower, upper, interval_prob, interval_kind, p_value, p_adjusted, n_member, "
    "n_comparison, ess_comparison, n_sets, status, form, n_fewest, source",
    "coefficients": "model, family, outcome, term, scale, estimate, std_error, statistic, p_value, "
    "lower, upper, interval_prob, interval_kind, std_error_kind, n_obs, n_clusters, r_hat, "
    "ess_bulk, ess_tail, n_smaller, n_fewest, source",
    "balance": "model, group, covariate, level, member_mean, comparison_mean_before, "
    "comparison_mean_after, smd_before, smd_after, variance_ratio_before, variance_ratio_after, "
    "ks_before, ks_after, use, n_member_before, n_member_after, n_comparison_before, "
    "n_comparison_after, member_mean_before, member_sd_before, member_sd, comparison_sd_before, "
    "comparison_sd_after, missing_member, missing_comparison, n_smaller, n_fewest, source",
    "sensitivity": "check, variant, model, family, outcome, comparator, group, population, "
    "quantity, category, estimate, std_error, lower, upper, interval_prob, interval_kind, "
    "p_value, threshold, power, reference, difference, difference_lower, difference_upper, "
    "verdict, note, n_smaller, n_fewest, about, choice, setting, direction, opposed, n, of, source",
    "diagnostics": "model, diagnostic, value, bar, passed, note, kind, about, test, family, group, "
    "population, category, n, of, statistic, df, df_residual, source",
}


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_contracts_in_its_order(table):
    assert list(columns(table)) == CONTRACT[table].split(", ")
    assert list(to_frame(table, []).columns) == CONTRACT[table].split(", ")
    assert all(columns(table).values())
    assert set(GAP_KEY) <= set(columns("gaps"))


def test_a_row_becomes_typed_cells_and_absent_numbers_stay_absent():
    keys = {"model": "trust", "outcome": "trust", "comparator": "comparison", "group": "all"}
    row = GapRow(
        **keys,
        family=Family.UNADJUSTED,
        population=Population.ALL_MEMBERS,
        quantity=Quantity.RISK_DIFFERENCE,
        estimate=0.13,
        n_member=1004,
        source="EXAMPLE DATA",
    )
    frame = to_frame("gaps", [row, dataclasses.replace(row, n_member=None, estimate=None)])
    assert frame["n_member"].dtype == "Int64"
    words = ["family", "status", "interval_kind"]
    assert frame.loc[0, words].tolist() == ["unadjusted", "ok", ""]
    for name in ("n_member", "estimate"):
        assert frame[name].isna().tolist() == [False, True]


LABELS = Keys(model="m", outcome="y", levels=("no", "yes"), source="s.csv", group="region=East")
RAKED = {"population": Population.POSTSTRATIFIED}
WORTH = "people that the raked weights are worth"
REASON = "4 zones are too few"


@pytest.mark.parametrize(
    ("more", "diagnostic", "value", "note"),
    [
        (RAKED, "effective_size", None, ""),
        (RAKED | {"ess_own": 7.5}, "effective_size", 7.5, WORTH),
        ({"status": Status.NOT_ESTIMABLE, "reason": REASON}, "not_estimable", None, REASON),
    ],
)
def test_what_stands_in_diagnostics_beside_one_familys_rows(more, diagnostic, value, note):
    """The effective size of raked weights, and a reason, with what they are of in columns."""
    estimate = Estimate(
        **{"family": Family.BENCHMARK, "population": Population.ALL_MEMBERS} | more,
        people=np.array([[40, 60], [7, 2]]),
        comparator="a census",
    )
    tables = Tables()
    tables.collect(estimate.named(LABELS))
    found = [row for row in tables.diagnostics if row.diagnostic in {"effective_size", *REASONS}]
    if value is None and not note:
        assert not found
        return
    (row,) = found
    assert (row.diagnostic, row.value, row.note or "") == (diagnostic, value, note)
    assert (row.family, row.about) == ("benchmark", "a census")
    assert (row.group, row.population) == ("region=East", estimate.population)
