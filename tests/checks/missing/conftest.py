from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coopgap.checks.context import Context
from coopgap.core.estimate import Keys
from coopgap.families.dispatch import headline_estimate
from coopgap.families.headline import declared_at
from coopgap.families.plan import sample_for
from coopgap.study.spec import Design, Group, Headline, Matching, ModelSpec, Study, Variable
from coopgap.survey.records import Survey, complete_rows


def variable(name, levels, kind):
    return Variable(name=name, column=name, type=kind, levels=levels, declared_levels=levels)


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
    silent=None,
):
    """A survey of n people: outcome y, ordered x, nominal z, binary w, region, zones.

    Parameters
    ----------
    missing
        By variable, the chance that its answer is missing completely at random.
    gap, slope, member_slope
        On the latent logistic scale: of membership, of x (centred) and of their product.
    silent
        A function of (rng, member, x) to the chance that y is missing.
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
    if silent is not None:
        codes["y"][rng.random(n) < silent(rng, member, x)] = -1
    variables = {
        "y": variable("y", tuple("abcde"[:levels]), "ordinal"),
        "x": variable("x", ("0", "1", "2", "3"), "ordinal"),
        "z": variable("z", ("none", "one", "other"), "nominal"),
        "w": variable("w", ("no", "yes"), "binary"),
        "region": variable("region", ("A", "B", "C"), "nominal"),
    }
    survey = Survey(
        source="s.csv",
        sha256="",
        is_example=False,
        member=member,
        phone=np.zeros(n, dtype=bool),
        codes=codes,
        variables=variables,
        zone=zone,
        zone_labels=tuple(str(k) for k in range(zones)),
        weight=None if weight is None else weight(rng, n),
        person=None,
        tie=np.arange(n, dtype=np.uint64),
        n_read=n,
        encoding="",
        dropped=(),
    )
    spec = ModelSpec(
        name="m",
        outcome="y",
        covariates=("x", "z", "w"),
        matching=Matching(method="exact", on=("x", "z", "w")),
    )
    study = Study(
        name="s",
        title="s",
        survey=None,
        group=Group(column="member", member=(1,), comparison=(0,)),
        design=Design(region="region", zone=("zone",)),
        variables=variables,
        models=(spec,),
        headline={"y": (Headline(model="m"),)},
        folder=Path(),
        sha256="",
    )
    return survey, study, spec


def sample(survey, study, spec):
    return sample_for(complete_rows(survey, study, spec), spec)


def estimate(survey, study, spec):
    return headline_estimate(sample(survey, study, spec))


def context_of(survey, study, spec, seed=1):
    """The context of the one model of a study."""
    levels, at = survey.variables["y"].levels, declared_at(study, "m")
    matched = sample(survey, study, spec)
    return Context(
        keys=Keys(model="m", outcome="y", levels=levels, source="s.csv", at=at),
        survey=survey,
        study=study,
        spec=spec,
        sample=matched,
        headline=headline_estimate(matched),
        seed=seed,
    )


@pytest.fixture(scope="session")
def make_survey():
    return build
