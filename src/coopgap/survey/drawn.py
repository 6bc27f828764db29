"""What a survey drew, as its study declares it: strata, first-stage units, sampling fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.study.spec import LonelyName
from coopgap.survey.cells import group_codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Units drawn at one stage within their parents: zones within strata, people within zones.

    Attributes
    ----------
    n
        Shape (P,): units drawn in each parent, whether or not anybody of theirs answered.
    left
        Shape (P,): 1 − f, the share of the population's units that was not drawn; ones without a
        population. At the second stage times the fraction of the first.
    adjust
        Whether a lonely unit is set against the mean over all units, zero for a linearised
        estimate; else it contributes nothing.
    """

    n: FloatArray
    left: FloatArray
    adjust: bool = False

    @property
    def lonely(self) -> BoolArray:
        """Parents with one unit drawn of several, shape (P,)."""
        return np.asarray((self.n < 2) & (self.left > 0))

    @property
    def df(self) -> float:
        """Units less parents."""
        return float(self.n.sum() - self.n.size)

    def factors(self, *, corrected: bool = True) -> tuple[FloatArray, FloatArray]:
        """What squares of units, and of their sum, count for in the variance, shape (P,) each.

        (1 − f) n/(n − 1) Σ (z − z̄)² is the first times Σ z² less the second times (Σ z)²;
        uncorrected without n/(n − 1).
        """
        alone = self.n < 2
        scale = self.left * (self.n / np.where(alone, 1.0, self.n - 1) if corrected else 1.0)
        scale = np.where(alone, self.left * self.adjust, scale)
        return scale, np.where(alone, 0.0, scale / self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The sampling that a study declares, counted over all rows that it keeps, whoever answered.

    Attributes
    ----------
    labels
        H names of the strata; one empty name where only a population is declared.
    first
        First-stage units within the strata: zones, or people where there are no zones.
    people
        People within the strata, for estimates that take them as independent.
    second
        People within zones, by zone index; None without the size of the zones' populations.
    has_strata, has_fpc
        What of it is declared.
    """

    labels: tuple[str, ...]
    first: Stage
    people: Stage
    second: Stage | None = None
    has_strata: bool = True
    has_fpc: bool = False

    @property
    def by_person(self) -> Drawn:
        """The same people as if they had been drawn one by one within strata."""
        fpc = self.has_fpc and self.first is self.people
        return replace(self, first=self.people, second=None, has_fpc=fpc)

    @property
    def name(self) -> str:
        """As a kind of standard error says it: `, strata, fpc`."""
        return ", strata" * self.has_strata + ", fpc" * self.has_fpc

    def for_zones(self, zones: IntArray) -> Drawn:
        """Zones renumbered: those at these positions, in this order."""
        if self.second is None:
            return self
        n, left = self.second.n[zones], self.second.left[zones]
        return replace(self, second=replace(self.second, n=n, left=left))


LONELY_REMEDIES: Final = (
    'lonely = "adjust" sets such a unit against the mean over all, "certainty" takes it as drawn '
    "for certain; or join strata"
)


def count_drawn(
    stratum: IntArray,
    zone: IntArray | None,
    person: IntArray | None,
    *,
    refuse: Callable[[str, str, str], Exception],
    labels: tuple[str, ...] = (),
    fpc: Sequence[FloatArray] = (),
    lonely: LonelyName | None = None,
) -> Drawn:
    """Count what was drawn.

    Parameters
    ----------
    stratum, zone, person
        Shape (n,), of every row that was drawn: strata from 0, clusters from 0, and who it is of
        where several rows may be of one person; each row is another person if absent.
    refuse
        From a key, what is found and what is allowed, the error to raise.
    labels
        Names of the strata where they are declared.
    fpc
        Shape (n,) each: the population's first-stage units in the stratum, and people in the zone;
        numbers of them, or where none exceeds one the fractions that were drawn.
    lonely
        What is done with a stratum of one unit; None refuses it.
    """
    person = np.arange(stratum.size) if person is None else person
    n_strata = int(stratum.max(initial=-1)) + 1
    people = _units(stratum, person, n_strata)
    units, parents = people, [stratum]
    if zone is not None:
        n_zones = int(zone.max(initial=-1)) + 1
        pairs = group_codes([zone, stratum])[0]
        apart = pairs.shape[0] - n_zones
        if apart:
            raise refuse("strata", f"{apart} zones stand in more than one stratum", "a zone in one")
        units = np.bincount(pairs[:, 1], minlength=n_strata).astype(np.float64)
        parents.append(zone)
    drawn = [units] if zone is None else [units, _units(zone, person, n_zones)]
    left = _not_drawn(fpc, parents, drawn, refuse)
    adjust = lonely == "adjust"
    by_person = Stage(n=people, left=np.ones(n_strata), adjust=adjust)
    first = Stage(n=units, left=left[0], adjust=adjust) if fpc else replace(by_person, n=units)
    second = None
    if len(fpc) > 1 and zone is not None:
        of_stratum = 1 - first.left[pairs[:, 1]]
        second = Stage(n=drawn[1], left=of_stratum * left[1], adjust=adjust)
    _refuse_lonely(first, second, lonely, refuse)
    return Drawn(
        labels=labels or ("",),
        first=first,
        people=first if zone is None else by_person,
        second=second,
        has_strata=bool(labels),
        has_fpc=bool(fpc),
    )


def _units(parent: IntArray, unit: IntArray, n_parents: int) -> FloatArray:
    """Distinct units of each parent."""
    pairs = group_codes([parent, unit])[0]
    return np.bincount(pairs[:, 0], minlength=n_parents).astype(np.float64)


def _not_drawn(
    fpc: Sequence[FloatArray],
    parents: Sequence[IntArray],
    drawn: Sequence[FloatArray],
    refuse: Callable[[str, str, str], Exception],
) -> list[FloatArray]:
    """The share of each parent's population that was not drawn, by stage."""
    for values in fpc:
        bad = int((~(np.isfinite(values) & (values > 0))).sum())
        if bad:
            found = f"{bad} values are missing, zero, negative or not numbers"
            raise refuse("fpc", found, "sizes of populations, or fractions of them")
    sizes = any((values > 1).any() for values in fpc)
    if sizes and any((values < 1).any() for values in fpc):
        raise refuse("fpc", "holds numbers below and above one", "sizes, or else fractions")
    result = []
    for values, parent, n, what in zip(fpc, parents, drawn, ("strata", "zones"), strict=False):
        low, high = np.full(n.size, np.inf), np.zeros(n.size)
        np.minimum.at(low, parent, values)
        np.maximum.at(high, parent, values)
        varying = int((high > low).sum())
        if varying:
            raise refuse(
                "fpc", f"differs within {varying} {what}", f"one number for each of {what}"
            )
        below = int((low < n).sum()) if sizes else 0
        if below:
            found = f"is below the number drawn in {below} {what}"
            raise refuse("fpc", found, "the size of the population that they were drawn from")
        result.append(1 - (n / low if sizes else low))
    return result


def _refuse_lonely(
    first: Stage,
    second: Stage | None,
    lonely: LonelyName | None,
    refuse: Callable[[str, str, str], Exception],
) -> None:
    for stage, what in ((first, "strata have one first-stage unit"), (second, "zones one person")):
        alone = 0 if stage is None else int(stage.lonely.sum())
        if alone and lonely is None:
            raise refuse("strata", f"{alone} {what}", LONELY_REMEDIES)
