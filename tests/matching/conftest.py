from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from coopgap.matching.balance import balance_rows
from coopgap.matching.dispatch import match
from coopgap.matching.distances import Distance
from coopgap.matching.feasibility import feasibility_rows
from coopgap.matching.sample import MatchedSample
from coopgap.survey.records import Drop, ModelRows
from coopgap.survey.ties import keyed_order


def row_order(n: int) -> np.ndarray:
    """Numbers by which ties go to the first row, with the default key."""
    numbers = np.arange(n, dtype=np.uint64)
    return numbers[keyed_order(numbers, 0)]


def build_rows(
    factors: Mapping[str, Sequence[int]],
    member: Sequence[bool],
    *,
    weight: Sequence[float] | None = None,
    outcome: Sequence[int] | None = None,
    zone: Sequence[int] | None = None,
    dropped: tuple[Drop, ...] = (),
    tie: np.ndarray | None = None,
) -> ModelRows:
    n = len(member)
    codes = {name: np.asarray(values, dtype=np.int64) for name, values in factors.items()}
    return ModelRows(
        index=np.arange(n),
        outcome=np.zeros(n, dtype=np.int64) if outcome is None else np.asarray(outcome),
        levels=("no", "yes"),
        member=np.asarray(member, dtype=np.bool_),
        factors=codes,
        factor_levels={
            name: tuple(f"{name}{level}" for level in range(int(values.max()) + 1))
            for name, values in codes.items()
        },
        zone=None if zone is None else np.asarray(zone),
        weight=np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64),
        tie=row_order(n) if tie is None else tie,
        dropped=dropped,
    )


@pytest.fixture
def make_rows() -> Callable[..., ModelRows]:
    return build_rows


@pytest.fixture
def peru() -> ModelRows:
    """Age by membership of WDDCM Peru, Table 1; sex (Table 2) is laid beside it, unrelated."""
    age = {True: [80, 142, 183, 219, 185, 195], False: [183, 209, 213, 216, 113, 69]}
    sex = {True: [432, 572], False: [504, 499]}
    codes = {
        name: np.concatenate([np.repeat(np.arange(len(n)), n) for n in counts.values()])
        for name, counts in {"age": age, "sex": sex}.items()
    }
    return build_rows(codes, np.repeat([True, False], [1004, 1003]))


@pytest.fixture
def random_rows() -> ModelRows:
    rng = np.random.default_rng(20)
    n = 900
    region, age, sex = rng.integers(0, 4, n), rng.integers(0, 5, n), rng.integers(0, 2, n)
    member = rng.random(n) < 1 / (1 + np.exp(-(-0.6 + 0.35 * age - 0.3 * sex - 0.1 * region)))
    return build_rows(
        {"region": region, "age": age, "sex": sex}, member, weight=rng.uniform(0.5, 2.0, n)
    )


def of_cells(cells):
    """Factors and membership of cells by code, with the counts of members and of others."""
    names = "st"[: len(next(iter(cells)))]
    people = [
        (*codes, member)
        for codes, counts in cells.items()
        for member, count in zip((True, False), counts, strict=True)
        for _ in range(count)
    ]
    *factors, member = zip(*people, strict=True)
    return build_rows(dict(zip(names, factors, strict=True)), member)


def balance_of(rows, matched, **more):
    return list(balance_rows(rows, matched, model="m", group="all", source="s", **more))


def shared_out(rows):
    """Everybody kept with weight one."""
    nobody = MatchedSample.nobody("exact", rows.n, "")
    return replace(nobody, weight=np.ones(rows.n))


def findings(rows, matching, matched=...):
    """Diagnostics by name, and by what they are about where it is a level or a stratum."""
    matched = match(rows, matching) if matched is ... else matched
    return {
        f"{row.diagnostic}: {row.about}{row.category and f'={row.category}'}"
        if row.about and not row.diagnostic.startswith("largest_smd")
        else row.diagnostic: row
        for row in feasibility_rows(rows, matching, matched, model="m", source="s")
    }


def on_a_line(places, caliper=np.inf, power=1.0):
    points, cell = np.unique(np.asarray(places, dtype=float), return_inverse=True)
    return Distance(cell=cell, points=points[:, None] ** power, score=points, caliper=caliper)
