"""What phone answers would vary by if they followed the law of those in person: seeded draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import FloatArray, IntArray

_BATCH = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where the people of one mode stand and what each weighs; arrays have shape (n,).

    Attributes
    ----------
    zone
        From 0, numbered over both modes.
    stratum
        From 0, over both modes: the region within which zones are drawn.
    weight
        Sums to one.
    """

    zone: IntArray
    stratum: IntArray
    weight: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Scores of n people of S zones split in two, K scores at a time.

    Attributes
    ----------
    between
        Shape (S, K): deviation of each zone from its stratum, of the variance between zones that
        is left once chance within them is taken out.
    within
        Shape (n, K): deviation of each person from their zone, of the variance within zones;
        people in the order of their zones.
    start, size
        Shape (S,): where a zone's people stand in `within`, and how many they are.
    stratum
        Shape (S,): stratum of each zone.
    labels
        Shape (S,): the zones, ascending.
    """

    between: FloatArray
    within: FloatArray
    start: IntArray
    size: IntArray
    stratum: IntArray
    labels: IntArray


def places(
    zones: tuple[IntArray, IntArray] | None,
    regions: tuple[IntArray, IntArray] | None,
    weights: tuple[FloatArray, FloatArray],
) -> tuple[Placed, Placed]:
    """Both modes on one numbering of zones and strata, in-person weights at the phone mix.

    Parameters
    ----------
    zones
        Of the people in person and by phone, or None. Without them, or with one person in each,
        everybody stands alone: a region is then one zone.
    regions
        Likewise, or None. They are strata where zones nest in them and each that phone people
        live in has people asked in person.
    weights
        Likewise, positive.

    Returns
    -------
    in_person, phone : Placed
        Each region has the same total of weights in both.
    """
    n_own = weights[0].size
    none = np.zeros(n_own + weights[1].size, dtype=np.int64)
    region = none if regions is None else _numbered(regions)
    if not np.isin(region[n_own:], region[:n_own]).all():
        region = none
    zone = region
    if zones is not None and np.unique(zones[0]).size < n_own:
        zone = _numbered(zones)
        region = region if _within(zone[:n_own], region[:n_own], zone, region) else none
    called = weights[1] / weights[1].sum()
    wanted = np.bincount(region[n_own:], called, int(region.max()) + 1)
    given = np.bincount(region[:n_own], weights[0], wanted.size)
    factor = np.divide(wanted, given, out=np.zeros_like(wanted), where=given > 0)
    own = weights[0] * factor[region[:n_own]]
    return (
        Placed(zone=zone[:n_own], stratum=region[:n_own], weight=own),
        Placed(zone=zone[n_own:], stratum=region[n_own:], weight=called),
    )


def _numbered(parts: tuple[IntArray, IntArray]) -> IntArray:
    return np.unique(np.concatenate(parts), return_inverse=True)[1].astype(np.int64)


def _within(own_zone: IntArray, own_region: IntArray, zone: IntArray, region: IntArray) -> bool:
    """Whether zones nest in regions and some region has several of those asked in person."""
    n_pairs = np.unique(zone * (int(region.max()) + 1) + region).size
    several = np.unique(own_zone).size > np.unique(own_region).size
    return bool(several and n_pairs == np.unique(zone).size)


def zone_components(scores: FloatArray, placed: Placed) -> Components:
    """Split scores into what zones and what people within them vary by.

    Parameters
    ----------
    scores
        Shape (n, K).
    placed
        Where the n people stand.

    Notes
    -----
    The mean of a few people varies by chance: with S_b² the variance of zone means within strata,
    S_w² that of people within zones and c the mean over zones of the sum of squared shares of
    weight, the variance between zones is σ² = max(S_b² − c·S_w², 0). Deviations of zone means are
    multiplied by √(σ²/S_b²), and by √(Z/(Z − 1)) in a stratum of Z zones (Rao & Wu 1988), those
    of people by √(n/(n − S)), so that draws with replacement have these variances.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8; Carpenter,
    Goldstein & Rasbash (2003), Journal of the Royal Statistical Society C 52(4).
    """
    order = np.lexsort([*scores.T, placed.zone])
    labels, start, size = np.unique(placed.zone[order], return_index=True, return_counts=True)
    scores, index = scores[order], np.repeat(np.arange(labels.size), size)
    share = placed.weight[order]
    # A region without phone people has no weight; its zones still tell what zones vary by.
    share = np.where(np.bincount(index, share)[index] > 0, share, 1.0)
    share = share / np.bincount(index, share)[index]
    means = np.add.reduceat(scores * share[:, None], start)
    apart = scores - means[index]
    n, n_zones = index.size, labels.size
    stratum = placed.stratum[order][start]
    _, level, in_stratum = np.unique(stratum, return_inverse=True, return_counts=True)
    n_strata = in_stratum.size
    middle = np.stack([np.bincount(level, column) for column in means.T], axis=1)
    away = means - (middle / in_stratum[:, None])[level]
    s_within = (apart**2).sum(axis=0) / max(n - n_zones, 1)
    s_between = (away**2).sum(axis=0) / max(n_zones - n_strata, 1)
    chance = float(np.bincount(index, share**2).mean())
    left = np.maximum(s_between - chance * s_within, 0.0)
    shrink = np.sqrt(np.divide(left, s_between, out=np.zeros_like(left), where=s_between > 0))
    few = np.sqrt(in_stratum / np.maximum(in_stratum - 1, 1))[level]
    return Components(
        between=away * shrink * few[:, None],
        within=apart * np.sqrt(n / max(n - n_zones, 1)),
        start=start.astype(np.int64),
        size=size.astype(np.int64),
        stratum=stratum,
        labels=labels,
    )


def differences(
    scores: FloatArray, own: Placed, phone: Placed, *, draws: int, rng: np.random.Generator
) -> FloatArray:
    """Phone minus in-person weighted means of scores, drawn as if both followed one law.

    Parameters
    ----------
    scores
        Shape (n, K): of the people in person; residuals where phone weights were estimated.
    own, phone
        The n people in person and the m by phone, from `places`.
    draws
        R.
    rng
        Source of randomness.

    Returns
    -------
    FloatArray
        Shape (R, K).

    Notes
    -----
    Every zone of the survey takes the place of a zone drawn with replacement within its stratum.
    Its phone people are as many people as it has, drawn with replacement in the zone drawn; its
    people in person are off by a normal error with the covariance of their own deviations, which
    is what a mean of that many people is off by. The zone itself counts by how much more of the
    phone interviews than of the others were made in it: zones that both share alike cancel, zones
    that only one has do not. A stratum of one zone borrows the zones of all.
    """
    found = zone_components(scores, own)
    both = np.concatenate([own.zone, phone.zone])
    zones, first, index = np.unique(both, return_index=True, return_inverse=True)
    stratum = np.concatenate([own.stratum, phone.stratum])[first]
    net = np.bincount(index[own.zone.size :], phone.weight, zones.size)
    net -= np.bincount(index[: own.zone.size], own.weight, zones.size)
    order = np.lexsort([phone.weight, phone.zone])
    called, weight = index[own.zone.size :][order], phone.weight[order]
    order = np.lexsort([*scores.T, own.zone])
    off = found.within * own.weight[order, None]
    error = _root(off.T @ off)
    parts = []
    for at in range(0, draws, _BATCH):
        size = min(_BATCH, draws - at)
        source = _sources(found.stratum, stratum, size, rng)
        here = source[:, called]
        person = found.start[here] + (rng.random(here.shape) * found.size[here]).astype(np.int64)
        part = rng.standard_normal((size, error.shape[0])) @ error
        for k in range(scores.shape[1]):
            part[:, k] += found.between[:, k][source] @ net + found.within[:, k][person] @ weight
        parts.append(part)
    return np.concatenate(parts)


def _sources(found: IntArray, wanted: IntArray, draws: int, rng: np.random.Generator) -> IntArray:
    """For each draw and zone a zone of its stratum, shape (draws, zones)."""
    source = np.empty((draws, wanted.size), dtype=np.int64)
    alone = found.size == np.unique(found).size
    for stratum in np.unique(wanted):
        pool = np.flatnonzero(found == stratum)
        if pool.size < 2 and not alone:
            pool = np.arange(found.size)
        here = np.flatnonzero(wanted == stratum)
        source[:, here] = pool[rng.integers(0, pool.size, (draws, here.size))]
    return source


def _root(cov: FloatArray) -> FloatArray:
    """A matrix A with A'A = cov."""
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)


def two_sided(value: FloatArray, draws: FloatArray) -> FloatArray:
    """Two-sided p-values of values among draws: twice the smaller (b + 1)/(R + 1), at most one.

    Parameters
    ----------
    value
        Shape (K,).
    draws
        Shape (R, K).

    References
    ----------
    Phipson & Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1).
    """
    n = draws.shape[0]
    below = (draws <= value).sum(axis=0)
    above = (draws >= value).sum(axis=0)
    return np.asarray(np.minimum(2 * (np.minimum(below, above) + 1) / (n + 1), 1.0))


def largest_standardised(value: FloatArray, draws: FloatArray, at: IntArray) -> tuple[float, int]:
    """p-value of the largest standardised difference at some positions, and where it is."""
    spread = draws[:, at].std(axis=0, ddof=1)
    at, spread = at[spread > 0], spread[spread > 0]
    if not at.size:
        return 1.0, -1
    size = np.abs(value[at]) / spread
    beyond = int(((np.abs(draws[:, at]) / spread).max(axis=1) >= size.max()).sum())
    return (beyond + 1) / (draws.shape[0] + 1), int(at[np.argmax(size)])
