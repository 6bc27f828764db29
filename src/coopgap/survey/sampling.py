"""How a survey was sampled, as its file has it: zones, strata, fractions, weights, replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from coopgap.core.arrays import BoolArray, FloatArray, IntArray
from coopgap.core.errors import SurveyError
from coopgap.study.spec import Replicates as DeclaredReplicates
from coopgap.study.spec import Study
from coopgap.survey.drawn import Drawn, count_drawn
from coopgap.survey.levels import MISSING, look_up, numbers_of
from coopgap.survey.raw import RawTable, expand
from coopgap.survey.records import Replicates
from coopgap.survey.values import file_missing, natural_order

_ROUNDING: Final = 1e-3
"""How far factors of weights may be apart that are the same but for their decimals."""

type Rows = IntArray | slice
"""Which rows of the file."""


def place_labels(raw: RawTable, columns: tuple[str, ...]) -> tuple[list[str], IntArray]:
    """Labels of columns joined, numbers in their order, and each row's; -1 where any is blank."""
    parts = []
    for answers in map(raw.answers, columns):
        names = sorted({text for text in answers.texts if text}, key=natural_order)
        parts.append((names, look_up(answers, {name: place for place, name in enumerate(names)})))
    if len(parts) == 1:
        return parts[0]
    codes = np.column_stack([index for _, index in parts])
    known = (codes >= 0).all(axis=1)
    found, place = np.unique(codes[known], axis=0, return_inverse=True)
    index = np.full(raw.n_rows, MISSING, dtype=np.int64)
    index[known] = place.ravel()
    names = [
        " / ".join(labels[code] for (labels, _), code in zip(parts, row, strict=True))
        for row in found.tolist()
    ]
    return names, index


def used_labels(names: list[str], index: IntArray, rows: Rows) -> tuple[IntArray, tuple[str, ...]]:
    """Indices of some rows, renumbered over the labels that they use."""
    codes = index[rows]
    used = np.bincount(codes, minlength=len(names)) > 0
    return (np.cumsum(used) - 1)[codes], tuple(names[place] for place in np.flatnonzero(used))


def sampling_weight(raw: RawTable, study: Study, rows: Rows) -> FloatArray | None:
    """Weights of some rows, all positive; None where none are declared."""
    column = study.design.weight
    if column is None:
        return None
    weight: FloatArray = raw.answers(column).rows(numbers_of(raw, column), np.nan)[rows]
    bad = ~(np.isfinite(weight) & (weight > 0))
    if bad.any():
        raise raw.refusal(
            column,
            f"{int(bad.sum())} weights are missing, zero, negative or not numbers",
            "every sampling weight is a positive number",
        )
    return weight


def replicate_weights(
    raw: RawTable,
    study: Study,
    rows: Rows,
    weight: FloatArray,
    groups: Mapping[str, BoolArray],
) -> Replicates | None:
    """Replicate weights, each column looked at by itself: there may be hundreds.

    `groups` are people who were asked in person, by what they are called.
    """
    declared = study.design.replicates
    if declared is None:
        return None
    columns = expand(declared.columns, raw.columns)
    scale, rscales = _scales(raw, declared, columns)
    if study.design.weight in columns:
        raise raw.refusal(
            str(study.design.weight),
            "is design.weight, and design.replicates.columns takes it in too",
            "name the replicate weights alone",
        )
    weights, leaves_out = np.empty((weight.size, len(columns))), True
    for place, column in enumerate(columns):
        own = replace(raw, data={column: raw.data[column]})
        numbers = numbers_of(own, column)
        numbers[file_missing(own, column)] = np.nan
        # A negative zero would be another number to a hash.
        weights[:, place] = own.answers(column).rows(numbers, np.nan)[rows] + 0.0
        bad = int((~(weights[:, place] >= 0) | np.isinf(weights[:, place])).sum())
        if bad:
            raise raw.refusal(
                column,
                f"{bad} replicate weights are missing, negative or not numbers",
                "every replicate weight is a number, 0 or more",
            )
        for who, people in groups.items():
            if not weights[people, place].any():
                raise raw.refusal(
                    column, f"no {who} have any weight", "both groups have weight in each replicate"
                )
        factors = (weights[:, place] / weight)[weights[:, place] > 0]
        leaves_out &= bool(np.ptp(factors) <= _ROUNDING * factors.min())
    return Replicates(
        type=declared.type,
        weights=weights,
        whole=weight,
        scale=scale,
        rscales=rscales,
        leaves_out=leaves_out,
    )


def _scales(
    raw: RawTable, declared: DeclaredReplicates, columns: Sequence[str]
) -> tuple[float, FloatArray]:
    """The factor of all squares, and of each replicate's."""
    n = len(columns)
    key = f"{raw.where}: design.replicates"
    if n < 2:
        raise SurveyError(f"{key}.columns", f"{n} column is there", "two replicates or more")
    if len(declared.rscales) not in (0, 1, n):
        raise SurveyError(
            f"{key}.rscales",
            f"{len(declared.rscales)} numbers for {n} replicates",
            f"give {n}, one a replicate, or one of all",
        )
    usual = {"BRR": 1 / n, "JK1": (n - 1) / n, "JKn": 1.0, "bootstrap": 1 / (n - 1)}
    scale = usual[declared.type] if declared.scale is None else declared.scale
    return scale, np.broadcast_to(declared.rscales or (1.0,), (n,)).astype(np.float64)


def read_drawn(
    raw: RawTable, study: Study, rows: Rows, lacking: BoolArray
) -> tuple[IntArray | None, Drawn | None]:
    """The stratum of some rows, shape (n,), and what was drawn over all rows of the table.

    A unit counts as drawn whether or not anybody of it is among `rows`: those without an answer,
    asked by phone or in neither group were drawn too. `lacking`, by row of the table, has nothing
    in a column of the design.
    """
    design = study.design
    if not (design.strata or design.fpc):
        return None, None
    everyone = np.zeros(raw.n_rows, dtype=np.int64)
    labels, stratum = place_labels(raw, design.strata) if design.strata else ([], everyone)
    zone = place_labels(raw, design.zone)[1] if design.zone else None
    there = ~lacking & (stratum >= 0)
    names = [labels[place] for place in np.unique(stratum[there])] if labels else []
    index = np.full(raw.n_rows, MISSING, dtype=np.int64)
    index[there] = np.unique(stratum[there], return_inverse=True)[1]

    def refusal(key: str, found: str, allowed: str) -> Exception:
        columns = getattr(design, key) or design.fpc
        return raw.refusal(", ".join(columns), found, allowed)

    fpc = [raw.answers(one).rows(numbers_of(raw, one), np.nan)[there] for one in design.fpc]
    zones = None if zone is None else np.unique(zone[there], return_inverse=True)
    drawn = count_drawn(
        index[there],
        None if zones is None else zones[1],
        _people(raw, study)[there],
        refuse=refusal,
        labels=tuple(names),
        fpc=fpc,
        lonely=design.lonely,
    )
    if zones is not None and zone is not None:
        drawn = drawn.for_zones(np.searchsorted(zones[0], np.unique(zone[rows])))
    return index[rows], drawn


def _people(raw: RawTable, study: Study) -> IntArray:
    """A number for each person by row: who has several rows was drawn once."""
    each = np.arange(raw.n_rows)
    if study.design.id is None:
        return each
    index = raw.answers(study.design.id).index
    return np.asarray(np.where(index < 0, index.size + each, index))
