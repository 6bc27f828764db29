"""Zones drawn again and matched anew, against the same thing done person by person."""

from dataclasses import replace

import numpy as np
import pytest

from coopgap.checks import variants as module
from coopgap.checks.variants import resampled
from coopgap.core.vocabulary import Check, Quantity, Verdict, Version
from coopgap.families.dispatch import headline_estimate
from coopgap.families.shares import estimate_shares
from coopgap.matching.dispatch import match
from coopgap.study.spec import Matching

from .conftest import build_rows, context_of, rows_of, sample_of

LEVELS = ("low", "middle", "high")


def make_sample(matching=None, zones=40, n=1600, zoned=True, **fitting):
    rng = np.random.default_rng(7)
    zone = rng.integers(0, zones, n)
    sex, age = rng.integers(0, 2, n), rng.integers(0, 3, n)
    member = rng.random(n) < 0.35 + 0.2 * sex
    latent = 0.6 * member + 0.3 * sex + rng.normal(0, 0.4, zones)[zone] + rng.logistic(size=n)
    rows = build_rows(
        {"sex": sex, "age": age},
        member,
        np.digitize(latent, [-0.3, 1.5]),
        levels=LEVELS,
        zone=zone if zoned else None,
        weight=rng.uniform(0.5, 2, n),
    )
    sample = sample_of(rows, ("sex",), **fitting)
    return replace(sample, matched=match(rows, matching)) if matching else sample


def margins(sample):
    """Shares of the matched gap, both groups, highest level last."""
    tied = sample.fitting.form == "proportional"
    found = headline_estimate(sample) if tied else estimate_shares(sample)
    return [
        interval.estimate
        for contrast, interval in found.intervals.items()
        if contrast.quantity is Quantity.SHARE
    ]


@pytest.mark.parametrize("form", ["free", "proportional"])
def test_the_sample_itself_is_the_declared_estimate(form):
    sample = make_sample(form=form)
    found = resampled(sample, seed=1, replicates=2)
    estimate = [*found.estimate[2::-1], *found.estimate[:2:-1]]
    assert estimate == pytest.approx(margins(sample), abs=1e-8)


@pytest.mark.parametrize("form", ["free", "proportional"])
def test_draws_are_the_whole_way_done_again_person_by_person(form):
    """Zones as people, copied, matched and fitted by the families: the same distribution."""
    sample = make_sample(zones=25, n=900, form=form)
    rows, rng = sample.rows, np.random.default_rng(3)
    gaps = []
    for _ in range(120):
        drawn = rng.integers(0, 25, 25)
        parts = [np.flatnonzero(rows.zone == zone) for zone in drawn]
        people = np.concatenate(parts)
        copies = np.repeat(np.arange(25), [part.size for part in parts])
        again = replace(
            rows,
            index=np.arange(people.size),
            outcome=rows.outcome[people],
            member=rows.member[people],
            factors={name: codes[people] for name, codes in rows.factors.items()},
            zone=copies,
            weight=rows.weight[people],
            tie=None,
        )
        matched = match(again, Matching(on=("sex", "age")))
        shares = margins(replace(sample, rows=again, matched=matched))
        gaps.append(shares[0] - shares[3])
    found = resampled(sample, seed=2, replicates=1000).margins
    ours = found[:, 2] - found[:, 5]
    # The spread of 120 draws is known to 7 percent, their mean to a tenth of it: three of each.
    assert np.std(gaps) == pytest.approx(ours.std(), rel=0.2)
    assert np.mean(gaps) == pytest.approx(ours.mean(), abs=0.3 * ours.std())


def test_rows_stand_beside_the_declared_ones():
    sample = make_sample()
    context = context_of(sample, seed=4)
    declared = estimate_shares(sample)
    rows = rows_of(Check.VARIANT, context)
    assert [(row.quantity, row.category) for row in rows] == [
        (Quantity.RISK_DIFFERENCE, ">=high"),
        (Quantity.RISK_DIFFERENCE, ">=middle"),
        (Quantity.SUPERIORITY, ""),
    ]
    for row in rows:
        assert (row.check, row.variant) == (Check.VARIANT, Version.BOOTSTRAP)
        wald = declared.at(row.category, row.quantity)
        assert row.estimate == pytest.approx(wald.estimate, abs=1e-8)
        # 40 zones: CR2 is a little wider; the matching's own variation goes either way.
        assert row.std_error == pytest.approx(wald.std_error, rel=0.2)
        assert row.lower < row.estimate < row.upper
        assert row.family == "shares"
        moved = row.estimate - context.headline.at(row.category, row.quantity).estimate
        assert row.difference == pytest.approx(moved)
        assert "1,000 draws of 40 zones, matched anew" in row.note
    assert rows == rows_of(Check.VARIANT, context)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {
                "matching": Matching(
                    method="nearest", on=("sex",), covariates=("age",), replace=True
                )
            },
            "zones are redrawn for exact matching only; this is nearest",
        ),
        (
            {"matching": Matching(method="entropy", on=("sex", "age"))},
            "zones are redrawn for exact matching only; this is entropy",
        ),
        (
            {"free": ("sex",), "form": "proportional"},
            "zones are redrawn without freed covariates only",
        ),
        ({"zoned": False}, "the study declares no zone"),
    ],
)
def test_what_is_not_redrawn_says_why(keys, reason, monkeypatch):
    def never(*_, **__):
        raise AssertionError("was redrawn")

    monkeypatch.setattr(module, "bootstrap_margins", never)
    sample = make_sample(**keys)
    (row,) = rows_of(Check.VARIANT, context_of(sample))
    assert (row.verdict, row.note) == (Verdict.NOT_APPLICABLE, reason)
    assert row.estimate is None
