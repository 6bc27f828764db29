"""Borrowing within a run: asked in full only, beside the gap that the other phone checks hold."""

from __future__ import annotations

import pytest

import coopgap
from coopgap.core.vocabulary import EXAMPLE, Version

CHECKS = ("phone_power_prior", "phone_robust_mixture")


def test_full_checks_hold_it_and_quick_ones_do_not():
    full = coopgap.run("peru", only=["trusted_person"], checks="full", jobs=1).sensitivity
    quick = coopgap.run("peru", only=["trusted_person"], jobs=1).sensitivity
    assert not quick["check"].isin(CHECKS).any()
    mine = full[full["check"].isin(CHECKS)]
    assert set(mine["check"]) == set(CHECKS)
    assert set(mine["source"]) == {EXAMPLE}
    gaps = full[full["quantity"] == "risk_difference"].set_index(["check", "variant"])
    here = gaps.loc[("phone_power_prior", Version.IN_PERSON)]
    # Whoever was called lives in a zone that was asked in person too: the same clusters.
    beside = gaps.loc[("phone_replaces", "in person")]
    for name in ("estimate", "lower", "upper"):
        assert here[name] == pytest.approx(beside[name], abs=1e-9)
    # The phone people say yes more often than those in person, so the gap shrinks, yet less than
    # with the phone people in their place.
    averaged = gaps.loc[("phone_power_prior", Version.AVERAGED)]
    assert gaps.loc[("phone_replaces", "phone")].estimate < averaged.estimate < here.estimate
