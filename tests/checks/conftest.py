from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.context import Context
from coopgap.checks.registry import Cost, Part, Scope, answer, parts
from coopgap.core.estimate import Keys
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.study.spec import Group, Headline, Matching, ModelSpec, Phone, Study
from coopgap.survey.records import ModelRows


def build_rows(
    factors: Mapping[str, Sequence[int]],
    member: Sequence[bool],
    outcome: Sequence[int],
    *,
    sizes: Mapping[str, int] | None = None,
    n_levels: int = 2,
    weight: Sequence[float] | None = None,
    zone: Sequence[int] | None = None,
) -> ModelRows:
    n = len(member)
    sizes = sizes or {}
    codes = {name: np.asarray(values, dtype=np.int64) for name, values in factors.items()}
    return ModelRows(
        index=np.arange(n),
        outcome=np.asarray(outcome, dtype=np.int64),
        levels=tuple("EDCBA"[:n_levels]),
        member=np.asarray(member, dtype=np.bool_),
        factors=codes,
        factor_levels={
            name: tuple(str(level) for level in range(sizes.get(name, int(values.max()) + 1)))
            for name, values in codes.items()
        },
        zone=None if zone is None else np.asarray(zone, dtype=np.int64),
        weight=np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64),
        tie=np.arange(n, dtype=np.uint64),
        dropped=(),
    )


def simulate(
    rng: np.random.Generator,
    *,
    n: tuple[int, int, int] = (600, 600, 250),
    shift: float = 0.0,
    gap: float = 0.15,
    n_levels: int = 2,
    zones: int | None = None,
    young_phone: bool = False,
) -> PhoneStudy:
    """Members, in-person comparison and phone people; `shift` is added to the phone answers.

    The latent answer depends on age (three levels); members are older. With `young_phone` the
    phone people are younger than the in-person comparison group.
    """
    ages = ([0.2, 0.3, 0.5], [0.4, 0.35, 0.25], [0.6, 0.3, 0.1] if young_phone else None)
    parts = []
    for group, size in enumerate(n):
        age = rng.choice(3, size, p=ages[group] or ages[1])
        zone = None if zones is None else rng.integers(0, zones, size)
        base = 0.30 + 0.10 * age + gap * (group == 0) + shift * (group == 2)
        steps = base[:, None] - 0.12 * np.arange(n_levels - 1)
        outcome = (rng.random(size)[:, None] < steps).sum(axis=1)
        parts.append((age, outcome, zone))
    in_person = build_rows(
        {"age": np.concatenate([parts[0][0], parts[1][0]])},
        np.repeat([True, False], n[:2]),
        np.concatenate([parts[0][1], parts[1][1]]),
        sizes={"age": 3},
        n_levels=n_levels,
        zone=None if zones is None else np.concatenate([parts[0][2], parts[1][2]]),
    )
    age, outcome, zone = parts[2]
    phone = build_rows(
        {"age": age}, np.zeros(n[2], bool), outcome, sizes={"age": 3}, n_levels=n_levels, zone=zone
    )
    return PhoneStudy(in_person=in_person, phone=phone, covariates=("age",))


def context_of(
    sample: Any,
    headline: Estimate | None = None,
    *,
    keys: Keys | None = None,
    smallest_gap: float = 0.05,
    phone: PhoneStudy | None = None,
    **study: Any,
) -> Context:
    """One model of a study that declares only what is named; its own headline if none is given."""
    more = {
        name: study.pop(name) for name in ("survey", "spec", "estimates", "seed") if name in study
    }
    region = study.pop("region", None)
    more.setdefault("survey", SimpleNamespace(variables={}))
    more.setdefault("spec", SimpleNamespace(variants=(), covariates=(), link="logit"))
    context = Context(
        keys=keys or Keys(model="m", outcome="y", levels=sample.rows.levels, source="s"),
        study=SimpleNamespace(
            smallest_gap=smallest_gap, design=SimpleNamespace(region=region), **study
        ),
        sample=sample,
        headline=headline_estimate(sample) if headline is None else headline,
        **more,
    )
    if phone is not None:
        vars(context)["phone"] = phone
    return context


def rows_of(check: str, context: Any, cost: Cost = "full") -> list[Any]:
    """The rows that a check has for a context, as a run makes them."""
    mine = [one for scope in Scope for one in parts(scope, cost) if one.check == check]
    return [row for part in mine for row in answer(part, context)]


def answered(make: Callable[..., Any], context: Any, check: str = "check") -> list[Any]:
    """The rows of one function, with the reason that it gives, as a run makes them."""
    part = Part(
        check=check,
        make=make,
        cost="quick",
        scope=Scope.MODEL,
        order=0,
        needs=(),
        of_model=False,
        wants=lambda _: {},
    )
    return list(answer(part, context))


@pytest.fixture
def make_rows() -> Callable[..., ModelRows]:
    return build_rows


@pytest.fixture
def make_phone() -> Callable[..., PhoneStudy]:
    return simulate


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec(
        name="m", outcome="y", covariates=("age",), matching=Matching(method="exact", on=("age",))
    )


@pytest.fixture
def make_study(spec) -> Callable[..., Study]:
    def build(**margin: float) -> Study:
        return Study(
            name="s",
            title="s",
            survey=None,
            group=Group(column="member", member=(1,), comparison=(0,)),
            design=None,
            variables={},
            models=(spec,),
            headline={"y": (Headline(model="m"),)},
            folder=Path(),
            sha256="",
            phone=Phone(margin=margin),
        )

    return build
