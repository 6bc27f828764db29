"""Fits, gaps and sets of a sample beside those that a fixture of R holds."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.families.cells import fit_form
from coopgap.regression.conditional import fit_conditional

FORMS = {
    "adjusted_ordinal": "free",
    "adjusted_proportional": "proportional",
    "matched_ordinal": "free",
    "matched_proportional": "proportional",
}
# Two programs at convergence: coefficients to 8 digits, standard errors to 6, as both carry more.
COEFFICIENT = {"rel": 1e-8, "abs": 1e-9}
STD_ERROR = {"rel": 1e-6}


def fitted(sample, family):
    """The cells and fit of a family."""
    matched = family.startswith("matched")
    weight = sample.weight if matched else sample.rows.weight
    return fit_form(sample, weight, FORMS.get(family, "proportional"), matched=matched).fit


def in_our_order(r):
    """R's parameters and standard errors; its glm has the intercept first, minus the threshold."""
    errors = (np.array(r["std_errors"]), np.array(r["cluster_std_errors"]))
    if "coefficients" not in r:
        return r.get("params") or [*r["slopes"], *r["thresholds"]], *errors
    first, *others = r["coefficients"]
    return [*others, -first], *(np.roll(each, -1) for each in errors)


def check_fit(found, r):
    fit, (params, errors, clustered) = found.fit, in_our_order(r)
    assert found.infinite == ()
    assert fit.n_obs == pytest.approx(r["n"])
    assert fit.params == pytest.approx(params, **COEFFICIENT)
    assert fit.std_errors == pytest.approx(errors, **STD_ERROR)
    assert np.sqrt(np.diag(found.covariance.cov)) == pytest.approx(clustered, **STD_ERROR)
    if "log_likelihood" in r:
        # Sums of 2,007 logarithms and of 400: the last digits differ.
        assert fit.log_likelihood == pytest.approx(r["log_likelihood"], rel=1e-12)
        assert found.covariance.n_clusters == r["n_clusters"]


def check_gaps(one, shares, cov, *, rel=1e-6):
    """Gap and standard error at every threshold, from shares (2, J) and their covariance.

    R differentiates the margins numerically.
    """
    shares, cov = np.ravel(shares), np.array(cov)
    for contrast in filter(lambda one: one.is_threshold_gap, one.intervals):
        above = (np.arange(shares.size // 2) >= contrast.level).astype(float)
        row, interval = np.concatenate([above, -above]), one.intervals[contrast]
        assert interval.estimate == pytest.approx(row @ shares, **COEFFICIENT)
        assert interval.std_error == pytest.approx(np.sqrt(row @ cov @ row), rel=rel)


def check_sets(sample, estimate, r):
    """The slope of a conditional family, and its likelihood on its own.

    The family's standard error is by zone, which clogit refuses with exact sets.
    """
    member = estimate.coefficients[0]
    assert member.term == "member"
    assert member.interval.estimate == pytest.approx(r["slope"], **COEFFICIENT)
    inside = sample.take(sample.matched.set_id >= 0)
    counts = np.eye(len(inside.rows.levels), dtype=np.int64)[inside.rows.outcome]
    x = inside.rows.member[:, None].astype(float)
    fit = fit_conditional(x, counts, inside.matched.set_id)
    error = r.get("std_error") or r["inverse_information"] ** 0.5
    assert fit.std_errors[0] == pytest.approx(error, **STD_ERROR)
    assert fit.log_likelihood == pytest.approx(r["log_likelihood"], rel=1e-12)
