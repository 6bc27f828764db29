from collections.abc import Callable

import pytest

from coopgap.families.records import Sample
from coopgap.plan import make_plan
from coopgap.sensitivity.phone.data import PhoneData
from coopgap.survey.complete import complete_rows


@pytest.fixture(scope="package")
def example_phone() -> Callable[[str], tuple[PhoneData, Sample]]:
    """A model of the example survey: its people by mode and its matched sample."""
    plan = make_plan("peru", only=["ses", "trusted_person"])
    models = {model.spec.name: model for model in plan.models}

    def of(name: str) -> tuple[PhoneData, Sample]:
        model = models[name]
        called = complete_rows(plan.survey, plan.study, model.spec, mode="phone")
        return PhoneData(in_person=model.rows, phone=called), model.sample

    return of
