"""The count of false alarms: a small part again, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coopgap.checks.phone.reference import phone_reference

from ..studies import scripts

HERE = Path(__file__).parent
TABLE = pd.read_csv(HERE / "table.csv")
EQUAL = ~TABLE["younger"]


@pytest.fixture(scope="module")
def count():
    """The modules of this folder."""
    with scripts(HERE, "count", "surveys") as made:
        yield made


def test_no_rate_of_the_check_is_off_its_level():
    shipped = TABLE[TABLE["method"] == "shipped"]
    # Phone people who are younger answer otherwise unless they are balanced.
    meant = shipped[~shipped["younger"] | shipped["judged"].str.startswith("adjusted")]
    assert len(meant) == 9 * 6 + 3
    assert (meant["surveys"] >= 2000).all()
    assert not meant["fails"].any()


def test_the_docstring_says_what_was_counted(count):
    text = re.sub(r"\s+", " ", phone_reference.__doc__)
    made = count["count"].summary(TABLE).set_index(["method", "judged"])
    for method, judged in (
        ("shipped", "adjusted, agree"),
        ("shipped", "unadjusted, agree"),
        ("subset", "unadjusted, agree"),
        ("whole zones", "unadjusted, agree"),
    ):
        row = made.loc[method, judged]
        rate, error = f"{row['rate']:.2f}", f"{row['monte_carlo_error']:.2f}"
        said = re.compile(rf"{rate} % \((Monte Carlo error )?{error}\)")
        assert said.search(text), (method, judged)
    assert f"{TABLE[EQUAL].groupby(['method', 'judged'])['surveys'].sum().max():,}" in text
    worst = TABLE[(TABLE["method"] == "whole zones") & (TABLE["phone"] == "spread")]
    worst = worst.sort_values("zone_sd").iloc[-1]
    assert f"{worst['rate']:.1f} % ({worst['monte_carlo_error']:.1f})" in text


def test_a_block_is_the_same_again(count):
    run, setting = count["count"].run_block, count["count"].GRID[4]
    block = run(setting, 3, size=4)
    pd.testing.assert_frame_equal(block, run(setting, 3, size=4))
    assert (block["surveys"] == 4).all()
    assert set(block["method"]) == set(count["surveys"].METHODS)


@pytest.mark.parametrize("at", [2, 5])
def test_a_small_part_agrees_with_the_table(count, at):
    """Other surveys than those counted, where zones differ most."""
    module, setting = count["surveys"], count["count"].GRID[at]
    rng = np.random.default_rng(at)
    n = 60
    found = pd.DataFrame(
        [
            {
                f"{method}: {judged}": alarm
                for method in module.METHODS
                for judged, alarm in module.alarms(
                    module.simulate(rng, setting), method, rng, 200
                ).items()
            }
            for _ in range(n)
        ]
    ).sum()
    rows = TABLE[(TABLE["phone"] == setting.phone) & (TABLE["zone_sd"] == setting.zone_sd) & EQUAL]
    assert len(rows) == len(found)
    for row in rows.itertuples():
        alarms = int(found[f"{row.method}: {row.judged}"])
        # One in a thousand by chance, for each of 16; the seeds are fixed.
        assert stats.binomtest(alarms, n, row.rate / 100).pvalue > 0.001, row


def test_plain_ways_by_hand(count):
    """All in-person people alike: no draw is off."""
    module = count["surveys"]
    data = module.simulate(np.random.default_rng(0), count["count"].GRID[0])
    own, called = data.comparison, data.called
    for method in module.PLAIN.values():
        off = method(own, called, np.ones(own.n), np.random.default_rng(1), 50)
        assert off == pytest.approx(np.zeros(50), abs=1e-12)


def test_whole_zones_vary_by_what_zones_vary_by(count):
    """Answers that are the zone's alone: the variance is that of zones drawn, plus its own."""
    module = count["surveys"]
    data = module.simulate(np.random.default_rng(0), count["count"].GRID[0])
    own, called = data.comparison, data.called
    answers = (own.zone % 2).astype(float)
    draws = 4000
    off = module.PLAIN["whole zones"](own, called, answers, np.random.default_rng(1), draws)
    expected = 0.0
    for place in range(5):
        inside = own.factors["region"] == place
        zones, sizes = np.unique(own.zone[inside], return_counts=True)
        size = int((called.factors["region"] == place).sum())
        between = np.var(zones % 2)
        # About ten people a zone: size/10 zones by phone, all of them in person.
        expected += (size / called.n) ** 2 * between * (sizes.mean() / size + 1 / zones.size)
    # The last zone is cut, and zones are not of one size.
    assert off.var() == pytest.approx(expected, rel=0.12)
