"""Borrowing in its exact form on counts: beta priors, binomial answers.

For shares of independent people. On a survey the counts are effective ones, `effective_counts`,
and what the shares have in common through zones is lost: rows are made by the normal form of
`coopgap.sensitivity.phone.borrow`, which this one is held against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from coopgap.core.arrays import FloatArray
from coopgap.sensitivity.phone.discount import Discount, weigh_discounts


class Counts(NamedTuple):
    """People who answer yes, of n; effective counts need not be whole."""

    yes: float
    n: float


class BetaMixture(NamedTuple):
    """A mixture of beta densities: weights, shape (k,), and parameters, shape (k, 2)."""

    weight: FloatArray
    params: FloatArray

    @property
    def mean(self) -> float:
        """Of the share."""
        return float(self.weight @ (self.params[:, 0] / self.params.sum(axis=1)))


def effective_counts(share: float, variance: float) -> Counts:
    """Counts of independent people that would know a share as well."""
    n = share * (1 - share) / variance
    return Counts(share * n, n)


def powered_beta(
    phone: Counts,
    in_person: Counts,
    discount: FloatArray,
    initial: tuple[float, float] = (1.0, 1.0),
) -> FloatArray:
    """Posterior beta parameters at each discount, shape (K, 2)."""
    prior = _prior(phone, discount, initial)
    return np.asarray(prior + np.array([in_person.yes, in_person.n - in_person.yes]))


def beta_discount(
    phone: Counts, in_person: Counts, initial: tuple[float, float] = (1.0, 1.0)
) -> Discount:
    """Posterior of the discount of a normalised power prior, uniform prior.

    Parameters
    ----------
    phone, in_person
        Counts of the comparison group.
    initial
        Parameters of the initial beta prior, positive: a proper density.

    Notes
    -----
    The marginal likelihood at discount a is B(α + a·y₀ + y, β + a(n₀ − y₀) + n − y) /
    B(α + a·y₀, β + a(n₀ − y₀)).

    References
    ----------
    Duan, Ye & Smith (2006), Environmetrics 17.
    """

    def log_marginal(a: FloatArray) -> FloatArray:
        prior, posterior = _prior(phone, a, initial), powered_beta(phone, in_person, a, initial)
        return np.asarray(special.betaln(*posterior.T) - special.betaln(*prior.T))

    return weigh_discounts(log_marginal)


def beta_mixture(prior: Sequence[tuple[float, float, float]], in_person: Counts) -> BetaMixture:
    """Posterior of a mixture prior: weights times marginal likelihoods, each part updated.

    Parameters
    ----------
    prior
        Weight and beta parameters of each component.
    in_person
        The answers.

    References
    ----------
    Schmidli et al. (2014), Biometrics 70.
    """
    weight, params = np.array(prior)[:, 0], np.array(prior)[:, 1:]
    after = params + np.array([in_person.yes, in_person.n - in_person.yes])
    log_marginal = special.betaln(*after.T) - special.betaln(*params.T)
    return BetaMixture(np.asarray(special.softmax(np.log(weight) + log_marginal)), after)


def _prior(phone: Counts, discount: FloatArray, initial: tuple[float, float]) -> FloatArray:
    """Power prior's beta parameters at each discount, shape (K, 2)."""
    counts = np.array([phone.yes, phone.n - phone.yes])
    return np.asarray(np.asarray(initial) + discount[:, None] * counts)
