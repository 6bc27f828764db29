"""What every check of one model is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

from coopgap.checks.by_mode import PhoneStudy, by_mode
from coopgap.checks.registry import NotApplicable, NotAssessed, Topic, check
from coopgap.core.estimate import GapRow, Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Comparator, Status
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_contrast, headline_families
from coopgap.families.plan import ModelPlan, Plan, sample_for
from coopgap.families.sample import Sample
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import ModelRows, Survey, complete_rows


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """Makes rows that say what they are about; the runner adds their check."""

    keys: Keys

    @property
    def own(self) -> Mapping[str, Any]:
        """What a row says besides its model."""
        return {}

    def bare(self, **numbers: Any) -> SensitivityRow:
        """A row of the model alone, without a family."""
        keys = self.keys
        own = {"check": "", "model": keys.model, "outcome": keys.outcome, "source": keys.source}
        return SensitivityRow(**own | numbers)

    def row(self, **numbers: Any) -> SensitivityRow:
        """A row of the context's family and people, with numbers or other keys."""
        return self.bare(**{**self.own, **numbers})


class Design(NamedTuple):
    """A declared variant, or with an empty name the model itself: matched, and estimated."""

    name: str
    spec: ModelSpec
    sample: Sample
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Context(Keyed):
    """One model of a run with its estimates.

    `sample` are its complete in-person rows, matched; `headline` the headline's family: the matched
    one, or without a matching the adjusted one; `estimates` all families of the whole model, in the
    order of the tables. What repeats the fit many times takes `jobs` processes, the cores if None,
    or those of the Dask `scheduler` at an address.
    """

    study: Study
    survey: Survey
    spec: ModelSpec
    sample: Sample
    headline: Estimate
    estimates: Sequence[Estimate] = ()
    seed: int = 0
    jobs: int | None = None
    scheduler: str | None = None

    @property
    def rows(self) -> ModelRows:
        """Complete in-person rows."""
        return self.sample.rows

    @property
    def smallest_gap(self) -> float:
        """The smallest gap that matters."""
        return self.study.smallest_gap

    @property
    def region(self) -> str | None:
        """The region variable."""
        return self.study.design.region

    @cached_property
    def phone(self) -> PhoneStudy:
        """The model's complete rows by mode."""
        phone = complete_rows(self.survey, self.study, self.spec, mode="phone")
        return by_mode(self.survey, self.rows, phone, self.spec.covariates)

    @cached_property
    def variants(self) -> tuple[Design, ...]:
        """Each declared variant."""
        designs = []
        for name, spec in ((one.name, one.spec) for one in self.spec.variants):
            sample = sample_for(complete_rows(self.survey, self.study, spec), spec)
            designs.append(Design(name, spec, sample, headline_estimate(sample)))
        return tuple(designs)

    @property
    def first(self) -> Contrast:
        """The contrast that is put first."""
        return headline_contrast(self.keys.levels, self.keys.at)

    @property
    def declared(self) -> Interval | None:
        """The headline at the contrast that is put first."""
        return self.headline.intervals.get(self.first)

    @property
    def own(self) -> Mapping[str, Any]:
        """Of the headline's people and family."""
        return {
            "family": self.headline.family,
            "comparator": Comparator.COMPARISON,
            "group": self.keys.group,
            "population": self.headline.population,
        }

    def estimated(self) -> None:
        """Refuse a check of the headline where that has no estimate."""
        if self.headline.status is not Status.OK:
            reason = self.headline.reason or self.headline.status
            raise NotApplicable(f"There is no estimate: {reason}.")

    def compares(self) -> None:
        """Refuse a check that compares with the gap put first where that was not estimated."""
        if self.first not in self.headline.intervals:
            reason = self.headline.reason or self.headline.status
            raise NotAssessed(f"There is no declared gap to compare with: {reason}.")

    def reached(self) -> None:
        """Refuse a check of the phone interviews where there is nobody to compare by mode."""
        if self.phone.why_not:
            raise NotApplicable(self.phone.why_not)


phone_check = partial(check, topic=Topic.PHONE, needs=(Context.reached,), of_model=True)
"""Register a check of the phone interviews, which has no answer where there are none."""


def context_for(plan: Plan, model: ModelPlan, estimates: Sequence[Estimate], **run: Any) -> Context:
    """The context of one model of a run; `run` are seed, jobs and scheduler."""
    families = headline_families(model.spec)
    return Context(
        keys=plan.keys(model),
        study=plan.study,
        survey=plan.survey,
        spec=model.spec,
        sample=model.sample,
        headline=next(
            one
            for one in estimates
            if one.family in families and one.population is model.sample.population
        ),
        estimates=estimates,
        **run,
    )


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """All models of a run, and the headline's rows of gaps.csv, without negative controls."""

    study: Study
    models: Sequence[Context]
    headlines: Sequence[GapRow] = ()
