"""People of the example survey and their answers: drawn, then cut to printed totals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.survey.example import model as printed
from coopgap.survey.example.model import DEPARTMENTS, REGION_NAMES, ExampleModel, OutcomeModel

type Zones = tuple[FloatArray, FloatArray]
"""Zone intercepts and zone gaps, each of shape (zones,)."""

AGE_STARTS = np.array([16, 25, 35, 45, 55, 65])
AGE_ENDS = np.array([24, 34, 44, 54, 64, 90])


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """n people as codes from 0, age in years too; zones nest in departments, these in regions."""

    member: BoolArray
    phone: BoolArray
    band: IntArray
    age: IntArray
    female: BoolArray
    region: IntArray
    department: IntArray
    zone: IntArray
    education: IntArray

    @property
    def n(self) -> int:
        """People."""
        return int(self.member.size)


def logistic(eta: FloatArray) -> FloatArray:
    """1 / (1 + exp(-eta))."""
    return np.asarray(1 / (1 + np.exp(-eta)))


def draw_people(
    rng: np.random.Generator, model: ExampleModel, sizes: tuple[int, int, int], *, exact: bool
) -> People:
    """Draw members, non-members in person and by phone; `exact`: with the printed totals."""
    by_phone = (model.phone_age, printed.SEXES[1], model.phone_region)
    margins = [*zip(printed.AGES, printed.SEXES, printed.REGIONS, strict=True), by_phone]
    blocks = [
        [_drawn(rng, size, margin, exact=exact and block is not by_phone) for margin in block]
        for size, block in zip(sizes, margins, strict=True)
    ]
    band, female, region = (np.concatenate(part) for part in zip(*blocks, strict=True))
    member = np.repeat([True, False, False], sizes)
    phone = np.repeat([False, False, True], sizes)
    side = np.repeat([0, 1, 2], sizes)
    zone = _zones(rng, region, side)
    return People(
        member=member,
        phone=phone,
        band=band,
        age=rng.integers(AGE_STARTS[band], AGE_ENDS[band] + 1),
        female=female == 1,
        region=region,
        department=np.repeat(np.arange(len(DEPARTMENTS)), [n for _, _, n in DEPARTMENTS])[zone],
        zone=zone,
        education=_education(rng, model, band, region, member),
    )


def _drawn(
    rng: np.random.Generator, size: int, margin: tuple[float, ...], *, exact: bool
) -> IntArray:
    weights = np.asarray(margin, dtype=np.float64)
    if exact:
        codes = np.repeat(np.arange(weights.size), weights.astype(np.int64))
        return rng.permutation(codes).astype(np.int64)
    return rng.choice(weights.size, size=size, p=weights / weights.sum()).astype(np.int64)


def _zones(rng: np.random.Generator, region: IntArray, side: IntArray) -> IntArray:
    """Spread the people of each group and region evenly over the region's zones."""
    n_zones = [number for _, _, number in DEPARTMENTS]
    owner = np.repeat([REGION_NAMES.index(name) for _, name, _ in DEPARTMENTS], n_zones)
    zone = np.empty(region.size, dtype=np.int64)
    for place in range(len(REGION_NAMES)):
        zones = np.flatnonzero(owner == place)
        for group in range(3):
            here = np.flatnonzero((region == place) & (side == group))
            start = rng.integers(zones.size)
            order = np.resize(np.roll(zones, -start), here.size)
            zone[here] = rng.permutation(order)
    return zone


def _education(
    rng: np.random.Generator,
    model: ExampleModel,
    band: IntArray,
    region: IntArray,
    member: BoolArray,
) -> IntArray:
    eta = np.asarray(model.education_age)[band] + np.asarray(model.education_region)[region]
    latent = eta + model.education_member * member + rng.logistic(size=band.size)
    return np.asarray(np.searchsorted(model.education_thresholds, latent), dtype=np.int64)


def draw_zones(rng: np.random.Generator, model: ExampleModel, n_zones: int) -> Zones:
    """Draw intercepts and gaps of the zones for one outcome."""
    intercepts = rng.normal(0.0, 1.0, n_zones) * model.zone_sd
    return intercepts, rng.normal(0.0, 1.0, n_zones) * model.zone_gap_sd


def linear_predictor(
    people: People, outcome: OutcomeModel, zones: Zones | None, member: BoolArray
) -> FloatArray:
    """Log-odds of each person, thresholds aside, as if `member` were their membership."""
    eta = (
        np.asarray(outcome.age)[people.band]
        + outcome.female * people.female
        + np.asarray(outcome.region)[people.region]
        + np.asarray(outcome.education)[people.education]
        + outcome.mode_shift * people.phone
        + member * np.asarray(outcome.gap)[people.region]
    )
    if zones is not None:
        eta = eta + zones[0][people.zone] + member * zones[1][people.zone]
    return np.asarray(eta)


def calibrate(people: People, name: str, outcome: OutcomeModel, zones: Zones) -> OutcomeModel:
    """Shift thresholds, then the gaps by one amount, so that expected shares are the printed ones.

    Thresholds give members their shares, gaps give non-members theirs where they are printed.
    """
    in_person = ~people.phone
    eta = linear_predictor(people, outcome, zones, people.member)
    members = eta[people.member]
    if name == "ses_class":
        counts = np.asarray(printed.CLASSES_OF_MEMBERS)
        above = counts[::-1].cumsum()[::-1][1:] / counts.sum()
        return replace(outcome, thresholds=tuple(_threshold(members, share) for share in above))
    top = _top(outcome)
    n_member, n_comparison = printed.TOP_SHARES[name]
    shift = _threshold(members, n_member / printed.N_MEMBER) - outcome.thresholds[top]
    thresholds = tuple(value + shift for value in outcome.thresholds)
    others = eta[in_person & ~people.member]
    wanted = _threshold(others, n_comparison / printed.N_COMPARISON)
    move = wanted - thresholds[top]
    # Moving the thresholds by `move` and the gaps with them leaves members where they are.
    return replace(
        outcome,
        thresholds=tuple(value + move for value in thresholds),
        gap=tuple(value + move for value in outcome.gap),
    )


def _top(outcome: OutcomeModel) -> int:
    """Position of the threshold below the printed upper category."""
    return 2 if len(outcome.thresholds) == 4 else 0


def _threshold(eta: FloatArray, share: float) -> float:
    """Threshold above which the expected share lies, by halving: scipy takes time to import."""
    low, high = -20.0, 20.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if logistic(eta - middle).mean() > share else (low, middle)
    return (low + high) / 2


def cut_to_totals(people: People, name: str, outcome: OutcomeModel, latent: FloatArray) -> IntArray:
    """Levels from latent values with exactly the printed totals: the latent order stays."""
    levels = np.searchsorted(outcome.thresholds, latent).astype(np.int64)
    members = np.flatnonzero(people.member)
    if name == "ses_class":
        counts = np.asarray(printed.CLASSES_OF_MEMBERS)
        order = members[np.argsort(latent[members], kind="stable")]
        levels[order] = np.repeat(np.arange(counts.size), counts)
        return levels
    top = _top(outcome)
    others = np.flatnonzero(~people.member & ~people.phone)
    for group, n_top in zip((members, others), printed.TOP_SHARES[name], strict=True):
        order = group[np.argsort(latent[group], kind="stable")]
        below, above = order[: group.size - n_top], order[group.size - n_top :]
        levels[below] = np.minimum(levels[below], top)
        levels[above] = np.maximum(levels[above], top + 1)
    return levels
