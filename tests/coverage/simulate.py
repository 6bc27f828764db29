"""One free example survey after another, with the gaps that are true in its population."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from coopgap.regression.design import design_matrix
from coopgap.survey.cells import Cells, collapse
from coopgap.survey.example import model as printed
from coopgap.survey.example.model import DEFAULT, ExampleModel, OutcomeModel
from coopgap.survey.example.people import People, draw_people, linear_predictor, logistic
from coopgap.survey.records import ModelRows

LEVELS = {
    "age": tuple("123456"),
    "sex": ("male", "female"),
    "region": tuple("CELNS"),
    "education": tuple("1234"),
}
N_ZONES = 100
AGREE = 3  # the level at which the printed "agree" starts, of five from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is simulated: clusters and their standard deviations.

    Clusters are the 100 zones, 30 runs of three or four zones each, or the 10 departments, the
    largest of which has four in ten people. `gaps` are members' log odds of reaching each
    threshold, lowest first, where they differ; members are then schooled as the comparison group
    is, so that a threshold without log odds has no gap at all.
    """

    clusters: int
    zone_sd: float
    zone_gap_sd: float
    gaps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A survey: its people, and as cells with their design rows; membership is column 0."""

    people: People
    outcome: np.ndarray
    cluster_of: np.ndarray
    x: np.ndarray
    cells: Cells
    cluster: np.ndarray
    region: np.ndarray

    def rows(self, levels: tuple[str, ...], outcome: np.ndarray) -> ModelRows:
        """People as a model has them, everybody complete."""
        people = self.people
        codes = (people.band, people.female, people.region, people.education)
        return ModelRows(
            index=np.arange(people.n),
            outcome=outcome,
            levels=levels,
            member=people.member,
            factors={name: code.astype(np.int64) for name, code in zip(LEVELS, codes, strict=True)},
            factor_levels=LEVELS,
            zone=self.cluster_of,
            weight=np.ones(people.n),
            dropped=(),
        )


def declared(setting: Setting) -> tuple[ExampleModel, OutcomeModel]:
    """The example's model of trust with the same log-odds gap in every region.

    The fitted model has one membership coefficient, so that its limit is the true gap but for the
    zones, over which log odds do not average; `true_gaps` has them integrated.
    """
    outcome = DEFAULT.outcomes["trust"]
    gap = 0.0 if setting.gaps else float(np.mean(outcome.gap))
    outcome = replace(outcome, gap=(gap,) * len(outcome.gap))
    model = replace(DEFAULT, zone_sd=setting.zone_sd, zone_gap_sd=setting.zone_gap_sd)
    return (replace(model, education_member=0.0) if setting.gaps else model), outcome


def thresholds(setting: Setting, outcome: OutcomeModel, member: np.ndarray) -> np.ndarray:
    """Thresholds of the latent answer of each person, shape (n, J - 1)."""
    shift = np.asarray(setting.gaps) if setting.gaps else 0.0
    return np.asarray(outcome.thresholds) - member[:, None] * shift


def simulate(rng: np.random.Generator, setting: Setting) -> Simulated:
    """Draw people, clusters and answers; nobody by phone."""
    model, outcome = declared(setting)
    sizes = (printed.N_MEMBER, printed.N_COMPARISON, 0)
    people = draw_people(rng, model, sizes, exact=False)
    cluster = _clusters(people, setting.clusters)
    zones = (
        rng.normal(0.0, 1.0, setting.clusters) * setting.zone_sd,
        rng.normal(0.0, 1.0, setting.clusters) * setting.zone_gap_sd,
    )
    eta = linear_predictor(people, outcome, None, people.member)
    eta = eta + zones[0][cluster] + people.member * zones[1][cluster]
    cuts = thresholds(setting, outcome, people.member)
    levels = (cuts < (eta + rng.logistic(size=people.n))[:, None]).sum(axis=1)
    columns = [
        people.member.astype(np.int64),
        people.band,
        people.female.astype(np.int64),
        people.region,
        people.education,
        cluster,
    ]
    cells = collapse(columns, levels, len(outcome.thresholds) + 1)
    codes = {name: cells.codes[:, 1 + at] for at, name in enumerate(LEVELS)}
    design = design_matrix(codes, LEVELS, len(cells.codes))
    return Simulated(
        people=people,
        outcome=levels.astype(np.int64),
        cluster_of=cluster,
        x=np.column_stack([cells.codes[:, 0].astype(float), design.x]),
        cells=cells,
        cluster=cells.codes[:, -1],
        region=cells.codes[:, 3],
    )


def _clusters(people: People, number: int) -> np.ndarray:
    if number == N_ZONES:
        return people.zone
    return people.department if number == 10 else people.zone * number // N_ZONES


def _population(model: ExampleModel, schooled_as: bool = True) -> tuple[People, np.ndarray]:
    """Every combination of members' covariates once, with its probability.

    Age, sex and region are the members'; schooling given those is the members' too, or, with
    `schooled_as` false, the comparison group's.
    """
    grid = np.array(list(product(range(6), range(2), range(5), range(4))))
    band, female, region, education = grid.T
    margins = [np.asarray(m[0], float) for m in (printed.AGES, printed.SEXES, printed.REGIONS)]
    weight = np.prod([m[c] / m.sum() for m, c in zip(margins, grid.T, strict=False)], axis=0)
    eta = np.asarray(model.education_age)[band] + np.asarray(model.education_region)[region]
    cuts = np.array([-np.inf, *model.education_thresholds, np.inf])
    latent = eta + model.education_member * schooled_as
    weight = weight * (logistic(cuts[education + 1] - latent) - logistic(cuts[education] - latent))
    nobody = np.zeros(len(grid), dtype=np.int64)
    people = People(
        member=nobody == 0,
        phone=nobody == 1,
        band=band,
        age=nobody,
        female=female == 1,
        region=region,
        department=nobody,
        zone=nobody,
        education=education,
    )
    return people, weight / weight.sum()


def _above(
    setting: Setting, member: bool, schooled_as: bool
) -> tuple[People, np.ndarray, np.ndarray]:
    """Population, its weights, and the share at or above each threshold, zones integrated."""
    model, outcome = declared(setting)
    people, weight = _population(model, schooled_as)
    nodes, shares = np.polynomial.hermite_e.hermegauss(41)
    shares = shares / shares.sum()
    both = float(np.hypot(setting.zone_sd, setting.zone_gap_sd))
    spread = both if member else setting.zone_sd
    eta = linear_predictor(people, outcome, None, np.full(people.n, member))
    cuts = thresholds(setting, outcome, np.full(people.n, member))
    at = eta[:, None, None] + spread * nodes[:, None] - cuts[:, None, :]
    return people, weight, np.einsum("n,cnj->cj", shares, logistic(at))


@cache
def true_gaps(setting: Setting) -> np.ndarray:
    """Gap at each threshold over the members' population, schooling held, shape (J - 1,)."""
    _, weight, members = _above(setting, member=True, schooled_as=True)
    _, _, others = _above(setting, member=False, schooled_as=True)
    return weight @ (members - others)


@cache
def _by_stratum(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Share of the members and gap in each region by age by sex, each group schooled as it is."""
    sides = []
    for member in (True, False):
        people, weight, above = _above(setting, member=member, schooled_as=member)
        stratum = stratum_of(people)
        total = np.bincount(stratum, weight)
        sums = [np.bincount(stratum, weight * column) for column in above.T]
        sides.append((total, np.stack(sums, axis=1) / total[:, None]))
    return sides[0][0], sides[0][1] - sides[1][1]


def stratum_of(people: People) -> np.ndarray:
    """Region by age by sex, as the shipped models match, from 0."""
    return (people.region * 6 + people.band) * 2 + people.female


def true_matched_gaps(setting: Setting, kept: np.ndarray) -> np.ndarray:
    """Gap at each threshold over the members' population of the strata kept, shape (J - 1,)."""
    share, gap = _by_stratum(setting)
    here = np.unique(kept)
    return share[here] @ gap[here] / share[here].sum()
