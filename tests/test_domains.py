"""Domains: the people of a level, or the members of one against every comparison person."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from coopgap.app.plan import make_plan
from coopgap.families.dispatch import headline_estimate
from coopgap.families.plan import domains

from .studies import BINARY, model, nominal, write_study


@pytest.fixture(scope="module")
def plan():
    return make_plan("peru", only=["trusted_person"])


def matched_gap(rows, chosen):
    """Mean over the chosen members' strata of the difference in shares, by hand."""
    stratum = sum(
        rows.factors[name] * 10**place for place, name in enumerate(("region", "age_band", "sex"))
    )
    members, others = chosen & rows.member, ~rows.member
    total, count = 0.0, 0
    for one in np.unique(stratum[members]):
        here = stratum == one
        if (here & others).any():
            n = int((here & members).sum())
            above = rows.outcome == 1
            total += n * (above[here & members].mean() - above[here & others].mean())
            count += n
    return total / count, count


def difference(sample):
    return headline_estimate(sample).at()


def test_every_region_and_group_has_a_domain_of_its_own_people(plan):
    (model,) = plan.models
    rows, found = model.rows, dict(domains(plan.study, model))
    regions = [f"region={level}" for level in ("Lima", "Center", "East", "North", "South")]
    groups = ["sex=male", "sex=female", "coop_type=agrarian", "coop_type=SACCO"]
    assert list(found)[:9] == [*regions, *groups]
    # A question of members alone keeps every comparison person.
    kinds = [one for name, one in found.items() if name.startswith("coop_type=")]
    assert sum(int(one.rows.member.sum()) for one in kinds) == 1004
    assert {int((~one.rows.member).sum()) for one in kinds} == {1003}
    assert all(one.domain for one in kinds)
    # Its gap is that of those members matched anew.
    estimate = headline_estimate(found["coop_type=SACCO"])
    expected, kept = matched_gap(rows, rows.factors["coop_type"] == 1)
    assert estimate.at().estimate == pytest.approx(expected)
    assert int(estimate.people.sum(axis=1)[1]) == kept
    # A group of both keeps its own people.
    assert (found["sex=male"].rows.factors["sex"] == 0).all()
    expected, _ = matched_gap(rows, rows.factors["sex"] == 0)
    assert difference(found["sex=male"]).estimate == pytest.approx(expected)


VARIABLES = {"y": BINARY, "region": nominal("a", "b")}
VARIABLES["sex"] = nominal("male", "female", groups=True)
DESIGNS = {
    "exact on region": ("sex", {"on": ["region"]}),
    "exact on sex": ("region", {"on": ["sex"]}),
    "entropy": ("sex", {"method": "entropy", "on": ["region"]}),
    "full": ("sex", {"method": "full", "on": ["region"]}),
    "overlap": ("sex", {"method": "overlap", "covariates": ["region"]}),
    "optimal": ("sex", {"method": "optimal", "on": ["sex"], "covariates": ["region"]}),
}
TRUE_SHARE = {"a": 0.2, "b": 0.7}


def no_gap(n=4000, seed=3):
    """People whose answer hangs on region and sex alone: the gap is 0 at every level."""
    rng = np.random.default_rng(seed)
    region, sex = rng.choice(["a", "b"], n), rng.choice(["male", "female"], n)
    crossed = (region == "b") == (sex == "male")
    member = rng.random(n) < np.where(crossed, 0.8, 0.2)
    share = np.vectorize(TRUE_SHARE.get)(region) + np.where(sex == "male", 0.2, 0.0)
    columns = {"member": member.astype(int), "region": region, "sex": sex}
    return pd.DataFrame(columns | {"y": (rng.random(n) < share).astype(int)})


def planned(folder, matching, covariates=("region", "sex")):
    """Members are found in other regions among men than among women."""
    models = {"y": model("y", *covariates, matching=matching)}
    return make_plan(write_study(folder, VARIABLES, models, design={"region": "region"}), no_gap())


@pytest.mark.parametrize("name", DESIGNS)
def test_a_gap_of_zero_is_found_at_every_level(name, tmp_path):
    group, matching = DESIGNS[name]
    plan = planned(tmp_path, matching, [one for one in ("region", "sex") if one != group])
    (model,) = plan.models
    found = {
        key: sample
        for key, sample in domains(plan.study, model)
        if key.startswith("region=" if group == "region" else "sex=")
    }
    assert len(found) == 2
    for sample in found.values():
        gap = difference(sample)
        # Four standard errors: one false alarm in some thousand seeds, and this seed is fixed.
        assert abs(gap.estimate) < 4 * gap.std_error
        assert gap.std_error < 0.04


def test_weights_of_everybody_would_not_have_found_it(tmp_path):
    plan = planned(tmp_path, {"on": ["region"]}, ["region"])
    (model,) = plan.models
    men = model.rows.factors["sex"] == 0
    # Over everybody members and others have the same regions, among men they have opposite ones:
    # 80 against 20 percent live in b, where 50 points more say yes.
    assert difference(model.sample.within(men)).estimate == pytest.approx(0.3, abs=0.06)
    anew = dict(domains(plan.study, model))["sex=male"]
    region, y = (plan.survey.codes[name][model.rows.index] for name in ("region", "y"))
    by_hand = [
        (
            y[men & model.rows.member & (region == code)].mean()
            - y[men & ~model.rows.member & (region == code)].mean(),
            (men & model.rows.member & (region == code)).sum(),
        )
        for code in (0, 1)
    ]
    gaps, members = zip(*by_hand, strict=True)
    assert difference(anew).estimate == pytest.approx(np.average(gaps, weights=members))


def test_a_stratum_keeps_the_weights_of_everybody(tmp_path):
    plan = planned(tmp_path, {"on": ["sex", "region"]})
    (model,) = plan.models
    for code, name in enumerate(("sex=male", "sex=female")):
        here = model.rows.factors["sex"] == code
        sample = dict(domains(plan.study, model))[name]
        assert (sample.matched.weight == model.sample.matched.weight[here]).all()
