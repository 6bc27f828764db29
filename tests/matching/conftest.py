from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

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
    people = [
        (member, level)
        for member in (True, False)
        for level, count in enumerate(age[member])
        for _ in range(count)
    ]
    sexes = [
        level
        for member in (True, False)
        for level, count in enumerate(sex[member])
        for _ in range(count)
    ]
    return build_rows(
        {"age": [level for _, level in people], "sex": sexes}, [member for member, _ in people]
    )


@pytest.fixture
def random_rows() -> ModelRows:
    rng = np.random.default_rng(20)
    n = 900
    region, age, sex = rng.integers(0, 4, n), rng.integers(0, 5, n), rng.integers(0, 2, n)
    member = rng.random(n) < 1 / (1 + np.exp(-(-0.6 + 0.35 * age - 0.3 * sex - 0.1 * region)))
    return build_rows(
        {"region": region, "age": age, "sex": sex}, member, weight=rng.uniform(0.5, 2.0, n)
    )
