"""Writing the example survey as a file, with labels where the format has them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coopgap.core.errors import OutputError
from coopgap.core.vocabulary import EXAMPLE

if TYPE_CHECKING:
    import pandas as pd

LABELS = {
    "id": "Person",
    "member": "Member of a co-operative",
    "mode": "How the interview was made",
    "department": "Department",
    "region": "Region",
    "zone": "Sampling zone",
    "sex": "Sex",
    "age": "Age in years",
    "education": "Highest education",
    "ses_class": "Socioeconomic class (A highest)",
    "trust": "Most people in the community can be trusted",
    "trusted_person": "Has somebody of trust to talk to in a crisis",
    "neighbours": "Could rely on neighbours for financial help",
    "coop_type": "Type of co-operative (members)",
    "years_member": "Years of membership (members)",
    "provenance": "Where this row comes from",
}
YES_NO: dict[int | float, str] = {1: "yes", 2: "no"}
VALUE_LABELS: dict[str, dict[int | float, str]] = {
    "member": {1: "member", 0: "non-member"},
    "trust": {1: "strongly disagree", 2: "disagree", 3: "neither", 4: "agree", 5: "strongly agree"},
    "trusted_person": YES_NO,
    "neighbours": YES_NO,
}
FILE_LABEL = f"{EXAMPLE}: coopgap example survey, not a survey of Peru"


def _csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def _parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False, engine="pyarrow", write_page_checksum=True)


def _spss(frame: pd.DataFrame, path: Path) -> None:
    import pyreadstat

    pyreadstat.write_sav(_plain(frame), str(path), file_label=FILE_LABEL[:64], **_labels(frame))


def _stata(frame: pd.DataFrame, path: Path) -> None:
    import pyreadstat

    pyreadstat.write_dta(_plain(frame), str(path), file_label=FILE_LABEL[:80], **_labels(frame))


def _labels(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "column_labels": [f"{LABELS[name]} [{EXAMPLE}]" for name in frame.columns],
        "variable_value_labels": VALUE_LABELS,
    }


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that SPSS and Stata can hold: text without gaps, numbers as floats."""
    return frame.assign(
        coop_type=frame["coop_type"].fillna("").astype(object),
        years_member=frame["years_member"].astype("float64"),
    )


EXTENSIONS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".sav": _spss,
    ".dta": _stata,
}
"""Writers by extension."""


def write_example(frame: pd.DataFrame, path: Path) -> None:
    """Write `Example.data` by the path's extension; the file appears whole or not at all."""
    writer = EXTENSIONS.get(path.suffix.lower())
    if writer is None:
        found, allowed = "cannot write this kind of file", f"allowed: {', '.join(EXTENSIONS)}"
        raise OutputError(str(path), found, allowed)
    if path.is_dir():
        raise OutputError(str(path), "is a folder", "name a file")
    try:
        folder = tempfile.TemporaryDirectory(prefix=".example-", dir=path.parent)
    except OSError as error:
        allowed = f"{error.strerror}; name a folder that exists"
        raise OutputError(str(path), "cannot be written", allowed) from error
    with folder:
        whole = Path(folder.name) / path.name
        writer(frame, whole)
        whole.replace(path)
