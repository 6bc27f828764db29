"""Frames of other libraries, and tables that other libraries make of fits."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf

import coopgap as cg


class Stream:
    """A table that has Arrow's C interface and nothing else."""

    def __init__(self, frame):
        self.table = pa.Table.from_pandas(frame, preserve_index=False)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def duckdb(frame):
    return pytest.importorskip("duckdb").from_df(frame)


KINDS = [Stream, lambda f: pa.Table.from_pandas(f), lambda f: dict(f.items()), polars, duckdb]


@pytest.mark.parametrize("kind", KINDS, ids=["stream", "arrow", "dict", "polars", "duckdb"])
def test_tables_of_any_library(example, kind):
    frame = example.assign(ses=example["ses_class"].cat.codes)
    frame = frame.astype({"age_band": str, "sex": str, "region": str, "ses_class": str})
    other = kind(frame)
    formula = "ses ~ member + age_band"
    for verb in (cg.ordinal, cg.linear):
        found, expected = (
            verb(formula, one, vcov={"CR1": "zone"}).tidy() for one in (other, frame)
        )
        pd.testing.assert_frame_equal(found, expected)
    m, own = (
        cg.match(one, "member ~ sex", exact=["region"], method="exact") for one in (other, frame)
    )
    assert m.sample.weight == pytest.approx(own.sample.weight)


def test_ordered_categories_come_through_arrow(example):
    table = pa.Table.from_pandas(example)
    found = cg.ordinal("ses_class ~ member", table).tidy()
    pd.testing.assert_frame_equal(found, cg.ordinal("ses_class ~ member", example).tidy())


def test_categories_without_an_order_stand_in_that_of_the_alphabet(example):
    """Arrow has them by who came first: a fit may not depend on that."""
    table = pa.Table.from_pandas(example.assign(region=example["region"].astype(str)))
    coded = table.set_column(
        table.column_names.index("region"), "region", table["region"].dictionary_encode()
    )
    found = cg.logit("trusts ~ region", coded).tidy()
    assert found["term"].tolist()[1:] == [
        f"region={at}" for at in ("East", "Lima", "North", "South")
    ]
    with pytest.raises(cg.InputError, match="has levels without an order"):
        cg.ordinal("region ~ member", coded)


def test_an_enum_of_polars_has_an_order(example):
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(example.astype({"ses_class": str, "age_band": str}))
    frame = frame.with_columns(pl.col("ses_class").cast(pl.Enum(list("EDCBA"))))
    found = cg.ordinal("ses_class ~ member", frame).tidy()
    pd.testing.assert_frame_equal(found, cg.ordinal("ses_class ~ member", example).tidy())


def test_long_numbers_keep_their_digits(wine):
    """Clusters that differ in the ninth digit are different clusters."""
    near = wine.assign(judge=1e8 + wine["judge"].astype(float))
    found = cg.ordinal("rating ~ contact", near, vcov={"CR1": "judge"})
    assert found.glance()["n_clusters"].item() == 9
    half = cg.ordinal("rating ~ contact", wine.assign(rating=wine["rating"] / 3)).levels
    assert half[0] == repr(1 / 3)


def test_the_plug_in_format_of_maketables(wine):
    fit = cg.ordinal("rating ~ contact", wine, vcov={"CR1": "judge"})
    table = fit.__maketables_coef_table__
    assert table.index.name == "Coefficient"
    assert {"b", "se", "t", "p", "ci95l", "ci95u"} <= {*table}
    assert table.loc["contact=yes", "b"] == fit.tidy().loc[0, "estimate"]
    assert fit.__maketables_depvar__ == "rating"
    assert fit.__maketables_stat__("N") == len(wine)
    assert fit.__maketables_stat__("log_lik") == fit.glance()["log_lik"].item()
    assert fit.__maketables_stat__("r2") is None
    assert fit.__maketables_vcov_info__ == {"vcov_type": "cluster CR1", "clustervar": "judge"}
    assert fit.__maketables_fixef_string__ is None
    linear = cg.linear("rating ~ contact | judge", wine)
    assert linear.__maketables_fixef_string__ == "judge"
    assert linear.__maketables_stat__("r2") == linear.glance()["r2"].item()


def test_maketables_reads_fits(wine):
    extractors = pytest.importorskip("maketables.extractors")
    fit = cg.linear("rating ~ contact", wine)
    found = extractors.get_extractor(fit)
    assert found.coef_table(fit).loc["contact=yes", "b"] == fit.tidy().loc[1, "estimate"]
    assert found.stat(fit, "N") == len(wine)
    assert found.default_stat_keys(fit) == ["N"]


def test_example_data_are_marked_wherever_they_go(example):
    """A survey that says so in every row is marked, whatever was done with it."""
    m = cg.match(example, "member ~ sex", exact=["region"], method="exact")
    fit = cg.ordinal("ses_class ~ member", m.data, weights="match_weight")
    g = cg.gap(fit, "member")
    for text in (m.summary(), fit.summary()):
        assert "EXAMPLE DATA" in text
    for frame in (
        g.to_frame(),
        m.balance(),
        cg.checks.e_value(g),
        cg.checks.rosenbaum(m, "trusts"),
    ):
        assert set(frame["source"]) == {"EXAMPLE DATA"}
    for figure in (g.plot(), m.love_plot()):
        assert "EXAMPLE DATA" in {text.get_text() for text in figure.texts}
    theirs = smf.logit("trusts ~ member", example).fit(disp=0)
    assert set(cg.gap(theirs, "member").to_frame()["source"]) == {"EXAMPLE DATA"}
    own = cg.gap(cg.logit("trusts ~ member", example.drop(columns="provenance")), "member")
    assert set(own.to_frame()["source"]) == {""}
    assert own.plot().texts[0].get_text() == "trusts"
    mixed = example.assign(provenance=example["provenance"].where(example.index > 0, "real"))
    with pytest.raises(cg.InputError, match="example rows and real rows may not be mixed"):
        cg.logit("trusts ~ member", mixed)


def test_a_files_name_comes_along(tmp_path, wine):
    path = tmp_path / "wine.csv"
    wine.to_csv(path, index=False)
    found = cg.read_survey(path)
    found["contact"] = found["contact"] == "yes"
    fit = cg.ordinal("rating ~ contact", found)
    assert set(cg.gap(fit, "contact").to_frame()["source"]) == {"wine.csv"}


def test_fits_show_themselves(wine, example):
    fit = cg.linear("rating ~ contact | judge", wine)
    assert repr(fit) == fit.summary()
    assert fit.summary().startswith("Linear model: rating ~ contact | judge\n===")
    assert "n_obs" in fit.summary()
    m = cg.match(example, "member ~ sex", method="exact")
    assert repr(m) == m.summary()
    assert f"{np.int64(1004):,} of 1,004" in m.summary()
