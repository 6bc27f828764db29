"""Outcomes of the example survey: drawn from the declared model, then cut to printed totals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.survey.example import printed_margins as printed
from coopgap.survey.example.model import ExampleModel, OutcomeModel
from coopgap.survey.example.people import People, logistic

type Zones = tuple[FloatArray, FloatArray]
"""Zone intercepts and zone gaps, each of shape (zones,)."""


def draw_zones(rng: np.random.Generator, model: ExampleModel, n_zones: int) -> Zones:
    """Draw intercepts and gaps of the zones for one outcome."""
    return (
        rng.normal(0.0, 1.0, n_zones) * model.zone_sd,
        rng.normal(0.0, 1.0, n_zones) * model.zone_gap_sd,
    )


def linear_predictor(
    people: People, outcome: OutcomeModel, zones: Zones | None, member: BoolArray
) -> FloatArray:
    """Log-odds of each person, thresholds aside, as if `member` were their membership.

    Parameters
    ----------
    people
        n people.
    outcome
        The outcome's declared model.
    zones
        Zone intercepts and gaps, or None to leave zones out.
    member
        Shape (n,), or one value for everybody.
    """
    eta = (
        np.asarray(outcome.age)[people.band]
        + outcome.female * people.female
        + np.asarray(outcome.region)[people.region]
        + np.asarray(outcome.education)[people.education]
        + outcome.mode_shift * people.phone
        + member * np.asarray(outcome.gap)[people.region]
    )
    if zones is not None:
        eta = eta + zones[0][people.zone] + member * zones[1][people.zone]
    return np.asarray(eta)


def calibrate(people: People, name: str, outcome: OutcomeModel, zones: Zones) -> OutcomeModel:
    """Shift thresholds, then the gaps by one amount, so that expected shares are the printed ones.

    Parameters
    ----------
    people
        The survey's people.
    name
        The outcome's column.
    outcome
        Its declared model.
    zones
        Its drawn zones.

    Returns
    -------
    OutcomeModel
        With thresholds (for the classes all of them, for the other outcomes one common shift)
        that give members the printed shares, and gaps that give non-members theirs where the
        report prints them.
    """
    in_person = ~people.phone
    eta = linear_predictor(people, outcome, zones, people.member)
    members = eta[people.member]
    if name == "ses_class":
        counts = np.asarray(printed.CLASSES_OF_MEMBERS)
        above = counts[::-1].cumsum()[::-1][1:] / counts.sum()
        return replace(outcome, thresholds=tuple(_threshold(members, share) for share in above))
    top = _top(outcome)
    n_member, n_comparison = printed.TOP_SHARES[name]
    shift = _threshold(members, n_member / printed.N_MEMBER) - outcome.thresholds[top]
    thresholds = tuple(value + shift for value in outcome.thresholds)
    others = eta[in_person & ~people.member]
    wanted = _threshold(others, n_comparison / printed.N_COMPARISON)
    move = wanted - thresholds[top]
    # Moving the thresholds by `move` and the gaps with them leaves members where they are.
    return replace(
        outcome,
        thresholds=tuple(value + move for value in thresholds),
        gap=tuple(value + move for value in outcome.gap),
    )


def _top(outcome: OutcomeModel) -> int:
    """Position of the threshold below the printed upper category."""
    return 2 if len(outcome.thresholds) == 4 else 0


def _threshold(eta: FloatArray, share: float) -> float:
    """Threshold above which the expected share lies."""
    return float(brentq(lambda t: logistic(eta - t).mean() - share, -20, 20, xtol=1e-12))


def cut_to_totals(people: People, name: str, outcome: OutcomeModel, latent: FloatArray) -> IntArray:
    """Levels from latent values, with exactly the printed totals where totals are printed.

    The people nearest to a threshold are those whose level moves, so that the latent order, and
    with it every dependence, stays.
    """
    levels = np.searchsorted(outcome.thresholds, latent).astype(np.int64)
    members = np.flatnonzero(people.member)
    if name == "ses_class":
        counts = np.asarray(printed.CLASSES_OF_MEMBERS)
        order = members[np.argsort(latent[members], kind="stable")]
        levels[order] = np.repeat(np.arange(counts.size), counts)
        return levels
    top = _top(outcome)
    others = np.flatnonzero(~people.member & ~people.phone)
    for group, n_top in zip((members, others), printed.TOP_SHARES[name], strict=True):
        order = group[np.argsort(latent[group], kind="stable")]
        below, above = order[: group.size - n_top], order[group.size - n_top :]
        levels[below] = np.minimum(levels[below], top)
        levels[above] = np.maximum(levels[above], top + 1)
    return levels
