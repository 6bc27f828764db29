"""The free example: gaps that are true in it are found, for all members and in every region."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from coopgap.app.plan import make_plan
from coopgap.bayes.fit import fit_hierarchical
from coopgap.checks.hierarchical import hierarchical_request
from coopgap.core.gap import contrast_values, contrasts
from coopgap.core.vocabulary import Quantity
from coopgap.survey.example import make_example

SURVEYS = 8


@pytest.mark.slow
def test_true_gaps_of_the_free_example_are_found():
    distances, inside = [], []
    for seed in range(SURVEYS):
        example = make_example(2007, seed=seed, mode="free")
        plan = make_plan("peru", example.data, ["ses"])
        request = hierarchical_request(plan, plan.models[0], seed=seed)
        fit = fit_hierarchical(
            dataclasses.replace(request, draws=1000, target_accept=0.95), cores=2
        )
        truth = example.truth.query("outcome == 'ses_class' and quantity == 'risk_difference'")
        true = truth.set_index(["group", "category"])["estimate"]
        names = ("all", *(f"region={name}" for name in request.cells.regions))
        for g, group in enumerate(names):
            for contrast in contrasts(request.cells.levels):
                if contrast.quantity is Quantity.RISK_DIFFERENCE and contrast.by_threshold:
                    draws = contrast_values(contrast, fit.member[g], fit.comparison[g])
                    here = true[group, contrast.category]
                    distances.append((draws.mean() - here) / draws.std())
                    low, high = np.quantile(draws, [0.025, 0.975])
                    inside.append(low <= here <= high)
    assert len(distances) == SURVEYS * 6 * 4
    # 192 distances, about 30 of them independent: thresholds of a group move together. Pooling
    # draws regional gaps inwards, so their spread is below one and their mean need not be zero.
    assert np.abs(distances).max() < 4
    assert abs(np.mean(distances)) < 0.6
    assert 0.4 < np.sqrt(np.mean(np.square(distances))) < 1.4
    assert np.mean(inside) > 0.85
