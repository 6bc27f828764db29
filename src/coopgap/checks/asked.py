"""What every check of one model is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coopgap.core.estimate import Keys
from coopgap.core.vocabulary import Family
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_families
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.sample import Sample
from coopgap.sensitivity.again import Beside
from coopgap.sensitivity.phone.study import PhoneStudy, by_mode
from coopgap.study.spec import ModelSpec
from coopgap.survey.complete import complete_rows
from coopgap.survey.records import ModelRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One model of a run with its estimates.

    Attributes
    ----------
    estimates
        The whole model's, in the order of the tables.
    headline
        The headline's family: the matched one, or without a matching the adjusted one.
    phone
        The model's complete rows by mode.
    seed
        Seed of everything random.
    jobs
        Processes of checks that repeat the fit many times; the cores if None.
    scheduler
        Address of a Dask scheduler in their place.
    """

    plan: Plan
    model: ModelPlan
    estimates: Sequence[Estimate]
    headline: Estimate
    phone: PhoneStudy
    labels: Keys
    seed: int
    jobs: int | None = None
    scheduler: str | None = None

    @property
    def beside(self) -> Beside:
        """What variants are compared with."""
        return Beside(estimate=self.headline, smallest_gap=self.plan.study.smallest_gap)

    def family(self, name: Family) -> Estimate:
        """The first estimate of a family."""
        return next(one for one in self.estimates if one.family is name)

    @property
    def spec(self) -> ModelSpec:
        """The model file."""
        return self.model.spec

    @property
    def sample(self) -> Sample:
        """Complete in-person rows, matched."""
        return self.model.sample

    @property
    def rows(self) -> ModelRows:
        """Complete in-person rows."""
        return self.model.rows


def asked(
    plan: Plan,
    model: ModelPlan,
    estimates: Sequence[Estimate],
    *,
    seed: int,
    jobs: int | None = None,
    scheduler: str | None = None,
) -> Asked:
    """Everything the checks of a model need.

    Parameters
    ----------
    plan, model
        What is run.
    estimates
        The model's families.
    seed, jobs, scheduler
        As asked for.
    """
    phone = complete_rows(plan.survey, plan.study, model.spec, mode="phone")
    families = headline_families(model.spec)
    return Asked(
        plan=plan,
        model=model,
        estimates=estimates,
        headline=next(
            one
            for one in estimates
            if one.family in families and one.population is model.sample.population
        ),
        phone=by_mode(plan.survey, model.rows, phone, model.spec.covariates),
        labels=plan.keys(model),
        seed=seed,
        jobs=jobs,
        scheduler=scheduler,
    )
