import numpy as np
import pytest

from coopgap.families.dispatch import headline_estimate
from coopgap.families.plan import sample_for
from coopgap.study.spec import Matching, ModelSpec
from coopgap.survey.records import complete_rows

from ..conftest import study_of, survey_of, variable

VARIABLES = {
    "x": variable("x", ("0", "1", "2", "3")),
    "z": variable("z", ("none", "one", "other"), "nominal"),
    "w": variable("w", ("no", "yes"), "binary"),
    "region": variable("region", ("A", "B", "C"), "nominal"),
}


def cut(latent, n_levels):
    """Levels with equal shares where the latent answer is standard logistic."""
    edges = np.log(np.arange(1, n_levels) / np.arange(n_levels - 1, 0, -1))
    return np.searchsorted(edges, latent).astype(np.int64)


def build(
    n,
    *,
    missing=None,
    levels=2,
    gap=0.4,
    slope=0.0,
    member_slope=0.0,
    zones=30,
    seed=0,
    weight=None,
):
    """A survey of n people: outcome y, ordered x, nominal z, binary w, region, zones.

    `missing` has by variable the chance that its answer is missing completely at random; `gap`,
    `slope` and `member_slope` are on the latent logistic scale: of membership, of x (centred) and
    of their product.
    """
    rng = np.random.default_rng([seed, n])
    zone = rng.integers(0, zones, n)
    region = zone % 3
    member = rng.random(n) < 0.5
    x = rng.choice(4, n, p=[0.3, 0.3, 0.2, 0.2])
    z = np.where(rng.random(n) < 0.2 * x, rng.integers(1, 3, n), 0)
    w = (rng.random(n) < 0.3 + 0.1 * x).astype(np.int64)
    latent = gap * member + (slope + member_slope * member) * (x - 1.4) + 0.2 * w
    y = cut(latent + rng.logistic(size=n), levels)
    codes = {"y": y, "x": x, "z": z, "w": w, "region": region}
    codes = {name: values.astype(np.int64) for name, values in codes.items()}
    for name, chance in (missing or {}).items():
        codes[name][rng.random(n) < chance] = -1
    variables = {"y": variable("y", tuple("abcde"[:levels])), **VARIABLES}
    survey = survey_of(
        member,
        codes=codes,
        variables=variables,
        zone=zone,
        zone_labels=tuple(str(k) for k in range(zones)),
        weight=None if weight is None else weight(rng, n),
    )
    names = ("x", "z", "w")
    matching = Matching(method="exact", on=names)
    spec = ModelSpec(name="m", outcome="y", covariates=names, matching=matching)
    return survey, study_of(spec, variables), spec


def sample(survey, study, spec):
    return sample_for(complete_rows(survey, study, spec), spec)


def estimate(survey, study, spec):
    return headline_estimate(sample(survey, study, spec))


@pytest.fixture(scope="session")
def make_survey():
    return build
