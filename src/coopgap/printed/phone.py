"""What the printed phone interviews could have confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coopgap.checks.retrodesign import DESIGN_EFFECTS
from coopgap.core.estimate import SensitivityRow
from coopgap.core.tost import power_at_zero, smallest_margin
from coopgap.core.vocabulary import PRINTED, Check, Comparator, Family, Population, Quantity
from coopgap.datasets.registry import Registry
from coopgap.printed.records import Line
from coopgap.printed.standardise import standardisable

ITEM = "phone subsample"
"""The registry's item that counts people reached by phone."""

MARGINS = (0.05, 0.06, 0.07, 0.10)
"""Margins, on the probability scale, for which the power is shown."""


def phone_rows(registry: Registry, found: Iterable[Line]) -> Iterator[SensitivityRow]:
    """Power of two one-sided tests of the phone interviews against the comparison sample.

    Yields
    ------
    SensitivityRow
        `threshold` is the margin and `power` the probability to confirm that a share differs by
        less, if phone and in-person people answer alike with the printed share. Then, as
        `smallest_margin`, the margin that would be confirmed with a probability of 80 percent.
        Nothing where no phone interviews are printed.
    """
    counts = [row for row in registry.find(item=ITEM) if row.stat == "count"]
    if not counts:
        return
    called = int(counts[0].value)
    for line in standardisable(found):
        if line.other is None or line.other.n is None:
            continue
        share = line.other.value
        for factor in DESIGN_EFFECTS:
            variance = factor * share * (1 - share) * (1 / called + 1 / line.other.n)
            std_error = variance**0.5
            if std_error > 0:
                yield from _rows(line, factor, std_error, (called, line.other.n))


def _rows(
    line: Line, factor: float, std_error: float, people: tuple[int, int]
) -> Iterator[SensitivityRow]:
    called, asked = people
    base = {
        "check": Check.PHONE_EQUIVALENCE,
        "variant": f"power at design effect {factor:g}",
        "model": f"printed_{line.slug}",
        "family": Family.PRINTED,
        "outcome": line.outcome,
        "comparator": Comparator.PHONE,
        "group": line.group,
        "population": Population.PRINTED,
        "category": line.category,
        "std_error": std_error,
        "setting": factor,
        "source": PRINTED,
    }
    for margin in MARGINS:
        yield SensitivityRow(
            **base,  # type: ignore[arg-type]
            quantity=Quantity.RISK_DIFFERENCE,
            threshold=margin,
            power=power_at_zero(std_error, margin),
            n=called,
            note=f"{called:,} phone interviews against {asked:,}.",
        )
    yield SensitivityRow(
        **base,  # type: ignore[arg-type]
        quantity="smallest_margin",
        estimate=smallest_margin(std_error),
        power=0.8,
    )
