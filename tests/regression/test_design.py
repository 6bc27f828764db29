from __future__ import annotations

import numpy as np
import pytest

from coopgap.regression.design import design_matrix

LEVELS = {"region": ("North", "South", "East"), "sex": ("Female", "Male")}


def test_treatment_coding_by_hand():
    codes = {"region": np.array([0, 1, 2, 1]), "sex": np.array([1, 0, 1, 0])}
    design = design_matrix(codes, LEVELS)
    assert design.terms == ("region=South", "region=East", "sex=Male")
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert (design.x == expected).all()


def test_absent_levels_give_no_column():
    codes = {"region": np.array([1, 2, 1]), "sex": np.array([1, 1, 1])}
    design = design_matrix(codes, LEVELS)
    assert design.terms == ("region=East",)  # South takes the place of the absent reference
    assert design.x.ravel().tolist() == [0, 1, 0]


def test_no_factor_gives_no_column():
    assert design_matrix({}, {}, n=3).x.shape == (3, 0)


def test_refuses_a_missing_code():
    with pytest.raises(ValueError, match="region"):
        design_matrix({"region": np.array([0, -1])}, LEVELS)
