"""A survey as it stands in its file, before any codebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from coopgap.core.arrays import BoolArray, IntArray
from coopgap.core.errors import SurveyError
from coopgap.core.vocabulary import EXAMPLE
from coopgap.study.spec import Code
from coopgap.study.values import lossless, normalise
from coopgap.survey.columns import MARK


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One column as its distinct values and who gave which.

    Attributes
    ----------
    values
        The k distinct values as they stand: text, numbers or booleans, none of them missing.
    index
        Shape (n,): position in `values`, -1 where the cell is empty (or not a number).
    """

    values: tuple[Code, ...]
    index: IntArray

    @property
    def counts(self) -> IntArray:
        """Shape (k,): how often each value stands."""
        return np.bincount(self.index[self.index >= 0], minlength=len(self.values))

    @cached_property
    def whole(self) -> bool:
        """Whether every value is a whole number, as identifiers of a file often are."""
        return set(map(type, self.values)) <= {int}

    @cached_property
    def numeric(self) -> bool:
        """Whether texts that write numbers are numbers: no two of them write the same one."""
        return self.whole or lossless(self.values)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The values in the spelling in which they are compared; empty for a blank."""
        spell = str if self.whole else self.spell  # A column may hold a million identifiers.
        return tuple(map(spell, self.values))

    def spell(self, code: Code) -> str:
        """A code as this column would spell it."""
        return normalise(code, numeric=self.numeric)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedMissing:
    """A missing value that the file tells from others by a letter, such as `.a` of Stata.

    Attributes
    ----------
    column
        Where it stands.
    code
        As Stata or SAS writes it: `.a` to `.z`; `.A` to `.Z`, `._`.
    label
        Its label in the file, or empty.
    count
        In how many rows.
    """

    column: str
    code: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A survey as it stands in its file.

    Attributes
    ----------
    name
        Name of the file, without its folder.
    where
        The file as the user named it, for messages.
    sha256
        Of the file's bytes (of the columns' names and values, for a DataFrame).
    n_rows
        Rows in the file, without those of labels.
    is_example
        Whether a column `provenance` says EXAMPLE DATA in every row.
    table
        A pyarrow Table with the columns that were wanted, and `provenance` if there is one.
    labels
        Variable labels, of every column of the file that has one.
    value_labels
        By column, labels of its codes.
    user_missing
        By column, closed ranges of codes that the file itself declares missing.
    label_rows
        Rows under the header that hold labels of the columns, and no answers.
    extended
        Missing values that the file tells apart by letter; their cells are empty in the table.
    encoding
        How text is encoded in the file.
    sheet
        The sheet of a workbook, or the data set of a transport file, that has others too; else
        empty.
    delimiter
        What parts the cells of a text file; empty for other formats.
    decimal_commas
        A column of the file whose numbers have decimal commas; empty where there is none.
    """

    name: str
    where: str
    sha256: str
    n_rows: int
    is_example: bool
    table: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[Code, str]] = field(default_factory=dict)
    user_missing: Mapping[str, tuple[tuple[Code, Code], ...]] = field(default_factory=dict)
    label_rows: int = 0
    extended: tuple[ExtendedMissing, ...] = ()
    encoding: str = ""
    sheet: str = ""
    delimiter: str = ""
    decimal_commas: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are here."""
        return tuple(self.table.column_names)

    def take(self, keep: BoolArray) -> RawTable:
        """The rows where `keep`, shape (n,), is true; values that only others gave are gone."""
        import pyarrow as pa

        table = self.table.filter(pa.array(keep))
        for place, field_ in enumerate(table.schema):
            if pa.types.is_dictionary(field_.type):
                column = table.column(place).cast(field_.type.value_type).dictionary_encode()
                table = table.set_column(place, field_.name, column)
        return replace(self, n_rows=table.num_rows, table=table)

    def answers(self, column: str) -> Answers:
        """Distinct values of a column, and who gave which."""
        return distinct(self.table[column])


def distinct(column: Any) -> Answers:
    """Distinct values of a pyarrow column, and who gave which."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary.to_pylist()
    index = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    # Only NaN differs from itself.
    kept = np.array([value is not None and value == value for value in values], dtype=bool)
    if not kept.all():
        places = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        index = places[index]
        values = [value for value, keep in zip(values, kept, strict=True) if keep]
    return Answers(values=tuple(values), index=index)


def says_example(table: Any, where: str) -> bool:
    """Whether every row is marked; rows of both kinds in one survey are refused."""
    if MARK not in table.column_names:
        return False
    answers = distinct(table[MARK])
    marked = np.array([str(value).strip() == EXAMPLE for value in answers.values], dtype=bool)
    n_marked = int(answers.counts[marked].sum())
    if 0 < n_marked < table.num_rows:
        raise SurveyError(
            f"{where}: {MARK}",
            f"{n_marked} of {table.num_rows} rows say {EXAMPLE}",
            "example rows and real rows may not be mixed",
        )
    return n_marked > 0
