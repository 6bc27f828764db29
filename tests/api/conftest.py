"""Frames that the verbs are tried on, and R's numbers on the same files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

R = Path(__file__).parents[1] / "r"
BANDS = ["<25", "25-34", "35-44", "45-54", "55-64", "65+"]
REGIONS = ["Lima", "Center", "East", "North", "South"]


@pytest.fixture(scope="session")
def fixture():
    """R's numbers by the name of their file."""
    return lambda name: json.loads((R / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def table():
    """A file that R read too."""
    return lambda name: pd.read_csv(R / "data" / f"{name}.csv")


@pytest.fixture(scope="session")
def example(table):
    """The example survey as R read it, with its levels in order."""
    frame = table("example")
    age = np.asarray(BANDS)[np.searchsorted([25, 35, 45, 55, 65], frame["age"], side="right")]
    return frame.assign(
        ses_class=pd.Categorical(frame["ses_class"], list("EDCBA"), ordered=True),
        age_band=pd.Categorical(age, BANDS, ordered=True),
        sex=pd.Categorical(frame["sex"], ["male", "female"]),
        region=pd.Categorical(frame["region"], REGIONS),
        trusts=(frame["trusted_person"] == 1).astype(int),
    )


@pytest.fixture(scope="session")
def wine(table):
    """Wine with numbers for judges and weights that differ."""
    frame = table("wine")
    contact = pd.Categorical(frame["contact"], ["no", "yes"], ordered=True)
    return frame.assign(contact=contact, w=0.5 + (np.arange(len(frame)) % 7) / 4)


@pytest.fixture(scope="session")
def infert(table):
    """Infertility after abortion, with clusters that cross its sets."""
    frame = table("infert")
    return frame.assign(
        w=0.5 + (np.arange(len(frame)) % 7) / 4,
        member=(frame["spontaneous"] > 0).astype(int),
        cluster=frame["parity"] * 5 + frame["age"] % 5,
        pooled=frame["pooled.stratum"],
    )


@pytest.fixture(scope="session")
def lalonde(table):
    """Lalonde with identifiers by which ties go to the first row, as in MatchIt."""
    from coopgap.survey.ties import hashed, keyed_order, record_ties

    frame = table("lalonde")
    n = len(frame)
    order = keyed_order(record_ties([hashed([str(at) for at in range(n)])]), 0)
    return frame.assign(person=np.arange(n)[order])
