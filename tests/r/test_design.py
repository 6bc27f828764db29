"""The fixture of survey designs by formulas written out here: residuals by stage, and refits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

R = Path(__file__).parent
FIXTURE = json.loads((R / "fixtures" / "design.json").read_text(encoding="utf-8"))
# File, columns that name a unit at each stage, strata of the first, and units in the population.
LINEAR = {
    "weights": ("apistrat", ["school"], None, []),
    "strat": ("apistrat", ["school"], "stype", ["fpc"]),
    "strat_no_fpc": ("apistrat", ["school"], "stype", []),
    "groups": ("apistrat", ["group"], "stype", []),
    "clus1": ("apiclus1", ["district"], None, ["fpc"]),
    "clus1_no_fpc": ("apiclus1", ["district"], None, []),
    "clus2": ("apiclus2", ["district", "school"], None, ["fpc1", "fpc2"]),
    "clus2_no_fpc": ("apiclus2", ["district"], None, []),
    "pairs": ("apiclus2", ["district"], "pair", []),
}
LONELY = {
    "strat": ("apistrat", ["school"], "lonely", ["fpc"]),
    "pairs": ("apiclus2", ["district"], "lonely", []),
}
REPLICATES = {
    "JK1": ("apiclus1", "jk", 14 / 15, 1.0),
    "JKn": ("apistrat", "jkn", 1.0, 0.9),
    "bootstrap": ("apistrat", "boot", 1 / 39, 1.0),
    "BRR": ("apiclus2", "brr", 1 / 24, 1.0),
    "Fay": ("apiclus2", "fay", 1 / (24 * 0.7**2), 1.0),
}
SAME = {"rel": 1e-9, "abs": 1e-12}
# R differentiates the standardised shares, and the formulas here the scores of ordered answers.
BY_DIFFERENCES = {"rel": 1e-7, "abs": 1e-9}


def read(name):
    return pd.read_csv(R / "data" / f"{name}.csv")


def linearised(frame, stages, strata, totals, influence, *, adjust=False):
    """The variance of a total, stage by stage, each within the units of the one before.

    A stratum with one unit adds nothing, or with `adjust` its distance from zero, which is what
    all residuals sum to.
    """
    within = frame[strata] if strata else pd.Series(0, index=frame.index)
    cov, share = 0.0, np.ones(len(frame))
    for stage, unit in enumerate(stages):
        if stage and stage >= len(totals):
            break
        for place in within.unique():
            rows = (within == place).to_numpy()
            sums = pd.DataFrame(influence[rows]).groupby(frame[unit][rows].to_numpy()).sum()
            n = len(sums)
            total = frame[totals[stage]][rows].iloc[0] if totals else np.inf
            centre = 0.0 if adjust and n == 1 else sums.mean()
            part = (sums - centre).to_numpy()
            scale = (1 - n / total) * (n / (n - 1) if n > 1 else 1.0)
            cov = cov + share[rows][0] * scale * part.T @ part
            share[rows] *= n / total
        within = frame[unit]
    return cov


def by_replicates(frame, prefix, scale, rscale, at):
    """Covariance about the mean of the replicates, and about the estimate."""
    columns = [name for name in frame if name.startswith(prefix) and name[-2:].isdigit()]
    thetas = np.array([at(frame[name].to_numpy()) for name in columns])
    about = [thetas.mean(axis=0), at(frame["weight"].to_numpy())]
    return [scale * rscale * (thetas - one).T @ (thetas - one) for one in about]


def shares(frame, weight, outcome, domain):
    """Shares of members, then of others, by level, and each person's influence on them."""
    levels = np.unique(frame[outcome])
    answers = (frame[outcome].to_numpy()[:, None] == levels).astype(float)
    made, influence = [], []
    for member in (1, 0):
        of = weight * (frame["member"] == member).to_numpy()
        of = of * (frame["domain"] == 1).to_numpy() if domain else of
        made.append(of @ answers / of.sum())
        influence.append(of[:, None] * (answers - made[-1]) / of.sum())
    return np.concatenate(made), np.hstack(influence)


def design_of(frame):
    columns = [frame["member"]]
    columns += [frame["stype"] == level for level in "HM"]
    columns += [frame["poor"] == level for level in ("low", "middle")]
    return np.column_stack(columns).astype(float)


def logit(frame, weight):
    """Newton's coefficients, the intercept last, and each person's influence on them."""
    x = np.column_stack([design_of(frame), np.ones(len(frame))])
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        p = expit(x @ beta)
        scores = x * (weight * (frame["qualified"].to_numpy() - p))[:, None]
        inverse = np.linalg.inv(x.T @ (x * (weight * p * (1 - p))[:, None]))
        beta = beta + inverse @ scores.sum(axis=0)
    return beta, scores @ inverse


def standardised(frame, weight):
    """Shares of yes of all as members and as others over the members, and influences on them."""
    beta, moved = logit(frame, weight)
    target = weight * frame["member"].to_numpy()
    target = target / target.sum()
    made, influence = [], []
    for member in (1.0, 0.0):
        x = np.column_stack([design_of(frame), np.ones(len(frame))])
        x[:, 0] = member
        p = expit(x @ beta)
        made.append(target @ p)
        slope = (target * p * (1 - p)) @ x
        influence.append(target * (p - made[-1]) + moved @ slope)
    return np.array(made), np.column_stack(influence)


def cumulative(params, x, level, weight):
    """The log-likelihood of a cumulative logit, and each person's score: slopes, thresholds."""
    cuts = np.concatenate([[-np.inf], params[x.shape[1] :], [np.inf]])
    eta = x @ params[: x.shape[1]]
    upper, lower = expit(cuts[level] - eta), expit(cuts[level - 1] - eta)
    steep_upper, steep_lower = upper * (1 - upper), lower * (1 - lower)
    at = np.arange(1, len(cuts) - 1)
    by_cut = steep_upper[:, None] * (level[:, None] == at)
    by_cut = by_cut - steep_lower[:, None] * (level[:, None] - 1 == at)
    scores = np.hstack([-x * (steep_upper - steep_lower)[:, None], by_cut])
    p = upper - lower
    # A step too far puts thresholds out of order, where there is no likelihood.
    value = weight @ np.log(p) if p.min() > 0 else -np.inf
    return value, scores * (weight / p)[:, None]


def ordinal(frame, weight, start):
    """Parameters by Newton, halved steps from `start`, and each person's influence on them.

    The Hessian is by differences of the scores.
    """
    frame, weight, n = frame[weight > 0], weight[weight > 0], len(frame)
    x, level = design_of(frame), frame["level"].to_numpy()
    params = np.array(start, float)
    steps = 1e-6 * np.eye(len(params))
    for _ in range(20):
        value, scores = cumulative(params, x, level, weight)
        sides = [
            [cumulative(params + sign * h, x, level, weight)[1].sum(axis=0) for sign in (1, -1)]
            for h in steps
        ]
        hessian = np.array([(up - down) / 2e-6 for up, down in sides])
        inverse = -np.linalg.inv((hessian + hessian.T) / 2)
        step = inverse @ scores.sum(axis=0)
        while cumulative(params + step, x, level, weight)[0] < value - 1e-9 * n:
            step = step / 2
        params = params + step
    return params, scores @ inverse


def checked(r, frame, spread):
    """Every number of a record; `spread` gives a covariance from a function of the weights."""
    weight = frame["weight"].to_numpy()
    for name in ("ordered", "binary", "ordered_domain", "binary_domain"):
        outcome = "level" if name.startswith("ordered") else "qualified"
        domain, expected = name.endswith("domain"), r[name]
        made, cov = spread(lambda w, o=outcome, d=domain: shares(frame, w, o, d))
        assert np.array([*expected["member"], *expected["comparison"]]) == pytest.approx(made)
        assert np.array(expected["cov"]) == pytest.approx(cov, **SAME)
        half = len(made) // 2
        above = np.array([np.arange(half) >= j for j in range(1, half)], float)
        rows = np.hstack([above, -above])
        assert np.atleast_1d(expected["gap"]) == pytest.approx(rows @ made)
        errors = np.sqrt(np.diag(rows @ cov @ rows.T))
        assert np.atleast_1d(expected["gap_std_errors"]) == pytest.approx(errors, **SAME)
    made, cov = spread(lambda w: logit(frame, w))
    assert np.array(r["logit"]["estimates"]) == pytest.approx(made, **SAME)
    assert np.array(r["logit"]["cov"]) == pytest.approx(cov, **SAME)
    made, cov = spread(lambda w: standardised(frame, w))
    expected = r["standardised_binary"]
    assert [expected["member"][1], expected["comparison"][1]] == pytest.approx(made, **SAME)
    assert np.array(expected["cov"])[1::2, 1::2] == pytest.approx(cov, **BY_DIFFERENCES)
    start = [*r["ordinal"]["slopes"], *r["ordinal"]["thresholds"]]
    made, cov = spread(lambda w: ordinal(frame, w, start))
    assert start == pytest.approx(made, **SAME)
    assert np.array(r["ordinal"]["cov"]) == pytest.approx(cov, **BY_DIFFERENCES)
    assert weight.min() > 0


@pytest.mark.parametrize("name", LINEAR)
def test_linearised_by_hand(name):
    data, stages, strata, totals = LINEAR[name]
    frame, r = read(data), FIXTURE["linear"][name]

    def spread(at):
        made, influence = at(frame["weight"].to_numpy())
        return made, linearised(frame, stages, strata, totals, influence)

    checked(r, frame, spread)
    units = frame[stages[0]].nunique()
    assert r["degf"] == units - (frame[strata].nunique() if strata else 1)


@pytest.mark.parametrize("rule", ["adjust", "certainty"])
@pytest.mark.parametrize("name", LONELY)
def test_lonely_strata_by_hand(name, rule):
    data, stages, strata, totals = LONELY[name]
    frame, r = read(data), FIXTURE["lonely"][f"{name}_{rule}"]
    assert (frame.groupby(strata)[stages[0]].nunique() == 1).any()

    def spread(at):
        made, influence = at(frame["weight"].to_numpy())
        adjust = rule == "adjust"
        return made, linearised(frame, stages, strata, totals, influence, adjust=adjust)

    checked(r, frame, spread)
    assert r["degf"] == frame[stages[0]].nunique() - frame[strata].nunique()


@pytest.mark.parametrize("name", REPLICATES)
def test_replicates_by_hand(name):
    data, prefix, scale, rscale = REPLICATES[name]
    frame, r = read(data), FIXTURE["replicates"][name]
    assert r["scale"] == pytest.approx(scale)
    assert r["rscales"] == pytest.approx([rscale] * len(r["rscales"]))
    about = []

    def spread(at):
        made, _ = at(frame["weight"].to_numpy())
        cov, mse = by_replicates(frame, prefix, scale, rscale, lambda w: at(w)[0])
        about.append(mse)
        return made, cov

    checked(r, frame, spread)
    # In the order of `checked`, where the record has both.
    names = ("ordered", "binary", "ordered_domain", "binary_domain", None, None, "ordinal")
    for place, cov in zip(names, about, strict=True):
        if place:
            assert np.array(r[place]["cov_mse"]) == pytest.approx(cov, **BY_DIFFERENCES)


def test_balanced_halves_of_shares_are_those_of_the_pairs():
    """Full balance: the half samples of a total give its linearised variance exactly."""
    frame = read("apiclus2")
    names = [name for name in frame if name.startswith("brr")]
    y = (frame["level"] >= 3).to_numpy().astype(float)
    totals = np.array([frame[name] @ y for name in names])
    weighted = frame["weight"].to_numpy() * y
    sums = pd.Series(weighted).groupby([frame["pair"], frame["district"]]).sum()
    differences = sums.groupby(level=0).agg(lambda pair: pair.iloc[0] - pair.iloc[1])
    assert ((totals - weighted.sum()) ** 2).mean() == pytest.approx((differences**2).sum())


@pytest.mark.parametrize("part", ["linear", "replicates", "lonely"])
def test_svyolr_itself_agrees(part):
    """It stops where its optimiser does, and its Hessian is by differences; polr's refits at 1e-8.

    Its replicates are about their mean, as `cov` is.
    """
    near = {"rel": 1e-4} if part == "replicates" else {"rel": 1e-5}
    for r in FIXTURE[part].values():
        own = r["ordinal"]["svyolr"]
        params = [*r["ordinal"]["slopes"], *r["ordinal"]["thresholds"]]
        assert own["estimates"] == pytest.approx(params, rel=1e-6)
        assert own["std_errors"] == pytest.approx(r["ordinal"]["std_errors"], **near)


@pytest.mark.parametrize("part", ["linear", "replicates", "lonely"])
def test_standardised_shares_hang_together(part):
    """Of each group they sum to one; under proportional odds gaps have the sign of the slope."""
    for r in FIXTURE[part].values():
        for name in ("standardised_ordinal", "standardised_free"):
            if name not in r:
                continue
            made = np.array([r[name]["member"], r[name]["comparison"]])
            assert made.sum(axis=1) == pytest.approx([1.0, 1.0])
            cov = np.array(r[name]["cov"])
            assert cov[:4].sum(axis=0) == pytest.approx(np.zeros(8), abs=1e-10)
            assert np.linalg.eigvalsh(cov).min() > -1e-12
        gaps = -np.cumsum(
            np.subtract(*[r["standardised_ordinal"][s] for s in ("member", "comparison")])
        )
        assert np.array_equal(np.sign(gaps[:3]), [np.sign(r["ordinal"]["slopes"][0])] * 3)
