"""Whatever registry can be read can be analysed, and its rows keep the rules of the tables."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.estimate import GAP_KEY, TABLES, to_frame
from coopgap.printed.registry import Printed, Registry
from coopgap.printed.rows import analyse
from coopgap.report.content.printed_report import printed_sections
from coopgap.report.printed_shape import printed_study
from coopgap.report.view import make_view
from coopgap.vocabulary import Status

GROUPS = ("member", "women members", "non-member", "national average", "all")
PLACES = ("Table 1", "Figure 1", "Text")
CATEGORIES = ("low", "middle", "high")


@st.composite
def registries(draw):
    rows = {}
    bases = {group: draw(st.sampled_from([None, 1, 7, 60, 1003])) for group in GROUPS}
    ordered = draw(st.booleans())
    role = draw(st.sampled_from(["", "covariate"]))
    items = ("class", "awareness", "access, of those aware")
    for number in range(draw(st.integers(1, 14))):
        place, group = draw(st.sampled_from(PLACES)), draw(st.sampled_from(GROUPS))
        item, category = draw(st.sampled_from(items)), draw(st.sampled_from(CATEGORIES))
        base = bases[group]
        stat = draw(st.sampled_from(["percent", "count", "points", "mean"]))
        most = 100 if stat != "count" or base is None else base
        row = Printed(
            id=f"X{number}",
            place=place,
            group=group,
            item=item,
            category=category,
            stat=stat,
            value=float(draw(st.integers(0, most))),
            base=base,
            note="",
            rank=CATEGORIES.index(category) + 1 if ordered and item == "class" else None,
            role=role if item == "class" else "",
        )
        rows[place, group, item, category] = row
    return Registry(name="any", rows=tuple(rows.values()))


@st.composite
def two_tables(draw):
    """Ordered shares of two groups that sum to a hundred, zeros among them."""
    rows = []
    for group in ("member", draw(st.sampled_from(["non-member", "national average"]))):
        base = draw(st.sampled_from([None, 12, 200]))
        first = draw(st.integers(0, 100))
        second = draw(st.integers(0, 100 - first))
        for rank, value in enumerate((first, second, 100 - first - second), start=1):
            rows.append(
                Printed(
                    id=f"X{len(rows)}",
                    place="Table 1",
                    group=group,
                    item="class",
                    category=CATEGORIES[rank - 1],
                    stat="percent",
                    value=float(value),
                    base=base,
                    note="",
                    rank=rank,
                )
            )
    return Registry(name="any", rows=tuple(rows))


def cells(sections):
    """Every cell of every table."""
    tables = [block for one in sections for block in one.blocks if block.kind == "table"]
    for table in tables:
        assert all(len(row) == len(table.header) for row in table.rows)
    return [cell for table in tables for row in table.rows for cell in row]


def check_rules(registry):
    result = analyse(registry)
    keys = [tuple(str(getattr(row, part)) for part in GAP_KEY) for row in result.gaps]
    assert len(set(keys)) == len(keys)
    terms = [(row.model, row.term) for row in result.coefficients]
    assert len(set(terms)) == len(terms)
    for row in result.gaps:
        numbers = (row.estimate, row.std_error, row.lower, row.upper)
        assert all(value is None or math.isfinite(value) for value in numbers)
        assert (row.estimate is None) == (row.status is Status.NOT_ESTIMABLE)
        assert (row.interval_kind is None) == (row.lower is None and row.upper is None)
        if row.lower is not None and row.upper is not None and row.estimate is not None:
            assert row.lower <= row.estimate + 1e-9 or row.model.endswith("_rounding")
            assert row.estimate - 1e-9 <= row.upper or row.model.endswith("_rounding")
            assert row.lower <= row.upper
    for one in result.traced:
        assert bool(one.models) or bool(one.reason)
    frames = {name: to_frame(name, getattr(result, name)) for name in TABLES}
    view = make_view(frames, printed_study(registry, "Any"), {})
    sections = printed_sections(view, (), result)
    assert sections[-1].anchor == "numbers"
    assert all("nan" not in cell for cell in cells(sections))
    models = {row.model for row in result.gaps}
    assert {name for one in result.traced for name in one.models} <= models


@settings(max_examples=150, deadline=None)
@given(registries())
def test_any_registry_keeps_the_rules(registry):
    check_rules(registry)


@settings(max_examples=100, deadline=None)
@given(two_tables())
def test_any_pair_of_distributions_keeps_the_rules(registry):
    check_rules(registry)
