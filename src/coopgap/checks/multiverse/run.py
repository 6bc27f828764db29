"""Every specification of a multiverse fitted, and the same shuffles of membership for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from coopgap.checks.multiverse.shuffled import BY_CELL, cell_design, shuffled_gaps
from coopgap.checks.multiverse.specifications import Specification, Specifications
from coopgap.checks.registry import derived_seed
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import NotEstimable
from coopgap.core.executor import cores, executor
from coopgap.core.gap import Contrast, null_value
from coopgap.core.vocabulary import Family
from coopgap.families.cumulative import estimate_adjusted
from coopgap.families.dispatch import headline_estimate
from coopgap.families.estimate import Estimate
from coopgap.families.headline import headline_contrast
from coopgap.families.plan import sample_for
from coopgap.families.sample import Sample
from coopgap.matching.sample import MatchedSample
from coopgap.study.spec import ModelSpec, Study
from coopgap.survey.cells import group_codes
from coopgap.survey.records import ModelRows, Survey, complete_rows

SHUFFLES = 199
"""Shuffles of membership, the same for every specification."""

_FEW = 12
"""Specifications for which starting processes costs more than they save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How membership is shuffled.

    People of one `cell`, shape (n,), may change places; the cells are of the variables `within`.
    Zones are no cells: gaps are compared over their standard errors, which hold the zones, as a
    studentised permutation test does. `none` says why nothing is shuffled, where nothing is.
    """

    member: BoolArray
    cell: IntArray
    within: tuple[str, ...]
    has_zones: bool
    seed: int
    n_shuffles: int
    none: str = "no shuffles were asked for"

    @property
    def free_share(self) -> float:
        """Share of the people whose cell holds both groups."""
        sizes = np.bincount(self.cell)
        members = np.bincount(self.cell, weights=self.member)
        both = (members > 0) & (members < sizes)
        return float(both[self.cell].mean())

    def shuffles(self) -> Iterator[BoolArray]:
        """Membership of the survey's people: as it is, then in each shuffle."""
        yield self.member
        for number in range(self.n_shuffles):
            rng = np.random.default_rng([self.seed, number])
            yield shuffle_members(self.member, self.cell, rng)


def shuffle_members(member: BoolArray, cell: IntArray, rng: np.random.Generator) -> BoolArray:
    """Membership handed out anew among the people of each cell."""
    order = np.lexsort((rng.random(member.size), cell))
    shuffled = np.empty_like(member)
    shuffled[order] = member[np.argsort(cell, kind="stable")]
    return shuffled


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """One specification after it was fitted.

    `studentised`, shape (1 + B,), is the gap less no difference over its standard error, the
    survey's own first, with `df` degrees of freedom; None where it was not shuffled, for a
    `reason`.
    """

    specification: Specification
    estimate: Estimate
    studentised: FloatArray | None = None
    df: float = np.inf
    reason: str = ""


def make_scheme(
    survey: Survey, study: Study, spec: ModelSpec, seed: int, n_shuffles: int = SHUFFLES
) -> Scheme:
    """Shuffle within region and within the cells of what the model itself adjusts for.

    The groups then differ in those covariates in every shuffle as they do in the survey, and what
    is tested is that membership says nothing of the answers given these. Phone interviews stay
    apart. Membership that clusters by zone beyond these cells is not exchangeable; the standard
    errors that gaps are compared over allow for it (Chung & Romano 2013, Annals of Statistics 41).
    A numeric covariate leaves hardly anybody in a cell with others: nothing is shuffled then.
    """
    region = () if study.design.region is None else (study.design.region,)
    names = tuple(dict.fromkeys((*region, *spec.matching.on, *spec.covariates)))
    codes = [survey.phone.astype(np.int64), *(survey.codes[name] for name in names)]
    numeric = next((name for name in names if name in survey.numeric), None)
    none = f"membership is shuffled among people alike, and {numeric} is numeric"
    return Scheme(
        member=survey.member,
        cell=group_codes(codes)[1],
        within=names,
        has_zones=survey.zone is not None,
        seed=derived_seed(f"{seed} multiverse {spec.name}", 4),
        n_shuffles=0 if numeric else n_shuffles,
        **({"none": none} if numeric else {}),
    )


def rows_for(survey: Survey, study: Study, one: Specification) -> ModelRows:
    """Complete rows of a specification, the outcome cut in two where it is."""
    rows = complete_rows(survey, study, one.spec, one.mode)
    return rows.split(one.at) if one.at else rows


def fit_specifications(
    survey: Survey,
    study: Study,
    listed: Specifications,
    scheme: Scheme,
    *,
    at: str = "",
    jobs: int | None = None,
    scheduler: str | None = None,
) -> tuple[Fitted, ...]:
    """Fits in the order of the list, the same with any number of processes."""
    rows = [rows_for(survey, study, one) for one in listed.listed]
    contrast = common_contrast([one.levels for one in rows], at)
    tasks: dict[object, list[int]] = {}
    for number, (one, own) in enumerate(zip(listed.listed, rows, strict=True)):
        key = (one.mode, one.population, one.spec.matching, one.spec.covariates, own.dropped)
        tasks.setdefault(key, []).append(number)
    parts = [
        (tuple((listed.listed[at], rows[at]) for at in places), scheme, contrast)
        for places in tasks.values()
    ]
    if scheduler is not None or (cores(jobs) > 1 and len(rows) > _FEW):
        with executor(min(cores(jobs), len(parts)), scheduler) as pool:
            done = [one.result() for one in [pool.submit(_fit_part, *part) for part in parts]]
    else:
        done = [_fit_part(*part) for part in parts]
    order = [at for places in tasks.values() for at in places]
    fitted = dict(zip(order, (one for part in done for one in part), strict=True))
    return tuple(fitted[number] for number in range(len(rows)))


def common_contrast(levels: Sequence[tuple[str, ...]], at: str = "") -> Contrast:
    """What every coding has: a declared threshold, a difference of two levels, or superiority.

    Of two levels superiority is one half plus half the difference, so that codings of two and of
    more levels are comparable by it.
    """
    widest = max(levels, key=len)
    shared = len({*levels}) == 1 and at in [f">={level}" for level in widest]
    return headline_contrast(widest, at if shared else "")


def _fit_part(
    part: tuple[tuple[Specification, ModelRows], ...], scheme: Scheme, contrast: Contrast
) -> list[Fitted]:
    """Specifications that share a design, and so their matching weights in every shuffle."""
    known: dict[bytes, FloatArray | None] = {}
    packed = [np.packbits(member) for member in scheme.shuffles()]
    size = scheme.member.size

    def shuffles(index: IntArray) -> Iterator[BoolArray]:
        return (np.unpackbits(bits, count=size).astype(np.bool_)[index] for bits in packed)

    return [
        _fit(one, rows, shuffles, contrast, known, none="" if scheme.n_shuffles else scheme.none)
        for one, rows in part
    ]


def _fit(
    one: Specification,
    rows: ModelRows,
    shuffles: Callable[[IntArray], Iterator[BoolArray]],
    contrast: Contrast,
    known: dict[bytes, FloatArray | None],
    *,
    none: str,
) -> Fitted:
    estimate = _estimate(one, rows)
    reason = _not_shuffled(one, estimate) or none
    if reason:
        return Fitted(specification=one, estimate=estimate, reason=reason)
    try:
        design = cell_design(rows, one.spec, one.population)
        gaps, errors = shuffled_gaps(design, shuffles(rows.index), contrast, known)
    except NotEstimable as error:
        return Fitted(specification=one, estimate=estimate, reason=error.reason)
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = (gaps - null_value(contrast.quantity)) / errors
    n_clusters = estimate.n_clusters
    return Fitted(
        specification=one,
        estimate=estimate,
        studentised=np.where(np.isfinite(studentised), studentised, np.nan),
        df=np.inf if n_clusters is None else float(n_clusters - 1),
    )


def _estimate(one: Specification, rows: ModelRows) -> Estimate:
    """The family of one specification, or why there is none."""
    if one.population is None:
        return headline_estimate(sample_for(rows, one.spec))
    sample = Sample(
        rows=rows,
        matched=MatchedSample.nobody("exact", rows.n, "no matching was asked for"),
        covariates=one.spec.covariates,
        link=one.spec.link,
        fitting=one.spec.fitting,
        strata=(),
    )
    try:
        return next(estimate_adjusted(sample, (one.population,)))
    except NotEstimable as error:
        family = Family.ADJUSTED_LOGIT if len(rows.levels) == 2 else Family.ADJUSTED_ORDINAL
        return sample.refused(family, one.population, error)


def _not_shuffled(one: Specification, estimate: Estimate) -> str:
    """Why a specification takes no part in the shuffles; empty where it does."""
    if not estimate.intervals:
        return "it could not be estimated"
    if one.population is None and one.spec.matching.method not in BY_CELL:
        return f"{one.spec.matching.method} matching would have to be done anew in every shuffle"
    if one.spec.fitting.free:
        return "freed slopes are not fitted in shuffles"
    return "bias-reduced estimates are not fitted in shuffles" if estimate.infinite else ""
