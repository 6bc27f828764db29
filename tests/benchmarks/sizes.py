"""Invented surveys of any size, each with a study folder: for benchmarks of whole runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """People, zones, regions, and covariates of so many levels each beside age and sex.

    With departments the study is as the shipped one of Peru: a second, yes/no outcome, both with a
    hierarchical model, and groups by sex.
    """

    people: int
    zones: int
    regions: int
    departments: int = 0
    covariates: int = 0
    levels: int = 12

    def __str__(self) -> str:
        counted = [
            f"{count:,} {name}"
            for name, count in (
                ("people", self.people),
                ("zones", self.zones),
                ("departments", self.departments),
                ("regions", self.regions),
                ("covariates", self.covariates),
            )
            if count
        ]
        return ", ".join(counted)


def survey(size: Size, seed: int = 1) -> pd.DataFrame:
    """One person a row, with a gap of a third of a log odds and zones that differ."""
    rng = np.random.default_rng(seed)
    zone = np.arange(size.people) % size.zones
    age, sex = rng.integers(0, 5, size.people), rng.integers(0, 2, size.people)
    more = rng.integers(0, size.levels, (size.people, size.covariates))
    member = rng.random(size.people) < 1 / (1 + np.exp(0.3 - 0.15 * age))
    latent = 0.33 * member + 0.1 * age + rng.normal(0, 0.4, size.zones)[zone]
    latent += more[:, :3].sum(axis=1) * 0.02 + rng.logistic(size=size.people)
    department = zone % size.departments if size.departments else zone
    return pd.DataFrame(
        {
            "member": member.astype(np.int64),
            "answer": np.digitize(latent, [-1.0, 0.0, 1.2, 2.5]),
            "agrees": (latent + rng.logistic(size=size.people) > 0.5).astype(np.int64),
            "zone": zone,
            "department": department,
            "region": department % size.regions,
            "age": age,
            "sex": sex,
            **{f"c{k}": more[:, k] for k in range(size.covariates)},
        }
    )


def _nominal(name: str, n_levels: int) -> str:
    levels = ", ".join(f'"{level}"' for level in range(n_levels))
    return f'[variables.{name}]\nlabel = "{name}"\ntype = "nominal"\nlevels = [{levels}]\n'


def write_study(size: Size, folder: Path) -> Path:
    """A study folder with its survey; the model is matched exactly within regions."""
    folder.mkdir(parents=True)
    survey(size).to_parquet(folder / "survey.parquet", index=False)
    more = [f"c{k}" for k in range(size.covariates)]
    outcomes = ["answer", "agrees"] if size.departments else ["answer"]
    sex = _nominal("sex", 2) + ("groups = true\n" if size.departments else "")
    parts = [
        f'title = "{size}"\nsurvey = "survey.parquet"\n',
        '[group]\ncolumn = "member"\nmember = 1\ncomparison = 0\n',
        '[design]\nregion = "region"\nzone = "zone"\n',
        "[headline]\n" + "".join(f'{name} = "{name}"\n' for name in outcomes),
        *(
            _nominal(name, n_levels).replace("nominal", "ordinal")
            for name, n_levels in zip(outcomes, (5, 2), strict=False)
        ),
        _nominal("region", size.regions),
        _nominal("age", 5),
        sex,
        *(_nominal(name, size.levels) for name in more),
    ]
    (folder / "study.toml").write_text("\n".join(parts), encoding="utf-8")
    covariates = ", ".join(f'"{name}"' for name in ["age", "sex", "region", *more])
    strata = "" if more else ', "age", "sex"'
    hierarchical = "\n[hierarchical]\n" if size.departments else ""
    for outcome in outcomes:
        (folder / f"{outcome}.toml").write_text(
            f'outcome = "{outcome}"\ncovariates = [{covariates}]\n\n'
            f'[matching]\nmethod = "exact"\non = ["region"{strata}]\n{hierarchical}',
            encoding="utf-8",
        )
    return folder
