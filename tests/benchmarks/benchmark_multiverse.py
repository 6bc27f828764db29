"""Specifications a minute, and the same fits by statsmodels: `python benchmark_multiverse.py`."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from judged import Judged, at_least, beside, main, timed

from coopgap.app.plan import make_plan
from coopgap.checks.multiverse.run import (
    SHUFFLES,
    common_contrast,
    fit_specifications,
    make_scheme,
    rows_for,
)
from coopgap.checks.multiverse.specifications import specifications
from coopgap.core.vocabulary import Quantity
from coopgap.families.plan import sample_for
from coopgap.regression.design import design_matrix

MODEL = "trust_agree"
A_MINUTE, TIMES = 200.0, 1.0


def peer(rows, sample) -> float:
    """Superiority of a binary outcome by a weighted logistic GLM with zone clusters."""
    import statsmodels.api as sm

    kept = sample.weight > 0
    codes = {name: rows.factors[name][kept] for name in sample.covariates}
    levels = {name: rows.factor_levels[name] for name in codes}
    member = rows.member[kept].astype(float)
    x = np.column_stack([np.ones(member.size), member, design_matrix(codes, levels).x])
    model = sm.GLM(
        rows.outcome[kept], x, family=sm.families.Binomial(), freq_weights=sample.weight[kept]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": rows.zone[kept]})
    target = x[member == 1]
    sides = [
        np.column_stack([target[:, :1], np.full(len(target), side), target[:, 2:]])
        for side in (1.0, 0.0)
    ]
    shares = [fit.predict(side) for side in sides]
    gradient = sum(
        sign * (share * (1 - share)) @ side / len(side)
        for sign, share, side in zip((1, -1), shares, sides, strict=True)
    )
    assert gradient @ fit.cov_params() @ gradient > 0
    return 0.5 + (shares[0].mean() - shares[1].mean()) / 2


def judge(jobs: int, shuffles: int) -> list[Judged]:
    """The shipped multiverse, then its binary logit specifications both ways."""
    plan = make_plan("peru", only=[MODEL])
    survey, study, spec = plan.survey, plan.study, plan.models[0].spec
    listed = specifications(study, spec)
    scheme = make_scheme(survey, study, spec, 1, 0)
    n = len(listed.listed)

    def fitted(of, scheme, jobs=1):
        return timed(lambda: fit_specifications(survey, study, of, scheme, jobs=jobs))

    _, alone = fitted(listed, scheme)
    _, shuffled = fitted(listed, replace(scheme, n_shuffles=shuffles), jobs)
    found = [
        beside(f"{n} specifications of model {MODEL}, one process", alone, "s"),
        at_least("  specifications a minute", 60 * n / alone, A_MINUTE, ""),
        beside(f"with {shuffles} shuffles of those that can be, {jobs} processes", shuffled, "s"),
        at_least("  specifications a minute, with their shuffles", 60 * n / shuffled, A_MINUTE, ""),
    ]
    chosen = tuple(
        one for one in listed.listed if one.spec.outcome == MODEL and one.spec.link == "logit"
    )
    own, seconds = fitted(replace(listed, listed=chosen), scheme)
    contrast = common_contrast([("a", "b", "c"), ("a", "b")])
    assert contrast.quantity is Quantity.SUPERIORITY

    def by_statsmodels():
        made = [(rows_for(survey, study, one), one.spec) for one in chosen]
        return [peer(rows, sample_for(rows, spec)) for rows, spec in made]

    # Matching counts on both sides.
    theirs, took = timed(by_statsmodels)
    mine = [one.estimate.intervals[contrast].estimate for one in own]
    members = [one.specification.spec.matching.method != "overlap" for one in own]
    # Overlap weights count in the target here too; the loop above takes members alike.
    apart = np.abs(np.subtract(mine, theirs))[members].max()
    assert apart < 1e-6, apart
    what = f"statsmodels GLM over coopgap, {len(mine)} binary specifications"
    return [*found, at_least(what, took / seconds, TIMES, "times")]


if __name__ == "__main__":
    main(__doc__, judge, jobs=2, shuffles=SHUFFLES)
