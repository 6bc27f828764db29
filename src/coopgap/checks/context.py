"""What every check of one model is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coopgap.checks.by_mode import PhoneStudy, by_mode
from coopgap.checks.registry import NotApplicable
from coopgap.core.estimate import GapRow, Keys, SensitivityRow
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import Comparator, Family, Status
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_contrast, headline_families
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.sample import Sample
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.records import ModelRows, Survey, complete_rows


@dataclass(frozen=True, kw_only=True)
class Context:
    """One model of a run with its estimates.

    Attributes
    ----------
    sample
        Complete in-person rows, matched.
    headline
        The headline's family: the matched one, or without a matching the adjusted one.
    estimates
        All families of the whole model, in the order of the tables.
    seed
        Seed of everything random.
    jobs
        Processes of checks that repeat the fit many times; the cores if None.
    scheduler
        Address of a Dask scheduler in their place.
    """

    keys: Keys
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

    @property
    def first(self) -> Contrast:
        """The contrast that is put first."""
        return headline_contrast(self.keys.levels, self.keys.at)

    @property
    def declared(self) -> Interval | None:
        """The headline at the contrast that is put first."""
        return self.headline.intervals.get(self.first)

    def family(self, name: Family) -> Estimate:
        """The first estimate of a family."""
        return next(one for one in self.estimates if one.family is name)

    def bare(self, **numbers: Any) -> SensitivityRow:
        """A row of the model alone, without a family; its check is added by the runner."""
        keys = self.keys
        return SensitivityRow(
            **{"check": "", "model": keys.model, "outcome": keys.outcome, "source": keys.source}
            | numbers
        )

    def row(self, **numbers: Any) -> SensitivityRow:
        """A row of the headline's people and family, with numbers or other keys."""
        own = {
            "family": self.headline.family,
            "comparator": Comparator.COMPARISON,
            "group": self.keys.group,
            "population": self.headline.population,
        }
        return self.bare(**own | numbers)

    def estimated(self) -> None:
        """Refuse a check of the headline where that has no estimate."""
        if self.headline.status is not Status.OK:
            reason = self.headline.reason or self.headline.status
            raise NotApplicable(f"There is no estimate: {reason}.")


def context_for(
    plan: Plan,
    model: ModelPlan,
    estimates: Sequence[Estimate],
    *,
    seed: int = 0,
    jobs: int | None = None,
    scheduler: str | None = None,
) -> Context:
    """The context of one model of a run; parameters as in `Context`."""
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
        seed=seed,
        jobs=jobs,
        scheduler=scheduler,
    )


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """All models of a run, in their order.

    Attributes
    ----------
    headlines
        The headline's row of gaps.csv of each question, negative controls excluded; empty before
        the table is there.
    """

    study: Study
    models: Sequence[Context]
    headlines: Sequence[GapRow] = ()
