"""What other packages let pass in silence is refused by ours."""

from __future__ import annotations

import numpy as np
import pytest

from coopgap.families.cells import fit_cells
from coopgap.families.cumulative import estimate_adjusted, estimate_matched
from coopgap.regression.aipw import doubly_robust
from coopgap.regression.bootstrap import bootstrap_margins, wild_score_test
from coopgap.regression.conditional import conditional_covariance, fit_conditional
from coopgap.regression.covariance import cluster_covariance
from coopgap.regression.linear import fit_linear
from coopgap.regression.ordinal import fit_ordinal, fit_reduced, profile_interval
from coopgap.regression.proportional import brant, likelihood_ratio, robust_wald
from coopgap.regression.sampled import Sampled
from coopgap.regression.standardise import standardise

X = np.array([[0.0], [1.0]])
COUNTS = np.array([[5, 4, 3], [2, 4, 6]])
WEIGHTS = COUNTS.astype(float)
SETS = np.zeros(2, dtype=np.int64)
FIT = fit_ordinal(X, WEIGHTS)
CONDITIONAL = fit_conditional(X, COUNTS, SETS)
PEOPLE = (np.ones(4), np.array([True, False] * 2), np.ones(4), np.repeat([0, 1], 2), None)

CALLS = {
    "fit_ordinal": (fit_ordinal, (X, WEIGHTS)),
    "fit_reduced": (fit_reduced, (X, WEIGHTS)),
    "fit_conditional": (fit_conditional, (X, COUNTS, SETS)),
    "conditional_covariance": (conditional_covariance, (CONDITIONAL, X, COUNTS, SETS, None)),
    "fit_linear": (fit_linear, PEOPLE),
    "profile_interval": (profile_interval, (X, WEIGHTS, 0)),
    "likelihood_ratio": (likelihood_ratio, (X, WEIGHTS, (0,))),
    "brant": (brant, (X, WEIGHTS, (0,))),
    "robust_wald": (robust_wald, (X, WEIGHTS, WEIGHTS, None, (0,))),
    "standardise": (standardise, (FIT, X, 0, X[:, 0], WEIGHTS, WEIGHTS, None)),
    "doubly_robust": (doubly_robust, (FIT, X, 0, WEIGHTS, WEIGHTS, None)),
    "covariance": (Sampled().covariance, (np.zeros((2, 3, 1)), WEIGHTS, WEIGHTS)),
    "cluster_covariance": (
        cluster_covariance,
        (FIT.bread, np.zeros((2, 3, 3)), WEIGHTS, WEIGHTS, None),
    ),
    "bootstrap_margins": (bootstrap_margins, (X, 0, X[:, 0], WEIGHTS, SETS)),
    "wild_score_test": (wild_score_test, (X, 0, WEIGHTS, SETS)),
    "fit_cells": (fit_cells, (None, None)),
    "estimate_matched": (estimate_matched, (None,)),
    "estimate_adjusted": (estimate_adjusted, (None, ())),
}


@pytest.mark.parametrize("keyword", ["freq_weights", "weights", "cov_type", "missing", "banana"])
@pytest.mark.parametrize("name", CALLS)
def test_an_unknown_keyword_is_an_error(name, keyword):
    function, arguments = CALLS[name]
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{keyword}'"):
        function(*arguments, **{keyword: np.ones(2)})


def test_without_the_keyword_the_same_calls_stand():
    """So that it is the keyword which is refused."""
    for name in ("fit_ordinal", "fit_reduced", "fit_conditional", "standardise", "brant"):
        function, arguments = CALLS[name]
        assert function(*arguments) is not None


@pytest.mark.parametrize("kind", ["nonsense", "robust", "hc1", ""])
def test_a_covariance_that_is_none_is_an_error(kind):
    with pytest.raises(ValueError, match="expected one of"):
        Sampled().covariance(np.zeros((2, 3, 1)), WEIGHTS, WEIGHTS, kind=kind)
