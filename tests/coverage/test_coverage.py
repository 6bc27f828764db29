"""The coverage count: its truths against brute force, its intervals against a run's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.core.gap import Contrast
from coopgap.core.vocabulary import Population, Quantity
from coopgap.families.cumulative import estimate_adjusted, estimate_matched
from coopgap.families.shares import estimate_shares
from coopgap.survey.example.people import draw_people, linear_predictor

from ..studies import scripts

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def count():
    """The modules of this folder."""
    with scripts(HERE, "intervals", "run", "simulate") as made:
        yield made


def survey(count, at, seed=1):
    setting = count["run"].GRID[at]
    return setting, count["simulate"].simulate(np.random.default_rng(seed), setting)


def test_true_gaps_by_drawing_people(count):
    """Members and comparison people of one stratum set, drawn, against the integrals."""
    module, setting = count["simulate"], count["run"].GRID[2]
    model, outcome = module.declared(setting)
    rng = np.random.default_rng(0)
    people = draw_people(rng, model, (400_000, 400_000, 0), exact=False)
    thresholds = np.asarray(outcome.thresholds)
    # Every person in a zone of their own: zones are integrated over.
    spread = np.where(people.member, np.hypot(setting.zone_sd, setting.zone_gap_sd), 0.5)
    eta = linear_predictor(people, outcome, None, people.member)
    latent = eta + spread * rng.normal(size=people.n) + rng.logistic(size=people.n)
    above = latent[:, None] > thresholds
    stratum = module.stratum_of(people)
    share = np.bincount(stratum[people.member], minlength=60)
    sides = [
        np.stack([np.bincount(stratum[who], column[who], 60) for column in above.T], axis=1)
        / np.bincount(stratum[who], minlength=60)[:, None]
        for who in (people.member, ~people.member)
    ]
    for kept in (np.arange(60), np.arange(0, 60, 3)):
        found = share[kept] @ (sides[0] - sides[1])[kept] / share[kept].sum()
        # Monte Carlo error of a difference of two shares of 400,000, 130,000 where a third is kept.
        assert found == pytest.approx(module.true_matched_gaps(setting, kept), abs=0.007)
    # Schooling differs between the groups: the gap that holds it is another, by a known little.
    held, free = module.true_gaps(setting), module.true_matched_gaps(setting, np.arange(60))
    assert (np.abs(held - free) < 0.01).all()
    assert (held != free).all()


def numbers_of(interval):
    return [interval.estimate, interval.std_error, interval.lower, interval.upper]


@pytest.mark.parametrize(("at", "clusters"), [(1, 100), (4, 10), (7, 30)])
def test_the_bold_interval_is_the_one_a_run_has(count, at, clusters):
    """Estimate, standard error and ends are those of the package's own families."""
    module = count["intervals"]
    setting, drawn = survey(count, at)
    assert setting.clusters == clusters == np.unique(drawn.cluster_of).size
    name = module.default_interval(clusters)
    levels = tuple("12345")
    sample = module.matched_sample(drawn, levels, drawn.outcome)
    run = {
        "matched free": estimate_matched(sample),
        "matched shares": estimate_shares(sample),
        "matched proportional": estimate_matched(sample, "proportional"),
    }
    data = (drawn, setting, False, 0)
    found = module.free_ends(*data) | module.tied_ends(*data)
    for gap, one in run.items():
        for j, threshold in enumerate(module.THRESHOLDS):
            at = Contrast(Quantity.RISK_DIFFERENCE, f">={levels[j + 1]}", j + 1, True)
            interval = one.intervals[at]
            truth, ends = found[gap, name, threshold]
            assert ends == pytest.approx(numbers_of(interval), rel=1e-9)
            band = one.joint[at]
            assert band.lower < interval.lower
            if not band.lower <= truth <= band.upper:
                assert found[gap, module.JOINT, "all"][1][2] == 1.0
        assert found[gap, module.JOINT, "all"][1][2] in (0.0, 1.0)


@pytest.mark.parametrize("at", [9, 10, 11])
def test_a_threshold_without_log_odds_has_no_gap(count, at):
    """Its true gap is zero, and nobody's thresholds lie apart there."""
    module, setting = count["simulate"], count["run"].GRID[at]
    truth = module.true_matched_gaps(setting, np.arange(60))
    for gap, log_odds in zip(truth, setting.gaps, strict=True):
        assert (abs(gap) < 1e-12) == (log_odds == 0)
    model, outcome = module.declared(setting)
    people = draw_people(np.random.default_rng(3), model, (200, 200, 0), exact=False)
    cuts = module.thresholds(setting, outcome, people.member)
    apart = cuts[people.member][0] - cuts[~people.member][0]
    assert -apart == pytest.approx(np.array(setting.gaps))


def test_the_markdown_keeps_uneven_settings_apart(count):
    run = count["run"]
    made = run.read(HERE / "table.csv")
    text = run.markdown(made)
    assert "matched free" in text
    assert "0.49 0.49 0.49 0" not in text
    assert "0.49 0.49 0.49 0 | matched free" in run.uneven(made)


@pytest.mark.parametrize("at", [1, 4])
def test_the_logit_interval_is_the_one_a_run_has(count, at):
    module = count["intervals"]
    setting, drawn = survey(count, at)
    two = (drawn.outcome >= count["simulate"].AGREE).astype(np.int64)
    sample = module.matched_sample(drawn, ("no", "yes"), two)
    whole = replace(sample, covariates=tuple(count["simulate"].LEVELS), strata=())
    (one,) = estimate_adjusted(whole, (Population.ALL_MEMBERS,))
    key = ("adjusted logit", module.default_interval(setting.clusters), "agree")
    _, ends = module.logit_ends(drawn, setting, strata=False, seed=0)[key]
    assert ends == pytest.approx(numbers_of(one.at()), rel=1e-9)


def test_a_block_is_the_same_again_and_counts_what_it_says(count, monkeypatch):
    run = count["run"]
    monkeypatch.setitem(run.BLOCK, "matched", 3)
    setting = run.GRID[7]
    block = run.run_block(setting, "matched", 2)
    pd.testing.assert_frame_equal(block, run.run_block(setting, "matched", 2))
    assert not block.equals(run.run_block(setting, "matched", 3))
    assert set(block["gap"]) == {"matched proportional", "matched logit"}
    assert (block["replicates"] == 3).all()
    assert (block["covered"] <= 3).all()


def test_the_larger_count_stays(count):
    run = count["run"]
    table = run.read(HERE / "table.csv")
    fewer = table.assign(replicates=table["replicates"] - 1, coverage=-1.0)
    more = table.assign(replicates=table["replicates"] + 1, coverage=-1.0)
    assert (run.larger_counts(fewer, table)["coverage"] >= 0).all()
    assert (run.larger_counts(more, table)["coverage"] == -1).all()
    assert len(run.larger_counts(table.iloc[:5], table)) == len(table)


def test_failing_defaults_are_named(count):
    run = count["run"]
    row = {
        "gap": "adjusted free",
        "gaps": "",
        "zone_sd": 0.5,
        "zone_gap_sd": 0.3,
        "threshold": "agree",
    }
    made = pd.DataFrame(
        [
            row | {"clusters": 49, "interval": "CR1 t(G-1)", "coverage": 80.0, "fails": True},
            row
            | {"clusters": 49, "interval": "CR2 Satterthwaite", "coverage": 95.0, "fails": False},
            row | {"clusters": 50, "interval": "CR1 t(G-1)", "coverage": 91.0, "fails": True},
        ]
    )
    assert run.failing_defaults(made) == (
        "Defaults that fail: adjusted free, 50 clusters, agree, 0.5 and 0.3 (91.0)."
    )
    assert run.failing_defaults(made.iloc[:2]) == "Defaults that fail: none."
