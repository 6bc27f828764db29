"""The counting code of the hierarchical count; the model's own fits are tested elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ..studies import scripts

HERE = Path(__file__).parent
LEAST = 100  # surveys a setting
UNEVEN = 9  # place of the setting with no gap at the rarest answer


@pytest.fixture(scope="module")
def count():
    """The module of this folder."""
    with scripts(HERE, "hierarchical", more=("intervals", "run", "simulate")) as made:
        yield made["hierarchical"]


def test_counted_by_hand(count):
    """Draws 0, 1, …, 100 moved by threshold: ends, mean and variance are those of the integers."""
    integers = np.arange(101.0).reshape(1, 101).repeat(4, axis=0)
    draws = np.stack([integers, integers - 50, integers - 99, integers + 1])
    rows = count.counted(draws, np.array([10.0, 1e-17, -0.5, 0.0]), passed=True)
    # Every integer four times: of 404 in order, those at 0.025 and 0.975 of 403 are 2 and 98.
    assert rows["width"].tolist() == pytest.approx([96.0] * 4)
    assert rows["covered"].tolist() == [1, 1, 0, 0]
    assert rows["error"].tolist() == pytest.approx([40.0, 0.0, -48.5, 51.0])
    assert rows["error_squared"].tolist() == pytest.approx([1600.0, 0.0, 2352.25, 2601.0])
    assert rows["variance"].to_numpy() == pytest.approx((101**2 - 1) / 12 * 404 / 403)
    assert rows["truth"].tolist() == [10.0, 0.0, -0.5, 0.0]


def surveys(count, gaps):
    """Three surveys with members' gap around `gaps`, one of them withheld."""
    normal = np.random.default_rng(2).normal(0.0, 0.01, (len(gaps), 4, 500))
    truth = np.array([0.06, 0.11, 0.1, 0.0])
    place = count.place(count.GRID[UNEVEN], 0.25)
    return pd.concat(
        count.counted(normal + np.asarray(moved)[:, None, None], truth, passed=passed).assign(
            **place, survey=number
        )
        for number, (moved, passed) in enumerate(
            [(gaps, True), ([*gaps[:3], 0.05], True), ([*gaps[:3], 0.05], False)]
        )
    )


def test_false_findings_are_counted_where_the_gap_is_zero_alone(count):
    made = count.summary(surveys(count, [0.06, 0.21, 0.1, 0.0])).set_index("threshold")
    assert made.index.tolist() == list(count.THRESHOLDS)
    assert (made["replicates"] == 2).all()
    assert (made["withheld"] == 1).all()
    assert made["coverage"].tolist() == [100.0, 0.0, 100.0, 50.0]
    assert made["false_findings"].isna().tolist() == [True, True, True, False]
    assert made.loc["strongly agree", "false_findings"] == 50.0
    # Sqrt(0.5 · 0.5 / 2), in percent; bias in points, of the mean of 0 and 5 and of 10 too much.
    assert made.loc["strongly agree", "monte_carlo_error"] == pytest.approx(35.36)
    assert made.loc["strongly agree", "bias"] == pytest.approx(2.5, abs=0.1)
    assert made.loc["neither", "bias"] == pytest.approx(10.0, abs=0.1)
    assert made.loc["agree", "mean_width"] == pytest.approx(2 * 1.96, abs=0.2)


def test_a_setting_of_withheld_surveys_alone_stays_in_the_table(count):
    rows = surveys(count, [0.06, 0.11, 0.1, 0.0])
    made = count.summary(pd.concat([rows, rows[rows["withheld"] == 1].assign(clusters=30)]))
    only = made[made["clusters"] == 30]
    assert len(only) == 4
    assert only["coverage"].isna().all()
    assert (only["withheld"] == 1).all()


def test_surveys_have_a_draw_of_their_own_by_setting_and_number(count, monkeypatch):
    """The scale of the prior changes the fit, not the survey; the rest changes the survey."""
    seen = []

    def fit(cells, scale, seed):
        seen.append((cells.digest, scale, seed))
        return type("Fit", (), {"passed": True, "retried": False, "seconds": 1.0} | _gaps(count))

    monkeypatch.setattr(count, "fit", fit)
    for at, scale, number in ((9, 0.25, 0), (9, 1.0, 0), (9, 0.25, 1), (10, 0.25, 0)):
        rows = count.run_survey(at, scale, number)
        assert len(rows) == len(count.THRESHOLDS)
    first, wider, later, other = seen
    assert first[0] == wider[0]
    assert first[2] == wider[2]
    assert len({first[0], later[0], other[0]}) == 3
    assert len({first[2], later[2], other[2]}) == 3


def _gaps(count):
    draws = np.random.default_rng(3).normal(size=(4, 50))
    return {"quantities": {f"risk_difference|>={one}|all": draws for one in count.LEVELS[1:]}}


def test_the_committed_table_is_of_this_module(count):
    """Every setting and threshold under the default prior, and percent that hang together."""
    made = count.read(HERE / "hierarchical.csv")
    default = made[made["interval"] == count.interval(count.SCALE)]
    assert len(default) == len(count.PLACES) * len(count.THRESHOLDS)
    assert (default["replicates"] + default["withheld"] >= LEAST).all()
    zero = made["true_gap"].astype(float) == 0
    false = made["false_findings"].replace("", np.nan).astype(float)
    assert false[zero].tolist() == pytest.approx((100 - made["coverage"][zero]).tolist())
    assert false[~zero].isna().all()
