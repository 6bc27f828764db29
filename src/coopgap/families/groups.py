"""Groups' gaps beside each other: the difference of each two, and whether all are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import numpy as np
from scipy import sparse

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.estimate import DiagnosticRow, GapRow, Keys, finite
from coopgap.core.gap import Contrast, Interval, contrast_gradient, null_value, wald
from coopgap.core.tails import chi2_above, f_above
from coopgap.core.vocabulary import Diagnostic, IntervalKind, Kind, Quantity, Status
from coopgap.families.difference import INTERVAL_PROB, Influence, contributions
from coopgap.families.estimate import Estimate, interval_numbers
from coopgap.regression.sampled import joined, person_covariance

MOST_PAIRED: Final = 12
"""With more groups their pairs are too many to read: only the test of all of them stands."""

_NUMBERS: Final = (
    "estimate",
    "std_error",
    "lower",
    "upper",
    "p_value",
    "interval_prob",
    "interval_kind",
)

_WORST: Final = (
    Status.WITHHELD,
    Status.NOT_ESTIMABLE,
    Status.FEW_CLUSTERS,
    Status.PREDICTED,
    Status.FEW_PEOPLE,
    Status.OK,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualGaps:
    """A test that all gaps are the same: F on `df` and `df_error`, which may be infinite."""

    statistic: float
    df: int
    df_error: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupGaps:
    """One contrast of K groups.

    Attributes
    ----------
    values, df
        Shape (K,): the gaps and the degrees of freedom of their standard errors.
    cov
        Shape (K, K): joint covariance.
    shared
        Shape (K, K): whether two groups have people in the same cluster.
    """

    values: FloatArray
    df: FloatArray
    cov: FloatArray
    shared: BoolArray

    def difference(self, first: int, second: int) -> Interval:
        """The gap of one group less that of another.

        Notes
        -----
        Groups without a cluster in common are independent and have the degrees of freedom of
        Welch (1947); others have the fewer of the two, as the same clusters stand behind both.
        """
        pair = [first, second]
        variances = np.diag(self.cov)[pair]
        variance = float(variances.sum() - 2 * self.cov[first, second])
        df = float(self.df[pair].min())
        if not self.shared[first, second] and variance > 0:
            parts = float((variances**2 / self.df[pair]).sum())
            df = variance**2 / parts if parts > 0 else np.inf
        value = float(self.values[first] - self.values[second])
        return wald(value, max(variance, 0.0) ** 0.5, df=df, prob=INTERVAL_PROB, null=0.0)

    def equal(self) -> EqualGaps:
        """Test that all gaps are the same; of two gaps it is that of their difference.

        Raises
        ------
        NotEstimable
            With fewer than two gaps, or clusters too few for so many.

        Notes
        -----
        Of groups without a cluster in common the test of Welch (1951, Biometrika 38, 330-336);
        of others Wald's, adjusted for few clusters as in Korn & Graubard (1990, The American
        Statistician 44, 270-276): with q differences and d degrees of freedom (d − q + 1)/(dq)
        times the quadratic form is F on q and d − q + 1.
        """
        q = self.values.size - 1
        if q < 1:
            raise NotEstimable("fewer than two groups have a gap with a standard error")
        if not self.shared[np.triu_indices(q + 1, 1)].any():
            return self._welch()
        gaps, d = self.values[1:] - self.values[0], float(self.df.min())
        cov = self.cov[1:, 1:] - self.cov[1:, :1] - self.cov[:1, 1:] + self.cov[0, 0]
        df_error = d - q + 1
        if df_error <= 0 or np.linalg.matrix_rank(cov, hermitian=True) < q:
            raise NotEstimable(f"the clusters are too few for a test of {q + 1} groups")
        form = float(gaps @ np.linalg.solve(cov, gaps)) / q
        return _tested(form * df_error / d if np.isfinite(d) else form, q, df_error)

    def _welch(self) -> EqualGaps:
        k, weight = self.values.size, 1 / np.diag(self.cov)
        centre = float(weight @ self.values / weight.sum())
        spread = float(((1 - weight / weight.sum()) ** 2 / self.df).sum())
        between = float(weight @ (self.values - centre) ** 2) / (k - 1)
        statistic = between / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
        return _tested(statistic, k - 1, (k**2 - 1) / (3 * spread) if spread > 0 else np.inf)


def _tested(statistic: float, df: int, df_error: float) -> EqualGaps:
    far = np.isinf(df_error)
    p_value = chi2_above(statistic * df, df) if far else f_above(statistic, df, df_error)
    return EqualGaps(statistic=statistic, df=df, df_error=df_error, p_value=float(p_value))


def group_gaps(estimates: Sequence[Estimate], contrast: Contrast) -> GroupGaps:
    """One contrast of several groups with its joint covariance.

    Notes
    -----
    Each group keeps its own variance. Two groups covary by the sums of their people's
    contributions in the clusters that they share, zones or, without zones, people; each sum is
    corrected for few clusters as its group's variance is. Matched sets lie within groups. Groups of
    a declared design lie in the same strata: they covary as all their people were drawn, or as
    their replicates do.
    """
    parts = [contributions(estimate, contrast) for estimate in estimates]
    intervals = [estimate.intervals[contrast] for estimate in estimates]
    owns = [(own, moves) for _, own, moves, _ in parts]
    shared = np.ones((len(owns), len(owns)), dtype=bool)
    if owns and owns[0][0].sampled.resampled is not None:
        away = np.array([_by_replicate(estimate, contrast) for estimate in estimates])
        cov = away @ away.T
    elif owns and owns[0][0].sampled.drawn is not None:
        cov = _drawn_covariance(owns)
    else:
        sums, behind = _sums(owns)
        cov, shared = (sums @ sums.T).toarray(), (behind @ behind.T).toarray() > 0
    np.fill_diagonal(cov, [0.0 if one is None else one.std_error**2 for one in intervals])
    return GroupGaps(
        values=np.array([np.nan if one is None else one.estimate for one in intervals]),
        df=np.array([df for *_, df in parts]),
        cov=cov,
        shared=shared,
    )


def _by_replicate(estimate: Estimate, contrast: Contrast) -> FloatArray:
    """Deviations of a contrast in each replicate, shape (R,)."""
    margins = estimate.margins
    assert margins is not None
    assert margins.deviations is not None
    return np.asarray(margins.deviations @ contrast_gradient(contrast, margins))


def _drawn_covariance(parts: Sequence[tuple[Influence, FloatArray]]) -> FloatArray:
    """Of groups of one survey by its declared design, shape (K, K)."""
    people = np.unique(np.concatenate([own.people for own, _ in parts]))
    unit, at = np.zeros((people.size, len(parts))), np.zeros(people.size, dtype=np.int64)
    start, held = 0, []
    for group, (own, moves) in enumerate(parts):
        place = np.searchsorted(people, own.people)
        unit[place, group], at[place] = moves, start + np.arange(place.size)
        start += place.size
        held.append(own.sampled)
    sampled = replace(joined(held), second=None).take(at)
    return person_covariance(unit, sampled).cov


def _sums(parts: Sequence[tuple[Influence, FloatArray]]) -> tuple[sparse.csr_array, Any]:
    """Contributions of each group by cluster, and the people behind them, shape (K, clusters)."""
    columns: list[IntArray] = []
    factors = []
    for own, _ in parts:
        zone = own.sampled.cluster
        columns.append(own.people if zone is None else zone)
        n = np.unique(columns[-1]).size
        corrected = own.corrected or zone is None or n < 2
        factors.append(1.0 if corrected else (n / (n - 1)) ** 0.5)
    values = [factor * moves for factor, (_, moves) in zip(factors, parts, strict=True)]
    # There may be no group at all.
    none = np.zeros(0, dtype=np.int64)
    at = (
        np.repeat(np.arange(len(parts)), [one.size for one in columns]),
        np.concatenate([none, *columns]),
    )
    shape = len(parts), int(at[1].max(initial=-1)) + 1
    made = (
        sparse.coo_array((data, at), shape=shape).tocsr()
        for data in (np.concatenate([none, *values]), np.ones(at[1].size))
    )
    return next(made), next(made)


def difference_row(first: GapRow, second: GapRow, **numbers: Any) -> GapRow:
    """The row of a difference, from the rows of the two gaps; counts are the smaller of the two."""
    names = ("n_member", "n_comparison", "ess_comparison", "n_sets", "n_fewest")
    changes: dict[str, Any] = dict.fromkeys(_NUMBERS) | {
        name: _fewer(getattr(first, name), getattr(second, name)) for name in names
    }
    return replace(
        first,
        quantity=Quantity.GAP_DIFFERENCE,
        comparator=second.group,
        status=min(first.status, second.status, key=_WORST.index),
        form=first.form if first.form == second.form else "",
        **(changes | numbers),
    )


def _fewer(first: float | None, second: float | None) -> Any:
    return None if first is None or second is None else min(first, second)


def group_rows(
    variable: str, groups: Mapping[str, Estimate], contrast: Contrast, keys: Keys
) -> tuple[list[GapRow], list[DiagnosticRow]]:
    """Differences of the gaps of one variable's groups, and the test that all are the same.

    By `VARIABLE=LEVEL`, in the order of the levels, a later one less an earlier one; none with more
    than `MOST_PAIRED`, and no test of one group alone. The test's `value` is its p-value.
    """
    if len(groups) < 2:
        return [], []
    usable = {
        name: one
        for name, one in groups.items()
        if one.influence is not None and one.intervals.get(contrast) is not None
    }
    gaps = group_gaps([*usable.values()], contrast)
    place = {name: number for number, name in enumerate(usable)}
    rows: list[GapRow] = []
    if len(groups) <= MOST_PAIRED:
        own = {
            name: one.named(replace(keys, group=name)).gap_row(contrast)
            for name, one in groups.items()
        }
        for second, first in combinations(groups, 2):
            numbers: dict[str, Any] = {}
            if first in place and second in place:
                numbers = _limited(gaps.difference(place[first], place[second]), contrast)
            rows.append(difference_row(own[first], own[second], **numbers))
    return rows, [_test_row(variable, groups, place, gaps, keys)]


def _limited(interval: Interval, contrast: Contrast) -> dict[str, Any]:
    """Columns of a difference, with limits that it can take, on the scale of the gaps."""
    most = 2 * (1 - null_value(contrast.quantity))
    lower, upper = max(interval.lower, -most), min(interval.upper, most)
    limited = interval._replace(lower=lower, upper=upper)
    return interval_numbers(limited, IntervalKind.CONFIDENCE)


def _test_row(
    variable: str,
    groups: Mapping[str, Estimate],
    place: Mapping[str, int],
    gaps: GroupGaps,
    keys: Keys,
) -> DiagnosticRow:
    row = DiagnosticRow(
        model=keys.model,
        diagnostic=Diagnostic.GROUP_GAPS_EQUAL,
        about=variable,
        source=keys.source,
    )
    tested = np.diag(gaps.cov) > 0
    kept = np.flatnonzero(tested)
    left_out = [name for name in groups if name not in place or not tested[place[name]]]
    without = f"; without {', '.join(left_out)}" if left_out else ""
    try:
        test = GroupGaps(
            values=gaps.values[kept],
            df=gaps.df[kept],
            cov=gaps.cov[np.ix_(kept, kept)],
            shared=gaps.shared[np.ix_(kept, kept)],
        ).equal()
    except NotEstimable as error:
        return replace(row, note=f"{error.reason}{without}")
    df = f"{test.df} and {test.df_error:.1f} df" if np.isfinite(test.df_error) else f"{test.df} df"
    return replace(
        row,
        value=test.p_value,
        kind=Kind.P_VALUE,
        statistic=test.statistic,
        df=test.df,
        df_residual=finite(test.df_error),
        note=f"F {test.statistic:.2f} on {df}, {kept.size} groups{without}",
    )
