"""Each type of co-operative left out: the gap is that of the members who are left."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from coopgap.core.vocabulary import Verdict
from coopgap.families.dispatch import headline_estimate
from coopgap.families.plan import sample_for
from coopgap.study.spec import Matching, ModelSpec

from .conftest import build_rows, context_of, rows_of

NAMES = ("milk", "coffee", "savings")
SPEC = ModelSpec(
    name="m", outcome="y", covariates=(), matching=Matching(method="exact", on=("age",))
)


def make_context(*, types=NAMES, groups=True, strata=1, carried=True, others=False):
    """900 members of three types and 900 others; a gap that only milk has where it is `carried`."""
    rng = np.random.default_rng(8)
    n = 1800
    member, age = np.arange(n) < 900, rng.integers(0, strata, n)
    kind = np.where(member, rng.integers(0, 3, n) % len(types), -1)
    kind = np.where(member & (rng.random(n) < 0.05), -1, kind)
    kind = np.where(others & ~member, 0, kind)
    gap = np.where(kind == 0, 0.6, 0.0) if carried else 0.2 * member
    outcome = (rng.random(n) < 0.2 + 0.05 * age + gap * member).astype(int)
    rows = build_rows({"age": age, "kind": np.maximum(kind, 0)}, member, outcome)
    rows.factors["kind"][:] = kind
    rows.factor_levels["kind"] = types
    variables = {
        name: SimpleNamespace(groups=groups and name == "kind") for name in ("age", "kind")
    }
    sample = sample_for(rows, SPEC)
    return context_of(sample, spec=SPEC, variables=variables)


def without(context):
    """Rows by type and quantity."""
    rows = rows_of("leave_one_cooperative", context)
    return {(row.about, row.quantity): row for row in rows}


def test_the_gap_without_a_type_and_its_difference_are_those_of_shares_by_hand():
    context = make_context()
    found, rows = without(context), context.rows
    assert [about for about, quantity in found if quantity != "influence"] == list(NAMES)
    kind, yes = rows.factors["kind"], rows.outcome == 1
    for code, name in enumerate(NAMES):
        these, rest = kind == code, rows.member & (kind != code)
        row = found[name, "risk_difference"]
        assert row.variant == f"without kind={name}"
        assert row.estimate == pytest.approx(yes[rest].mean() - yes[~rows.member].mean(), abs=1e-9)
        # All members are a mixture of both: the difference is the part of the type, which another
        # survey would find otherwise, times theirs.
        part = these.sum() / rows.member.sum()
        apart = yes[rest].mean() - yes[these].mean()
        moved = part * apart
        variance = part**2 * sum(yes[side].var() / side.sum() for side in (rest, these))
        variance += apart**2 * part * (1 - part) / rows.member.sum()
        half = stats.norm.ppf(0.975) * np.sqrt(variance)
        assert row.difference == pytest.approx(moved, abs=1e-9)
        limits = (row.difference_lower, row.difference_upper)
        assert limits == pytest.approx((moved - half, moved + half), rel=2e-3)
        assert found[name, "influence"].estimate == pytest.approx(-moved, abs=1e-9)
        assert row.n_smaller == rest.sum()


def test_a_gap_that_one_type_carries_changes_without_it():
    verdicts = {about: row.verdict for (about, _), row in without(make_context()).items()}
    assert without(make_context())["milk", "risk_difference"].verdict is Verdict.CHANGES
    assert set(verdicts) == set(NAMES)
    even = without(make_context(carried=False))
    judged = {row.verdict for (_, quantity), row in even.items() if quantity != "influence"}
    assert Verdict.CHANGES not in judged


def test_whoever_is_left_is_matched_anew():
    context = make_context(strata=4)
    rows = context.rows
    again = headline_estimate(sample_for(rows.take(rows.factors["kind"] != 1), SPEC))
    (expected,) = (i for c, i in again.intervals.items() if c.is_threshold_gap)
    row = without(context)["coffee", "risk_difference"]
    assert (row.estimate, row.lower, row.upper) == (
        expected.estimate,
        expected.lower,
        expected.upper,
    )


@pytest.mark.parametrize("how", [{"groups": False}, {"others": True}, {"types": ("milk",)}])
def test_without_types_of_members_alone_it_does_not_apply(how):
    (row,) = rows_of("leave_one_cooperative", make_context(**how))
    assert (row.verdict, row.quantity) == (Verdict.NOT_APPLICABLE, "")
    assert row.family is None
    assert "group of members alone" in row.note
