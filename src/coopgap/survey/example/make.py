"""The example survey, its truth, and its files with labels where the format has them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import OutputError
from coopgap.core.vocabulary import EXAMPLE, Quantity
from coopgap.survey.example import model as printed
from coopgap.survey.example.model import (
    DEFAULT,
    DEPARTMENTS,
    REGION_NAMES,
    ExampleModel,
    OutcomeModel,
)
from coopgap.survey.example.people import (
    People,
    calibrate,
    cut_to_totals,
    draw_people,
    draw_zones,
    linear_predictor,
    logistic,
)
from coopgap.survey.raw import Answers

if TYPE_CHECKING:
    import pandas as pd

SEED = 20200131
CLASSES = ("E", "D", "C", "B", "A")
EDUCATION = ("none or primary", "secondary", "technical", "university")
COOPERATIVES = ("agrarian", "SACCO", "special or multi-service", "housing", "other")
# The report prints no group sizes of the co-operative types; these shares are declared.
COOPERATIVE_SHARES = (0.30, 0.40, 0.15, 0.08, 0.07)


@dataclass(frozen=True, kw_only=True)
class Example:
    """An example survey, the model as used, and the people that were drawn before they answered.

    One row a person: members in person, non-members in person, non-members by phone.
    """

    columns: Mapping[str, Answers]
    model: ExampleModel
    people: People

    @cached_property
    def data(self) -> pd.DataFrame:
        """The columns as a DataFrame."""
        import pandas as pd

        def series(answers: Answers) -> pd.Series[Any]:
            text = isinstance(answers.values[0], str)
            values = np.array(answers.values, dtype=object if text else np.int64)
            column, absent = pd.Series(values[answers.index]), answers.index < 0
            with_gaps = column.astype("string" if text else "Int64").mask(absent)
            return with_gaps if absent.any() else column

        return pd.DataFrame({name: series(answers) for name, answers in self.columns.items()})

    @cached_property
    def truth(self) -> pd.DataFrame:
        """Conditional gaps as declared, and gaps standardised over members, zones integrated.

        In calibrated mode the printed totals are exact, so the truth holds only approximately.
        """
        return _truth(self.people, self.model)


def make_example(
    n: int = printed.N_MEMBER + printed.N_COMPARISON,
    *,
    seed: int = SEED,
    mode: Literal["calibrated", "free"] = "calibrated",
    model: ExampleModel = DEFAULT,
) -> Example:
    """Make an example survey of n people in person, and in proportion by phone: 250 for 2,007.

    `calibrated` has the printed totals exactly, for the printed n alone; in `free` mode totals of
    the same model vary, for an n of 100 or more. The same seed gives the same survey.
    """
    total = printed.N_MEMBER + printed.N_COMPARISON
    exact = mode == "calibrated"
    if n < 100 or (exact and n != total):
        raise ValueError(f"n must be {total} in calibrated mode and at least 100 in free mode")
    rng = np.random.default_rng(seed)
    n_member = round(n * printed.N_MEMBER / total)
    sizes = (n_member, n - n_member, round(n * printed.N_PHONE / total))
    people = draw_people(rng, model, sizes, exact=exact)
    n_zones = sum(zones for _, _, zones in DEPARTMENTS)
    levels, used = {}, {}
    for name, declared in model.outcomes.items():
        zones = draw_zones(rng, model, n_zones)
        outcome = calibrate(people, name, declared, zones) if exact else declared
        latent = linear_predictor(people, outcome, zones, people.member)
        latent = latent + rng.logistic(size=people.n)
        levels[name] = (
            cut_to_totals(people, name, outcome, latent)
            if exact
            else np.searchsorted(outcome.thresholds, latent)
        )
        used[name] = outcome
    as_used = replace(model, outcomes=used)
    return Example(columns=_columns(rng, people, levels), model=as_used, people=people)


def _columns(
    rng: np.random.Generator, people: People, levels: dict[str, IntArray]
) -> dict[str, Answers]:
    departments = tuple(name for name, _, _ in DEPARTMENTS)
    kind = rng.choice(len(COOPERATIVES), people.n, p=COOPERATIVE_SHARES)
    years = np.minimum(rng.geometric(0.12, people.n), people.age - 15)
    return {
        "id": _answers(np.arange(1, people.n + 1)),
        "member": _answers(people.member.astype(np.int64)),
        "mode": _answers(people.phone.astype(np.int64), ("in person", "phone")),
        "department": _answers(people.department, departments),
        "region": _answers(people.region, REGION_NAMES),
        "zone": _answers(people.zone + 1),
        "sex": _answers(people.female.astype(np.int64), ("male", "female")),
        "age": _answers(people.age),
        "education": _answers(people.education, EDUCATION),
        "ses_class": _answers(levels["ses_class"], CLASSES),
        "trust": _answers(levels["trust"] + 1),
        "trusted_person": _answers(2 - levels["trusted_person"]),
        "neighbours": _answers(2 - levels["neighbours"]),
        "coop_type": _answers(kind, COOPERATIVES, people.member),
        "years_member": _answers(years, given=people.member),
        "provenance": _answers(np.zeros(people.n, dtype=np.int64), (EXAMPLE,)),
    }


def _answers(codes: IntArray, names: Sequence[str] = (), given: BoolArray | None = None) -> Answers:
    """Numbers, or the names that they stand for, in the order in which they come; where `given`."""
    answered = codes if given is None else codes[given]
    found, first, place = np.unique(answered, return_index=True, return_inverse=True)
    order = np.argsort(first)
    index = np.full(codes.size, -1, dtype=np.int64)
    index[slice(None) if given is None else given] = np.argsort(order)[place]
    values = [names[code] if names else code for code in found[order].tolist()]
    return Answers(values=tuple(values), index=index)


def _truth(people: People, model: ExampleModel) -> pd.DataFrame:
    import pandas as pd

    levels = {
        "ses_class": CLASSES,
        "trust": ("strongly disagree", "disagree", "neither", "agree", "strongly agree"),
        "trusted_person": ("no", "yes"),
        "neighbours": ("no", "yes"),
    }
    rows: list[tuple[str, str, str, str, float]] = []
    groups = [("all", people.member)]
    groups += [
        (f"region={name}", people.member & (people.region == place))
        for place, name in enumerate(REGION_NAMES)
    ]
    for name, outcome in model.outcomes.items():
        for place, region in enumerate(REGION_NAMES):
            rows.append((name, f"region={region}", "log_odds", "", outcome.gap[place]))
        gaps = _person_gaps(people, outcome, model)
        for group, here in groups:
            for j, gap in enumerate(gaps[:, here].mean(axis=1)):
                category = f">={levels[name][j + 1]}" if len(levels[name]) > 2 else ""
                rows.append((name, group, Quantity.RISK_DIFFERENCE, category, float(gap)))
    return pd.DataFrame(rows, columns=["outcome", "group", "quantity", "category", "estimate"])


def _person_gaps(people: People, outcome: OutcomeModel, model: ExampleModel) -> FloatArray:
    """Each person's true gap at each threshold, shape (J - 1, n), in person, zones integrated."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()
    in_person = replace(people, phone=np.zeros(people.n, dtype=np.bool_))

    def shares(member: bool, spread: float) -> FloatArray:
        side: BoolArray = np.full(people.n, member)
        eta = linear_predictor(in_person, outcome, None, side)
        total = np.zeros((len(outcome.thresholds), people.n))
        for node, weight in zip(nodes, weights, strict=True):
            for j, threshold in enumerate(outcome.thresholds):
                total[j] += weight * logistic(eta + spread * node - threshold)
        return total

    with_gap = float(np.hypot(model.zone_sd, model.zone_gap_sd))
    return shares(True, with_gap) - shares(False, model.zone_sd)


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
EXTENSIONS = (".csv", ".parquet", ".sav", ".dta")
FILE_LABEL = f"{EXAMPLE}: coopgap example survey, not a survey of Peru"


def _write(frame: pd.DataFrame, path: Path) -> None:
    """By the path's extension, with labels where the format has them."""
    import pyreadstat

    labels: dict[str, Any] = {
        "column_labels": [f"{LABELS[name]} [{EXAMPLE}]" for name in frame.columns],
        "variable_value_labels": VALUE_LABELS,
    }
    match path.suffix.lower():
        case ".csv":
            frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
        case ".parquet":
            frame.to_parquet(path, index=False, engine="pyarrow", write_page_checksum=True)
        case ".sav":
            pyreadstat.write_sav(_plain(frame), str(path), file_label=FILE_LABEL[:64], **labels)
        case _:
            pyreadstat.write_dta(_plain(frame), str(path), file_label=FILE_LABEL[:80], **labels)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that SPSS and Stata can hold: text without gaps, numbers as floats."""
    return frame.assign(
        coop_type=frame["coop_type"].fillna("").astype(object),
        years_member=frame["years_member"].astype("float64"),
    )


def write_example(frame: pd.DataFrame, path: Path) -> None:
    """Write `Example.data` by the path's extension; the file appears whole or not at all."""
    if path.suffix.lower() not in EXTENSIONS:
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
        _write(frame, whole)
        whole.replace(path)
