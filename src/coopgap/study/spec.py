"""A study and its models as frozen records: what the columns mean and who is compared.

The text under a field is its line in the key reference and in the JSON Schema. Records made in
Python are taken as they are; limits hold where `coopgap.study.load` reads them from a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetPydanticSchema, Strict

from coopgap.study.keys import (
    EACH_ONCE,
    INCREASING,
    Codes,
    Flag,
    Number,
    OneOrMore,
    Positive,
    Refusal,
    Share,
    Text,
    Texts,
    Values,
    Whole,
    apart,
    listed,
)

VariableType = Literal["binary", "ordinal", "nominal", "banded", "count_of", "numeric"]
Role = Literal["confounder", "mediator", "component", "negative_control"]
MethodName = Literal["exact", "entropy", "nearest", "optimal", "full", "cardinality", "overlap"]
MatchingMethod = Literal["none", MethodName]
DistanceName = Literal["propensity", "mahalanobis", "robust_mahalanobis"]
ChoosingOrder = Literal["largest", "smallest", "random"]
TiesName = Literal["key", "all"]
LinkName = Literal["logit", "probit", "cloglog"]
StdErrorsName = Literal["default", "CR1", "CR1S", "CR2", "HC1", "HC3"]
IntervalsName = Literal["wald", "profile"]
ReplicateType = Literal["BRR", "JK1", "JKn", "bootstrap"]
FormName = Literal["free", "shares", "proportional"]
PopulationName = Literal["members", "all_members", "pooled", "overlap", "poststratified"]
RegionName = Literal["strata", "covariate", "left_out"]
ModeHandlingName = Literal["in_person", "phone_joins"]
LonelyName = Literal["adjust", "certainty"]
PriorName = Literal[
    "beta_sd",
    "region_sd",
    "gap_sd",
    "covariate_sd",
    "slope_sd",
    "department_sd",
    "department_gap_sd",
    "zone_sd",
    "zone_gap_sd",
    "threshold_shift_sd",
]

MEMBERS: Final = "members"
NON_MEMBERS: Final = "non-members"
"""What the two groups are called unless a study says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The membership question, and which of its values are whose."""

    column: Text
    """Column of the membership question."""
    member: OneOrMore
    """Value of members, or several."""
    comparison: OneOrMore
    """Value of the comparison group, or several."""
    missing: Codes = ()
    """Values for no answer: those people are dropped and counted, as blanks are."""
    member_label: Text = MEMBERS
    """What the report calls members."""
    comparison_label: Text = NON_MEMBERS
    """What the report calls the comparison group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """The column that tells interviews in person from interviews by phone."""

    column: Text
    """Column that says how people were interviewed."""
    in_person: OneOrMore
    """Value of interviews in person, or several."""
    phone: OneOrMore
    """Value of interviews by phone, or several."""


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
class Area:
    """What a file says of departments: numbers by column, and regions, by department."""

    file: str
    numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    regions: Mapping[str, str] = field(default_factory=dict)


def csv_name(value: object) -> str:
    """The name of a CSV file in the study folder, which is hashed with it."""
    if not isinstance(value, str) or Path(value).name != value or not value.endswith(".csv"):
        raise Refusal("is no name of a CSV file", "allowed: FILE.csv in the study folder")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """Replicate weights, the sampling weight in each."""

    columns: Values[Annotated[Text, Field(pattern=r"^[^*]*\*?[^*]*$")]]
    """Columns of the replicate weights; `repwt*` stands for all whose name begins so, by number."""
    type: ReplicateType
    """How they were made: squares are of R replicates less their mean, on R - 1 df."""
    scale: Positive | None = None
    """Factor of all squares: 1/R for BRR, with Fay's rho 1/(R(1 - rho)^2); (R - 1)/R for JK1; 1 for
    JKn; 1/(R - 1) for bootstrap."""
    rscales: Annotated[
        tuple[Annotated[Number, Field(ge=0)], ...],
        BeforeValidator(listed, json_schema_input_type=Number | list[Number]),
    ] = ()
    """Factor of each replicate's square, or one of all: 1 unless declared, and needed for JKn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How people were sampled."""

    region: Text | None = None
    """Variable, declared below, whose levels are the regions."""
    department: Text | None = None
    """Variable, declared below, finer than region; a level may have nobody."""
    zone: Annotated[
        Values[Text],
        BeforeValidator(listed, json_schema_input_type=Text | Values[Text]),
    ] = ()
    """Column of the clusters, or several that name one together."""
    strata: Annotated[
        Values[Text],
        BeforeValidator(listed, json_schema_input_type=Text | Values[Text]),
    ] = ()
    """Column of the sampling strata, or several that name one together."""
    fpc: Annotated[
        Values[Text],
        Field(max_length=2),
        BeforeValidator(listed, json_schema_input_type=Text | Values[Text]),
    ] = ()
    """Column of the population's zones in the stratum (people, without zones), and a second one of
    its people in the zone: how many there are, or where no number exceeds 1 the share drawn."""
    lonely: LonelyName | None = None
    """What a stratum with one zone drawn contributes: its difference to the mean over all, or
    nothing; without it such strata are refused."""
    weight: Text | None = None
    """Column of the sampling weights."""
    replicates: Replicates | None = None
    """Replicate weights: each family is fitted again with each, the matching made anew."""
    id: Text | None = None
    """Column that names people; a person may stand once."""
    mode: Annotated[Mode, apart("in_person", "phone")] | None = None
    """Column that tells interviews in person from interviews by phone, and its values."""
    population: Annotated[
        DeclaredPopulation | None,
        BeforeValidator(
            lambda name: DeclaredPopulation(file=csv_name(name), margins=()),
            json_schema_input_type=Annotated[str, Field(pattern=r"^[^/\\]+\.csv$")],
        ),
    ] = None
    """CSV file beside study.toml: the people of a population at the levels of some variables."""
    missing: Mapping[str, Codes] = field(default_factory=dict)
    """Values for no answer in these columns, by key; `weight = []` where 999 is a weight."""

    @property
    def places(self) -> dict[str, str]:
        """What groups call the levels of the variables that are places, by variable."""
        named = {self.region: "region", self.department: "department"}
        return {name: place for name, place in named.items() if name is not None}

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Columns of the survey file by key, where declared."""
        mode = None if self.mode is None else self.mode.column
        one = {"weight": self.weight, "id": self.id, "mode": mode}
        several = {"zone": self.zone, "strata": self.strata, "fpc": self.fpc}
        named = {key: (column,) for key, column in one.items() if column is not None}
        return {key: columns for key, columns in several.items() if columns} | named


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """How far phone answers may differ and still count as alike."""

    margin: Mapping[str, Share] = field(default_factory=dict)
    """Equivalence margin of an outcome as a probability; without one it is not assessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeControl:
    """An exclusion that a study states: the control shares its confounders with the outcomes."""

    variable: Text
    """The negative control: an outcome that has this role."""
    outcomes: Values[Text]
    """Outcomes whose gap may be shown less a share of the control's."""
    exclusion: Text
    """Why membership bears on the control only through what confounds these outcomes too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One question: where it stands, what its values mean, in which order.

    `levels` is always the final, ordered tuple after `collapse`, `declared_levels` that before. A
    numeric variable has none: it enters linearly, or as a natural cubic spline, linear beyond the
    outer knots.
    """

    name: str = ""
    column: Text = ""
    """Column of the survey file; the table's name if absent."""
    type: VariableType
    """What its answers are."""
    levels: Texts = ()
    """Lowest first for ordinal, reference first for nominal, no before yes for two levels."""
    declared_levels: tuple[str, ...] = ()
    label: Text = ""
    """The question in words."""
    groups: Flag = False
    """Whether gaps are reported by its levels too."""
    role: Mapping[str, Role] = field(default_factory=dict)
    """What it is beside an outcome; a confounder unless declared."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """Level of a value of the file; a value that is a level needs none."""
    missing: Codes = ()
    """Values for no answer."""
    collapse: Mapping[str, str] = field(default_factory=dict)
    """Level that another one is joined to."""
    yes: Codes = ()
    """Values of yes; of count_of, those that count."""
    no: Codes = ()
    """Values of no."""
    cuts: Annotated[tuple[Number, ...], INCREASING] = ()
    """Where bands begin, each closed on the left: 25, 35 make "<25", "25-34", "35+"."""
    items: Texts = ()
    """Columns to count; missing if any is."""
    at_least: Annotated[Whole, Field(ge=1)] | None = None
    """How many of the items make a yes."""
    knots: Annotated[tuple[Number, ...], Field(min_length=3), INCREASING] = ()
    """Knots of a natural cubic spline, the outer two its boundaries; none for a straight line."""
    range: Annotated[tuple[Number, ...], Field(min_length=2, max_length=2), INCREASING] = ()
    """Lowest and highest number there can be: within it none is taken for a code of no answer."""

    @property
    def is_numeric(self) -> bool:
        """Whether its answers are numbers, not levels."""
        return self.type == "numeric"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the survey file that it reads."""
        return self.items or (self.column,)

    def role_for(self, outcome: str) -> Role:
        """Role of this variable beside `outcome`; a confounder unless declared otherwise."""
        return self.role.get(outcome, "confounder")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideShares:
    """Shares of an outcome's levels in percent, of everybody or of a region.

    `n` are the people asked, None where the shares are taken as fixed; by `design_effect` they
    count for fewer.
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

    `name` says who the outside people are: the rows' comparator. `whole` are shares of everybody,
    None where only regions are declared; `regions` by level of the region variable are empty, or
    have every level.
    """

    outcome: str
    source: str
    name: str = "national"
    whole: OutsideShares | None = None
    regions: Mapping[str, OutsideShares] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How the comparison group is made comparable; a method uses some of these.

    `method` is `none` where a model has no `[matching]`: everybody stands for themselves.
    """

    method: Annotated[MatchingMethod, Field(json_schema_extra={"enum": [*MethodName.__args__]})] = (
        "exact"
    )
    """How members and comparison people are brought together."""
    on: Texts = ()
    """Exact strata; margins to be balanced for entropy."""
    distance: DistanceName = "propensity"
    """Between people."""
    covariates: Texts = ()
    """What the distance, the score or the limits are about; if absent, covariates not in `on`."""
    interactions: tuple[Annotated[tuple[Text, ...], Field(min_length=2), EACH_ONCE], ...] = ()
    """Sets of variables whose cross-levels have rows of balance too."""
    caliper: Positive | None = None
    """Largest difference of linear propensity scores, in their pooled SD within groups."""
    ratio: Annotated[Whole, Field(ge=1)] = 1
    """Comparison people sought for each member."""
    replace: Flag = False
    """Whether a comparison person may serve several members."""
    order: ChoosingOrder = "random"
    """Who chooses first; by the propensity score, the largest unless declared."""
    ties: TiesName = "key"
    """`all` takes everybody as near as the last one sought, with replacement."""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """Key of the order in which people are taken who are alike in all that the method looks at."""
    max_comparison: Annotated[Whole, Field(ge=1)] | None = None
    """Most comparison people a member."""
    max_members: Annotated[Whole, Field(ge=1)] | None = None
    """Most members a comparison person."""
    limit: Positive = 0.1
    """Largest allowed standardised difference."""
    time_limit: Positive = 60.0
    """Seconds until the search counts as failed."""

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
    """How the adjusted and matched regressions are fitted."""

    form: FormName = "free"
    """How membership enters an outcome of more than two levels: a coefficient a threshold (`free`),
    weighted shares without an outcome model, or one odds ratio for all thresholds."""
    free: Texts = ()
    """Covariates freed from proportional odds: their slopes may differ by threshold."""
    std_errors: StdErrorsName = "default"
    """Kind of covariance; `default` is CR2 with few zones, else CR1, and HC0 without zones."""
    fixed: Flag = False
    """Whether the covariates of the people standardised over are taken as fixed."""
    intervals: IntervalsName = "wald"
    """`profile` adds profile likelihood limits of every slope to the coefficients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchical:
    """The hierarchical model by region: its presence asks for the family."""

    zones: Flag = True
    """Whether zones have levels and gaps of their own, where the study declares zones."""
    priors: Mapping[
        Annotated[str, GetPydanticSchema(lambda _, read: read(PriorName))], Positive
    ] = field(default_factory=dict)
    """Scales of the priors."""
    draws: Annotated[Whole, Field(ge=100)] = 2000
    """Posterior draws a chain."""
    target_accept: Annotated[float, Strict(), Field(ge=0.5, lt=1)] = 0.99
    """Acceptance that the sampler adapts to."""
    area: Annotated[
        Area | None,
        BeforeValidator(
            lambda name: Area(file=csv_name(name)),
            json_schema_input_type=Annotated[str, Field(pattern=r"^[^/\\]+\.csv$")],
        ),
    ] = None
    """CSV file in the study folder: numbers of each department, which its level and gap follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """One way to read the outcome's question: a variable, or the outcome cut in two at a level."""

    outcome: str
    at: str = ""

    @property
    def name(self) -> str:
        """As it is declared: `trust_agree`, or `>=B`."""
        return f">={self.at}" if self.at else self.outcome


NO_CALIPER: Final = "none"
"""In a file, that there is no caliper."""


def _named_sets(value: object) -> object:
    """Sets of covariates by name; those of a plain list are named by what they hold."""
    if not isinstance(value, list):
        return value
    if not all(isinstance(names, list) for names in value):
        raise Refusal("holds what is no list", "allowed: lists of texts, or a table of them")
    sets = {" + ".join(map(str, names)) or "none": names for names in value}
    if len(sets) < len(value):
        raise Refusal("holds a set twice", "allowed: each once")
    return sets


def _usable_sets(sets: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    if any(not name.strip() or {*name} & {*";:"} for name in sets):
        raise Refusal("has a name that is empty or holds ; or :", "mend it")
    if len({frozenset(names) for names in sets.values()}) < len(sets):
        raise Refusal("holds a set twice", "allowed: each once")
    return sets


def _coding(value: object) -> object:
    """The outcome of a cut is known once the model is."""
    cut = isinstance(value, str) and value.startswith(">=")
    return {"outcome": "", "at": str(value)[2:]} if cut else {"outcome": value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiverse:
    """Values of each choice that are combined; a choice without values stays as the model has it.

    A caliper of None is no caliper. `population` is `members` where they are those of the matched
    sample; the others are over all complete rows by regression alone.
    """

    method: Values[MethodName] = ()
    """Methods of matching."""
    caliper: Values[
        Annotated[
            Positive | None,
            BeforeValidator(
                lambda value: None if value == NO_CALIPER else value,
                json_schema_input_type=Positive | Literal["none"],
            ),
        ]
    ] = ()
    """Calipers, and "none"."""
    covariates: Annotated[
        Mapping[str, Texts],
        Field(min_length=1),
        BeforeValidator(_named_sets, json_schema_input_type=dict[str, Texts] | list[Texts]),
        AfterValidator(_usable_sets),
    ] = field(default_factory=dict)
    """Sets of covariates, by name or in a list."""
    link: Values[LinkName] = ()
    """Links."""
    coding: Values[Annotated[Coding, BeforeValidator(_coding, json_schema_input_type=Text)]] = ()
    """Variables that read the outcome's question in another way, or cuts of it such as ">=B"."""
    region: Values[RegionName] = ()
    """Whether the region is in the strata, a covariate, or left out of both."""
    mode: Values[ModeHandlingName] = ()
    """Interviews in person alone, or those by phone with them."""
    population: Values[Literal["members", "all_members", "pooled", "overlap"]] = ()
    """Whose covariates the gap is over."""

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
    """A model declared before fitting to answer a question."""

    model: Text
    """Stem of its file."""
    at: Text = ""
    """The threshold put first (`>=B`), in the outcome's final levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study folder, read and validated.

    `headline` has the models that answer each question, in the order declared: the first is the
    question's headline, and its outcome the question's name. `survey` is "example", a
    path, or None where only `--data` can say; `encoding` is that of its text, None where it is to
    be found. `printed` is a shipped registry's name or a file of the folder. `sha256` covers
    study.toml, every model file and the files they name; `files` are these, by name.
    `where` has, by column, the values of the rows that are kept. `department_regions` are those
    of departments that a file of the study names.
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
    where: Mapping[str, Codes] = field(default_factory=dict)
    department_regions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)
