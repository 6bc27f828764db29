"""Write the example survey's rows for R, a file a mode: `python tests/r/example.py`.

Only the columns that tests/r/example.R and tests/r/phone.R use, so that the files stay small.
"""

from __future__ import annotations

from pathlib import Path

from coopgap.survey.example import make_example

COLUMNS = ["member", "region", "zone", "sex", "age", "ses_class", "trusted_person", "provenance"]
PLACES = {
    "in person": Path(__file__).parent / "data" / "example.csv",
    "phone": Path(__file__).parent / "data" / "example_phone.csv",
}


def extract(mode: str = "in person") -> str:
    """The file's text: 2,007 people in person or 250 by phone, the shipped seed, printed totals."""
    data = make_example().data
    return data.loc[data["mode"] == mode, COLUMNS].to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    for mode, place in PLACES.items():
        place.write_text(extract(mode), encoding="utf-8", newline="\n")
