"""Declared outside shares as what people of a sample are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.study.spec import Benchmark, OutsideShares
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What n people are compared with.

    Attributes
    ----------
    mean
        Shape (J,): outside shares.
    centred
        Shape (n, J): each person's less the mean; None where all people have the same.
    cov
        Shape (J, J): the outside shares' own error.
    fixed
        Whether they have none.
    """

    mean: FloatArray
    centred: FloatArray | None
    cov: FloatArray
    fixed: bool


def of_everybody(outside: OutsideShares, levels: Sequence[str]) -> Beside:
    """The same shares for everybody.

    Parameters
    ----------
    outside
        Declared shares.
    levels
        J levels of the outcome, lowest first.
    """
    shares, cov = _shares(outside, levels)
    return Beside(mean=shares, centred=None, cov=cov, fixed=outside.n is None)


def of_regions(rows: ModelRows, benchmark: Benchmark, region: str) -> Beside:
    """Each person's region's: the mean weighs regions as these people live.

    Parameters
    ----------
    rows
        People who all have a region.
    benchmark
        With shares of every region.
    region
        The region variable.

    Raises
    ------
    NotEstimable
        If nobody is there, or nobody has any weight.
    """
    names = rows.factor_levels[region]
    parts = [_shares(benchmark.regions[name], rows.levels) for name in names]
    held = np.bincount(rows.factors[region], rows.weight, minlength=len(names))
    if not held.sum() > 0:
        raise NotEstimable("nobody with a region is left")
    held = held / held.sum()
    shares = np.array([one for one, _ in parts])
    return Beside(
        mean=held @ shares,
        centred=shares[rows.factors[region]] - held @ shares,
        cov=np.asarray(sum(h**2 * cov for h, (_, cov) in zip(held, parts, strict=True))),
        # Either all regions have a size or none has.
        fixed=benchmark.regions[names[0]].n is None,
    )


def _shares(outside: OutsideShares, levels: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Shares that sum to one, and their covariance as a simple random sample's."""
    shares = np.array([outside.shares[level] for level in levels], dtype=np.float64)
    shares = shares / shares.sum()
    cov = np.zeros((shares.size, shares.size))
    if outside.size is not None:
        cov = (np.diag(shares) - np.outer(shares, shares)) / outside.size
    return shares, cov
