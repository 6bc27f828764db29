import numpy as np
import pytest

from coopgap.families.records import FamilyEstimate
from coopgap.families.rows import Labels
from coopgap.gap import contrasts, wald
from coopgap.sensitivity.confounding.robustness import robustness_rows, robustness_value
from coopgap.vocabulary import Family, Population, Quantity


def test_published_robustness_values():
    # Darfur, Cinelli & Hazlett (2020), Table 1: t = 4.18445, 783 degrees of freedom give 13.9 %
    # and 7.6 %; digits as printed by sensemakr.
    assert robustness_value(4.18445, 783) == pytest.approx(0.13878, abs=5e-6)
    assert robustness_value(4.18445, 783, alpha=0.05) == pytest.approx(0.07626, abs=5e-6)


def test_robustness_value_solves_its_equation():
    # A confounder with both partial R2 equal to RV has bias |t|: RV^2/(1 - RV) = f^2.
    value = robustness_value(3.0, 200)
    assert value**2 / (1 - value) == pytest.approx(9 / 200)


def test_robustness_value_of_an_insignificant_estimate_is_zero():
    assert robustness_value(1.5, 100, alpha=0.05) == 0
    assert robustness_value(-1.5, 100) == robustness_value(1.5, 100) > 0


def test_extreme_robustness_value():
    # f > 1/f_crit: the confounder need not explain the outcome; (f2 - c2)/(1 + f2) by hand.
    from scipy import stats

    critical = abs(stats.t.ppf(0.025, 3)) / 3**0.5
    f_value = 40 / 4**0.5
    expected = (f_value**2 - critical**2) / (1 + f_value**2)
    assert robustness_value(40, 4, alpha=0.05) == pytest.approx(expected)


def test_robustness_rows_use_residual_degrees_of_freedom():
    interval = wald(0.1, 0.025, df=99, prob=0.95, null=0.0)
    contrast = next(
        one for one in contrasts(("E", "D")) if one.quantity is Quantity.RISK_DIFFERENCE
    )
    estimate = FamilyEstimate(
        family=Family.LINEAR,
        population=Population.MEMBERS,
        people=np.full((2, 2), 300),
        intervals={contrast: interval},
        n_sets=12,
    )
    labels = Labels(model="m", outcome="y", levels=("E", "D"), source="s")
    rows = {row.variant: row for row in robustness_rows(estimate, labels)}
    df = 1200 - 12 - 1
    assert rows["estimate"].estimate == pytest.approx(robustness_value(4.0, df))
    assert rows["interval"].estimate == pytest.approx(robustness_value(4.0, df, alpha=0.05))
