"""People made up, as rows and as matched samples."""

from __future__ import annotations

import numpy as np

from coopgap.families.sample import Sample
from coopgap.matching.dispatch import match
from coopgap.study.spec import Fitting, Matching
from coopgap.survey.records import ModelRows

ON = ("sex", "region")
LEVELS = ("low", "middle", "high")
NAMES = {"sex": ("male", "female"), "region": ("North", "South", "East"), "age": ("young", "old")}


def rows_of(outcome, member, *, levels=LEVELS, zone=None, weight=None, index=None, **factors):
    """Rows of one outcome; factors are codes of the levels in `NAMES`."""
    n = len(outcome)
    codes = {name: np.asarray(values, np.int64) for name, values in factors.items()}
    return ModelRows(
        index=np.arange(n) if index is None else index,
        outcome=np.asarray(outcome, np.int64),
        levels=tuple(levels),
        member=np.asarray(member, bool),
        factors=codes,
        factor_levels={name: NAMES[name][: max(2, own.max() + 1)] for name, own in codes.items()},
        zone=zone,
        weight=np.ones(n) if weight is None else weight,
        tie=np.arange(n, dtype=np.uint64),
        dropped=(),
    )


def make_sample(rows, on=ON, matching=None, covariates=ON, **fitting):
    """The rows within strata of `on`; both factors are covariates."""
    return Sample(
        rows=rows,
        matched=match(rows, matching or Matching(on=on)),
        covariates=covariates,
        link="logit",
        strata=on,
        fitting=Fitting(**fitting),
    )


def uneven(seed=4, n=3000, zones=40, *, by="member", shift=1.2):
    """Membership, or sex, lowers the first cut alone; members are rarer in the north."""
    rng = np.random.default_rng(seed)
    sex, region = rng.integers(0, 2, (2, n))
    member = (rng.random(n) < 0.3 + 0.3 * region).astype(np.int64)
    lowered, other = (member, sex) if by == "member" else (sex, member)
    below = np.column_stack([-0.5 - shift * lowered, np.full(n, 1.1)]) - 0.4 * other[:, None]
    outcome = (rng.random(n)[:, None] > 1 / (1 + np.exp(-below))).sum(axis=1)
    return rows_of(outcome, member, zone=rng.integers(0, zones, n), sex=sex, region=region)


def even(seed=0, n=900, zones=30, levels=LEVELS, *, spread=0.0, weighted=False, lonely=0, **more):
    """A latent answer that membership, sex and region move; zones have levels of their own.

    In the east are `lonely` members, all women, and as many men, all others.
    """
    rng = np.random.default_rng(seed)
    zone, sex, region = rng.integers(0, zones, n), *rng.integers(0, 2, (2, n))
    member = rng.random(n) < 0.25 + 0.2 * sex + 0.2 * region
    region[: 2 * lonely] = 2
    member[: 2 * lonely] = sex[: 2 * lonely] = np.arange(2 * lonely) < lonely
    latent = rng.logistic(size=n) + 0.6 * member + 0.5 * sex - 0.4 * region
    latent += rng.normal(0, spread, zones)[zone]
    weight = rng.choice([0.5, 1.0, 2.0], n) if weighted else None
    outcome = np.digitize(latent, np.linspace(0.2, 1.6, len(levels) - 1))
    return rows_of(
        outcome, member, levels=levels, zone=zone, weight=weight, sex=sex, region=region, **more
    )


def people_of(cells):
    """Outcome, membership and sex of cells with counts by level, as rows."""
    rows = [
        (level, member, sex)
        for member, sex, counts in cells
        for level, count in enumerate(counts)
        for _ in range(count)
    ]
    return np.array(rows).T


def shares_of(rows, keep, weight):
    n_levels = len(rows.levels)
    return np.bincount(rows.outcome[keep], weight[keep], minlength=n_levels) / weight[keep].sum()


def stratified(rows, inside=None):
    """Both groups' shares, strata weighted as the people `inside`, or as members; (2, levels)."""
    inside = rows.member if inside is None else inside
    total = np.zeros((2, len(rows.levels)))
    stratum = 3 * rows.factors["sex"] + rows.factors["region"]
    for one in np.unique(stratum[inside]):
        here = stratum == one
        part = rows.weight[here & inside].sum() / rows.weight[inside].sum()
        for at, side in enumerate((rows.member, ~rows.member)):
            total[at] += part * shares_of(rows, here & side, rows.weight)
    return total


def stratified_gap(rows, level=1, inside=None):
    """Mean over strata of the difference in shares at or above a level, by hand."""
    member, comparison = stratified(rows, inside)
    return (member - comparison)[level:].sum()


def gaps(estimate):
    """Intervals of the gaps at thresholds, by category, lowest first."""
    found = {c.category: i for c, i in estimate.intervals.items() if c.is_threshold_gap}
    return dict([*found.items()][::-1])
