"""Cardinality matching: the largest sample that is balanced within declared limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, sparse

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.matching.nearest import running_count
from coopgap.matching.sample import MatchedSample, sample_from_sets
from coopgap.survey.cells import group_codes
from coopgap.survey.records import ModelRows


def cardinality_match(
    rows: ModelRows,
    stratum: IntArray,
    covariates: Sequence[str],
    *,
    limit: float = 0.1,
    time_limit: float = 60.0,
) -> MatchedSample:
    """Choose as many members and as many comparison people as stay balanced.

    `stratum` (n,) is for fine balance, as many members as comparison people in each. `limit` is the
    largest allowed absolute standardised difference of a level of `covariates`, over the unmatched
    groups' standard deviation; people are counted, whatever their sampling weights. Sets are the
    strata; with one stratum there are none. With sampling weights the comparison people of a
    stratum are weighted to its members.

    Raises
    ------
    NotEstimable
        No sample is balanced, or the best one was not proven within `time_limit` seconds.

    Notes
    -----
    A mixed-integer programme over the numbers of people taken of each distinct kind, solved to
    a proven optimum; of people of one kind the first rows are taken. Which of several samples of
    the same size is found depends on the solver and not on the order of the rows (Zubizarreta,
    Paredes & Rosenbaum 2014, Annals of Applied Statistics 8(1)).
    """
    labels = [stratum, *(rows.factors[name] for name in covariates)]
    codes, kind = group_codes([rows.member.astype(np.int64), *labels])
    kinds = _Kinds(
        member=codes[:, 0] == 1,
        stratum=codes[:, 1],
        levels=codes[:, 2:],
        counts=np.bincount(kind, minlength=len(codes)),
    )
    taken = _largest(kinds, limit, time_limit)
    chosen = running_count(kind) < taken[kind]
    if not chosen.any():
        raise NotEstimable(
            f"no sample of {int(rows.member.sum())} members and {int((~rows.member).sum())} "
            f"comparison people is balanced within {limit:g}"
        )
    sets = np.where(chosen, stratum, -1)
    sample = sample_from_sets("cardinality", sets, rows.member, rows.weight)
    return sample if stratum.max() > 0 else replace(sample, set_id=sets * 0 - 1, n_sets=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kinds:
    """Distinct people: group (c,), stratum (c,), level of each covariate (c, k), number (c,)."""

    member: BoolArray
    stratum: IntArray
    levels: IntArray
    counts: IntArray

    @property
    def sign(self) -> FloatArray:
        """One for members, minus one for the comparison group."""
        return np.where(self.member, 1.0, -1.0)


def _largest(kinds: _Kinds, limit: float, time_limit: float) -> IntArray:
    """People to take of each kind, shape (c,)."""
    rows, widths = _balance(kinds)
    member = kinds.member.astype(np.float64)
    loose = [rows - limit * np.outer(widths, member), -rows - limit * np.outer(widths, member)]
    strata = np.unique(kinds.stratum, return_inverse=True)[1]
    equal = sparse.csr_array((kinds.sign, (strata, np.arange(strata.size))))
    result = optimize.milp(
        -member,
        integrality=np.ones(member.size, dtype=np.int64),
        bounds=optimize.Bounds(0, kinds.counts.astype(np.float64)),
        constraints=[
            optimize.LinearConstraint(equal, 0, 0),
            optimize.LinearConstraint(sparse.csr_array(np.vstack(loose)), -np.inf, 0),
        ],
        options={"time_limit": time_limit, "mip_rel_gap": 0.0},
    )
    if result.status == 1:
        raise NotEstimable(f"no largest balanced sample was proven within {time_limit:g} seconds")
    if result.status != 0:
        raise RuntimeError(f"the solver failed: {result.message}")
    return np.round(result.x).astype(np.int64)


def _balance(kinds: _Kinds) -> tuple[FloatArray, FloatArray]:
    """Signed indicators of every level, (l, c), and the unmatched groups' SD of each, (l,)."""
    rows, widths = [np.zeros((0, kinds.sign.size))], []
    for column in kinds.levels.T:
        for level in np.unique(column):
            here = column == level
            shares = [
                kinds.counts[group & here].sum() / kinds.counts[group].sum()
                for group in (kinds.member, ~kinds.member)
            ]
            rows.append((here * kinds.sign)[None, :])
            widths.append(np.sqrt(np.mean([share * (1 - share) for share in shares])))
    return np.vstack(rows), np.asarray(widths)
