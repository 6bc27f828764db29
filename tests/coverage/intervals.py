"""The intervals whose coverage is counted, of the gap at each threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats
from simulate import AGREE, Setting, Simulated, stratum_of, true_gaps, true_matched_gaps

from coopgap.core.gap import Margins, joint_intervals
from coopgap.families.cells import CellFit, fit_cells, fit_form
from coopgap.families.sample import CR2_CLUSTERS, Sample
from coopgap.families.shares import matched_shares
from coopgap.matching.dispatch import match
from coopgap.regression.bootstrap import bootstrap_margins
from coopgap.regression.ordinal import fit_ordinal
from coopgap.regression.sampled import Sampled
from coopgap.regression.standardise import standardise
from coopgap.study.spec import Matching
from coopgap.survey.drawn import count_drawn

RESAMPLES = 399
NAMES = ("agree", "strongly agree")
THRESHOLDS = ("disagree", "neither", *NAMES)
JOINT = "joint max-t"
SHOWN = (2, 3)  # thresholds of the five answers: the printed "agree", and the rarest
STRATA = ("region", "age", "sex")
_KINDS = {
    "CR1 t(G-1)": ("CR1", True, False),
    "CR1S t(G-1)": ("CR1S", True, False),
    "CR2 Satterthwaite": ("CR2", True, False),
    "CR1 strata t(G-H)": ("CR1", True, True),
    "CR2 strata Satterthwaite": ("CR2", True, True),
    "HC1 normal": ("HC1", False, False),
}
OFFERED = ("CR1 t(G-1)", "CR2 Satterthwaite")

type Ends = dict[tuple[str, str, str], tuple[float, np.ndarray]]
"""By gap, interval and threshold: the truth, and (estimate, std_error, lower, upper)."""


def default_interval(clusters: int) -> str:
    """The interval of a run with so many zones."""
    return OFFERED[clusters < CR2_CLUSTERS]


def _contrasts(n_levels: int) -> np.ndarray:
    """Members minus comparison at or above each threshold, shape (J - 1, 2J)."""
    above = (np.arange(n_levels) >= np.arange(1, n_levels)[:, None]).astype(float)
    return np.hstack([above, -above])


def _wald(margins: Margins, row: np.ndarray) -> np.ndarray:
    estimate = row @ np.concatenate([margins.member, margins.comparison])
    std_error = np.sqrt(row @ margins.cov @ row)
    df = margins.df if margins.df_of is None else margins.df_of(row)
    half = stats.t.ppf(0.975, df) * std_error
    return np.array([estimate, std_error, estimate - half, estimate + half])


def _sampled(
    survey: Simulated, people: np.ndarray, *, clustered: bool, stratified: bool
) -> Sampled:
    """Clusters, within regions if they are strata, or independent people."""
    cluster = survey.cluster if clustered else None
    if not stratified:
        return Sampled(cluster=cluster, people=people)
    labels = tuple(map(str, range(int(survey.region.max()) + 1)))
    drawn = count_drawn(
        survey.region,
        cluster,
        None,
        refuse=lambda key, found, allowed: ValueError(f"{key} {found}"),
        labels=labels,
    )
    return Sampled(cluster=cluster, stratum=survey.region, drawn=drawn, people=people)


def _adjusted(
    survey: Simulated, counts: np.ndarray, people: np.ndarray, names: tuple[str, ...], strata: bool
) -> dict[str, Margins]:
    """Margins by name of the interval."""
    fit = fit_ordinal(survey.x, counts)
    found = {}
    for name in names:
        kind, clustered, stratified = _KINDS[name]
        if stratified and not strata:
            continue
        found[name] = standardise(
            fit,
            survey.x,
            0,
            survey.x[:, 0],
            counts,
            counts,
            _sampled(survey, people, clustered=clustered, stratified=stratified),
            kind=kind,
        )
    return found


def wald_ends(survey: Simulated, setting: Setting, strata: bool, seed: int) -> Ends:
    """Of the adjusted proportional gap, every kind of standard error."""
    cells, truth = survey.cells, true_gaps(setting)
    rows = _contrasts(cells.counts.shape[1])
    found = _adjusted(survey, cells.counts, cells.people, tuple(_KINDS), strata)
    return {
        ("adjusted proportional", name, threshold): (truth[j], _wald(margins, rows[j]))
        for name, margins in found.items()
        for j, threshold in zip(SHOWN, NAMES, strict=True)
    }


def logit_ends(survey: Simulated, setting: Setting, strata: bool, seed: int) -> Ends:
    """Of the adjusted gap in two levels: agrees or not."""
    both = [
        np.column_stack([part[:, :AGREE].sum(axis=1), part[:, AGREE:].sum(axis=1)])
        for part in (survey.cells.counts, survey.cells.people)
    ]
    truth, (row,) = true_gaps(setting)[AGREE - 1], _contrasts(2)
    return {
        ("adjusted logit", name, "agree"): (truth, _wald(margins, row))
        for name, margins in _adjusted(survey, both[0], both[1], OFFERED, strata).items()
    }


def matched_sample(survey: Simulated, levels: tuple[str, ...], outcome: np.ndarray) -> Sample:
    """Exact matching on region, age and sex with these as covariates, as shipped models have."""
    rows = survey.rows(levels, outcome)
    matched = match(rows, Matching(method="exact", on=STRATA))
    return Sample(rows=rows, matched=matched, covariates=STRATA, link="logit", strata=STRATA)


def matched_ends(survey: Simulated, setting: Setting, strata: bool, seed: int) -> Ends:
    """Of the matched gap, ordinal and in two levels; the survey is matched here, anew each time.

    The matching weights are then taken as fixed, as a run takes them.
    """
    found: Ends = {}
    two = (survey.outcome >= AGREE).astype(np.int64)
    for gap, levels, outcome, shown in (
        ("matched proportional", tuple("12345"), survey.outcome, SHOWN),
        ("matched logit", ("no", "yes"), two, (0,)),
    ):
        sample = matched_sample(survey, levels, outcome)
        fitted = fit_cells(sample, sample.weight, matched=True)
        kept = stratum_of(survey.people)[sample.kept]
        truth, rows = true_matched_gaps(setting, kept), _contrasts(len(levels))
        on = fitted.on
        for name in OFFERED:
            margins = standardise(
                fitted.fit,
                on.x,
                0,
                on.member.astype(float),
                on.cells.counts,
                on.cells.squares,
                on.sampled.cluster,
                kind=_KINDS[name][0],
            )
            for j, at, threshold in zip(shown, SHOWN, NAMES, strict=False):
                found[gap, name, threshold] = truth[at], _wald(margins, rows[j])
    return found


def bootstrap_ends(survey: Simulated, setting: Setting, strata: bool, seed: int) -> Ends:
    """Of the adjusted proportional gap, percentile and basic intervals of resampled clusters."""
    cells, truth = survey.cells, true_gaps(setting)
    rows = _contrasts(cells.counts.shape[1])
    found = bootstrap_margins(
        survey.x,
        0,
        survey.x[:, 0],
        cells.counts,
        _sampled(survey, cells.people, clustered=True, stratified=strata),
        seed=seed,
        replicates=RESAMPLES,
    )
    estimate, draws = rows @ found.estimate, found.margins @ rows.T
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    spread = draws.std(axis=0, ddof=1)
    kind = "strata" if strata else "overall"
    ends = {
        f"bootstrap percentile, {kind}": np.array([estimate, spread, low, high]),
        f"bootstrap basic, {kind}": np.array(
            [estimate, spread, 2 * estimate - high, 2 * estimate - low]
        ),
    }
    return {
        ("adjusted proportional", name, threshold): (truth[j], values[:, j])
        for name, values in ends.items()
        for j, threshold in zip(SHOWN, NAMES, strict=True)
    }


def _by_threshold(gap: str, margins: Margins, truth: np.ndarray, name: str) -> Ends:
    """Each threshold's interval, and whether the joint band holds all of them."""
    rows = _contrasts(len(truth) + 1)
    found: Ends = {
        (gap, name, threshold): (truth[j], _wald(margins, rows[j]))
        for j, threshold in enumerate(THRESHOLDS)
    }
    band = joint_intervals(margins, tuple("12345")).values()
    inside = all(
        one.lower <= true <= one.upper for one, true in zip(band, truth[::-1], strict=True)
    )
    # A band either holds all gaps or misses one: stated as an interval of the number zero.
    found[gap, JOINT, "all"] = (0.0, np.array([0.0, 0.0, 0.0 if inside else 1.0, 1.0]))
    return found


def _default(survey: Simulated, setting: Setting) -> tuple[Sample, str]:
    """The matched sample with the kind of covariance that a run with so many zones has."""
    sample = matched_sample(survey, tuple("12345"), survey.outcome)
    return sample, default_interval(setting.clusters)


def free_ends(survey: Simulated, setting: Setting, strata: bool, seed: int) -> Ends:
    """Of the headline, membership free by threshold, and of the weighted shares beside it."""
    sample, name = _default(survey, setting)
    truth = true_matched_gaps(setting, stratum_of(survey.people)[sample.kept])
    _, shares, _ = matched_shares(sample)
    found = fit_form(sample, sample.weight, "free", matched=True).fit
    return {
        **_by_threshold("matched free", _margins(found) if found else shares, truth, name),
        **_by_threshold("matched shares", shares, truth, name),
    }


def tied_ends(survey: Simulated, setting: Setting, strata: bool, seed: int) -> Ends:
    """Of the matched gap under proportional odds, where these do not hold."""
    sample, name = _default(survey, setting)
    truth = true_matched_gaps(setting, stratum_of(survey.people)[sample.kept])
    found = fit_form(sample, sample.weight, "proportional", matched=True).fit
    return _by_threshold("matched proportional", _margins(found), truth, name)


def adjusted_ends(survey: Simulated, setting: Setting, strata: bool, seed: int) -> Ends:
    """Of the adjusted gap, membership free by threshold."""
    sample, name = _default(survey, setting)
    sample = replace(sample, covariates=(*STRATA, "education"))
    found = fit_form(sample, sample.rows.weight, "free").fit
    return _by_threshold("adjusted free", _margins(found), true_gaps(setting), name)


def _margins(found: CellFit) -> Margins:
    on = found.on
    counts, squares = on.cells.counts, on.cells.squares
    target = on.member.astype(float)
    return standardise(
        found.fit, on.x, 0, target, counts, squares, on.sampled.cluster, kind=found.kind
    )


PARTS = {
    "wald": wald_ends,
    "bootstrap": bootstrap_ends,
    "logit": logit_ends,
    "matched": matched_ends,
    "free": free_ends,
    "tied": tied_ends,
    "adjusted": adjusted_ends,
}
"""By name. A block's seed has the place in this order: append only."""
