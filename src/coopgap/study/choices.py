"""The choices that a multiverse combines, as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from coopgap.study.spec import LinkName, MatchingMethod, PopulationName

__all__ = ["Coding", "ModeHandlingName", "Multiverse", "RegionName"]

RegionName = Literal["strata", "covariate", "left_out"]
ModeHandlingName = Literal["in_person", "phone_joins"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """One way to read the outcome's question: a variable, or the outcome cut in two at a level."""

    outcome: str
    at: str = ""

    @property
    def name(self) -> str:
        """As it is declared: `trust_agree`, or `>=B`."""
        return f">={self.at}" if self.at else self.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiverse:
    """Values of each choice that are combined; a choice without values stays as the model has it.

    Attributes
    ----------
    caliper
        None is no caliper.
    covariates
        Sets of covariates by name.
    region
        In the strata of the matching, a covariate only, or left out of both.
    mode
        Interviews in person only, or those by phone with them.
    population
        `members` are those of the matched sample; the others are over all complete rows by
        regression alone.
    """

    method: tuple[MatchingMethod, ...] = ()
    caliper: tuple[float | None, ...] = ()
    covariates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    link: tuple[LinkName, ...] = ()
    coding: tuple[Coding, ...] = ()
    region: tuple[RegionName, ...] = ()
    mode: tuple[ModeHandlingName, ...] = ()
    population: tuple[PopulationName, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that some choice names."""
        sets = (name for names in self.covariates.values() for name in names)
        return tuple(dict.fromkeys((*(one.outcome for one in self.coding), *sets)))
