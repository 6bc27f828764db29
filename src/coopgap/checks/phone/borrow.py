"""Borrowing from the phone interviews: power prior and robust mixture, and their rows.

The likelihood is normal: it keeps what surveys have and counts lack, the errors that the three
shares have in common through zones and through the members whose margins both comparison groups
reproduce.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import scipy

from coopgap.checks.balance import Joint
from coopgap.checks.compare import compared, numbers_of, unassessed
from coopgap.checks.context import Context, phone_check
from coopgap.checks.registry import NotAssessed
from coopgap.core.arrays import FloatArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Contrast, Interval, threshold_gaps, wald
from coopgap.core.vocabulary import (
    Check,
    Comparator,
    IntervalKind,
    Population,
    Quantity,
    Version,
)
from coopgap.families.difference import INTERVAL_PROB
from coopgap.families.estimate import interval_numbers

DISCOUNTS = tuple(tenth / 10 for tenth in range(11))
"""Fixed discounts of the gap."""

WEIGHTS = (0.8, 0.5, 0.2)
"""Prior weights of the component that the phone interviews inform."""

VAGUE = {"Beta(1, 1)": (1.0, 1.0), "Beta(0.5, 0.5)": (0.5, 0.5)}
"""Vague components: all shares alike, and Jeffreys's, which leans to 0 and 1."""

_TAIL = (1 - INTERVAL_PROB) / 2
_REACH, _FINE = 9.0, 10.0
_ROOTS = np.linspace(0.0, 1.0, 401)

_PRIOR_NOTE = (
    "Prior of the discount: uniform on 0 to 1; initial prior of the comparison group's share: "
    "uniform on 0 to 1. Under full agreement: the posterior if the two shares were the same."
)


@phone_check(
    Check.PHONE_POWER_PRIOR,
    title="Power prior",
    question="What is the gap if a phone interview counts as part of one in person?",
    formula="π(p | a) ∝ N(p; phone, v)ᵃ, normalised at each a; a ~ U(0, 1), in person N(·; p, s²)",
    cost="full",
    place=(120, 5),
)
def power_prior(context: Context) -> Iterator[SensitivityRow]:
    """The gap in person, the gap averaged over the discount, and the discount with its prior.

    At one threshold (the declared one, else the middle one) also the gap along a fixed discount and
    the probability of each tenth.
    """
    levels, declared = context.phone.in_person.levels, context.keys.at
    main = min(
        threshold_gaps(levels),
        key=lambda one: (one.category != declared, abs(one.level - len(levels) / 2)),
    )
    for contrast, at, row, gap in _thresholds(context):
        if at is None:
            yield replace(row, variant=Version.AVERAGED)
            continue
        weighed = discount_posterior(at.measures)
        alike = discount_posterior(replace(at.measures, phone=at.measures.in_person))
        in_person = replace(row, variant=Version.IN_PERSON, comparator=Comparator.COMPARISON)
        yield replace(in_person, **numbers_of(at.in_person))
        yield at.row(averaged_gap(at.measures, weighed), replace(gap, variant=Version.AVERAGED))
        discount = replace(row, quantity="discount")
        flat = Interval(0.5, 12**-0.5, _TAIL, 1 - _TAIL, np.nan)
        yield _credible(replace(discount, variant=Version.PRIOR, note=_PRIOR_NOTE), flat)
        yield _credible(replace(discount, variant=Version.POSTERIOR), weighed.interval)
        yield _credible(replace(discount, variant=Version.AGREED), alike.interval)
        if contrast == main:
            yield from _curve(at, weighed, row)


def _curve(at: Measured, weighed: Discount, row: SensitivityRow) -> Iterator[SensitivityRow]:
    for fixed in DISCOUNTS:
        named = replace(row, variant=f"phone counts {fixed:.1f}", setting=fixed)
        yield at.row(power_gap(at.measures, fixed), named)
    for low, high, chance in zip(DISCOUNTS, DISCOUNTS[1:], weighed.tenths, strict=False):
        named = replace(row, variant=f"discount {low:.1f} to {high:.1f}", setting=low)
        yield replace(named, quantity="discount_probability", estimate=float(chance))


@phone_check(
    Check.PHONE_ROBUST_MIXTURE,
    title="Robust mixture prior",
    question="What is the gap if the phone answers count only as far as they agree?",
    formula=(
        "π(p) = w·N(p; phone, v) + (1 − w)·vague; posterior w ∝ w · marginal likelihood of "
        "those in person"
    ),
    cost="full",
    place=(121, 7),
)
def mixture_prior(context: Context) -> Iterator[SensitivityRow]:
    """Posterior weight of the phone interviews, and the gap, by prior weight and vague one."""
    for _, at, row, gap in _thresholds(context):
        for weight, vague in product(WEIGHTS, VAGUE):
            variant = f"weight {weight:g}, vague {vague}"
            named: dict[str, Any] = {"variant": variant, "choice": vague, "setting": weight}
            if at is None:
                yield replace(row, **named)
                break
            posterior, interval = robust_mixture(at.measures, weight, VAGUE[vague])
            yield replace(row, quantity="phone_weight", estimate=posterior, **named)
            yield at.row(interval, replace(gap, **named))


def _thresholds(
    context: Context,
) -> Iterator[tuple[Contrast, Measured | None, SensitivityRow, SensitivityRow]]:
    """Each threshold, what was measured there or nothing, a row of it and one of its gap."""
    phone = context.phone
    try:
        joint = phone.joint
    except NotEstimable as error:
        reason = f"The comparison groups cannot be balanced to the members: {error.reason}."
        raise NotAssessed(reason) from None
    base = context.bare(
        comparator=Comparator.PHONE,
        group="all",
        population=Population.MEMBERS,
        quantity=Quantity.RISK_DIFFERENCE,
    )
    of, lost = phone.members.n, phone.members.n - joint.n_member
    left = f" Members left out: {lost:,} of {of}." if lost else ""
    for contrast in threshold_gaps(phone.in_person.levels):
        row = replace(base, category=contrast.category)
        gap = replace(row, n=lost, of=of, note=f"{phone.limits}{left}")
        try:
            yield contrast, measured_at(joint, contrast, context.smallest_gap), row, gap
        except NotEstimable as error:
            yield contrast, None, unassessed(row, f"Not estimable: {error.reason}."), gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One threshold: what was measured there, and what a gap with borrowing is compared with.

    `in_person` is the gap on the same members, `apart` how far the share by phone lies below the
    one in person.
    """

    measures: Measures
    in_person: Interval
    apart: Interval
    smallest_gap: float

    def row(self, interval: Interval, base: SensitivityRow) -> SensitivityRow:
        """A gap with borrowing; it differs from the one in person by a part of `apart`."""
        moved = interval.estimate - self.in_person.estimate
        part = abs(moved / self.apart.estimate) if self.apart.estimate else 0.0
        half = part * (self.apart.upper - self.apart.estimate)
        error = part * self.apart.std_error
        difference = Interval(moved, error, moved - half, moved + half, np.nan)
        row = _credible(base, interval)
        return compared(row, self.in_person, interval, difference, self.smallest_gap)


def _credible(base: SensitivityRow, interval: Interval) -> SensitivityRow:
    return replace(base, **interval_numbers(interval, IntervalKind.CREDIBLE))


def measured_at(joint: Joint, contrast: Contrast, smallest_gap: float) -> Measured:
    """What three shares measure at a threshold.

    Variances are widened by (t/z)², t with the clusters' degrees of freedom, so that with the
    phone interviews left out the credible interval is the in-person confidence interval.
    """
    shares, cov = joint.at_least(contrast.level)
    upper = (1 + INTERVAL_PROB) / 2
    # G/(G − 1) = 1 + 1/df: the phone share has the factor and the quantile of its own zones.
    factor = (1 + 1 / joint.df) / (1 + 1 / joint.df[1])
    wider = np.sqrt(factor) * scipy.stats.t.ppf(upper, joint.df) / scipy.stats.norm.ppf(upper)
    widened = np.outer(wider, wider) * cov

    def between(signs: list[float], cov: FloatArray, df: float) -> Interval:
        sign = np.array(signs)
        error = float(np.sqrt(max(sign @ cov @ sign, 0.0)))
        return wald(float(sign @ shares), error, df=df, prob=INTERVAL_PROB, null=0.0)

    return Measured(
        measures=measures(shares, widened),
        in_person=between([1.0, -1.0, 0.0], cov, float(joint.df[1])),
        apart=between([0.0, 1.0, -1.0], widened, np.inf),
        smallest_gap=smallest_gap,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One share measured twice by independent errors, and the gap that hangs on it.

    `in_person` and `phone` are the comparison group's share as each measures it, `gap` the members'
    share less the in-person one, `slope` that of the gap on the share (-1 where no errors are in
    common) and `residual_var` the gap's variance at a given share.
    """

    in_person: float
    in_person_var: float
    phone: float
    phone_var: float
    gap: float
    slope: float
    residual_var: float


def measures(shares: FloatArray, cov: FloatArray) -> Measures:
    """Three correlated shares, of members and of the comparison group by mode, as two measures.

    Raises `NotEstimable` of a share without an error, or of phone interviews that add nothing to
    the in-person ones.

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


class Discount(NamedTuple):
    """Posterior of the discount on a grid.

    `grid`, shape (K,), are discounts from 0 to 1, closer near 0; `mass` are Simpson weights times
    density, of sum 1; the equal-tailed `interval` is about the mean; `tenths` are the probability
    of each tenth of [0, 1].
    """

    grid: FloatArray
    mass: FloatArray
    interval: Interval
    tenths: FloatArray


def weigh_discounts(log_marginal: Callable[[FloatArray], FloatArray]) -> Discount:
    """Posterior of a discount with a uniform prior from its logarithmic marginal likelihood.

    That maps shape (K,) to shape (K,); any constant may be left out. Simpson's rule in the square
    root of the discount, so that a posterior near 0 is resolved.
    """
    grid = _ROOTS**2
    raw = log_marginal(grid)
    in_root = 2 * _ROOTS * np.exp(raw - raw.max())
    below = scipy.integrate.cumulative_simpson(in_root, x=_ROOTS, initial=0.0)
    below = below / below[-1]
    simpson = np.full(_ROOTS.size, 2.0)
    simpson[1::2], simpson[[0, -1]] = 4.0, 1.0
    mass = simpson * in_root
    mass = mass / mass.sum()
    mean = float(mass @ grid)
    lower, upper = (float(np.interp(q, below, _ROOTS)) ** 2 for q in (_TAIL, 1 - _TAIL))
    spread = float(np.sqrt(mass @ (grid - mean) ** 2))
    tenths = np.diff(np.interp(np.sqrt(np.linspace(0.0, 1.0, 11)), _ROOTS, below))
    return Discount(grid, mass, Interval(mean, spread, lower, upper, np.nan), tenths)


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
    """The gap and its credible interval where each phone interview counts as `discount` of one."""
    return _averaged(of, np.array([discount]), np.ones(1))


def averaged_gap(of: Measures, discount: Discount) -> Interval:
    """The gap averaged over the posterior of the discount, with its credible interval."""
    return _averaged(of, discount.grid, discount.mass)


def _averaged(of: Measures, grid: FloatArray, mass: FloatArray) -> Interval:
    nodes, width = _nodes(of)
    share = np.zeros(nodes.size)
    for chance, centre, sd in zip(mass, *_powered(of, grid), strict=True):
        raw = width * np.exp(-0.5 * ((nodes - centre) / sd) ** 2)
        share += chance * raw / raw.sum()
    return _gap(of, nodes, share)


def robust_mixture(
    of: Measures, weight: float, vague: tuple[float, float]
) -> tuple[float, Interval]:
    """Posterior weight of the component that the phone interviews inform, and the gap.

    `weight` is the prior's, between 0 and 1; `vague` are parameters of the beta density that holds
    the rest. Each component is updated by the in-person interviews, and its weight is multiplied by
    their marginal likelihood under it. The informed component is the power prior at discount 1.

    References
    ----------
    Schmidli, Gsteiger, Roychoudhury, O'Hagan, Spiegelhalter & Neuenschwander (2014), Biometrics
    70.
    """
    nodes, width = _nodes(of)
    root = np.sqrt(of.phone_var)
    informed = scipy.stats.norm.logpdf(nodes, of.phone, root) - np.log(_inside(of.phone, root))
    others = scipy.stats.beta.logpdf(nodes, *vague)
    data = scipy.stats.norm.logpdf(nodes, of.in_person, np.sqrt(of.in_person_var)) + np.log(width)
    joint = np.stack([informed, others]) + data
    log_weight = np.log([weight, 1 - weight]) + scipy.special.logsumexp(joint, axis=1)
    posterior = scipy.special.softmax(log_weight)
    return float(posterior[0]), _gap(of, nodes, posterior @ scipy.special.softmax(joint, axis=1))


def _inside(centre: Any, sd: Any) -> FloatArray:
    """Probability that a normal lies in [0, 1]."""
    return np.asarray(scipy.special.ndtr((1 - centre) / sd) - scipy.special.ndtr(-centre / sd))


def _powered(of: Measures, a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of the share given the discount, before truncation."""
    precision = 1 / of.in_person_var + a / of.phone_var
    centre = (of.in_person / of.in_person_var + a * of.phone / of.phone_var) / precision
    return centre, 1 / np.sqrt(precision)


def _nodes(of: Measures) -> tuple[FloatArray, FloatArray]:
    """Shares within reach of either measure, even in the arcsine of the root, and their widths."""
    reach = _REACH * np.sqrt(of.in_person_var)
    ends = np.array([min(of.in_person, of.phone) - reach, max(of.in_person, of.phone) + reach])
    low, high = np.arcsin(np.sqrt(np.clip(ends, 0.0, 1.0)))
    sd = float(_powered(of, np.array([1.0]))[1][0])
    edges = np.linspace(low, high, 1 + int(np.ceil((high - low) * _FINE / sd)))
    middle = (edges[1:] + edges[:-1]) / 2
    return np.sin(middle) ** 2, np.sin(2 * middle) * np.diff(edges)


def _gap(of: Measures, nodes: FloatArray, mass: FloatArray) -> Interval:
    """Gap from the posterior of the share: linear in it, with a normal remainder."""
    at = of.gap + of.slope * (nodes - of.in_person)
    mean = float(mass @ at)
    sd = float(np.sqrt(mass @ (at - mean) ** 2 + of.residual_var))
    residual = np.sqrt(of.residual_var)

    def quantile(prob: float) -> float:
        def beyond(value: float) -> float:
            return float(mass @ scipy.special.ndtr((value - at) / residual)) - prob

        return float(
            scipy.optimize.brentq(beyond, at.min() - 9 * sd, at.max() + 9 * sd, xtol=1e-12)
        )

    return Interval(mean, sd, quantile(_TAIL), quantile(1 - _TAIL), np.nan)
