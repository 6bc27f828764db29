"""How many people stand behind the rows of each model, by what the rows are about.

Rows of gaps.csv and balance.csv count their people as they are made, and so do checks that look at
other people than the model's. The others are counted here, once for all checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from coopgap.core.arrays import BoolArray, IntArray
from coopgap.core.estimate import CoefficientRow, SensitivityRow
from coopgap.core.gap import contrasts, smallest_count
from coopgap.core.vocabulary import BY_PHONE, PRINTED, Comparator, Family, Quantity
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.sample import Sample
from coopgap.survey.records import ModelRows, complete_rows

type Counts = dict[str, tuple[int, int]]
"""By category or term, people of the smaller group, and fewest people at it or not at it."""

_EVERYBODY = (
    Family.ADJUSTED_LOGIT,
    Family.ADJUSTED_ORDINAL,
    Family.ADJUSTED_PROPORTIONAL,
    Family.HIERARCHICAL,
)
"""Families whose fits have everybody in them, matched or not."""


def fewest_people(levels: tuple[str, ...], *people: IntArray) -> Counts:
    """Fewest people of several pairs of groups, each of shape (2, J), by category.

    A threshold stands under each of its names: `>=B`, and what is left of it `<B` and `<=A`.
    """
    smaller = min(int(one.sum(axis=1).min()) for one in people)
    found: Counts = {}
    for contrast in contrasts(levels):
        if contrast.quantity not in (Quantity.RISK_DIFFERENCE, Quantity.SUPERIORITY):
            continue
        fewest = min(smallest_count(one, contrast) for one in people)
        names = [contrast.category]
        if contrast.by_threshold:
            level, below = levels[contrast.level], levels[contrast.level - 1]
            names += [f">={level}", f"<{level}", f"<={below}", f"{below}|{level}"]
            names += [level, below] if len(levels) == 2 else []
        found |= dict.fromkeys(names, (smaller, fewest))
    return found


def _by_term(
    rows: ModelRows, keep: BoolArray, places: Mapping[str, str], area: Sequence[str]
) -> Counts:
    """The same by term of a regression: of a covariate's level, those at it and the others."""

    def named(prefix: str, people: IntArray) -> Counts:
        counts = fewest_people(rows.levels, people)
        cuts = {f"{prefix}:{name}": one for name, one in counts.items() if name.startswith(">=")}
        return {prefix: counts[""], **cuts}

    people = rows.people_by_level(keep)
    counts = fewest_people(rows.levels, people)
    found = {name: one for name, one in counts.items() if "|" in name} | named("member", people)
    spreads = ["zone", "zone_gap", "threshold_shift", "mode_shift", "superpopulation", "finite"]
    spreads += ["department", "department_gap"]
    found |= dict.fromkeys(["member:superpopulation", *(f"sd_{x}" for x in spreads)], counts[""])
    found |= dict.fromkeys([*area, *(f"member:{name}" for name in area)], counts[""])
    for name, codes in rows.factors.items():
        for code, level in enumerate(rows.factor_levels[name]):
            at = replace(rows, member=codes == code)
            found |= named(f"{name}={level}", at.people_by_level(keep & (codes >= 0)))
            if name in places:
                here = rows.people_by_level(keep & (codes == code))
                found[f"member:{places[name]}={level}"] = fewest_people(rows.levels, here)[""]
                found[f"{places[name]}={level}"] = found[f"{name}={level}"]
    return found


@dataclass(frozen=True, kw_only=True)
class Behind:
    """The people behind one model's rows: asked in person, called, and by place.

    `places` are `region` and `department` by the variables they are; `area` is known of places.
    """

    sample: Sample
    phone: ModelRows
    places: Mapping[str, str]
    area: Sequence[str] = ()

    @cached_property
    def _kept(self) -> BoolArray:
        """Whom the matching kept; everybody where it keeps nobody."""
        kept = self.sample.kept
        return kept if kept.any() else np.ones_like(kept)

    @cached_property
    def all(self) -> Counts:
        """By category, of the matched people."""
        rows = self.sample.rows
        return fewest_people(rows.levels, rows.people_by_level(self._kept))

    @cached_property
    def by_phone(self) -> Counts:
        """By category, of the people called beside each of the groups, and of these."""
        rows = self.sample.rows
        own, called = rows.people_by_level(), self.phone.people_by_level()[0]
        pairs = (np.stack([called, group]) for group in own)
        return fewest_people(rows.levels, own, *pairs)

    @cached_property
    def by_place(self) -> dict[str, Counts]:
        """By `region=NAME` or `department=NAME` and category, of everybody there."""
        rows = self.sample.rows
        return {
            f"{place}={level}": fewest_people(
                rows.levels, rows.people_by_level(rows.factors[name] == code)
            )
            for name, place in self.places.items()
            if name in rows.factors
            for code, level in enumerate(rows.factor_levels[name])
        }

    @cached_property
    def by_term(self) -> dict[bool, Counts]:
        """By whether everybody is in the fit and term."""
        rows = self.sample.rows
        keeps = {True: np.ones_like(self._kept), False: self._kept}
        return {
            whole: _by_term(rows, keep, self.places, self.area) for whole, keep in keeps.items()
        }

    def of(self, row: SensitivityRow | CoefficientRow) -> tuple[int, int] | None:
        """Of a row of a check or a fit; None where it is about nothing that is counted."""
        if isinstance(row, CoefficientRow):
            everybody = row.family in _EVERYBODY
            return self.by_term[everybody].get(row.term)
        if row.check in BY_PHONE or row.comparator == Comparator.PHONE:
            return self.by_phone.get(row.category)
        return self.by_place.get(row.group, self.all).get(row.category)


def behind_model(plan: Plan, model: ModelPlan) -> Behind:
    """The people behind one model's rows, with those called."""
    asked = model.spec.hierarchical
    return Behind(
        sample=model.sample,
        phone=complete_rows(plan.survey, plan.study, model.spec, mode="phone"),
        places=plan.study.design.places,
        area=tuple(asked.area.numbers) if asked and asked.area else (),
    )


def counted[R: (SensitivityRow, CoefficientRow)](
    rows: Iterable[R], behind: Mapping[str, Behind]
) -> Iterator[R]:
    """Rows with the people behind their model where they do not count their own."""
    for row in rows:
        own = behind.get(row.model)
        count = None
        if own is not None and row.n_fewest is None and row.source != PRINTED:
            count = own.of(row)
        yield row if count is None else replace(row, n_smaller=count[0], n_fewest=count[1])
