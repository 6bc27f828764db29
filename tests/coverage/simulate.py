"""One free example survey after another, as cells, with the gap that is true in its population."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from coopgap.regression.design import design_matrix
from coopgap.survey.cells import Cells, collapse
from coopgap.survey.example import printed_margins as printed
from coopgap.survey.example.model import DEFAULT, ExampleModel, OutcomeModel
from coopgap.survey.example.outcomes import linear_predictor
from coopgap.survey.example.people import People, draw_people, logistic

__all__ = ["LEVELS", "Setting", "Simulated", "declared", "simulate", "true_gaps"]

LEVELS = {
    "age": tuple("123456"),
    "sex": ("male", "female"),
    "region": tuple("CELNS"),
    "education": tuple("1234"),
}
N_ZONES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is simulated: clusters (100 zones, or 10 departments) and their standard deviations."""

    clusters: int
    zone_sd: float
    zone_gap_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A survey as cells with its design rows; membership is column 0."""

    x: np.ndarray
    cells: Cells
    cluster: np.ndarray
    region: np.ndarray


def declared(setting: Setting) -> tuple[ExampleModel, OutcomeModel]:
    """The example's model of trust with the same log-odds gap in every region.

    The fitted model has one membership coefficient, so that its limit is the true gap but for the
    zones, over which log odds do not average; `true_gaps` has them integrated.
    """
    outcome = DEFAULT.outcomes["trust"]
    outcome = replace(outcome, gap=(float(np.mean(outcome.gap)),) * len(outcome.gap))
    model = replace(DEFAULT, zone_sd=setting.zone_sd, zone_gap_sd=setting.zone_gap_sd)
    return model, outcome


def simulate(rng: np.random.Generator, setting: Setting) -> Simulated:
    """Draw people, clusters and answers; nobody by phone."""
    model, outcome = declared(setting)
    sizes = (printed.N_MEMBER, printed.N_COMPARISON, 0)
    people = draw_people(rng, model, sizes, exact=False)
    cluster = people.zone if setting.clusters == N_ZONES else people.department
    zones = (
        rng.normal(0.0, 1.0, setting.clusters) * setting.zone_sd,
        rng.normal(0.0, 1.0, setting.clusters) * setting.zone_gap_sd,
    )
    eta = linear_predictor(people, outcome, None, people.member)
    eta = eta + zones[0][cluster] + people.member * zones[1][cluster]
    levels = np.searchsorted(outcome.thresholds, eta + rng.logistic(size=people.n))
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
        x=np.column_stack([cells.codes[:, 0].astype(float), design.x]),
        cells=cells,
        cluster=cells.codes[:, -1],
        region=cells.codes[:, 3],
    )


def _population(model: ExampleModel) -> tuple[People, np.ndarray]:
    """Every combination of members' covariates once, with its probability."""
    grid = np.array(list(product(range(6), range(2), range(5), range(4))))
    band, female, region, education = grid.T
    margins = [np.asarray(m[0], float) for m in (printed.AGES, printed.SEXES, printed.REGIONS)]
    weight = np.prod([m[c] / m.sum() for m, c in zip(margins, grid.T, strict=False)], axis=0)
    eta = np.asarray(model.education_age)[band] + np.asarray(model.education_region)[region]
    cuts = np.array([-np.inf, *model.education_thresholds, np.inf])
    latent = eta + model.education_member
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


def true_gaps(setting: Setting) -> np.ndarray:
    """Gap at each threshold over the members' population, zones integrated by quadrature."""
    model, outcome = declared(setting)
    people, weight = _population(model)
    nodes, shares = np.polynomial.hermite_e.hermegauss(41)
    shares = shares / shares.sum()
    thresholds = np.asarray(outcome.thresholds)

    def margin(member: bool, spread: float) -> np.ndarray:
        eta = linear_predictor(people, outcome, None, np.full(people.n, member))
        at = eta[:, None, None] + spread * nodes[:, None] - thresholds
        return weight @ np.einsum("n,cnj->cj", shares, logistic(at))

    both = float(np.hypot(setting.zone_sd, setting.zone_gap_sd))
    return margin(True, both) - margin(False, setting.zone_sd)
