from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from coopgap.core.errors import NotEstimable
from coopgap.regression import separation
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.separation import check_separation, finite_fit, separated_terms

SIDE = np.array([[0.0], [1.0]])
# R's ordinal::wine, 72 ratings 1-5 by (contact, temp): every split of some term is separated
# in part, the proportional-odds estimate is finite (Christensen, ordinal package article).
WINE_X = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)
WINE = np.array([[4, 9, 5, 0, 0], [1, 7, 8, 2, 0], [0, 5, 8, 3, 2], [0, 1, 5, 7, 5]], dtype=float)


def test_wine_is_not_separated():
    assert separated_terms(WINE_X, WINE, ("contact", "temp")) == ()
    fit = fit_ordinal(WINE_X, WINE)
    # ordinal package article, wine, rating ~ contact + temp.
    assert fit.slopes == pytest.approx([1.527798, 2.503102], abs=5e-7)
    assert fit.std_errors[:2] == pytest.approx([0.476623, 0.528680], abs=5e-7)
    assert fit.thresholds == pytest.approx([-1.3444, 1.2508, 3.4669, 5.0064], abs=5e-5)
    assert fit.log_likelihood == pytest.approx(-86.491923, abs=5e-7)


def test_a_split_of_wine_alone_is_separated():
    lowest = np.column_stack([WINE[:, 0], WINE[:, 1:].sum(axis=1)])
    assert separated_terms(WINE_X, lowest, ("contact", "temp")) == ("temp",)


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ([[5, 5, 0], [0, 0, 9]], ("member",)),  # complete, above
        ([[0, 0, 9], [5, 5, 0]], ("member",)),  # complete, below
        ([[5, 5, 2], [0, 0, 9]], ("member",)),  # quasi-complete: members all at the top
        ([[5, 5, 0], [0, 4, 9]], ("member",)),  # only the middle level is shared: it widens
        ([[5, 5, 0], [1, 4, 9]], ()),
        ([[5, 5, 1], [1, 4, 9]], ()),
        ([[5, 0, 9], [5, 0, 9]], ()),  # a level that nobody has
    ],
)
def test_two_groups(counts, found):
    assert separated_terms(SIDE, np.array(counts, dtype=float), ("member",)) == found


def test_an_empty_corner_alone_has_a_finite_fit():
    counts = np.array([[5, 5, 0], [1, 4, 9]], dtype=float)
    fit = fit_ordinal(SIDE, counts)
    assert 0 < fit.slopes[0] < 10
    assert fit.max_gradient < 1e-10


def test_only_the_separated_term_is_named():
    x = np.array([[m, r] for m in (0, 1) for r in (0, 1)], dtype=float)
    counts = np.array([[4, 6], [5, 0], [7, 3], [8, 0]], dtype=float)
    assert separated_terms(x, counts, ("member", "region=North")) == ("region=North",)
    with pytest.raises(NotEstimable, match=r"region=North") as caught:
        check_separation(x, counts, ("member", "region=North"))
    assert "member" not in caught.value.reason


def test_units_of_a_column_do_not_matter():
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.integers(0, 2, 30), rng.normal(2020, 5, 30)]).astype(float)
    counts = rng.poisson(2, (30, 3)).astype(float) + 0.1
    assert separated_terms(x, counts, ("member", "year")) == ()
    split = np.column_stack([x[:, 1] < 2020, x[:, 1] >= 2020]).astype(float)
    for scale in (1e-6, 1.0, 1e6):
        found = separated_terms(x * [1.0, scale], split, ("member", "year"))
        assert "year" in found


def test_agrees_with_the_fit_on_random_small_tables():
    rng = np.random.default_rng(11)
    x = np.array([[m, a, b] for m in (0, 1) for a in (0, 1) for b in (0, 1)], dtype=float)
    seen = {True: 0, False: 0}
    for _ in range(60):
        counts = rng.poisson(0.5, (8, 3)).astype(float)
        used = counts.sum(axis=1) > 0
        if (counts.sum(axis=0) == 0).any() or np.linalg.matrix_rank(
            np.column_stack([np.ones(used.sum()), x[used]])
        ) < 4:
            continue
        separated = bool(separated_terms(x, counts, ("m", "a", "b")))
        seen[separated] += 1
        if separated:
            with pytest.raises(NotEstimable):
                fit_ordinal(x, counts)
        else:
            assert np.abs(fit_ordinal(x, counts).slopes).max() < 25
    assert min(seen.values()) >= 5


def test_conditions_are_counted_before_they_are_built():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 300))
    counts = np.eye(5)[rng.integers(0, 5, 4000)]
    tracemalloc.start()
    with pytest.raises(NotEstimable, match=r"whether 1,204 parameters are finite is [\d,]+ cond"):
        separated_terms(x, counts, [f"x{k}" for k in range(300)], range(300))
    # The rows themselves, twice; the conditions would be 30 times that.
    assert tracemalloc.get_traced_memory()[1] < 10 * x.nbytes
    tracemalloc.stop()


def test_a_fit_or_the_terms_without_one():
    fit, infinite = finite_fit(WINE_X, WINE, ("contact", "temp"))
    assert fit.slopes == pytest.approx(fit_ordinal(WINE_X, WINE).slopes)
    assert infinite == ()
    lowest = np.column_stack([WINE[:, 0], WINE[:, 1:].sum(axis=1)])
    assert finite_fit(WINE_X, lowest, ("contact", "temp")) == (None, ("temp",))
    with pytest.raises(NotEstimable, match="everybody gave the same answer"):
        finite_fit(WINE_X, np.ones((4, 1)), ("contact", "temp"))


def test_a_flat_fit_is_not_taken_without_looking(monkeypatch):
    # Nobody but 1 in ten million at the top: finite, and too flat to say so by itself.
    counts = np.array([[5e7, 5e7, 6], [4e7, 6e7, 9]])
    looked = []
    monkeypatch.setattr(
        separation, "separated_terms", lambda *args: looked.append(args) or ("member",)
    )
    assert finite_fit(SIDE, counts, ("member",)) == (None, ("member",))
    assert looked
