"""Whatever registry can be read can be analysed, and its rows keep the rules of the tables."""

from __future__ import annotations

import math
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from coopgap.core.estimate import GAP_KEY, TABLES, to_frame
from coopgap.core.vocabulary import Status
from coopgap.datasets.registry import Printed, Registry
from coopgap.printed.rows import analyse
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.report.printed import Published, printed_study

GROUPS = ("member", "women members", "non-member", "national average", "all")
PLACES = ("Table 1", "Figure 1", "Text")
CATEGORIES = ("low", "middle", "high")


def printed(number, where, stat, value, base, **more):
    place, group, item, category = where
    return Printed(
        id=f"X{number}",
        place=place,
        group=group,
        item=item,
        category=category,
        stat=stat,
        value=float(value),
        base=base,
        note="",
        **more,
    )


@st.composite
def registries(draw):
    rows = {}
    bases = {group: draw(st.sampled_from([None, 1, 7, 30, 1003])) for group in GROUPS}
    ordered = draw(st.booleans())
    role = draw(st.sampled_from(["", "covariate"]))
    items = ("class", "awareness", "access, of those aware")
    for number in range(draw(st.integers(1, 14))):
        place, group = draw(st.sampled_from(PLACES)), draw(st.sampled_from(GROUPS))
        item, category = draw(st.sampled_from(items)), draw(st.sampled_from(CATEGORIES))
        base = bases[group]
        stat = draw(st.sampled_from(["percent", "count", "points", "mean"]))
        most = 100 if stat != "count" or base is None else base
        ranked = ordered and item == "class"
        rows[place, group, item, category] = printed(
            number,
            (place, group, item, category),
            stat,
            draw(st.integers(0, most)),
            base,
            rank=CATEGORIES.index(category) + 1 if ranked else None,
            role=role if item == "class" else "",
        )
    return Registry(name="any", rows=tuple(rows.values()))


@st.composite
def two_tables(draw):
    """Ordered shares of two groups that sum to a hundred, zeros among them."""
    rows = []
    for group in ("member", draw(st.sampled_from(["non-member", "national average"]))):
        base = draw(st.sampled_from([None, 12, 40, 1003]))
        first = draw(st.integers(0, 100))
        second = draw(st.integers(0, 100 - first))
        for rank, value in enumerate((first, second, 100 - first - second), start=1):
            where = ("Table 1", group, "class", CATEGORIES[rank - 1])
            rows.append(printed(len(rows), where, "percent", value, base, rank=rank))
    return Registry(name="any", rows=tuple(rows))


def check_page(result, path):
    """The page can be made of it, says no missing number, and leaves no gap out."""
    frames = {name: to_frame(name, getattr(result, name)) for name in TABLES}
    unused = {one.printed.id: one.reason for one in result.traced if not one.models}
    results = make_results(frames, printed_study(result, path, "Any"), {"unused": unused})
    # The file is not read: its registry is at hand.
    results.published.registry = result.registry
    text = Content(results).render("printed_report.md.j2")
    assert not re.search(r"\bnan\b|\bNone\b", text)
    assert all(f", {one})" in text for one in unused)
    published: Published = results.published
    gaps = published.estimated("risk_difference")
    assert len(published.asked(gaps)) + len(published.rest) == len(gaps)
    for row in gaps:
        assert (published.own(row) is None) == (published.other(row) is None)
        assert published.item(row) in text.replace("\\", "")


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
    models = {row.model for row in result.gaps}
    assert {name for one in result.traced for name in one.models} <= models


@settings(max_examples=120, deadline=None)
@given(st.one_of(registries(), two_tables()))
def test_any_registry_keeps_the_rules(registry):
    check_rules(registry)


@settings(max_examples=15, deadline=None)
@given(st.one_of(registries(), two_tables()))
def test_any_registry_has_a_page(registry):
    check_page(analyse(registry), "any")
