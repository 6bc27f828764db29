"""Rows and the tables made of them."""

from __future__ import annotations

import dataclasses

import pytest

from coopgap.core.estimate import GAP_KEY, TABLES, GapRow, columns, to_frame
from coopgap.core.vocabulary import Family, Population, Quantity

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


def test_the_key_is_made_of_columns():
    assert set(GAP_KEY) <= set(columns("gaps"))


def test_a_row_becomes_typed_cells_and_absent_numbers_stay_absent():
    row = GapRow(
        model="trust",
        family=Family.UNADJUSTED,
        outcome="trust",
        comparator="comparison",
        group="all",
        population=Population.ALL_MEMBERS,
        quantity=Quantity.RISK_DIFFERENCE,
        estimate=0.13,
        n_member=1004,
        source="EXAMPLE DATA",
    )
    frame = to_frame("gaps", [row, dataclasses.replace(row, n_member=None, estimate=None)])
    assert frame["n_member"].dtype == "Int64"
    assert frame.loc[0, "family"] == "unadjusted"
    assert frame.loc[0, "status"] == "ok"
    assert frame["n_member"].isna().tolist() == [False, True]
    assert frame["estimate"].isna().tolist() == [False, True]
    assert frame.loc[0, "interval_kind"] == ""
