"""What the example survey is made of: the margins that are printed, and the model that is declared.

The margins are of What Difference Do Cooperatives Make? Peru (ICRG / OCDC), Tables 1 to 3, Figure 1
and the section on social benefits; counts of shares printed in percent are the nearest whole people
of 1,004 and 1,003. Everything else is invented here, where the survey's truth is written down: how
covariates go together, what an outcome depends on, the gaps by region, the shift of the phone
interviews. Nothing of it is a finding.

An outcome follows a cumulative logit: P(Y >= j) = logistic(eta - threshold_j) with
eta = covariates + zone + member * (gap of the region + zone gap) + phone * mode shift.
Trust is taken to be a five-step agreement item whose top two steps are "agree": an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

N_MEMBER: Final = 1004
N_COMPARISON: Final = 1003
N_PHONE: Final = 250

# Table 1: 16-24, 25-34, 35-44, 45-54, 55-64, 65+; members, then non-members.
AGES: Final = ((80, 142, 183, 219, 185, 195), (183, 209, 213, 216, 113, 69))

# Table 2: male, female.
SEXES: Final = ((432, 572), (504, 499))

# Table 3 prints 4, 7, 40, 13 and 36 percent for both groups (Center, East, Lima, North, South).
REGIONS: Final = ((40, 70, 402, 131, 361), (40, 70, 401, 131, 361))

# Figure 1, members: 10, 22, 40, 26 and 2 percent of 1,004, lowest class first.
CLASSES_OF_MEMBERS: Final = (100, 221, 402, 261, 20)

# Members and non-members in the upper category: 40 and 27 percent agree that most people can be
# trusted; 81 and 73 have a trusted person; 61 and 62 could rely on neighbours.
TOP_SHARES: Final[Mapping[str, tuple[int, int]]] = {
    "trust": (402, 271),
    "trusted_person": (813, 732),
    "neighbours": (612, 622),
}

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
    """One outcome, on the log-odds scale: thresholds, and what moves it to higher levels.

    By age band from the youngest, women against men, region in the order of `REGION_NAMES`, step
    of education from the lowest; members' true gap by region; answers by phone against in person.
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
    """Everything that is declared and not printed: outcomes by column, and what lies behind them.

    Zones' intercepts and gaps have standard deviations on the log-odds scale; education is a
    cumulative logit; phone interviews are younger and more in Lima than in-person non-members.
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
