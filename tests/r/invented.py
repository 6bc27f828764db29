"""Write the invented people of the tests of files for R: `python tests/r/invented.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

PLACE = Path(__file__).parent / "data" / "invented.csv"

SILENT = np.random.default_rng(9).random(600) < 0.1
"""52 of 600 people, who give no answer."""


def invented(n: int = 600, zones: int = 40) -> pd.DataFrame:
    """Invented people whose answers follow membership, schooling, sex, age and place."""
    rng = np.random.default_rng(1)
    zone = rng.integers(0, zones, n)
    sex, age, school = rng.integers(0, 2, n), rng.integers(18, 80, n), rng.integers(1, 5, n)
    schooling = 0.3 * (school - 2.5)
    chance = -0.3 + schooling + 0.2 * sex + 0.01 * (age - 45)
    member = (rng.random(n) < 1 / (1 + np.exp(-chance))).astype(int)
    place = rng.normal(0, 0.3, zones)[zone]
    trust = 0.4 * member + schooling - 0.2 * sex + 0.01 * (age - 45) + place
    trust = trust + rng.logistic(size=n)
    yes = (trust + rng.normal(0, 1, n) > 0).astype(int)
    return pd.DataFrame(
        {
            "id": np.arange(1, n + 1),
            "member": member,
            "region": np.array(["North", "South", "East"])[zone % 3],
            "zone": zone + 1,
            "sex": np.array(["male", "female"])[sex],
            "age": age.astype(float),
            "yes": yes,
            "w": np.round(np.exp(rng.normal(0, 0.5, n)), 3),
        }
    )


def extract() -> str:
    """The file's text: 600 people, and who of them is silent."""
    return invented().assign(silent=SILENT.astype(int)).to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    PLACE.write_text(extract(), encoding="utf-8", newline="\n")
