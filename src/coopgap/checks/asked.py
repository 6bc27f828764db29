"""What every check of one model is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coopgap.core.vocabulary import Family
from coopgap.families.dispatch import headline_families
from coopgap.families.plan import ModelPlan, Plan
from coopgap.families.records import FamilyEstimate, Sample
from coopgap.families.rows import Labels
from coopgap.families.tables import model_labels
from coopgap.sensitivity.again import Beside
from coopgap.sensitivity.keys import Keys
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
    estimates: Sequence[FamilyEstimate]
    headline: FamilyEstimate
    phone: PhoneStudy
    labels: Labels
    seed: int
    jobs: int | None = None
    scheduler: str | None = None

    @property
    def beside(self) -> Beside:
        """What variants are compared with."""
        return Beside(estimate=self.headline, smallest_gap=self.plan.study.smallest_gap)

    def family(self, name: Family) -> FamilyEstimate:
        """The first estimate of a family."""
        return next(one for one in self.estimates if one.family is name)

    @property
    def keys(self) -> Keys:
        """What rows without levels say of themselves."""
        labels = self.labels
        return Keys(model=labels.model, outcome=labels.outcome, source=labels.source)

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
    estimates: Sequence[FamilyEstimate],
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
        labels=model_labels(plan, model),
        seed=seed,
        jobs=jobs,
        scheduler=scheduler,
    )
