"""Write the example survey's in-person rows for R: `python tests/r/example.py`.

Only the columns that tests/r/example.R uses, so that the file stays small.
"""

from __future__ import annotations

from pathlib import Path

from coopgap.survey.example import make_example

COLUMNS = [
    "member",
    "region",
    "zone",
    "sex",
    "age",
    "ses_class",
    "trusted_person",
    "provenance",
]
PLACE = Path(__file__).parent / "data" / "example.csv"


def extract() -> str:
    """The file's text: 2,007 people, the shipped seed, totals as printed."""
    data = make_example().data
    in_person = data.loc[data["mode"] == "in person", COLUMNS]
    return in_person.to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    PLACE.write_text(extract(), encoding="utf-8", newline="\n")
