"""The gap with the in-person and with the phone answers of the people who gave both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import SensitivityRow
from coopgap.core.gap import Interval, contrasts, estimate_contrasts, wald
from coopgap.core.vocabulary import Comparator, Population, Quantity, Version
from coopgap.families.difference import INTERVAL_PROB
from coopgap.matching.sample import combined_weight
from coopgap.sensitivity.keys import with_interval, with_people
from coopgap.sensitivity.phone.agreement import variance_of
from coopgap.sensitivity.phone.balanced import balanced_margins, balanced_units, columns
from coopgap.sensitivity.phone.pairs import Pairs
from coopgap.sensitivity.verdict import compared
from coopgap.survey.records import ModelRows


def with_phone_answers(rows: ModelRows, pairs: Pairs) -> ModelRows:
    """In-person rows with the phone answer of everybody who gave both; the others as they were."""
    at = np.searchsorted(pairs.index, rows.index)
    here = at < pairs.n
    here[here] = pairs.index[at[here]] == rows.index[here]
    outcome = rows.outcome.copy()
    outcome[here] = pairs.second[at[here]]
    return replace(rows, outcome=outcome)


def moved_gap(
    before: ModelRows, after: ModelRows, covariates: Sequence[str]
) -> dict[str, Interval]:
    """How much the balanced gap moves at each threshold when answers are exchanged.

    Parameters
    ----------
    before, after
        The same people with either answer.
    covariates
        Factors to whose margins among members the comparison group is balanced.

    Returns
    -------
    dict
        By category, gap after minus gap before with its interval.

    Raises
    ------
    NotEstimable
        The comparison group cannot be balanced, or there are too few zones.

    Notes
    -----
    Weights do not depend on answers, so that the gap moves by the balanced mean of what each
    person's answer moves; its linearisation is that of `balanced_margins`.
    """
    matched = balanced_margins(before, covariates).matched.weight
    keep = np.asarray(matched > 0)
    first, second = before.take(keep), after.take(keep)
    weight = combined_weight(first.weight, matched[keep])
    kinds = [one for one in contrasts(before.levels) if one.is_threshold_gap]
    cuts = np.array([one.level for one in kinds])
    moved = np.subtract(
        second.outcome[:, None] >= cuts, first.outcome[:, None] >= cuts, dtype=np.float64
    )
    members, others, unit = balanced_units(moved, first.member, weight, columns(first, covariates))
    cov, df = variance_of(unit[:, : cuts.size] - unit[:, cuts.size :], first.zone)
    return {
        one.category: wald(
            float(members[k] - others[k]),
            float(np.sqrt(cov[k, k])),
            df=df,
            prob=INTERVAL_PROB,
            null=0.0,
        )
        for k, one in enumerate(kinds)
    }


def linked_gap_rows(
    pairs: Pairs,
    rows: ModelRows,
    covariates: Sequence[str],
    base: SensitivityRow,
    smallest_gap: float,
) -> Iterator[SensitivityRow]:
    """The gap on the complete in-person rows, with either answer, and by how much it moves.

    Parameters
    ----------
    pairs
        People with two answers.
    rows
        Complete in-person rows of the model, everybody: people asked once keep their answer.
    covariates
        Factors to whose margins among members the comparison group is balanced.
    base
        What the rows carry.
    smallest_gap
        The smallest gap that matters.

    Raises
    ------
    NotEstimable
        The comparison group cannot be balanced, or no linked person is in the model.
    """
    n_here = int(np.isin(rows.index, pairs.index).sum())
    if not n_here:
        raise NotEstimable("nobody with two answers has complete covariates")
    after = with_phone_answers(rows, pairs)
    base = replace(
        base, comparator=Comparator.COMPARISON, group="all", population=Population.MEMBERS
    )
    margins = [balanced_margins(one, covariates).margins for one in (rows, after)]
    found = [estimate_contrasts(one, rows.levels, INTERVAL_PROB) for one in margins]
    moved = moved_gap(rows, after, covariates)
    people = [one.people_by_level() for one in (rows, after)]
    for contrast in contrasts(rows.levels):
        if not contrast.is_threshold_gap:
            continue
        reach = [one.outcome >= contrast.level for one in (rows, after)]
        crossed = [int((reach[k] & ~reach[1 - k]).sum()) for k in (0, 1)]
        base = with_people(base, *((one, contrast) for one in people))
        base = replace(base, n_fewest=min(*crossed, base.n_fewest or 0))
        first, second = (one[contrast] for one in found)
        if first is None or second is None:
            continue
        gap = moved[contrast.category]
        intervals = (
            (Version.GAP_IN_PERSON, first),
            (Version.GAP_BY_PHONE, second),
            (Version.GAP_MOVED, gap),
        )
        for name, interval in intervals:
            row = _row(replace(base, variant=name, category=contrast.category), interval)
            if name == Version.GAP_BY_PHONE:
                row = compared(row, first, second, gap, smallest_gap)
                row = replace(row, n=n_here, of=rows.n, note=_note(n_here, rows.n))
            yield row


def _note(n_here: int, n: int) -> str:
    return (
        f"The gap with the phone answers of {n_here:,} of {n:,} people in place of their answers "
        "in person; the others keep theirs. Both on the same people, balanced on the covariates."
    )


def _row(base: SensitivityRow, interval: Interval) -> SensitivityRow:
    return replace(
        with_interval(base, interval),
        quantity=Quantity.RISK_DIFFERENCE,
    )
