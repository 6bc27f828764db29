"""Columns of a frame as numbers and codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from coopgap.core.arrays import BoolArray, FloatArray, IntArray, UintArray
from coopgap.core.errors import InputError
from coopgap.core.vocabulary import EXAMPLE
from coopgap.survey.numeric import Numeric, numeric
from coopgap.survey.raw import MARK, Columns, Refusal, choose, from_dataframe
from coopgap.survey.records import ModelRows
from coopgap.survey.ties import hashed, record_ties


def table(data: Columns) -> pd.DataFrame:
    """A table of any library as a DataFrame, one of pandas as it stands; refused where it is none.

    Categories stay where the table says that they have an order; others become text.
    """
    name = type(data).__name__
    if isinstance(data, pd.DataFrame):
        frame = data
    elif isinstance(data, Mapping):
        try:
            frame = pd.DataFrame(dict(data))
        except ValueError as error:
            found = "the columns differ in length"
            raise InputError(name, found, "give one value a person") from error
    else:
        import pyarrow as pa

        try:
            made = pa.RecordBatchReader.from_stream(data).read_all()
        except (TypeError, pa.ArrowInvalid) as error:
            allowed = "give a DataFrame, an Arrow table or columns"
            raise InputError(name, "this is no table", allowed) from error
        frame = made.to_pandas()
        for column in made.schema:
            if pa.types.is_dictionary(column.type) and not column.type.ordered:
                # Their order is that of who came first.
                frame[column.name] = frame[column.name].astype(object)
    if not frame.size:
        raise InputError(name, "there are no rows", "give one row a person")
    named = all(isinstance(column, str) for column in frame.columns)
    return frame if named else frame.rename(columns=str)


def source_of(frame: pd.DataFrame) -> str:
    """EXAMPLE DATA where every row says so, else the file's name as `read_survey` notes it."""
    if MARK in frame.columns and from_dataframe(frame[[MARK]]).is_example:
        return EXAMPLE
    return str(frame.attrs.get("source", ""))


def require_columns(frame: pd.DataFrame, names: Iterable[str], where: str) -> None:
    """Refuse names that are no column, with the nearest."""
    try:
        choose([str(name) for name in frame.columns], list(names))
    except Refusal as refusal:
        raise InputError(where, refusal.found, refusal.allowed) from refusal


def complete(frame: pd.DataFrame, names: Iterable[str]) -> BoolArray:
    """Rows that have a value in all of some columns; refused where none has."""
    needed = list(dict.fromkeys(names))
    require_columns(frame, needed, "data")
    whole = frame[needed].notna().all(axis=1).to_numpy(dtype=bool)
    if not whole.any():
        raise InputError("data", "no row has all that is needed", f"needed: {', '.join(needed)}")
    return np.asarray(whole)


def plain_columns(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Columns as a formula takes them: numbers as floats, text and categories as categories.

    Of categories those that somebody has stay, in their order; texts stand in that of the alphabet.
    """
    plain: dict[str, Any] = {}
    for name in names:
        column = frame[name]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            plain[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        elif isinstance(column.dtype, pd.CategoricalDtype):
            plain[name] = column.cat.remove_unused_categories().array
        else:
            plain[name] = pd.Categorical(column.astype("string").astype(object))
    return pd.DataFrame(plain, index=frame.index)


def spelled(value: Any) -> str:
    """A level as text; whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class Groups(NamedTuple):
    """The column of the two groups, and what it holds of comparison people and of members."""

    column: str
    comparison: str
    member: str


def levels_of(column: pd.Series[Any]) -> tuple[IntArray, tuple[str, ...], bool]:
    """Codes, -1 where empty, the levels that somebody has, and whether their order is known."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        kept = column.cat.remove_unused_categories()
        codes, found, ordered = kept.cat.codes.to_numpy(), kept.cat.categories, kept.cat.ordered
    else:
        codes, found = pd.factorize(column, sort=True)
        ordered = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
    return codes.astype(np.int64), tuple(map(spelled, found)), bool(ordered)


def two_groups(column: pd.Series[Any], where: str) -> tuple[BoolArray, tuple[Any, Any]]:
    """Who is a member, and the values of comparison people and members: of two the later.

    Refused where a column has no two values, or nothing says which of them comes later.
    """
    values = column.array
    if isinstance(column.dtype, pd.CategoricalDtype):
        found = [value for value in column.cat.categories if (column == value).any()]
    else:
        found = sorted(column.dropna().unique().tolist())
    if len(found) != 2:
        raise InputError(
            f"{where}: {column.name}",
            f"has {len(found)} different values",
            "allowed: two groups, such as 0 and 1, of which the second are the members",
        )
    _require_known(column, found, f"{where}: {column.name}")
    return np.asarray(values == found[1], dtype=bool), (found[0], found[1])


def groups_of(column: pd.Series[Any]) -> Groups:
    """What a column says of its two groups."""
    _, (comparison, member) = two_groups(column, "data")
    return Groups(str(column.name), spelled(comparison), spelled(member))


def _require_known(column: pd.Series[Any], found: Sequence[Any], where: str) -> None:
    """Refuse two values of which nothing says which one counts: 1 is a yes in many files, 2 a no.

    True and false, 0 and 1, and ordered categories say it.
    """
    if getattr(column.dtype, "ordered", False) or pd.api.types.is_bool_dtype(column):
        return
    if tuple(map(spelled, found)) in (("0", "1"), ("False", "True")):
        return
    numbers = pd.api.types.is_numeric_dtype(column)
    answer = spelled(found[0] or found[1]) if numbers else '"yes"'
    held = " and ".join(map(spelled, found)) if numbers else "two texts without an order"
    raise InputError(
        where,
        f"holds {held}, and which of the two counts is not known",
        f'say it by such as df["{column.name}"] == {answer}, or by an ordered pd.Categorical whose '
        "last category counts",
    )


def coded_levels(
    column: pd.Series[Any], name: str, *, two: bool = False
) -> tuple[IntArray, tuple[str, ...]]:
    """Codes and levels of an outcome; refused where their order is not known."""
    codes, levels, ordered = levels_of(column)
    if len(levels) < 2 or (two and len(levels) != 2):
        wanted = "allowed: two, such as 0 and 1" if two else "allowed: two or more"
        raise InputError(f"data: {name}", f"has {len(levels)} different answers", wanted)
    if len(levels) > 2 and not ordered:
        allowed = "give them one: pd.Categorical(..., categories=[...], ordered=True), lowest first"
        raise InputError(f"data: {name}", "has levels without an order", allowed)
    if len(levels) == 2:
        _require_known(column.rename(name), sorted(column.dropna().unique()), f"data: {name}")
    return codes, levels


def positive_weights(column: pd.Series[Any]) -> FloatArray:
    """Weights, not negative and finite."""
    if not pd.api.types.is_numeric_dtype(column):
        raise InputError(f"data: {column.name}", "holds no numbers", "a weight is a number")
    weight = column.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = int((~(np.isfinite(weight) & (weight >= 0))).sum())
    if bad:
        found = f"{bad} weights are negative or not finite"
        raise InputError(f"data: {column.name}", found, "allowed: numbers of zero or more")
    return weight


def dense_codes(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[IntArray, list[str]]:
    """Codes of one column, or of several together, and their labels in order."""
    parts = []
    for name in columns:
        index, values = pd.factorize(frame[name])
        parts.append(np.array([spelled(value) for value in values], dtype=object)[index])
    joined = parts[0] if len(parts) == 1 else [" / ".join(row) for row in zip(*parts, strict=True)]
    codes, labels = pd.factorize(np.asarray(joined, dtype=object), sort=True)
    return codes.astype(np.int64), [str(label) for label in labels]


def person_ids(frame: pd.DataFrame) -> IntArray:
    """A number for each row by its label in the index, the same in every part of a frame."""
    if pd.api.types.is_integer_dtype(frame.index.dtype):
        return frame.index.to_numpy(dtype=np.int64)
    return label_numbers(map(str, frame.index))


def label_numbers(labels: Iterable[str]) -> IntArray:
    """A number for each label that is the same in every frame, not negative."""
    return (hashed(list(labels)) >> np.uint64(1)).astype(np.int64)


def _coded(
    column: pd.Series[Any], *, as_levels: bool
) -> tuple[IntArray, tuple[str, ...], Numeric | None]:
    """Codes of a column with its levels, or of a number that varies with its values."""
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    codes, levels, _ = levels_of(column)
    if as_levels or not number or len(levels) < 2:
        return codes, levels, None
    values, codes = np.unique(column.to_numpy(dtype=np.float64), return_inverse=True)
    return codes.astype(np.int64), (), numeric(str(column.name), values)


def coded_rows(
    frame: pd.DataFrame,
    group: str,
    factors: Mapping[str, bool],
    *,
    weights: str | None = None,
    id: str | None = None,
    zone: IntArray | None = None,
) -> ModelRows:
    """People of a frame as codes; `factors` says of each variable whether numbers are levels."""
    member, _ = two_groups(frame[group], "data")
    made = {name: _coded(frame[name], as_levels=levels) for name, levels in factors.items()}
    weight = np.ones(len(frame)) if weights is None else positive_weights(frame[weights])
    if not (weight > 0).all():
        raise InputError(f"data: {weights}", "some weights are zero", "allowed: above zero")
    return ModelRows(
        index=np.arange(len(frame)),
        outcome=np.zeros(len(frame), dtype=np.int64),
        levels=("no", "yes"),
        member=member,
        factors={name: codes for name, (codes, _, _) in made.items()},
        factor_levels={name: levels for name, (_, levels, _) in made.items()},
        zone=zone,
        weight=weight,
        tie=_ties(frame, id),
        dropped=(),
        numeric={name: own for name, (_, _, own) in made.items() if own is not None},
    )


def _ties(frame: pd.DataFrame, id: str | None) -> UintArray:
    """A number for each person from the identifier, or from their own record.

    The whole record: people alike in what is matched on may still answer otherwise, and which of
    them is taken must not hang on the order of rows.
    """
    names = sorted(map(str, frame.columns)) if id is None else [id]
    columns = (pd.factorize(frame[name]) for name in names)
    return record_ties(hashed([*map(spelled, found), ""])[codes] for codes, found in columns)
