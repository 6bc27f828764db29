from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coopgap.sensitivity.phone.data import stack
from coopgap.sensitivity.phone.shift import PhoneShift, phone_shift, phone_shifts


def test_without_covariates_the_shift_is_the_log_odds_ratio(make_phone):
    data = make_phone(np.random.default_rng(1), shift=0.1, zones=60)
    found = phone_shifts(data, ())[""]
    p, q = data.called.outcome.mean(), data.comparison.outcome.mean()
    assert found.estimate == pytest.approx(np.log(p / (1 - p) * (1 - q) / q), abs=1e-8)
    # By hand: influences of the two log odds, summed by zone, CR1 and t(G - 1), 90 percent.
    zone = np.concatenate([data.called.zone, data.comparison.zone])
    unit = np.concatenate(
        [
            (data.called.outcome - p) / (p * (1 - p) * data.called.n),
            -(data.comparison.outcome - q) / (q * (1 - q) * data.comparison.n),
        ]
    )
    sums = np.bincount(zone, unit)
    error = np.sqrt(60 / 59 * np.sum(sums**2))
    assert found.std_error == pytest.approx(error, rel=1e-6)
    assert found.upper - found.estimate == pytest.approx(1.671093 * error, rel=1e-5)


def test_covariates_are_held(make_phone):
    # Phone people are younger, the young answer lower: unadjusted the phone looks lower.
    data = make_phone(np.random.default_rng(2), n=(600, 6000, 6000), young_phone=True, zones=60)
    plain, held = (phone_shifts(data, names)[""] for names in ((), ("age",)))
    assert plain.upper < 0
    assert held.lower < 0 < held.upper


def test_one_shift_for_all_thresholds_and_one_each(make_phone):
    data = make_phone(np.random.default_rng(3), n_levels=4, shift=0.15, zones=60)
    found = phone_shifts(data, ("age",))
    assert list(found) == ["", ">=B", ">=C", ">=D"]
    each = [found[name].estimate for name in (">=B", ">=C", ">=D")]
    assert min(each) < found[""].estimate < max(each)


def test_nobody_called_gives_nothing_and_few_give_a_reason(make_phone):
    data = make_phone(np.random.default_rng(4))
    nobody = replace(data, phone=data.phone.take(np.zeros(data.phone.n, dtype=np.bool_)))
    assert phone_shifts(nobody, ()) == {}
    few = phone_shifts(make_phone(np.random.default_rng(4), n=(50, 50, 12)), ())
    assert few[""].std_error > 0
    zones = phone_shifts(make_phone(np.random.default_rng(4), zones=3), ())
    assert "3 zones on one side are too few" in zones[""]


def test_interval_holds_the_true_shift(make_phone):
    # 200 surveys of independent people, true log odds ratio known: 90 percent, Monte Carlo
    # error 2.1 percent, three of them.
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        called, other = rng.random(250) < 0.4, rng.random(1000) < 0.3
        data = make_phone(rng, n=(10, 1000, 250))
        rows = stack(data.called, data.comparison)
        rows.outcome[:] = np.concatenate([called, other])
        found = phone_shift(rows, ())
        assert isinstance(found, PhoneShift)
        inside += found.lower < np.log(0.4 / 0.6 * 0.7 / 0.3) < found.upper
    assert abs(inside / 200 - 0.9) < 0.064
