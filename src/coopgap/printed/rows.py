"""Everything a report's printed numbers say, as rows, and where each of them went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coopgap.core.estimate import Rows
from coopgap.datasets.registry import ALL, Printed, Registry, load_registry
from coopgap.families.benchmark import standardised_name
from coopgap.printed.checks import (
    PHONE_ITEM,
    bound_rows,
    design_effect_rows,
    gradient_rows,
    phone_rows,
)
from coopgap.printed.compare import (
    coefficient_rows,
    line_rows,
    once,
    people_of,
    points_row,
    proportionality_rows,
    superiority_rows,
)
from coopgap.printed.contradictions import contradictions
from coopgap.printed.items import name_of, tables
from coopgap.printed.lines import Line, lines, ordered, outside_lines
from coopgap.printed.sample import balance_rows, covariates, sample_rows
from coopgap.study.spec import Benchmark

if TYPE_CHECKING:
    import pandas as pd

_COMPARED = ("non-member", "non-members", "comparison")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """One printed number with the models of gaps.csv it is used in, or a reason for none."""

    printed: Printed
    models: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class PrintedResult(Rows):
    """Rows of the output tables that come from a printed report, and what they were made of.

    `lines` are in the order of the registry; `traced` is every number, with the rows it stands
    behind; `benchmarks` are the outside shares that have an item's levels.
    """

    registry: Registry
    lines: tuple[Line, ...]
    traced: tuple[Traced, ...]
    benchmarks: tuple[Benchmark, ...] = ()


def printed_rows(source: str | Path, benchmarks: Sequence[Benchmark] = ()) -> PrintedResult:
    """Re-analyse a printed report, a shipped registry or a file, beside a study's benchmarks."""
    return analyse(load_registry(source), benchmarks)


def analyse(registry: Registry, benchmarks: Sequence[Benchmark] = ()) -> PrintedResult:
    """Every comparison that the numbers of a registry allow, and those with outside shares."""
    drawn = (*lines(registry), *outside_lines(registry, benchmarks))
    used = tuple(line for line in drawn if line.is_used)
    pairs, sample = tuple(ordered(registry)), covariates(registry)
    size = registry.base_of(*_COMPARED)
    tested = [(pair, people_of(pair, size)) for pair in pairs if pair.line.role != "covariate"]
    points = [row for row in registry.rows if row.stat == "points"]
    gaps = (
        *line_rows(used),
        *(row for pair in pairs for row in superiority_rows(pair)),
        *bound_rows(used, sample),
        *(points_row(row) for row in points),
    )
    phone = tuple(phone_rows(registry, used))
    names = {line.comparator for line in used}
    return PrintedResult(
        registry=registry,
        gaps=once(gaps),
        coefficients=tuple(row for pair in tested for row in coefficient_rows(*pair)),
        balance=tuple(balance_rows(sample)),
        sensitivity=(*design_effect_rows(used), *gradient_rows(used, sample), *phone),
        diagnostics=(
            *sample_rows(sample),
            *(row for pair in tested for row in proportionality_rows(*pair)),
            *contradictions(registry),
        ),
        lines=used,
        traced=tuple(_trace(registry, used, points, powered=bool(phone))),
        benchmarks=tuple(
            one for one in benchmarks if names & {one.name, standardised_name(one.name)}
        ),
    )


def _trace(
    registry: Registry, used: Iterable[Line], points: Iterable[Printed], *, powered: bool
) -> Iterator[Traced]:
    """Every number of the registry, in its order; `powered` where there is a check by phone."""
    models: dict[str, dict[str, None]] = defaultdict(dict)
    for row in points:
        models[row.id][f"printed_{name_of(row)}"] = None
    for line in used:
        for side in (line.member, line.other):
            for number in () if side is None else side.ids:
                models[number][f"printed_{line.slug}"] = None
    repeats = {
        other: number
        for table in tables(registry)
        for number, same in table.same.items()
        for other in same
    }
    for row in registry.rows:
        named = tuple(models.get(row.id, ()))
        reason = _reason(row, repeats, used=bool(named), powered=powered)
        yield Traced(printed=row, models=named, reason=reason)


def _reason(row: Printed, repeats: Mapping[str, str], *, used: bool, powered: bool) -> str:
    if used:
        return f"prints the same as {repeats[row.id]}" if row.id in repeats else ""
    if row.stat == "not printed":
        return row.note or "no number is printed"
    if row.item == "sample size":
        return "the size of a sample"
    if row.item == PHONE_ITEM and powered:
        return "the phone interviews: their power stands in sensitivity.csv"
    if row.stat == "mean":
        return "a mean without a spread: no interval can be made"
    if row.stat == "count" and row.base is None:
        return "a count, not a share of people: it has no sampling error to show"
    if row.group == ALL and row.stat == "percent":
        return "both groups together: no gap in it, and a percentage is not checked against parts"
    if row.group == ALL:
        return "both groups together: only checked to be their sum"
    return "no base is printed and nothing is printed beside it: no interval can be made"


def registry_frame(traced: Iterable[Traced]) -> pd.DataFrame:
    """Every printed number with the models it is used in, or why it is in none."""
    import pandas as pd

    records = []
    for number in traced:
        row = number.printed
        printed = row.stat != "not printed"
        records.append(
            {
                "id": row.id,
                "source": row.place,
                "group": row.group,
                "item": row.item,
                "category": row.category,
                "stat": row.stat,
                # A whole number where no decimals are printed.
                "value": (row.value if row.decimals else int(row.value)) if printed else None,
                "base_n": row.base,
                "models": "; ".join(number.models),
                "reason": number.reason,
            }
        )
    return pd.DataFrame(records, dtype=object)
