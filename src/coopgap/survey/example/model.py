"""The declared model behind the example survey: the one place where its truth is written down.

The report prints margins only. Everything else here is invented and declared: how covariates go
together, the non-members' classes, every dependence of an outcome on a covariate, the gaps by
region and the shift of the phone interviews. Nothing of it is a finding.

An outcome follows a cumulative logit: P(Y >= j) = logistic(eta - threshold_j) with
eta = covariates + zone + member * (gap of the region + zone gap) + phone * mode shift.
Trust is taken to be a five-step agreement item whose top two steps are "agree": an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

REGION_NAMES: Final = ("Center", "East", "Lima", "North", "South")

# Department, region, number of zones: a hundred zones in proportion to Table 3. The report says
# ten regions without naming all; these ten are a choice.
DEPARTMENTS: Final = (
    ("Junín", "Center", 4),
    ("Amazonas", "East", 3),
    ("San Martín", "East", 4),
    ("Lima", "Lima", 40),
    ("Cajamarca", "North", 7),
    ("Lambayeque", "North", 6),
    ("Arequipa", "South", 9),
    ("Ayacucho", "South", 9),
    ("Cusco", "South", 9),
    ("Puno", "South", 9),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeModel:
    """One outcome, on the log-odds scale; higher is a higher level.

    Attributes
    ----------
    thresholds
        J - 1 increasing thresholds.
    age
        Of the six age bands, youngest first.
    female
        Women against men.
    region
        Of the five regions, in the order of `REGION_NAMES`.
    education
        Of the four steps, lowest first.
    gap
        True conditional log-odds gap between members and non-members, by region.
    mode_shift
        Answers by phone against answers in person.
    """

    thresholds: tuple[float, ...]
    age: tuple[float, ...]
    female: float
    region: tuple[float, ...]
    education: tuple[float, ...]
    gap: tuple[float, ...]
    mode_shift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleModel:
    """Everything that is declared and not printed.

    Attributes
    ----------
    outcomes
        By column name.
    zone_sd, zone_gap_sd
        Standard deviations of the zones' intercepts and of the zones' gaps, log-odds.
    education_thresholds, education_age, education_region, education_member
        Cumulative logit of the education step.
    phone_age, phone_region
        Shares of the phone interviews: younger and more in Lima than the in-person non-members.
    """

    outcomes: Mapping[str, OutcomeModel] = field(default_factory=dict)
    zone_sd: float = 0.25
    zone_gap_sd: float = 0.1
    education_thresholds: tuple[float, ...] = (-0.9, 0.6, 1.6)
    education_age: tuple[float, ...] = (0.6, 0.4, 0.1, -0.2, -0.5, -0.9)
    education_region: tuple[float, ...] = (-0.3, -0.4, 0.5, -0.1, -0.1)
    education_member: float = 0.2
    phone_age: tuple[float, ...] = (0.24, 0.25, 0.21, 0.17, 0.09, 0.04)
    phone_region: tuple[float, ...] = (0.03, 0.05, 0.50, 0.12, 0.30)


DEFAULT: Final = ExampleModel(
    outcomes={
        "ses_class": OutcomeModel(
            thresholds=(-1.10, 0.43, 2.30, 5.35),
            age=(-0.2, 0.0, 0.1, 0.2, 0.2, 0.1),
            female=-0.1,
            region=(-0.2, -0.4, 0.4, -0.2, -0.1),
            education=(0.0, 0.4, 0.7, 1.0),
            gap=(0.5, 0.4, 0.9, 0.7, 0.6),
            mode_shift=0.15,
        ),
        "trust": OutcomeModel(
            thresholds=(-1.35, -0.10, 1.00, 3.00),
            age=(-0.3, -0.2, 0.0, 0.1, 0.3, 0.4),
            female=-0.1,
            region=(0.1, 0.3, -0.2, 0.1, 0.1),
            education=(0.0, 0.05, 0.1, 0.2),
            gap=(0.3, 0.7, 0.35, 0.6, 0.5),
            mode_shift=-0.1,
        ),
        "trusted_person": OutcomeModel(
            thresholds=(-0.95,),
            age=(0.2, 0.1, 0.0, 0.0, -0.1, -0.2),
            female=0.1,
            region=(0.0, 0.1, -0.1, 0.0, 0.1),
            education=(0.0, 0.05, 0.1, 0.15),
            gap=(0.35, 0.6, 0.4, 0.6, 0.5),
            mode_shift=0.1,
        ),
        "neighbours": OutcomeModel(
            thresholds=(-0.50,),
            age=(-0.1, 0.0, 0.0, 0.0, 0.1, 0.1),
            female=0.1,
            region=(0.1, 0.2, -0.2, 0.1, 0.1),
            education=(0.0, 0.0, -0.05, -0.1),
            gap=(-0.1, -0.05, -0.1, -0.05, -0.05),
            mode_shift=0.0,
        ),
    }
)
