"""Data that come with the package, and surveys read from files, as frames."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from coopgap.core.errors import InputError
from coopgap.core.vocabulary import EXAMPLE
from coopgap.datasets.registry import SHIPPED, Printed, load_registry
from coopgap.study.load import load_study, shipped_folder
from coopgap.study.spec import Study
from coopgap.survey.codebook import apply_codebook, needed_columns
from coopgap.survey.draft import draft_study
from coopgap.survey.example import make_example
from coopgap.survey.raw import MARK, Columns, RawTable, from_dataframe
from coopgap.survey.read import read_table
from coopgap.survey.records import Survey
from coopgap.survey.values import file_missing, read_numbers

_AGES = (25, 35, 45, 55, 65)
_BANDS = ("<25", "25-34", "35-44", "45-54", "55-64", "65+")
_CLASSES = ("E", "D", "C", "B", "A")


def peru_example(*, phone: bool = False) -> pd.DataFrame:
    """The example survey: rebuilt from printed margins of WDDCM Peru, and no data about Peru.

    Parameters
    ----------
    phone
        Whether the 250 non-members interviewed by phone come too (`mode`); they are no part of a
        headline.

    Returns
    -------
    DataFrame
        The columns of the survey, a row a person, marked EXAMPLE DATA in `provenance`; beside them
        `age_band`, `ses_top` (class A or B) and `trust_agree`. `ses_class` is ordered from E to A;
        `neighbours` and `trusted_person` are 1 for yes and 2 for no, as in the file, in an order by
        which yes counts: 2 < 1.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.datasets.peru_example()
    >>> df["member"].value_counts().to_dict()
    {1: 1004, 0: 1003}
    """
    frame = make_example().data
    if not phone:
        frame = frame.loc[frame["mode"] == "in person"]
    bands = np.asarray(_BANDS, dtype=object)[np.searchsorted(_AGES, frame["age"], side="right")]
    helps = {
        name: pd.Categorical(frame[name], categories=(2, 1), ordered=True)
        for name in ("neighbours", "trusted_person")
    }
    return frame.assign(
        **helps,
        ses_class=pd.Categorical(frame["ses_class"], categories=_CLASSES, ordered=True),
        age_band=pd.Categorical(bands, categories=_BANDS, ordered=True),
        ses_top=frame["ses_class"].isin(["A", "B"]).astype("int64"),
        trust_agree=(frame["trust"] >= 4).astype("int64"),
    )


def published(name: str) -> pd.DataFrame:
    """The printed numbers of a published report.

    Parameters
    ----------
    name
        kenya, peru, philippines or poland.

    Returns
    -------
    DataFrame
        A row a number: where it stands, of whom, what it is of, its value and base.

    Raises
    ------
    InputError
        For a name that is not shipped.

    Examples
    --------
    >>> import coopgap as cg
    >>> cg.datasets.published("peru")["stat"].unique().tolist()
    ['count', 'percent', 'mean', 'not printed', 'points']
    """
    if name not in SHIPPED:
        raise InputError("name", f"is {name!r}", f"shipped: {', '.join(SHIPPED)}")
    names = [item.name for item in fields(Printed)]
    rows = load_registry(name).rows
    frame = pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)
    return frame.astype({"base": "Int64", "rank": "Int64", "within": "Int64"})


def peru_population() -> pd.DataFrame:
    """People of Peru aged 16 and over in 2019 by age and sex.

    Returns
    -------
    DataFrame
        Columns age_band, sex and population. It describes the country, not members.

    Examples
    --------
    >>> import coopgap as cg
    >>> bool(cg.datasets.peru_population()["population"].sum() > 20_000_000)
    True
    """
    return pd.read_csv(shipped_folder("peru") / "peru_2019_population_16plus.csv")


def read_survey(
    path: str | Path, *, encoding: str | None = None, study: str | Path | None = None
) -> pd.DataFrame:
    """Read a survey file: CSV, SPSS, Stata, SAS, Excel, Parquet and others.

    Parameters
    ----------
    path
        The file.
    encoding
        Of its text; as detected if absent.
    study
        A study folder, or the name of a shipped study, whose codebook is applied as in a run.

    Returns
    -------
    DataFrame
        Codes as they stand; blanks, and codes that the file itself declares missing, are empty.
        `attrs` has the file's name as `source`, `labels` of the columns and `value_labels` of
        their codes. With `study` the people that a run takes, interviews by phone left out: its
        group as 1 and 0, the variables of its models as numbers or categories (ordered but for
        nominal ones), empty where missing, and under the columns' names zone and weight.

    Raises
    ------
    SurveyError
        Whatever is wrong with the file, or does not fit the codebook.
    StudyError
        Whatever is wrong with the study.

    Examples
    --------
    >>> import coopgap as cg
    >>> df = cg.read_survey("survey.sav")  # doctest: +SKIP
    >>> df = cg.read_survey("survey.sav", study="models/mine")  # doctest: +SKIP
    """
    if study is not None:
        return _by_codebook(Path(path), load_study(study), encoding)
    raw = read_table(Path(path), None, encoding)
    frame = pd.DataFrame({name: _column(raw, name) for name in raw.columns})
    frame.attrs |= {
        "source": raw.name,
        "labels": dict(raw.labels),
        "value_labels": dict(raw.value_labels),
    }
    return frame


def _by_codebook(path: Path, study: Study, encoding: str | None) -> pd.DataFrame:
    """The people of a run as its codebook has them."""
    raw = read_table(path, needed_columns(study), encoding or study.encoding)
    survey = apply_codebook(raw, study)
    made = {name: _answers(survey, name) for name in survey.codes}
    if survey.zone is not None:
        zone = study.design.zone[0] if len(study.design.zone) == 1 else "zone"
        made[zone] = np.asarray(survey.zone_labels, dtype=object)[survey.zone]
    if survey.weight is not None:
        made[str(study.design.weight)] = survey.weight
    made[study.group.column] = survey.member.astype(np.int64)
    if survey.is_example:
        made[MARK] = EXAMPLE
    frame = pd.DataFrame(made).loc[~survey.phone].reset_index(drop=True)
    labels = {name: one.label for name, one in survey.variables.items() if one.label}
    frame.attrs |= {"source": survey.source, "labels": labels}
    return frame


def _answers(survey: Survey, name: str) -> Any:
    """A variable's numbers or levels, empty where missing."""
    variable, codes = survey.variables[name], survey.codes[name]
    if name in survey.numeric:
        return np.where(codes < 0, np.nan, survey.numeric[name].values[codes])
    ordered = variable.type != "nominal"
    return pd.Categorical.from_codes(codes, pd.Index(variable.levels), ordered=ordered)


def _column(raw: RawTable, name: str) -> pd.Series[Any]:
    """A column as numbers, where each of its texts is one, or as it stands; empty where missing."""
    answers = raw.answers(name)
    blank = np.array([not text.strip() for text in answers.texts], dtype=bool)
    missing = file_missing(raw, name) | blank
    values: list[Any] = list(answers.values)
    if answers.numeric:
        kept = [value for value, out in zip(values, missing, strict=True) if not out]
        numbers, problem = read_numbers(kept, raw.decimal_commas, raw.delimiter)
        if not problem and all(number is not None for number in numbers):
            found = iter(numbers)
            values = [None if out else next(found) for out in missing]
    column = pd.Series([*values, None], dtype=object).where(~np.append(missing, True), None)
    return column.iloc[answers.index].reset_index(drop=True).convert_dtypes()


def describe(data: str | Path | Columns, *, encoding: str | None = None) -> str:
    """Draft a study.toml from a file's own labels or from a frame, to be edited.

    Parameters
    ----------
    data
        A survey file, or a table.
    encoding
        Of a file's text.

    Returns
    -------
    str
        TOML; decisions are marked `# EDIT`.

    Raises
    ------
    SurveyError
        Whatever is wrong with the file or the table.

    Examples
    --------
    >>> import coopgap as cg
    >>> text = cg.describe(cg.datasets.peru_example())
    >>> "[group]" in text
    True
    """
    if isinstance(data, str | Path):
        path = Path(data)
        return draft_study(read_table(path, None, encoding), str(path.resolve()), encoding)
    return draft_study(from_dataframe(data), "survey.csv")
