"""What the tests of checks share: rows, matched samples, contexts, and the rows of a check."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from coopgap.checks.by_mode import PhoneStudy
from coopgap.checks.context import Context
from coopgap.checks.registry import Cost, Part, Scope, answer, parts
from coopgap.core.estimate import Keys
from coopgap.core.gap import Contrast, Interval
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.headline import declared_at
from coopgap.families.plan import sample_for
from coopgap.families.sample import Sample
from coopgap.matching.dispatch import match
from coopgap.study.spec import (
    Design,
    Fitting,
    Group,
    Headline,
    Matching,
    ModelSpec,
    Study,
    Variable,
)
from coopgap.survey.records import ModelRows, Survey, complete_rows

KEYS = Keys(model="m", outcome="y", source="s")
R = Path(__file__).parents[1] / "r"


def by_r(name: str) -> Any:
    """What an R script of tests/r found."""
    return json.loads((R / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))


def build_rows(
    factors: Mapping[str, Sequence[int]],
    member: Sequence[bool],
    outcome: Sequence[int],
    *,
    sizes: Mapping[str, int] | None = None,
    n_levels: int = 2,
    levels: Sequence[str] | None = None,
    weight: Sequence[float] | None = None,
    zone: Sequence[int] | None = None,
) -> ModelRows:
    n = len(member)
    sizes = sizes or {}
    codes = {name: np.asarray(values, dtype=np.int64) for name, values in factors.items()}
    return ModelRows(
        index=np.arange(n),
        outcome=np.asarray(outcome, dtype=np.int64),
        levels=tuple("EDCBA"[:n_levels] if levels is None else levels),
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


def sample_of(
    rows: ModelRows,
    covariates: Sequence[str] | None = None,
    *,
    on: Sequence[str] | None = None,
    method: str = "exact",
    link: str = "logit",
    **fitting: Any,
) -> Sample:
    """Rows matched on some of their factors, all if none are named, and adjusted for some."""
    names = tuple(rows.factors)
    on = names if on is None else tuple(on)
    return Sample(
        rows=rows,
        matched=match(rows, Matching(method=method, on=on)),
        covariates=names if covariates is None else tuple(covariates),
        link=link,
        strata=on,
        fitting=Fitting(**fitting),
    )


def with_outcome(sample: Sample, outcome: Any, **changes: Any) -> Sample:
    """The sample with other answers, matched as it was."""
    outcome = np.asarray(outcome, dtype=np.int64)
    return replace(sample, rows=replace(sample.rows, outcome=outcome, **changes))


def keys_of(rows: Any, at: str = "") -> Keys:
    return replace(KEYS, levels=rows.levels, at=at)


def gap_of(estimate: Estimate, category: str = "") -> tuple[Contrast, Interval]:
    """The difference at a threshold, with what it is about."""
    ((contrast, interval),) = [
        (one, interval)
        for one, interval in estimate.intervals.items()
        if one.is_threshold_gap and one.category == category
    ]
    return contrast, interval


def variable(name: str, levels: Sequence[str], kind: str = "ordinal") -> Variable:
    """A declared variable; `y_high` is another reading of the column of `y`."""
    column = name.removesuffix("_high")
    return Variable(name=name, column=column, type=kind, levels=levels, declared_levels=levels)


def study_of(spec: ModelSpec, variables: Mapping[str, Variable], **design: Any) -> Study:
    """A study of one model by region, with zones."""
    return Study(
        name="s",
        title="s",
        survey=None,
        group=Group(column="member", member=(1,), comparison=(0,)),
        design=Design(region="region", zone=("zone",), **design),
        variables=variables,
        models=(spec,),
        headline={"y": (Headline(model="m"),)},
        folder=Path(),
        sha256="",
    )


def survey_of(member: Sequence[bool], **changes: Any) -> Survey:
    """People asked in person of whom nothing is known but what is named."""
    n = len(member)
    nothing = {
        "source": "s.csv",
        "sha256": "",
        "is_example": False,
        "member": np.asarray(member, bool),
        "phone": np.zeros(n, bool),
        "codes": {},
        "variables": {},
        "zone": None,
        "zone_labels": (),
        "weight": None,
        "person": None,
        "tie": np.arange(n, dtype=np.uint64),
        "n_read": n,
        "encoding": "",
        "dropped": (),
    }
    return Survey(**nothing | changes)


def survey_context(survey: Survey, study: Study, spec: ModelSpec, **run: Any) -> Context:
    """The context of the one model of a study, as a run makes it."""
    sample = sample_for(complete_rows(survey, study, spec), spec)
    keys = replace(keys_of(sample.rows, declared_at(study, "m")), source=survey.source)
    return Context(
        keys=keys,
        survey=survey,
        study=study,
        spec=spec,
        sample=sample,
        headline=headline_estimate(sample),
        **run,
    )


def pick(rows: Sequence[Any], **wanted: Any) -> Any:
    """The one row of some keys."""
    (row,) = [
        row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())
    ]
    return row


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
    phone people are younger than the in-person comparison group. Positions are of one survey.
    """
    ages = ([0.2, 0.3, 0.5], [0.4, 0.35, 0.25], [0.6, 0.3, 0.1] if young_phone else None)
    groups = []
    for group, size in enumerate(n):
        age = rng.choice(3, size, p=ages[group] or ages[1])
        zone = None if zones is None else rng.integers(0, zones, size)
        base = 0.30 + 0.10 * age + gap * (group == 0) + shift * (group == 2)
        steps = base[:, None] - 0.12 * np.arange(n_levels - 1)
        outcome = (rng.random(size)[:, None] < steps).sum(axis=1)
        groups.append((age, outcome, zone))
    age, outcome, zone = (
        None if one[0] is None else np.concatenate(one) for one in zip(*groups, strict=True)
    )
    rows = build_rows(
        {"age": age},
        np.arange(sum(n)) < n[0],
        outcome,
        sizes={"age": 3},
        n_levels=n_levels,
        zone=zone,
    )
    called = np.arange(sum(n)) >= n[0] + n[1]
    return PhoneStudy(in_person=rows.take(~called), phone=rows.take(called), covariates=("age",))


def context_of(
    sample: Any,
    headline: Any = None,
    *,
    keys: Keys | None = None,
    smallest_gap: float = 0.05,
    phone: PhoneStudy | None = None,
    margin: float | None = None,
    region: str | None = None,
    spec: Any = None,
    survey: Any = None,
    estimates: Sequence[Any] = (),
    seed: int = 0,
    **study: Any,
) -> Context:
    """One model of a study that declares only what is named; its own headline if none is given."""
    keys = keys_of(sample.rows) if keys is None else keys
    declared = {
        "smallest_gap": smallest_gap,
        "design": SimpleNamespace(region=region),
        "phone": SimpleNamespace(margin={keys.outcome: margin}),
    }
    context = Context(
        keys=keys,
        study=SimpleNamespace(**declared | study),
        survey=survey or SimpleNamespace(variables={}),
        spec=spec or SimpleNamespace(variants=(), covariates=(), link="logit"),
        sample=sample,
        headline=headline_estimate(sample) if headline is None else headline,
        estimates=estimates,
        seed=seed,
    )
    if phone is not None:
        vars(context)["phone"] = phone
    return context


def rows_of(check: str, context: Any, cost: Cost = "full") -> list[Any]:
    """The rows that a check has for a context, as a run makes them."""
    mine = [one for scope in Scope for one in parts(scope, cost) if one.name == check]
    return [row for part in mine for row in answer(part, context)]


def answered(make: Callable[..., Any], context: Any, check: str = "check") -> list[Any]:
    """The rows of one function, with the reason that it gives, as a run makes them."""
    return list(answer(Part(name=check, make=make), context))


def phone_rows(
    checks: str | Sequence[str],
    phone: PhoneStudy,
    keys: Keys = KEYS,
    *,
    covariates: Sequence[str] | None = None,
    **more: Any,
) -> list[Any]:
    """Rows of checks of people by mode, of a model without an estimate."""
    names = phone.covariates if covariates is None else covariates
    spec = SimpleNamespace(covariates=tuple(names), matching=SimpleNamespace(on=()))
    nobody = SimpleNamespace(family=None, population=None)
    sample = SimpleNamespace(rows=phone.in_person)
    context = context_of(sample, nobody, keys=keys, phone=phone, spec=spec, **{"seed": 1} | more)
    checks = [checks] if isinstance(checks, str) else checks
    return [row for check in checks for row in rows_of(check, context)]


@pytest.fixture
def make_rows() -> Callable[..., ModelRows]:
    return build_rows


@pytest.fixture
def make_phone() -> Callable[..., PhoneStudy]:
    return simulate
