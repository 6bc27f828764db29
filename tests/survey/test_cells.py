"""Lossless collapse into cells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopgap.survey.cells import collapse, group_codes


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 60))
def test_cells_hold_everybody_once(seed, n_columns, n):
    rng = np.random.default_rng(seed)
    columns = [rng.integers(-1, 4, n) for _ in range(n_columns)]
    outcome = rng.integers(0, 3, n)
    weight = rng.choice([0.0, 0.5, 2.0], n)
    cells = collapse(columns, outcome, 3, weight)
    kept = weight > 0  # Nobody of weight zero is in a cell.
    rows = zip(*[c[kept].tolist() for c in columns], outcome[kept].tolist(), strict=True)
    found = {
        (*row.tolist(), j): int(cells.people[i, j])
        for i, row in enumerate(cells.codes)
        for j in range(3)
        if cells.people[i, j]
    }
    assert found == dict(Counter(rows))
    assert ((cells.index >= 0) == kept).all()
    assert cells.counts.sum() == pytest.approx(weight.sum())
    assert cells.squares.sum() == pytest.approx((weight**2).sum())
    assert len(np.unique(cells.codes, axis=0)) == len(cells.codes)


def test_weighted_counts_are_sums_within_the_cell():
    cells = collapse([np.array([1, 1, 0])], np.array([0, 0, 1]), 2, np.array([0.5, 2.0, 3.0]))
    assert cells.codes.tolist() == [[0], [1]]
    assert cells.counts.tolist() == [[0.0, 3.0], [2.5, 0.0]]
    assert cells.squares.tolist() == [[0.0, 9.0], [4.25, 0.0]]
    assert cells.people.tolist() == [[0, 1], [2, 0]]


def test_keys_wider_than_an_integer_are_renumbered():
    rng = np.random.default_rng(3)
    columns = [rng.integers(0, 2**31, 200) for _ in range(4)]
    columns = [np.concatenate([column, column]) for column in columns]
    codes, index = group_codes(columns)
    assert codes.shape == (200, 4)
    assert (codes[index] == np.column_stack(columns)).all()
