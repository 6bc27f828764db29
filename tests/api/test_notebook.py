"""The notebook of the design, line by line."""

import pytest

import coopgap as cg


@pytest.fixture(scope="module")
def df():
    return cg.datasets.peru_example()


def test_the_steps_from_matching_to_checks(df):
    m = cg.match(df, "member ~ age_band + sex", exact=["region"], method="full", caliper=0.2)
    assert {"match_weight", "match_set"} <= {*m.data}
    assert m.balance()["smd_after"].abs().max() < 0.1
    assert m.love_plot().axes
    fit = cg.ordinal(
        "ses_class ~ member + age_band + sex + region",
        m.data,
        weights="match_weight",
        vcov={"CR2": "zone"},
        free=["member"],
    )
    assert "member:>=C" in fit.summary()
    assert {*fit.tidy()["term"]} >= {"member:>=C", "age_band=65+", "E|D"}
    assert fit.glance()["n_obs"].item() == len(m.data)
    assert "wald" in {*fit.brant()["test"]}
    g = cg.gap(fit, "member", target="members")
    frame = g.to_frame()
    row = frame[(frame["quantity"] == "risk_difference") & (frame["category"] == ">=C")].iloc[0]
    assert g.at(">=C").estimate == row["estimate"]
    assert 0.5 < g.superiority.estimate < 1
    assert g.plot().axes
    assert {"risk_ratio", "e_value"} == {*cg.checks.e_value(g)["quantity"]}
    assert "gamma" in {*cg.checks.rosenbaum(m, "ses_class")["quantity"]}
    assert "e_value" in {*cg.checks.available()["name"]}


@pytest.mark.slow
def test_the_hierarchical_steps(df):
    h = cg.hierarchical(
        "ses_class ~ age_band + sex", df, member="member", region="region", zone="zone"
    )
    assert "posterior" in h.idata.children
    cg.gate(h.idata).raise_if_failed()
    assert {one.name for one in h.pymc_model().free_RVs} >= {"beta", "zone_sd"}


def test_a_run_of_the_frame(df, tmp_path):
    run = cg.run("peru", data=df, only=["neighbours"], draws=100)
    assert run.save(tmp_path / "peru")
    assert (tmp_path / "peru" / "gaps.csv").is_file()
