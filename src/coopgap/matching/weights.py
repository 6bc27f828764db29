"""The one place where sampling weights and matching weights meet, and the size they leave."""

from __future__ import annotations

from coopgap.core.arrays import FloatArray


def combined_weight(sampling_weight: FloatArray, matching_weight: FloatArray) -> FloatArray:
    """Weight with which a person enters an estimate: sampling weight times matching weight.

    Parameters
    ----------
    sampling_weight
        Shape (n,): `ModelRows.weight`.
    matching_weight
        Shape (n,): `MatchedSample.weight`.

    Returns
    -------
    FloatArray
        Shape (n,).

    Notes
    -----
    Every method makes its matching weights on top of the sampling weights, so the product
    applies each of them once. No other function multiplies the two.
    """
    return sampling_weight * matching_weight


def effective_size(weight: FloatArray) -> float:
    """Effective number of people behind a weighted mean, (Σw)²/Σw²; zero for no weight.

    References
    ----------
    Kish (1965), Survey Sampling, section 11.7.
    """
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
