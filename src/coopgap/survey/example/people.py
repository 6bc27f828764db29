"""Who is in the example survey: membership, place, age, sex, education."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.survey.example import printed_margins as printed
from coopgap.survey.example.model import DEPARTMENTS, REGION_NAMES, ExampleModel

AGE_STARTS = np.array([16, 25, 35, 45, 55, 65])
AGE_ENDS = np.array([24, 34, 44, 54, 64, 90])


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """n people as codes; every array has shape (n,).

    Attributes
    ----------
    band
        Age band, 0 to 5.
    age
        Years.
    region, department, zone
        From 0; zones nest in departments, departments in regions.
    """

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
    """Draw members, non-members in person and non-members by phone.

    Parameters
    ----------
    rng
        Source of randomness.
    model
        The declared model.
    sizes
        Members, non-members in person, non-members by phone.
    exact
        Whether the two in-person groups have the printed totals of age, sex and region, or
        totals that vary around them.
    """
    blocks = [
        _block(rng, size, printed.AGES[side], printed.SEXES[side], printed.REGIONS[side], exact)
        for side, size in enumerate(sizes[:2])
    ]
    blocks.append(
        _block(rng, sizes[2], model.phone_age, printed.SEXES[1], model.phone_region, exact=False)
    )
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


def _block(
    rng: np.random.Generator,
    size: int,
    age: tuple[float, ...],
    sex: tuple[float, ...],
    region: tuple[float, ...],
    exact: bool,
) -> tuple[IntArray, IntArray, IntArray]:
    def column(margin: tuple[float, ...]) -> IntArray:
        weights = np.asarray(margin, dtype=np.float64)
        if exact:
            codes = np.repeat(np.arange(weights.size), weights.astype(np.int64))
            return rng.permutation(codes).astype(np.int64)
        return rng.choice(weights.size, size=size, p=weights / weights.sum()).astype(np.int64)

    return column(age), column(sex), column(region)


def _zones(rng: np.random.Generator, region: IntArray, side: IntArray) -> IntArray:
    """Spread the people of each group and region evenly over the region's zones."""
    owner = np.repeat([REGION_NAMES.index(name) for _, name, _ in DEPARTMENTS], _n_zones())
    zone = np.empty(region.size, dtype=np.int64)
    for place in range(len(REGION_NAMES)):
        zones = np.flatnonzero(owner == place)
        for group in range(3):
            here = np.flatnonzero((region == place) & (side == group))
            start = rng.integers(zones.size)
            order = np.resize(np.roll(zones, -start), here.size)
            zone[here] = rng.permutation(order)
    return zone


def _n_zones() -> list[int]:
    return [n for _, _, n in DEPARTMENTS]


def _education(
    rng: np.random.Generator,
    model: ExampleModel,
    band: IntArray,
    region: IntArray,
    member: BoolArray,
) -> IntArray:
    eta = np.asarray(model.education_age)[band] + np.asarray(model.education_region)[region]
    latent = eta + model.education_member * member + rng.logistic(size=band.size)
    step: IntArray = np.searchsorted(model.education_thresholds, latent).astype(np.int64)
    return step
