"""The page of printed numbers says nothing of cause but what it quotes."""

from __future__ import annotations

import re
from functools import partial

import pytest

from coopgap.app.cli import run
from coopgap.app.printed import find_registry
from coopgap.core.estimate import TABLES, to_frame
from coopgap.datasets.registry import SHIPPED
from coopgap.printed.rows import analyse
from coopgap.report.data import make_results
from coopgap.report.pages import Content
from coopgap.report.printed import printed_study

main = partial(run, "printed")

CAUSAL = re.compile(
    r"\b(?:effects?|impacts?|caus(?:e|es|ed|ing|al)|because of|due to|leads? to|results? in"
    r"|improv(?:e|es|ed|ing)|benefits?|help(?:s|ed)?|influences?|creates?)\b",
    re.IGNORECASE,
)
TERMS = ("What Difference Do Cooperatives Make?", "design effect", "Design effect")


def own_words(text: str, registry) -> str:
    """A text without standard terms and without what the registry itself says."""
    said = {part for row in registry.rows for part in (row.item, row.category, row.place, row.note)}
    bare = re.sub(r"\\(.)", r"\1", text)
    for part in sorted({*said, *TERMS}, key=len, reverse=True):
        whole = rf"(?<!\w){re.escape(part)}(?!\w)"
        bare = re.sub(whole, " ", bare, flags=re.IGNORECASE) if part else bare
    return bare


@pytest.mark.parametrize("name", SHIPPED)
def test_the_page_and_the_command_use_no_word_of_cause(name, tmp_path, capsys):
    registry, source, title, benchmarks = find_registry(name)
    result = analyse(registry, benchmarks)
    frames = {table: to_frame(table, getattr(result, table)) for table in TABLES}
    unused = {one.printed.id: one.reason for one in result.traced}
    results = make_results(frames, printed_study(result, source, title), {"unused": unused})
    text = Content(results).render("printed_report.md.j2")
    assert len(text) > 500
    assert CAUSAL.findall(own_words(text, registry)) == []
    notes = " ".join(row.note for row in (*result.sensitivity, *result.diagnostics))
    assert CAUSAL.findall(own_words(notes, registry)) == []
    main([name, "--out", str(tmp_path / "out"), "--formats", "csv"])
    printed = capsys.readouterr()
    said = (printed.out + printed.err).replace(str(tmp_path), "")
    assert said
    assert CAUSAL.findall(own_words(said, registry)) == []


def test_a_word_of_cause_is_found():
    registry = find_registry("peru").registry
    assert CAUSAL.findall(own_words("Membership improves trust", registry)) == ["improves"]
