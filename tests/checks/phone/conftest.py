from collections.abc import Callable

import pytest

from coopgap.app.plan import make_plan
from coopgap.checks.by_mode import PhoneStudy
from coopgap.core.estimate import SensitivityRow
from coopgap.core.vocabulary import Quantity, Verdict
from coopgap.families.sample import Sample
from coopgap.survey.records import complete_rows


@pytest.fixture(scope="package")
def example_phone() -> Callable[[str], tuple[PhoneStudy, Sample]]:
    """A model of the example survey: its people by mode and its matched sample."""
    plan = make_plan("peru", only=["ses", "trusted_person"])
    models = {model.spec.name: model for model in plan.models}

    def of(name: str) -> tuple[PhoneStudy, Sample]:
        model = models[name]
        called = complete_rows(plan.survey, plan.study, model.spec, mode="phone")
        covariates = model.spec.covariates
        return PhoneStudy(in_person=model.rows, phone=called, covariates=covariates), model.sample

    return of


@pytest.fixture(scope="session")
def by_rule() -> Callable[..., Verdict]:
    """The verdict that a row has to have, from its numbers and those it is compared with."""

    def of(row: SensitivityRow, declared: SensitivityRow, smallest_gap: float = 0.05) -> Verdict:
        null, most = 0.0, smallest_gap
        if row.quantity == Quantity.SUPERIORITY:
            null, most = 0.5, smallest_gap / 2
        low, high = row.difference_lower, row.difference_upper
        found = (low > 0 or high < 0) and abs(row.difference) > most / 2
        up, declared_up = row.lower > null, declared.lower > null
        down, declared_down = row.upper < null, declared.upper < null
        if found or (up and declared_down) or (down and declared_up):
            return Verdict.CHANGES
        return Verdict.HOLDS if -most < low and high < most else Verdict.UNDECIDED

    return of
