"""A gap with everything that follows from it, and the people it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from coopgap.api.columns import Groups
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import InputError, NotEstimable
from coopgap.core.estimate import to_frame
from coopgap.core.gap import Contrast, Interval
from coopgap.core.vocabulary import BLANK, Population, Quantity
from coopgap.families.estimate import Estimate
from coopgap.families.sample import Sample
from coopgap.matching.sample import MatchedSample
from coopgap.regression.cumulative import probabilities
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.sampled import Sampled
from coopgap.regression.separation import check_separation
from coopgap.survey.records import ModelRows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, repr=False)
class Gap:
    """The gap of two groups, with everything that follows from their distributions.

    Attributes
    ----------
    estimate
        Both groups' margins with their covariance, and the people behind them.
    groups
        The column of the two groups, and what it holds of comparison people and of members.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> cg.gap(cg.logit("trusted_person ~ member", df), "member")
    trusted_person = 1 (not 2): member = 1 minus member = 0, over all_members
           quantity category  estimate  lower  upper  p_value
    risk_difference             0.0800 0.0433 0.1166   0.0000
        superiority             0.5400 0.5216 0.5583   0.0000
    >>> fit = cg.ordinal("ses_class ~ member + sex", df, free=["member"], vcov={"CR2": "zone"})
    >>> g = cg.gap(fit, "member")
    >>> round(g.at(">=C").estimate, 3)
    0.173
    """

    estimate: Estimate
    groups: Groups

    def to_frame(self) -> pd.DataFrame:
        """Every gap, ratio and share, with the columns of gaps.csv.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.logit("trust_agree ~ member", cg.datasets.peru_example())
        >>> cg.gap(fit, "member").to_frame()[["quantity", "estimate", "lower", "upper"]].round(3)
                  quantity  estimate  lower  upper
        0  risk_difference     0.130  0.089  0.171
        1       risk_ratio     1.482  1.305  1.682
        2       odds_ratio     1.804  1.495  2.177
        3      superiority     0.565  0.545  0.586
        4            share     0.400  0.371  0.431
        5            share     0.270  0.244  0.299
        """
        return to_frame("gaps", self.estimate.gap_rows())

    def contrasts(self) -> tuple[Contrast, ...]:
        """What there is: quantity and category of each row of `to_frame`.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.logit("trust_agree ~ member", cg.datasets.peru_example())
        >>> [str(one.quantity) for one in cg.gap(fit, "member").contrasts()][:2]
        ['risk_difference', 'risk_ratio']
        """
        return self.estimate.contrasts()

    def at(self, category: str = "", quantity: str = "risk_difference") -> Interval:
        """One estimate with its interval: the gap at a threshold, by default.

        Parameters
        ----------
        category
            A threshold (`>=C`), a level (`C`), or empty for two levels and for superiority.
        quantity
            risk_difference, risk_ratio, odds_ratio, cumulative_odds_ratio, superiority or share.

        Returns
        -------
        Interval
            estimate, std_error (of the logarithm for ratios), lower, upper, p_value, df.

        Raises
        ------
        InputError
            For a category or quantity that the estimate has not.
        NotEstimable
            Where a ratio does not exist, or the draws did not pass the gate.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.ordinal("ses_class ~ member", cg.datasets.peru_example())
        >>> round(cg.gap(fit, "member").at(">=C", "risk_ratio").estimate, 3)
        1.343
        """
        return self._interval(self._contrast(category, quantity))

    def _contrast(self, category: str, quantity: str) -> Contrast:
        """The contrast of a name; of shares the members'."""
        offered = self.contrasts()
        for one in offered:
            if (one.category, one.quantity) == (category, quantity):
                return one
        same = [repr(one.category) for one in offered if one.quantity == quantity]
        kinds = dict.fromkeys(str(one.quantity) for one in offered)
        if not same:
            raise InputError("quantity", f"is {quantity!r}", f"allowed: {', '.join(kinds)}")
        allowed = f"allowed for {quantity}: {', '.join(dict.fromkeys(same))}"
        raise InputError("category", f"is {category!r}", allowed)

    def _interval(self, contrast: Contrast) -> Interval:
        if self.estimate.status in BLANK:
            raise NotEstimable(self.estimate.reason or self.estimate.status, self.estimate.status)
        found = self.estimate.intervals[contrast]
        if found is None:
            raise NotEstimable(f"{contrast.quantity} {contrast.category}: a share is 0 or 1")
        return found

    @property
    def superiority(self) -> Interval:
        """P(a member is higher) + half P(equal), one person drawn from each group.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.ordinal("ses_class ~ member", cg.datasets.peru_example(), free=["member"])
        >>> round(cg.gap(fit, "member").superiority.estimate, 3)
        0.61
        """
        return self.at("", Quantity.SUPERIORITY)

    def difference(
        self, other: Gap, category: str = "", quantity: str = "risk_difference"
    ) -> Interval:
        """Take another gap off, with the covariance of people that both have.

        Parameters
        ----------
        other
            Of the same outcome; people are told by the index of their frames, which has no label
            twice.
        category, quantity
            As in `at`.

        Raises
        ------
        InputError
            Where the outcomes' levels differ.
        NotEstimable
            Where people's contributions are not known, as with `vcov="iid"`.

        Examples
        --------
        >>> import coopgap as cg
        >>> df = cg.datasets.peru_example()
        >>> raw = cg.gap(cg.logit("trust_agree ~ member", df), "member")
        >>> adjusted = cg.gap(cg.logit("trust_agree ~ member + age_band", df), "member")
        >>> adjusted.difference(raw).std_error < adjusted.at().std_error
        True
        """
        if other.estimate.keys.levels != self.estimate.keys.levels:
            raise InputError("other", "is of an outcome with other levels", "give the same outcome")
        return self.estimate.difference(other.estimate, self._contrast(category, quantity))

    def plot(self) -> Figure:
        """The gap at every threshold as a forest.

        Examples
        --------
        >>> import coopgap as cg
        >>> fit = cg.ordinal("ses_class ~ member", cg.datasets.peru_example())
        >>> type(cg.gap(fit, "member").plot()).__name__
        'Figure'
        """
        from coopgap.report.figures.alone import gap_forest

        rows = [row for row in self.estimate.gap_rows() if row.quantity == Quantity.RISK_DIFFERENCE]
        return gap_forest(rows, self.estimate.keys.outcome)

    def __repr__(self) -> str:
        names = ["quantity", "category", "estimate", "lower", "upper", "p_value"]
        first = [
            self.estimate.gap_row(one)
            for one in self.contrasts()
            if one.is_threshold_gap
            or one.quantity is Quantity.SUPERIORITY
            or len(self.contrasts()) < 6
        ]
        table = to_frame("gaps", first)[names].to_string(index=False, float_format="%.4f")
        return f"{self._title()}\n{table}"

    def _title(self) -> str:
        """Which answer counts, whose gap it is, and over whom."""
        keys, (column, comparison, member) = self.estimate.keys, self.groups
        low, *_, high = keys.levels
        counted = f"= {high} (not {low})" if len(keys.levels) == 2 else f"from {low} to {high}"
        whose = f"{column} = {member} minus {column} = {comparison}"
        return f"{keys.outcome} {counted}: {whose}, over {self.estimate.population}"


type Target = Literal["members", "all", "overlap"] | ArrayLike
"""Over whose covariates: a name, or a weight for each row of the fit."""

_TARGETS: Final = ("members", "all", "overlap")


def constant(column: pd.Series[Any], value: Any) -> Any:
    """One value for everybody, as the column has it."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Categorical([value] * len(column), categories=column.cat.categories)
    return np.full(len(column), value)


def target_of(
    target: Target, member: BoolArray, weight: FloatArray, other: FloatArray, *, is_matched: bool
) -> tuple[FloatArray, Population]:
    """How much each row counts, shape (n,), and whose population that is.

    `other` (n, k) are design rows as comparison people, for the overlap's score.
    """
    if not isinstance(target, str):
        given = np.asarray(target, dtype=np.float64)
        if given.shape != member.shape or not (np.isfinite(given) & (given >= 0)).all():
            allowed = f"allowed: {member.size} numbers, not negative"
            raise InputError("target", "holds other numbers than one a row", allowed)
        return given, Population.POSTSTRATIFIED
    members = Population.MEMBERS if is_matched else Population.ALL_MEMBERS
    if target == "members":
        return member.astype(np.float64), members
    if target == "all":
        return np.ones(member.size), Population.POOLED
    if target == "overlap":
        return _overlap(member, weight, other), Population.OVERLAP
    raise InputError("target", f"is {target!r}", f"allowed: {', '.join(_TARGETS)}, or numbers")


def _overlap(member: BoolArray, weight: FloatArray, other: FloatArray) -> FloatArray:
    """e(1 - e), e the membership score of the covariates, shape (n,)."""
    x = other[:, np.ptp(other, axis=0) > 0]
    rows, place = np.unique(x, axis=0, return_inverse=True)
    sides = np.column_stack(
        [
            np.bincount(place.ravel(), weight * side, minlength=len(rows))
            for side in (~member, member)
        ]
    )
    try:
        check_separation(rows, sides, [str(at) for at in range(x.shape[1])])
    except NotEstimable as error:
        raise NotEstimable("the propensity score has no finite estimate") from error
    share = probabilities(fit_ordinal(rows, sides), rows)
    return np.asarray((share[:, 0] * share[:, 1])[place.ravel()])


def sample_of(
    member: BoolArray,
    outcome: IntArray,
    levels: tuple[str, ...],
    weight: FloatArray,
    *,
    people: IntArray | None = None,
    sampled: Sampled | None = None,
) -> Sample:
    """People of two groups, as an estimate is made of them."""
    index = np.arange(member.size) if people is None else people
    sampled = sampled or Sampled()
    rows = ModelRows(
        index=index,
        outcome=outcome,
        levels=levels,
        member=member,
        factors={},
        factor_levels={},
        zone=sampled.cluster,
        stratum=sampled.stratum,
        drawn=sampled.drawn,
        weight=weight,
        dropped=(),
    )
    everybody = MatchedSample.everybody(member.size)
    return Sample(rows=rows, matched=everybody, covariates=(), link="logit", strata=())
