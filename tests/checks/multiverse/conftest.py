from collections.abc import Callable

import numpy as np
import pytest

from coopgap.study.spec import Coding, Matching, Mode, ModelSpec, Multiverse, Study
from coopgap.survey.records import Survey

from ..conftest import study_of, survey_of, variable

LEVELS = {"y": ("low", "middle", "high"), "age": ("a", "b", "c"), "sex": ("f", "m")}
LEVELS |= {"region": ("north", "south"), "y_high": ("not high", "high"), "school": ("no", "yes")}
VARIABLES = {name: variable(name, levels) for name, levels in LEVELS.items()}


def build_study(multiverse: Multiverse | None) -> tuple[Study, ModelSpec]:
    """A study with one model of `y`, matched exactly on region, age and sex."""
    spec = ModelSpec(
        name="m",
        outcome="y",
        covariates=("age", "sex", "region"),
        matching=Matching(on=("region", "age", "sex")),
        multiverse=multiverse,
    )
    return study_of(spec, VARIABLES, mode=Mode(column="mode", in_person=(0,), phone=(1,))), spec


def build_survey(
    rng: np.random.Generator,
    *,
    n: int = 360,
    gap: float = 0.0,
    zones: int | None = 12,
    weighted: bool = False,
    n_phone: int = 0,
) -> Survey:
    """People in regions and zones whose age moves both membership and the outcome."""
    n_zones = zones or 12
    zone = rng.integers(0, n_zones, n)
    region, age = zone % 2, rng.integers(0, 3, n)
    sex, school = rng.integers(0, 2, n), rng.integers(0, 2, n)
    phone = np.arange(n) >= n - n_phone
    member = (rng.random(n) < 0.35 + 0.15 * age) & ~phone
    latent = 0.5 * age + 0.3 * sex + rng.normal(0, 0.5, n_zones)[zone] + gap * member
    y = np.digitize(latent + rng.logistic(0, 1, n), [0.2, 1.5])
    codes = {"y": y, "age": age, "sex": sex, "region": region, "school": school}
    codes["y_high"] = (y == 2).astype(np.int64)
    return survey_of(
        member,
        source="test.csv",
        phone=phone,
        codes={name: np.asarray(values, dtype=np.int64) for name, values in codes.items()},
        variables=VARIABLES,
        zone=None if zones is None else zone,
        zone_labels=tuple(map(str, range(n_zones))),
        weight=rng.uniform(0.5, 2.0, n) if weighted else None,
    )


WIDE = Multiverse(
    method=("exact", "entropy", "overlap"),
    covariates={"all": ("age", "sex", "region"), "school too": ("age", "sex", "region", "school")},
    link=("logit", "probit"),
    coding=(Coding(outcome="y"), Coding(outcome="y_high"), Coding(outcome="y", at="middle")),
    region=("strata", "covariate", "left_out"),
)


@pytest.fixture
def make_study() -> Callable[..., tuple[Study, ModelSpec]]:
    return build_study


@pytest.fixture
def make_survey() -> Callable[..., Survey]:
    return build_survey


@pytest.fixture
def wide() -> Multiverse:
    return WIDE
