"""Borrowing from the phone interviews: power prior and robust mixture, as pure numbers.

Two forms of the likelihood are at hand. This module holds the normal one, which drives the rows:
it keeps what surveys have and counts lack, the errors that the three shares have in common through
zones and through the members whose margins both comparison groups reproduce. The exact form on
counts stands in `coopgap.sensitivity.phone.borrow_beta`; where nothing is in common and shares are
far from 0 and 1 the two agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.gap import Interval
from coopgap.sensitivity.phone.discount import Discount, weigh_discounts

_PROB = 0.95
_REACH, _FINE = 9.0, 10.0
_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One share measured twice by independent errors, and the gap that hangs on it.

    Attributes
    ----------
    in_person, phone
        The comparison group's share as each measures it.
    in_person_var, phone_var
        Variance of each.
    gap
        Members' share less the in-person one.
    slope
        Of the gap on the share: -1 where no errors are in common.
    residual_var
        Variance of the gap at a given share.
    """

    in_person: float
    in_person_var: float
    phone: float
    phone_var: float
    gap: float
    slope: float
    residual_var: float


def measures(shares: FloatArray, cov: FloatArray) -> Measures:
    """Three correlated shares as two independent measures of one.

    Parameters
    ----------
    shares
        Shape (3,): members, in-person comparison, phone comparison.
    cov
        Shape (3, 3).

    Returns
    -------
    Measures

    Raises
    ------
    NotEstimable
        A share without an error, or phone interviews that add nothing to the in-person ones.

    Notes
    -----
    Were phone and in-person comparison people alike, p given (m, c) would be normal with mean
    x + B((m, c) − (μ₁, μ₀)) about x = μ₀. So the phone interviews measure h'(μ₁, μ₀),
    h = (0, 1) − B, with variance var(p | m, c), independently of m and c, which measure it with
    variance h'Vh; the measurements differ by p − c. It is read on the scale on which the in-person
    one is c. Power 1 then is generalised least squares on (m, c, p), power 0 leaves p out.
    """
    own = cov[:2, :2]
    slopes = np.linalg.lstsq(own, cov[:2, 2], rcond=1e-12)[0]
    phone_var = float(cov[2, 2] - slopes @ cov[:2, 2])
    h, g = np.array([0.0, 1.0]) - slopes, np.array([1.0, -1.0])
    in_person_var, shared = float(h @ own @ h), float(g @ own @ h)
    bar = 1e-9 * float(np.max(np.diag(cov), initial=0.0))
    if not min(phone_var, in_person_var) > bar:
        raise NotEstimable("the phone interviews add nothing to those in person")
    slope = shared / in_person_var
    residual_var = float(g @ own @ g) - slope * shared
    if not residual_var > bar:
        raise NotEstimable("the members' share has no error")
    return Measures(
        in_person=float(shares[1]),
        in_person_var=in_person_var,
        phone=float(shares[2]),
        phone_var=phone_var,
        gap=float(shares[0] - shares[1]),
        slope=slope,
        residual_var=residual_var,
    )


def discount_posterior(of: Measures) -> Discount:
    """How much the phone interviews should count, by how well they agree with the in-person ones.

    Notes
    -----
    Normalised power prior: the initial prior of the share is uniform on [0, 1], hence proper; the
    prior given the discount a is proportional to N(p; X, v)ᵃ on it and is normalised at each a;
    the in-person interviews are N(c; X, s²). Both integrals over X are normal integrals over
    [0, 1]. Without the truncation the result is N(p − c; 0, s² + v/a).

    References
    ----------
    Duan, Ye & Smith (2006), Environmetrics 17; Carvalho & Ibrahim (2021), Statistics in Medicine
    40.
    """
    difference = of.phone - of.in_person

    def log_marginal(a: FloatArray) -> FloatArray:
        centre, sd = _powered(of, a)
        with np.errstate(divide="ignore"):
            spread = of.in_person_var + of.phone_var / a
            alone = np.sqrt(of.phone_var / a)
        misfit = -0.5 * difference**2 / spread
        likelihood = misfit + np.log(sd * _inside(centre, sd) / np.sqrt(of.in_person_var))
        some = a > 0
        prior = np.zeros_like(a)
        root = alone[some]
        prior[some] = np.log(np.sqrt(2 * np.pi) * root * _inside(of.phone, root))
        return np.asarray(likelihood - prior)

    return weigh_discounts(log_marginal)


def power_gap(of: Measures, discount: float) -> Interval:
    """The gap where each phone interview counts as `discount` of one, with its credible interval.

    At 0 it is the in-person gap, at 1 the precision-weighted one of both.
    """
    nodes, width = _nodes(of)
    return _gap(of, nodes, _normal(of, nodes, width, np.array([discount]))[0])


def averaged_gap(of: Measures, discount: Discount) -> Interval:
    """The gap averaged over the posterior of the discount, with its credible interval."""
    nodes, width = _nodes(of)
    mass = np.zeros(nodes.size)
    blocks = 1 + discount.grid.size * nodes.size // _BLOCK
    for block in np.array_split(np.arange(discount.grid.size), blocks):
        mass += discount.mass[block] @ _normal(of, nodes, width, discount.grid[block])
    return _gap(of, nodes, mass)


def robust_mixture(
    of: Measures, weight: float, vague: tuple[float, float]
) -> tuple[float, Interval]:
    """Posterior weight of the phone-informed component, and the gap.

    Parameters
    ----------
    of
        The two measures.
    weight
        Prior weight of the component that the phone interviews inform, between 0 and 1.
    vague
        Parameters of the beta density that holds the rest.

    Returns
    -------
    float
        Posterior weight.
    Interval
        Posterior mean and 95 % credible interval of the gap.

    Notes
    -----
    Each component is updated by the in-person interviews, and its weight is multiplied by their
    marginal likelihood under it. The informed component is the power prior at discount 1.

    References
    ----------
    Schmidli, Gsteiger, Roychoudhury, O'Hagan, Spiegelhalter & Neuenschwander (2014), Biometrics
    70.
    """
    nodes, width = _nodes(of)
    root = np.sqrt(of.phone_var)
    informed = stats.norm.logpdf(nodes, of.phone, root) - np.log(_inside(of.phone, root))
    others = stats.beta.logpdf(nodes, *vague)
    data = stats.norm.logpdf(nodes, of.in_person, np.sqrt(of.in_person_var)) + np.log(width)
    joint = np.stack([informed, others]) + data
    log_weight = np.log([weight, 1 - weight]) + special.logsumexp(joint, axis=1)
    posterior = special.softmax(log_weight)
    return float(posterior[0]), _gap(of, nodes, posterior @ special.softmax(joint, axis=1))


def _inside(centre: FloatArray | float, sd: FloatArray | float) -> FloatArray:
    """Probability that a normal lies in [0, 1]."""
    return np.asarray(special.ndtr((1 - centre) / sd) - special.ndtr(-centre / sd))


def _powered(of: Measures, a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the share given the discount, before truncation."""
    precision = 1 / of.in_person_var + a / of.phone_var
    centre = (of.in_person / of.in_person_var + a * of.phone / of.phone_var) / precision
    return centre, 1 / np.sqrt(precision)


def _nodes(of: Measures) -> tuple[FloatArray, FloatArray]:
    """Shares in [0, 1] within reach of either measure, and the width that each stands for.

    Midpoints in the arcsine of the root, where a beta density of (1/2, 1/2) is flat.
    """
    reach = _REACH * np.sqrt(of.in_person_var)
    ends = np.array([min(of.in_person, of.phone) - reach, max(of.in_person, of.phone) + reach])
    low, high = np.arcsin(np.sqrt(np.clip(ends, 0.0, 1.0)))
    sd = float(_powered(of, np.array([1.0]))[1][0])
    edges = np.linspace(low, high, 1 + int(np.ceil((high - low) * _FINE / sd)))
    middle = (edges[1:] + edges[:-1]) / 2
    return np.sin(middle) ** 2, np.sin(2 * middle) * np.diff(edges)


def _normal(of: Measures, nodes: FloatArray, width: FloatArray, a: FloatArray) -> FloatArray:
    """Posterior of the share at each discount: shape (K, nodes), rows of sum 1."""
    centre, sd = _powered(of, a)
    raw = width * np.exp(-0.5 * ((nodes - centre[:, None]) / sd[:, None]) ** 2)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def _gap(of: Measures, nodes: FloatArray, mass: FloatArray) -> Interval:
    """Gap from the posterior of the share: linear in it, with a normal remainder."""
    at = of.gap + of.slope * (nodes - of.in_person)
    mean = float(mass @ at)
    sd = float(np.sqrt(mass @ (at - mean) ** 2 + of.residual_var))
    residual = np.sqrt(of.residual_var)

    def quantile(prob: float) -> float:
        def beyond(value: float) -> float:
            return float(mass @ special.ndtr((value - at) / residual)) - prob

        return float(optimize.brentq(beyond, at.min() - 9 * sd, at.max() + 9 * sd, xtol=1e-12))

    tail = (1 - _PROB) / 2
    return Interval(mean, sd, quantile(tail), quantile(1 - tail), float("nan"))
