"""A study and its models as frozen records: what the columns mean and who is compared.

Nothing here reads a file; `coopgap.study.load` fills these records from a study folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

type Code = str | int | float | bool
"""A value as it stands in a survey file or a codebook."""

VariableType = Literal["binary", "ordinal", "nominal", "banded", "count_of", "numeric"]
Role = Literal["confounder", "mediator", "component", "negative_control"]
MatchingMethod = Literal[
    "none", "exact", "entropy", "nearest", "optimal", "full", "cardinality", "overlap"
]
DistanceName = Literal["propensity", "mahalanobis", "robust_mahalanobis"]
ChoosingOrder = Literal["largest", "smallest", "random"]
TiesName = Literal["key", "all"]
LinkName = Literal["logit", "probit", "cloglog"]
StdErrorsName = Literal["default", "CR1", "CR1S", "CR2", "HC1", "HC3"]
IntervalsName = Literal["wald", "profile"]
FormName = Literal["free", "shares", "proportional"]
PopulationName = Literal["members", "all_members", "pooled", "overlap", "poststratified"]
RegionName = Literal["strata", "covariate", "left_out"]
ModeHandlingName = Literal["in_person", "phone_joins"]


MEMBERS: Final = "members"
NON_MEMBERS: Final = "non-members"
"""What the two groups are called unless a study says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The membership question, and which of its values are whose."""

    column: str
    member: tuple[Code, ...]
    comparison: tuple[Code, ...]
    missing: tuple[Code, ...] = ()
    prevalence: float | None = None
    member_label: str = MEMBERS
    comparison_label: str = NON_MEMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """The column that tells interviews in person from interviews by phone."""

    column: str
    in_person: tuple[Code, ...]
    phone: tuple[Code, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Shares of a population by the levels of some variables.

    `shares` has every combination of their levels, the last variable's moving fastest; they sum
    to one.
    """

    variables: tuple[str, ...]
    shares: Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPopulation:
    """A population by its margins; `file` is the name of its file and says whose it is."""

    file: str
    margins: tuple[Margin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How people were sampled.

    `region` names a declared variable; the others name columns of the survey file, those of `zone`
    name one together. `missing` has codes of such columns that stand for no answer, by key.
    """

    region: str | None = None
    zone: tuple[str, ...] = ()
    weight: str | None = None
    id: str | None = None
    cluster: str | None = None
    mode: Mode | None = None
    population: DeclaredPopulation | None = None
    missing: Mapping[str, tuple[Code, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Columns of the survey file by key, where declared."""
        mode = None if self.mode is None else self.mode.column
        one = {"weight": self.weight, "id": self.id, "mode": mode}
        named: dict[str, tuple[str, ...]] = {
            key: (column,) for key, column in one.items() if column is not None
        }
        return {"zone": self.zone, **named} if self.zone else named


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """Equivalence margins of the phone check, by outcome, on the probability scale."""

    margin: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeControl:
    """An exclusion that a study states: `variable` shares its confounders with the outcomes.

    Attributes
    ----------
    variable
        The negative control.
    outcomes
        Outcomes whose gap may be shown less a share of the control's.
    exclusion
        Why membership has nothing to do with the control but through what confounds these
        outcomes too.
    """

    variable: str
    outcomes: tuple[str, ...]
    exclusion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One question: where it stands, what its values mean, in which order.

    `levels` is always the final, ordered tuple (lowest first for ordinal and banded, reference
    first for nominal, no before yes for binary and count_of), after `collapse`. `declared_levels`
    are the levels before `collapse`; they differ only where `collapse` is given. A numeric variable
    has none: it enters linearly, or as a natural cubic spline between its `knots`, linear beyond.
    Within its `range`, if it has one, no number is taken for a code of no answer.
    """

    name: str
    column: str
    type: VariableType
    levels: tuple[str, ...]
    declared_levels: tuple[str, ...]
    label: str = ""
    groups: bool = False
    role: Mapping[str, Role] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[Code, ...] = ()
    collapse: Mapping[str, str] = field(default_factory=dict)
    yes: tuple[Code, ...] = ()
    no: tuple[Code, ...] = ()
    cuts: tuple[float, ...] = ()
    items: tuple[str, ...] = ()
    at_least: int | None = None
    knots: tuple[float, ...] = ()
    range: tuple[float, ...] = ()

    @property
    def is_numeric(self) -> bool:
        """Whether its answers are numbers, not levels."""
        return self.type == "numeric"

    def role_for(self, outcome: str) -> Role:
        """Role of this variable beside `outcome`; a confounder unless declared otherwise."""
        return self.role.get(outcome, "confounder")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideShares:
    """Shares of an outcome's levels in percent, of everybody or of a region.

    Attributes
    ----------
    n
        People asked; None where the shares are taken as fixed.
    design_effect
        By which those people count for fewer.
    """

    shares: Mapping[str, float]
    n: int | None = None
    design_effect: float = 1.0

    @property
    def size(self) -> float | None:
        """Size of the simple random sample that has the same error; None where fixed."""
        return None if self.n is None else self.n / self.design_effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Declared outside shares of an outcome.

    Attributes
    ----------
    name
        Who the outside people are: the rows' comparator.
    whole
        Shares of everybody, or None where only regions are declared.
    regions
        By level of the region variable; empty, or every level.
    """

    outcome: str
    source: str
    name: str = "national"
    whole: OutsideShares | None = None
    regions: Mapping[str, OutsideShares] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How the comparison group is made comparable; a method uses some of these.

    Attributes
    ----------
    method
        `none` where a model has no `[matching]`: everybody stands for themselves.
    on
        Exact strata; margins to be balanced for entropy.
    distance
        Between people, for nearest, optimal and full.
    covariates
        What the distance, the propensity score or the limits of balance are about.
    interactions
        Two or more variables each, whose cross-levels have rows of balance too.
    caliper
        Largest allowed difference of linear propensity scores, in their pooled standard
        deviations within groups.
    ratio
        Comparison people sought for each member, for nearest and optimal.
    replace, order
        Of nearest: whether a comparison person may serve several members, and who chooses first.
    ties
        Of nearest: `all` takes everybody as near as the last one sought, with replacement.
    seed
        Key of the order in which people are taken who are alike in all that the method looks at.
    max_comparison, max_members
        Of full: most comparison people a member, and most members a comparison person.
    limit
        Of cardinality: largest allowed standardised difference.
    time_limit
        Of cardinality: seconds until the search counts as failed.
    """

    method: MatchingMethod = "exact"
    on: tuple[str, ...] = ()
    distance: DistanceName = "propensity"
    covariates: tuple[str, ...] = ()
    interactions: tuple[tuple[str, ...], ...] = ()
    caliper: float | None = None
    ratio: int = 1
    replace: bool = False
    order: ChoosingOrder = "random"
    ties: TiesName = "key"
    seed: int = 0
    max_comparison: int | None = None
    max_members: int | None = None
    limit: float = 0.1
    time_limit: float = 60.0

    @property
    def is_declared(self) -> bool:
        """Whether there is a matching at all."""
        return self.method != "none"

    @property
    def has_ties(self) -> bool:
        """Whether it takes some people and leaves others, and `seed` decides between equals."""
        chooses = self.method not in ("none", "exact", "entropy", "overlap")
        return chooses and self.ties == "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How the adjusted and matched regressions are fitted.

    Attributes
    ----------
    form
        How membership enters an outcome of more than two levels: `free`, its coefficient may
        differ by threshold; `shares`, weighted shares without an outcome model; `proportional`,
        one odds ratio for all thresholds.
    free
        Covariates freed from proportional odds: their slopes may differ by threshold.
    std_errors
        Kind of covariance; `default` is CR2 with few zones, else CR1, and HC0 without zones.
    fixed
        Whether the covariates of the people standardised over are taken as fixed.
    intervals
        `profile` adds profile likelihood limits of every slope to the coefficients.
    """

    form: FormName = "free"
    free: tuple[str, ...] = ()
    std_errors: StdErrorsName = "default"
    fixed: bool = False
    intervals: IntervalsName = "wald"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchical:
    """The hierarchical model by region: its presence asks for the family.

    `zones` gives zones levels and gaps of their own where the study declares zones.
    """

    zones: bool = True
    priors: Mapping[str, float] = field(default_factory=dict)
    draws: int = 2000
    target_accept: float = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """One way to read the outcome's question: a variable, or the outcome cut in two at a level."""

    outcome: str
    at: str = ""

    @property
    def name(self) -> str:
        """As it is declared: `trust_agree`, or `>=B`."""
        return f">={self.at}" if self.at else self.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiverse:
    """Values of each choice that are combined; a choice without values stays as the model has it.

    Attributes
    ----------
    caliper
        None is no caliper.
    covariates
        Sets of covariates by name.
    region
        In the strata of the matching, a covariate only, or left out of both.
    mode
        Interviews in person only, or those by phone with them.
    population
        `members` are those of the matched sample; the others are over all complete rows by
        regression alone.
    """

    method: tuple[MatchingMethod, ...] = ()
    caliper: tuple[float | None, ...] = ()
    covariates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    link: tuple[LinkName, ...] = ()
    coding: tuple[Coding, ...] = ()
    region: tuple[RegionName, ...] = ()
    mode: tuple[ModeHandlingName, ...] = ()
    population: tuple[PopulationName, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that some choice names."""
        sets = (name for names in self.covariates.values() for name in names)
        return tuple(dict.fromkeys((*(one.outcome for one in self.coding), *sets)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One outcome, its covariates and the choices made for it."""

    name: str
    outcome: str
    covariates: tuple[str, ...]
    link: LinkName = "logit"
    population: PopulationName = "members"
    matching: Matching = field(default_factory=lambda: Matching(method="none"))
    hierarchical: Hierarchical | None = None
    fitting: Fitting = field(default_factory=Fitting)
    variants: tuple[Variant, ...] = ()
    multiverse: Multiverse | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable the model needs, once, outcome first."""
        design = (*self.matching.on, *self.matching.covariates)
        return tuple(dict.fromkeys((self.outcome, *self.covariates, *design)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A named override of a model: `spec` is the model with the override applied."""

    name: str
    spec: ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A model declared before fitting to answer a question.

    `at` is the threshold put first (`>=B`), in the outcome's final levels; empty where none is
    declared.
    """

    model: str
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study folder, read and validated.

    `headline` has the models that answer each question, in the order declared: the first is the
    question's headline, and its outcome the question's name. `survey` is "example", a
    path, or None where only `--data` can say; `encoding` is that of its text, None where it is to
    be found. `printed` is a shipped registry's name or a file of the folder. `sha256` covers
    study.toml, every model file and the files they name; `files` are these, by name.
    `where` has, by column, the values of the rows that are kept.
    `disclosure_minimum` are the people that no output may tell apart; 0 where anything may be told.
    """

    name: str
    title: str
    survey: str | Path | None
    group: Group
    design: Design
    variables: Mapping[str, Variable]
    models: tuple[ModelSpec, ...]
    headline: Mapping[str, tuple[Headline, ...]]
    folder: Path
    sha256: str
    printed: str | Path | None = None
    smallest_gap: float = 0.05
    disclosure_minimum: int = 0
    encoding: str | None = None
    phone: Phone = field(default_factory=Phone)
    benchmarks: tuple[Benchmark, ...] = ()
    negative_control: NegativeControl | None = None
    where: Mapping[str, tuple[Code, ...]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)
