"""Three shares with one covariance: blocks, clusters in common, who is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coopgap.sensitivity.phone.balanced import balanced_margins
from coopgap.sensitivity.phone.data import PhoneData, stack
from coopgap.sensitivity.phone.joint import joint_shares
from coopgap.survey.records import ModelRows

R = Path(__file__).parents[2] / "r"


def test_each_pair_is_the_pair_alone(make_phone):
    data = make_phone(np.random.default_rng(0), n_levels=3, zones=20, young_phone=True)
    joint = joint_shares(data, ("age",))
    for place, group in ((1, data.comparison), (2, data.called)):
        pair = balanced_margins(stack(data.members, group), ("age",)).margins
        assert joint.shares[0] == pytest.approx(pair.member)
        assert joint.shares[place] == pytest.approx(pair.comparison)
        pick = np.r_[0:3, 3 * place : 3 * place + 3]
        assert joint.cov[np.ix_(pick, pick)] == pytest.approx(pair.cov)
        assert set(joint.df) == {pair.df} == {19}


def test_the_same_people_by_phone_have_the_same_errors(make_phone):
    data = make_phone(np.random.default_rng(1), zones=25)
    joint = joint_shares(PhoneData(in_person=data.in_person, phone=data.comparison), ("age",))
    assert joint.shares[1] == pytest.approx(joint.shares[2])
    assert joint.cov[2:4, 4:6] == pytest.approx(joint.cov[2:4, 2:4])


def test_covariance_is_that_of_zones_left_out_one_at_a_time(make_phone):
    # The jackknife over zones rebuilds weights and shares each time and knows nothing of the
    # linearisation; with 40 zones the two differ by some percent.
    rng = np.random.default_rng(2)
    data = with_zones(make_phone(rng, zones=40), rng)
    joint = joint_shares(data, ("age",))
    zones = np.unique(data.in_person.zone)
    again = []
    for zone in zones:
        rest = PhoneData(
            in_person=data.in_person.take(data.in_person.zone != zone),
            phone=data.phone.take(data.phone.zone != zone),
        )
        again.append(joint_shares(rest, ("age",)).at_least(1)[0])
    away = np.array(again) - np.mean(again, axis=0)
    jackknife = (zones.size - 1) / zones.size * away.T @ away
    _, cov = joint.at_least(1)
    scale = np.sqrt(np.diag(cov))
    assert jackknife / np.outer(scale, scale) == pytest.approx(
        cov / np.outer(scale, scale), abs=0.08
    )
    # Zones move all three answers: what they share is no rounding.
    correlation = cov / np.outer(scale, scale)
    assert correlation[1, 2] > 0.3


def with_zones(data, rng):
    """Zones in which everybody answers alike more than chance has it."""
    tilt = rng.random(40) < 0.5

    def moved(rows):
        flip = rng.random(rows.n) < 0.5
        outcome = np.where(flip, tilt[rows.zone].astype(np.int64), rows.outcome)
        return replace(rows, outcome=outcome)

    return PhoneData(in_person=moved(data.in_person), phone=moved(data.phone))


def test_independent_people_have_no_shared_error_without_covariates(make_phone):
    joint = joint_shares(make_phone(np.random.default_rng(3)), ())
    shares, cov = joint.at_least(1)
    sizes = np.array([600, 600, 250])
    assert cov == pytest.approx(np.diag(shares * (1 - shares) / sizes))
    assert np.isinf(joint.df).all()


def test_the_phone_share_has_the_degrees_of_freedom_of_its_own_zones(make_phone):
    data = make_phone(np.random.default_rng(5), zones=20)
    few = replace(data, phone=data.phone.take(data.phone.zone < 7))
    assert joint_shares(few, ()).df.tolist() == [19, 19, 6]


def test_members_that_one_group_lacks_are_left_out_of_both(make_phone):
    data = make_phone(np.random.default_rng(4))
    young = PhoneData(
        in_person=data.in_person, phone=data.phone.take(data.phone.factors["age"] < 2)
    )
    joint = joint_shares(young, ("age",))
    kept = data.members.factors["age"] < 2
    assert joint.n_member == kept.sum()
    assert joint.shares[0, 1] == pytest.approx(data.members.outcome[kept].mean())


def infert() -> PhoneData:
    """Every third person of the comparison group taken as called, as in borrow.R."""
    frame = pd.read_csv(R / "data" / "infert.csv")
    place = np.arange(len(frame))
    rows = ModelRows(
        index=place,
        outcome=frame["case"].to_numpy(np.int64),
        levels=("no", "yes"),
        member=(frame["spontaneous"] > 0).to_numpy(),
        factors={"induced": frame["induced"].to_numpy(np.int64)},
        factor_levels={"induced": ("0", "1", "2")},
        zone=(frame["parity"] * 5 + frame["age"] % 5).to_numpy(np.int64),
        weight=0.5 + (place % 7) / 4,
        dropped=(),
    )
    called = ~rows.member & (place % 3 == 2)
    return PhoneData(in_person=rows.take(~called), phone=rows.take(called))


def test_one_factor_against_totals_of_a_clustered_design_in_r():
    expected = json.loads((R / "fixtures" / "borrow.json").read_text(encoding="utf-8"))["joint"]
    joint = joint_shares(infert(), ("induced",))
    shares, cov = joint.at_least(1)
    assert joint.df[1] + 1 == expected["n_clusters"]
    # Entropy balancing stops at 1e-10 on the margins; R's jacobian is numerical.
    assert shares == pytest.approx(expected["shares"], rel=1e-7)
    assert cov == pytest.approx(np.array(expected["cov"]), rel=1e-6, abs=1e-9)
