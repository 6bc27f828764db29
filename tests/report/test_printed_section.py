"""Published numbers: real and said to be so, complete, short, and safe whatever the labels."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from functools import cache, partial
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest

from coopgap.app.cli import run
from coopgap.core.estimate import TABLES, GapRow, to_frame
from coopgap.core.vocabulary import EXAMPLE
from coopgap.datasets.registry import load_registry
from coopgap.printed.rows import printed_rows
from coopgap.report.data import make_results
from coopgap.report.figures import draw
from coopgap.report.figures.canvas import drawing_style
from coopgap.report.pages import Content, html
from coopgap.report.paper import paper_tables
from coopgap.study.load import load_study

main = partial(run, "printed")

HOSTILE = (
    "<script>alert(1)</script>",
    "100% $x_$ ^{2}",
    "=1+1",
    "| a | b |",
    "R&D & <b>",
    "\\input{x} ~ # [y](http://z)",
    "**loud** _low_ `code`",
    "control \x07 and 字",
    "{{ study.title }} {% raw %}",
)


def example_row() -> GapRow:
    """A row of an example survey beside the printed ones."""
    return GapRow(
        model="trust",
        family="matched_logit",
        outcome="trust",
        comparator="comparison",
        group="all",
        population="members",
        quantity="risk_difference",
        estimate=0.1,
        source=EXAMPLE,
    )


@cache
def published():
    study = load_study("peru")
    return study, printed_rows(study.printed, study.benchmarks)


def results_of(printed: bool = True, **labels: str):
    """The Peru study as a run of the example has it; labels of the groups may be others."""
    study, found = published()
    study = replace(study, group=replace(study.group, **labels))
    frames = {}
    for name in TABLES:
        rows = [example_row()] if name == "gaps" else []
        frames[name] = to_frame(name, rows + list(getattr(found, name) if printed else ()))
    return make_results(frames, study, {"is_example": True})


@pytest.fixture(scope="module")
def run():
    """The section of a run of the example: what it was rendered by, and its Markdown."""
    with drawing_style():
        content = Content(results_of(), draw)
        return content, content.render("printed.md.j2")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder of `coopgap printed peru`."""
    out = tmp_path_factory.mktemp("printed") / "peru"
    assert main(["peru", "--out", str(out), "--quiet"]) == 0
    return out


def plain(text: str) -> str:
    """Markdown without its escapes."""
    return unescape(re.sub(r"\\(.)", r"\1", text)).replace("\N{NO-BREAK SPACE}", " ")


def rows_of(text: str, *cells: str) -> list[list[str]]:
    """Lines of tables that begin with these cells, empty ones left out."""
    lines = [[c.strip() for c in line.strip("|").split(" | ")] for line in plain(text).splitlines()]
    return [
        [c for c in line if c] for line in lines if [c for c in line if c][: len(cells)] == [*cells]
    ]


def test_what_is_real_is_never_marked_as_example(run):
    content, text = run
    assert content.results.mark == EXAMPLE
    assert EXAMPLE not in text
    assert "Real numbers" in text
    drawing = content.drawings["printed_gaps"]
    assert EXAMPLE not in " ".join(one.get_text() for one in drawing.figure.texts)
    # The same figure placed like those of the survey would bear the mark.
    with drawing_style():
        assert EXAMPLE in content.figure("printed", None, "Gaps.")


def test_every_contradiction_stands_with_both_places(run, page):
    pairs = {
        ("60 in Key Finding 2", "73 in Figure 4"),
        ("81 in Social Benefits to Cooperative Members", "83 in Key Finding 4"),
        ("61 in Key Finding 5", "62 in Figure 6"),
        ("58 in Key Finding 5", "61 in Economic Benefits to the Community"),
        ("44 in Increasing Access to Basic Services", "Figure 5 prints 91"),
        ("the shares in Figure 4", "sum to 98"),
        ("44 in Cooperatives in Peru", "66 in Cooperatives in Peru"),
        ("the 27 of the national average in Key Finding 1", "called non-members"),
    }
    for text in (run[1], (page / "report.md").read_text("utf-8")):
        quoted = re.findall(r"^- “(.*)”$", plain(text), re.MULTILINE)
        assert len(quoted) == len(pairs)
        assert all(any(a in line and b in line for line in quoted) for a, b in pairs)
    # On their own page they are open.
    opened = re.sub(
        r"<details>.*?</details>", "", (page / "report.md").read_text("utf-8"), flags=re.S
    )
    assert opened.count("\n- “") == len(pairs)


def test_a_section_is_short_and_its_evidence_closed(run):
    content, text = run
    page = html(text, {f"figures/{name}.png": "<svg></svg>" for name in content.drawings})
    opened = re.sub(r"(</summary>).*?</details>", r"\1", page, flags=re.S)

    def words(part: str) -> int:
        return len(re.sub(r"<[^>]*>", " ", part).split())

    assert 100 < words(opened) <= 400
    assert words(page) - words(opened) <= 1_300
    assert (opened.count("<figure>"), opened.count("<table")) == (1, 0)
    assert page.count("<table") == 2


def test_a_gap_stands_with_all_that_is_known_of_it(run, page):
    # Newcombe's interval, rounding by all counts that print the same, and Kish's design effect are
    # each tested where they are made; here they must stand in one line.
    whole = plain((page / "report.md").read_text("utf-8"))
    item = "Most people in the community can be trusted"
    (line,) = (row for row in rows_of(whole, item, "Non-members") if "40.0 %" in row)
    assert line[2:4] == ["40.0 %", "27.0 %"]
    assert re.fullmatch(r"\+13\.0 \(8\.9(?: to|,) 17\.1\)", line[4])
    assert line[5:] == ["12.1 to 13.9", "9.9"]
    # In a run they stand in the open sentence and in the figure.
    text = run[1]
    assert f"- **{item}**: 40.0 % of members, 27.0 % of non-members; gap +13.0" in plain(text)
    assert "reaches zero at a design effect of 9.9." in plain(text)
    (line,) = (
        r for r in rows_of(whole, "Could rely on neighbours for financial help") if "61.0 %" in r
    )
    assert line[-1] == "includes zero"
    others = {cell for row in rows_of(whole) for cell in row if cell.startswith("ENADES")}
    assert others == {"ENADES 2024", "ENADES 2024, at the sample's regions"}


def test_what_the_samples_are_made_of_and_could_do(run, page):
    whole = plain((page / "report.md").read_text("utf-8"))
    text = plain(run[1])
    assert "- **Age**: standardised difference 0.53 (above 0.1); χ² 133.0, 5 df" in text
    assert "- **Region**: standardised difference 0.00 (within 0.1); both print the same" in text
    assert rows_of(whole, "65+") == [["65+", "19.4 %", "6.9 %"]]
    # At this odds ratio from age to age the non-members' share is the members' own.
    assert ["2.56"] in [
        row[1:] for row in rows_of(whole, "Most people in the community can be trusted")
    ]
    assert ["−6.8 to 26.1", "9.1 to 16.9"] in [
        line[1:] for line in rows_of(text, "Most people in the community can be trusted")
    ]
    # exp(1.2185 ± 1.96 · 0.0845) of truth by ordinal::clm.
    assert "would be 3.38 (2.87 to 3.99). Brant’s test rejects proportional odds (χ² 41.2" in text
    assert "250 phone interviews against 1,003." in text
    # 0.27 · 0.73 (1/250 + 1/1003): confirmed with 80 % within 1.645 + 1.282 standard errors.
    assert ["9.2", "11.2", "13.0"] in [
        row[1:] for row in rows_of(text, "Most people in the community can be trusted")
    ]


@pytest.mark.parametrize(
    ("template", "heads"),
    [("printed.md.j2", []), ("printed_report.md.j2", ["Vecinas", "Socias"])],
)
def test_groups_have_the_names_that_the_study_gives_them(template, heads):
    named = results_of(member_label="socias", comparison_label="vecinas")
    text = plain(Content(named).render(template))
    assert "40.0 % of socias, 27.0 % of vecinas" in text
    assert all(f"| {head} |" in text for head in heads)
    assert not re.search(r"[0-9] % of (?:non-)?members", text)


def test_a_run_without_printed_numbers_has_no_section(build):
    assert Content(results_of(printed=False)).render("printed.md.j2").strip() == ""
    frames = build.frames("survey.csv", printed=False)
    assert "Published" not in Content(
        make_results(frames, build.study(), build.meta(is_example=False))
    ).render("report.md.j2")


def test_on_their_own_page_published_numbers_come_first_and_alone(page):
    text = (page / "report.md").read_text("utf-8")
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert heads[0].endswith("Peru: the printed numbers")
    assert not {"Who was compared", "Appendix"} & set(heads)
    assert EXAMPLE not in (page / "report.html").read_text("utf-8")
    assert json.loads((page / "run.json").read_text("utf-8"))["is_example"] is False


def test_documents_have_every_printed_gap(page):
    results = results_of()
    empty = replace(results, survey=replace(results.survey, gaps=()))
    (table,) = paper_tables(empty)
    frame = pd.read_csv(page / "gaps.csv")
    gaps = frame[(frame["quantity"] == "risk_difference") & (frame["interval_kind"] != "bounds")]
    assert len(table.rows) == len(gaps)
    # The highest class is also the highest threshold, beside three others.
    assert len(set(table.rows)) == len(gaps) - 3


def test_every_number_is_in_a_row_or_named_with_the_reason(page):
    text = plain((page / "report.md").read_text("utf-8"))
    frame = pd.read_csv(page / "registry.csv", keep_default_na=False)
    bare = frame[frame["models"] == ""]
    assert set(frame["id"]) == {row.id for row in load_registry("peru").rows}
    assert 10 < len(bare) < len(frame)
    named = {}
    for line in text.splitlines():
        found = re.fullmatch(r"- \*\*(.*)\*\*: (.*)\.", line)
        for one in re.findall(r", (P\d{3})\)", found[2] if found else ""):
            named[one] = found[1]
    assert set(named) == set(bare["id"])
    for one, reason in zip(bare["id"], bare["reason"], strict=True):
        assert named[one] == reason[:1].upper() + reason[1:]


@pytest.mark.parametrize("name", ["kenya", "philippines", "poland"])
def test_numbers_without_a_base_have_no_interval(name, tmp_path):
    assert main([name, "--out", str(tmp_path / "out"), "--quiet", "--formats", "md"]) == 0
    text = plain((tmp_path / "out" / "report.md").read_text("utf-8"))
    assert "there is no interval where no base is printed" in text
    assert "sample sizes imply" not in text
    assert "points, printed as a difference alone." in text
    assert not re.search(r"interval\.\*|design effect of|Proportional odds|How alike", text)


class Reader(HTMLParser):
    """Tags and text of a page; cells by row of its tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.words: list[str] = []
        self.rows: list[int] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append(0)
        self.rows[-1:] = [self.rows[-1] + (tag in ("td", "th"))] if self.rows else []
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.words.append(data)


def test_labels_that_mean_harm_stay_text(tmp_path):
    path, out = tmp_path / "own.csv", tmp_path / "out"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        file.write("id,source,group,item,category,stat,value,base_n,note\n")
        for number, label in enumerate(HOSTILE):
            for group, value in (("member", 40), ("non-member", 30)):
                one = (f"A{number}{value}", f"Figure {label}", group, label, label, "percent")
                lines.writerow([*one, value, 100, label])
            # Printed twice and unlike, so that the contradiction quotes the label.
            lines.writerow(
                [f"B{number}", f"Text {label}", "member", label, label, "percent", 47, 100, ""]
            )
            lines.writerow([f"C{number}", label, "all", label, label, "mean", 3, "", label])
    assert main([str(path), "--out", str(out), "--quiet"]) == 0
    reader = Reader()
    body = (out / "report.html").read_text("utf-8").partition("<main>")[2]
    reader.feed(re.sub(r"<svg.*?</svg>", "", body, flags=re.S))
    assert {"script", "b", "code", "a", "h3", "blockquote"}.isdisjoint(reader.tags)
    assert reader.links == []
    said = " ".join(" ".join(reader.words).split())
    for label in HOSTILE:
        assert " ".join(label.replace("\x07", "�").split()) in said
    tables = re.findall(r"<table.*?</table>", body, re.S)
    assert tables
    for table in tables:
        one = Reader()
        one.feed(table)
        assert len(set(one.rows)) == 1, table[:400]
