"""Everything a report's printed numbers say, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coopgap.core.estimate import BalanceRow, CoefficientRow, DiagnosticRow, GapRow, SensitivityRow
from coopgap.datasets.registry import Printed, Registry, load_registry
from coopgap.families.benchmark import standardised_name
from coopgap.printed.compare import line_rows, once, points_row, superiority_rows
from coopgap.printed.contradictions import contradictions
from coopgap.printed.design import Covariate, balance_rows, covariates, design_rows
from coopgap.printed.items import slug_of
from coopgap.printed.lines import lines, ordered
from coopgap.printed.outside import outside_lines
from coopgap.printed.phone import phone_rows
from coopgap.printed.proportional import coefficient_rows, people_of, proportionality_rows
from coopgap.printed.records import Line, Ordered
from coopgap.printed.scenarios import scenario_rows
from coopgap.printed.standardise import bound_rows, gradient_rows
from coopgap.printed.trace import Traced, is_used, trace
from coopgap.study.spec import Benchmark

_COMPARED = ("non-member", "non-members", "comparison")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedResult:
    """Rows of the output tables that come from a printed report, and what they were made of.

    Attributes
    ----------
    lines
        In the order of the registry, with their places.
    covariates
        What the sample is made of.
    traced
        Every number, with the rows it stands behind.
    benchmarks
        Outside shares that members were compared with, if they share an item's levels.
    """

    registry: Registry
    gaps: tuple[GapRow, ...]
    coefficients: tuple[CoefficientRow, ...]
    balance: tuple[BalanceRow, ...]
    sensitivity: tuple[SensitivityRow, ...]
    diagnostics: tuple[DiagnosticRow, ...]
    lines: tuple[Line, ...]
    covariates: tuple[Covariate, ...]
    traced: tuple[Traced, ...]
    benchmarks: tuple[Benchmark, ...] = ()


def printed_rows(source: str | Path, benchmarks: Sequence[Benchmark] = ()) -> PrintedResult:
    """Re-analyse a printed report.

    Parameters
    ----------
    source
        A shipped registry, or the path of a registry file.
    benchmarks
        Outside shares that a study declares.

    Raises
    ------
    StudyError
        For a name that is not shipped, and for whatever is wrong with a file.
    """
    return analyse(load_registry(source), benchmarks)


def analyse(registry: Registry, benchmarks: Sequence[Benchmark] = ()) -> PrintedResult:
    """Every comparison that the numbers of a registry allow, and those with outside shares."""
    drawn = (*lines(registry), *outside_lines(registry, benchmarks))
    used = tuple(line for line in drawn if is_used(line))
    pairs, by = ordered(registry), covariates(registry)
    asked = registry.base_of(*_COMPARED)
    people = [(pair, people_of(pair, asked)) for pair in pairs]
    points = [row for row in registry.rows if row.stat == "points"]
    phone = tuple(phone_rows(registry, used))
    others = {row.id: f"printed_{_slug(row)}" for row in points}
    return PrintedResult(
        registry=registry,
        gaps=once(_gaps(used, pairs, by, points)),
        coefficients=tuple(
            row
            for pair, one in people
            if one is not None and pair.role != "covariate"
            for row in coefficient_rows(pair, one)
        ),
        balance=tuple(balance_rows(registry)),
        sensitivity=(
            *scenario_rows(used),
            *gradient_rows(used, by),
            *phone,
        ),
        diagnostics=(
            *design_rows(registry),
            *(
                row
                for pair, one in people
                if pair.role != "covariate"
                for row in proportionality_rows(pair, one)
            ),
            *contradictions(registry),
        ),
        lines=used,
        covariates=by,
        traced=tuple(trace(registry, used, others, powered=bool(phone))),
        benchmarks=_compared_benchmarks(used, benchmarks),
    )


def _compared_benchmarks(
    used: Sequence[Line], benchmarks: Sequence[Benchmark]
) -> tuple[Benchmark, ...]:
    names = {line.comparator for line in used}
    return tuple(one for one in benchmarks if names & {one.name, standardised_name(one.name)})


def _gaps(
    used: tuple[Line, ...],
    pairs: tuple[Ordered, ...],
    by: tuple[Covariate, ...],
    points: list[Printed],
) -> Iterator[GapRow]:
    for line in used:
        yield from line_rows(line)
    for pair in pairs:
        yield from superiority_rows(pair)
    yield from bound_rows(used, by)
    for row in points:
        yield points_row(row, _slug(row))


def _slug(row: Printed) -> str:
    return row.name or slug_of(row.item)
