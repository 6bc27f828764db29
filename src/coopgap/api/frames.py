"""From a frame and a formula to the arrays that the estimators take."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from coopgap.api.columns import (
    complete,
    dense_codes,
    label_numbers,
    person_ids,
    plain_columns,
    positive_weights,
    require_columns,
    source_of,
    table,
)
from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import InputError
from coopgap.families.sample import CR2_CLUSTERS, SampleCells
from coopgap.regression.sampled import Sampled
from coopgap.study.spec import Design
from coopgap.survey.cells import collapse
from coopgap.survey.raw import Columns

if TYPE_CHECKING:
    from formulaic import ModelSpec

MATCH_WEIGHT: Final = "match_weight"
MATCH_SET: Final = "match_set"
"""Columns that `Matched.data` adds."""

type VcovName = Literal["iid", "HC0", "HC1", "HC3"]
type ClusterName = Literal["CR0", "CR1", "CR1S", "CR2"]
type Vcov = VcovName | Mapping[ClusterName, str]
"""How standard errors are made: by name, or a kind with the column of the clusters."""

_PEOPLE: Final = ("iid", "HC0", "HC1", "HC3")
_CLUSTERS: Final = ("CR0", "CR1", "CR1S", "CR2")
_LEVEL = re.compile(r"\[T\.(.*?)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """What a fit was asked for: the kind, and the columns of its clusters, at most two."""

    kind: str
    columns: tuple[str, ...] = ()


def covariance_asked(vcov: Vcov | None, design: Design | None, frame: pd.DataFrame) -> Covariance:
    """Read `vcov`; without one a declared design's zones: CR2 where they are few, else CR1."""
    if vcov is None:
        zones = zone_columns(design)
        if not zones:
            return Covariance(kind="HC0")
        require_columns(frame, zones, "design.zone")
        few = len(frame[list(zones)].drop_duplicates()) < CR2_CLUSTERS
        return Covariance(kind="CR2" if few else "CR1", columns=(":".join(zones),))
    if isinstance(vcov, str):
        if vcov not in _PEOPLE:
            allowed = f'allowed: {", ".join(_PEOPLE)}, or such as {{"CR2": "zone"}}'
            raise InputError("vcov", f"is {vcov!r}", allowed)
        return Covariance(kind=vcov)
    kind, text = next(iter(vcov.items()), ("", "")) if isinstance(vcov, Mapping) else ("", "")
    if kind not in _CLUSTERS or len(vcov) > 1 or not isinstance(text, str):
        allowed = f"allowed: one of {', '.join(_CLUSTERS)} with a column, or a name"
        raise InputError("vcov", f"is {vcov!r}", allowed)
    columns = tuple(part.strip() for part in text.split("+"))
    if len(columns) > 2 or (len(columns) == 2 and kind == "CR2"):
        found = f"{kind} on {len(columns)} ways of clustering"
        raise InputError("vcov", found, "allowed: two ways with CR0, CR1 or CR1S")
    return Covariance(kind=kind, columns=columns)


def zone_columns(design: Design | None) -> tuple[str, ...]:
    """Columns that name a zone together."""
    zone: Any = () if design is None else design.zone
    return (zone,) if isinstance(zone, str) else tuple(zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFrame:
    """The complete rows of a formula, of positive weight.

    Attributes
    ----------
    formula, outcome
        As given, and the name of its left-hand side.
    data
        n rows: the formula's variables as `plain_columns` has them.
    y
        Column of the outcome as it stands.
    variables
        Variables of the right-hand side.
    spec
        What makes design rows of other data.
    x, terms, columns
        Shape (n, k): design rows without intercept; k names; by term, its positions.
    weight, weighted
        Shape (n,): ones without weights; whether there are some.
    sampled
        How the people were sampled, each a cell: dense codes of the ways of clustering, and strata.
    labels
        By way of clustering, numbers of its codes that are the same in other frames.
    absorbed, sets
        The column behind `|`, empty without one, and its dense codes, shape (n,), or None.
    people
        Shape (n,): numbers from the frame's index.
    n_dropped
        Rows left out for a missing value.
    asked
        The covariance asked for.
    is_matched, n_sets
        Whether the weights are those of a matched sample, and how many sets it has, if any.
    source
        EXAMPLE DATA, the survey file's name, or empty.
    """

    formula: str
    outcome: str
    data: pd.DataFrame
    y: pd.Series[Any]
    variables: tuple[str, ...]
    spec: ModelSpec
    x: FloatArray
    terms: tuple[str, ...]
    columns: Mapping[str, tuple[int, ...]]
    weight: FloatArray
    weighted: bool
    sampled: Sampled
    labels: tuple[IntArray, ...]
    absorbed: str
    sets: IntArray | None
    people: IntArray
    n_dropped: int
    asked: Covariance
    is_matched: bool
    n_sets: int | None
    source: str

    @property
    def n(self) -> int:
        """People in the fit."""
        return int(self.people.size)

    def design_rows(self, data: pd.DataFrame) -> FloatArray:
        """Design rows of other data with the same variables, shape (n, k)."""
        made = self.spec.get_model_matrix(data, na_action="ignore")
        return without_intercept(made)[0]

    def cells(
        self, outcome: IntArray, n_levels: int, *apart: IntArray
    ) -> tuple[SampleCells, IntArray]:
        """People of one record as cells, and a row of each; `apart` tells more of them apart."""
        keys = [pd.factorize(self.data[name])[0].astype(np.int64) for name in self.variables]
        ways = self.sampled.ways(self.n)
        cells = collapse([*ways, *keys, *apart], outcome, n_levels, self.weight)
        row = cells.first
        on = SampleCells(
            cells=cells,
            x=self.x[row],
            terms=self.terms,
            columns=self.columns,
            scale=np.ones(len(self.terms)),
            codes={},
            member=np.zeros(len(row), dtype=bool),
            kept=np.ones(len(row), dtype=bool),
            sampled=self.sampled.of_cells(cells),
        )
        return on, row

    @property
    def first(self) -> dict[str, str]:
        """By variable of levels, the one without a column."""
        categories = {
            name: self.data[name].cat.categories
            for name in self.variables
            if isinstance(self.data[name].dtype, pd.CategoricalDtype)
        }
        return {name: str(found[0]) for name, found in categories.items()}


def without_intercept(made: Any) -> tuple[FloatArray, tuple[str, ...], dict[str, tuple[int, ...]]]:
    """Columns of a model matrix but its intercept; names; positions by term."""
    names = list(made.columns)
    if "Intercept" not in names:
        raise InputError("formula", "leaves the intercept out", "delete 0 + or - 1")
    x = np.delete(made.to_numpy(dtype=np.float64), names.index("Intercept"), axis=1)
    at = {old: new for new, old in enumerate(i for i, n in enumerate(names) if n != "Intercept")}
    columns = {
        str(term): tuple(at[place] for place in places)
        for term, places in made.model_spec.term_indices.items()
        if str(term) != "1"
    }
    terms = tuple(_LEVEL.sub(r"=\1", name) for name in names if name != "Intercept")
    return x, terms, columns


def parsed(formula: str) -> tuple[Any, Any, str]:
    """Left and right-hand side, and the column behind `|`; empty without one."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        made: Any = Formula(formula)
    except FormulaicError as error:
        told = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise InputError("formula", told, "write such as y ~ member + age") from error
    left, right = getattr(made, "lhs", None), getattr(made, "rhs", None)
    if left is None or right is None:
        raise InputError("formula", "has no outcome", "write such as y ~ member + age")
    if not isinstance(right, tuple):
        return left, right, ""
    behind = [str(term) for term in right[1] if str(term) != "1"]
    if len(right) > 2 or len(behind) != 1:
        found = f"names {len(behind)} terms behind |"
        raise InputError("formula", found, "allowed: one column of sets, such as | match_set")
    return left, right[0], behind[0].strip("`")


def plain_formula(formula: str, frame: pd.DataFrame) -> tuple[str, tuple[str, ...]]:
    """Outcome and covariates of a formula that holds nothing but names of columns."""
    left, right, behind = parsed(formula)
    outcome, covariates = names_in(left, frame), names_in(right, frame)
    terms = {str(term).strip("`") for term in right} - {"1"}
    if behind or terms != {*covariates} or len(outcome) != 1:
        found = "has terms that are no plain columns"
        raise InputError("formula", found, "write such as member ~ age + sex")
    return outcome[0], covariates


def names_in(terms: Any, frame: pd.DataFrame) -> tuple[str, ...]:
    """Columns that terms use, each once; a plain name that is none is refused."""
    found: dict[str, None] = {}
    columns = {str(name) for name in frame.columns}
    for term in terms:
        for factor in term.factors:
            text = factor.expr
            if factor.eval_method.value == "lookup":
                require_columns(frame, [text], "formula")
                found[text] = None
            elif factor.eval_method.value == "python":
                quoted = re.findall(r"`([^`]+)`", text)
                tree = ast.walk(ast.parse(re.sub(r"`[^`]+`", "_", text)))
                names = {node.id for node in tree if isinstance(node, ast.Name)}
                found |= dict.fromkeys(sorted(names & columns) + quoted)
    return tuple(found)


def model_frame(
    formula: str,
    data: Columns,
    *,
    weights: str | None = None,
    vcov: Vcov | None = None,
    design: Design | None = None,
) -> ModelFrame:
    """Read a formula against a frame.

    Rows that lack any of its variables, a weight or a cluster are dropped and counted; those of
    weight zero stay out.

    Raises
    ------
    InputError
        An unknown column, a formula that cannot be read, a negative weight, no row left, or rows
        to be dropped of a matched sample.
    """
    frame = table(data)
    left, right, absorbed = parsed(formula)
    weights = weights or (None if design is None else design.weight)
    asked = covariance_asked(vcov, design, frame)
    outcome, variables = names_in(left, frame), names_in(right, frame)
    if {*map(str, left)} & {*map(str, right)} - {"1"}:
        raise InputError("formula", f"has {left} on both sides", "take it from the right")
    ways = [column.split(":") for column in asked.columns]
    extra = [name for name in (weights, absorbed, *(name for way in ways for name in way)) if name]
    whole = complete(frame, (*outcome, *variables, *extra))
    if weights == MATCH_WEIGHT:
        _require_balance(frame, whole, [*outcome, *variables, *extra])
    kept = frame.loc[whole]
    weight = np.ones(len(kept)) if weights is None else positive_weights(kept[weights])
    kept, weight = kept.loc[weight > 0], weight[weight > 0]
    if kept.empty:
        raise InputError(f"data: {weights}", "every weight is zero", "allowed: some above zero")
    made = _model_matrix(right, plain := plain_columns(kept, variables))
    x, terms, columns = without_intercept(made)
    broken = [
        term for term, column in zip(terms, x.T, strict=True) if not np.isfinite(column).all()
    ]
    if broken:
        found = f"has no finite value of {', '.join(broken)} for some rows"
        raise InputError("formula", found, "leave those rows out")
    codes = [dense_codes(kept, way) for way in ways]
    first, second = ([code for code, _ in codes] + [None, None])[:2]
    sampled = Sampled(cluster=first, second=second)
    is_matched = weights == MATCH_WEIGHT
    n_sets = kept[MATCH_SET].nunique() if is_matched and MATCH_SET in kept else 0
    return ModelFrame(
        formula=formula,
        outcome=str(left),
        data=plain,
        y=_outcome(left, kept, str(left)),
        variables=variables,
        spec=made.model_spec,
        x=x,
        terms=terms,
        columns=columns,
        weight=weight,
        weighted=weights is not None,
        sampled=sampled,
        labels=tuple(label_numbers(labels) for _, labels in codes),
        absorbed=absorbed,
        sets=dense_codes(kept, [absorbed])[0] if absorbed else None,
        people=person_ids(kept),
        n_dropped=int((~whole).sum()),
        asked=asked,
        is_matched=is_matched,
        n_sets=n_sets or None,
        source=source_of(kept),
    )


def _require_balance(frame: pd.DataFrame, whole: BoolArray, needed: Sequence[str]) -> None:
    """Refuse a matched sample of which some people lack a value: without them it is unbalanced."""
    n_lacking = int((~whole).sum())
    if n_lacking:
        lacking = [name for name in dict.fromkeys(needed) if frame[name].isna().any()]
        named = ", ".join(f'"{name}"' for name in lacking)
        raise InputError(
            f"data: {', '.join(lacking)}",
            f"{n_lacking} of the {len(whole)} people matched have no value, and without them the "
            "groups are balanced no longer",
            f"match those who have one: cg.match(..., answered=[{named}])",
        )


def _model_matrix(terms: Any, plain: pd.DataFrame) -> Any:
    """The model matrix of complete rows."""
    from formulaic.errors import FormulaicError

    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # refused below where it matters
            return terms.get_model_matrix(plain, na_action="raise")
    except FormulaicError as error:
        told, _, why = str(error).partition("\n")[0].partition(" [")
        # Other reasons may quote an answer.
        told += f" {why.rstrip(']')}" if why.startswith("NameError") else ""
        raise InputError("formula", told, "mend the term") from error


def _outcome(left: Any, kept: pd.DataFrame, name: str) -> pd.Series[Any]:
    """The outcome: a column as it stands, or an expression of some."""
    terms = list(left)
    if len(terms) != 1:
        raise InputError("formula", f"has {len(terms)} outcomes", "allowed: one")
    if name.strip("`") in kept.columns:
        return kept[name.strip("`")]
    made = _model_matrix(left, plain_columns(kept, names_in(left, kept)))
    columns = [column for column in made.columns if column != "Intercept"]
    return pd.Series(made[columns[-1]].to_numpy(), index=kept.index, name=name)
