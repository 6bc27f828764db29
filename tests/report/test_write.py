from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from docx import Document
from markdown_it import MarkdownIt

from coopgap.errors import OutputError
from coopgap.estimate import TABLES, to_frame
from coopgap.report.documents import escape_latex
from coopgap.report.markdown import escape_markdown
from coopgap.report.notebook import notebook_html
from coopgap.report.wording import causal_language
from coopgap.report.words import CHECKS, STATUSES, VERDICTS
from coopgap.report.write import write_report
from coopgap.result import FORMATS
from coopgap.vocabulary import EXAMPLE, Status


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def word_text(path) -> str:
    document = Document(str(path))
    cells = [c.text for t in document.tables for row in t.rows for c in row.cells]
    return "\n".join([*(p.text for p in document.paragraphs), *cells])


@pytest.fixture(scope="module")
def folder(build, tmp_path_factory):
    target = tmp_path_factory.mktemp("report")
    write_report(build.frames(), build.study(), build.meta(), target, FORMATS)
    return target


def test_every_format_is_written_and_named(build, tmp_path):
    paths = write_report(build.frames(), build.study(), build.meta(), tmp_path, FORMATS)
    names = {str(path.relative_to(tmp_path)) for path in paths}
    assert {f"{name}.csv" for name in TABLES} < names
    assert {
        "run.json",
        "report.html",
        "report.md",
        "tables.xlsx",
        "tables.tex",
        "tables.docx",
    } < names
    assert {
        "figures/gaps_agree.png",
        "figures/shares_ses.png",
        "figures/regions_agree.png",
        "figures/balance_agree.png",
        "figures/phone_check.png",
    } < names
    on_disk = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert names == on_disk


def test_csv_alone_writes_no_page_and_no_figure(build, tmp_path):
    paths = write_report(build.frames(), build.study(), build.meta(), tmp_path, ("csv",))
    assert {path.name for path in paths} == {*(f"{name}.csv" for name in TABLES), "run.json"}
    assert not (tmp_path / "figures").exists()


def test_an_unknown_format_is_refused_before_anything_is_written(build, tmp_path):
    with pytest.raises(OutputError, match="no format pdf"):
        write_report(build.frames(), build.study(), build.meta(), tmp_path, ("csv", "pdf"))
    assert not list(tmp_path.iterdir())


def test_run_json_is_the_meta(build, folder):
    assert json.loads((folder / "run.json").read_text("utf-8")) == build.meta()


def test_the_page_fetches_and_runs_nothing(folder):
    text = (folder / "report.html").read_text("utf-8")
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {
        tag for tag, _ in page.tags
    }
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.findall(r"url\((?!#)", text)
    assert "@import" not in text
    without_names = re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", text)
    assert "http" not in without_names


def test_tags_of_the_page_are_closed(folder):
    import xml.etree.ElementTree as ET

    text = (folder / "report.html").read_text("utf-8")
    for svg in re.findall(r"<svg .*?</svg>", text, flags=re.S):
        ET.fromstring(svg)
    assert len(re.findall(r"<svg ", text)) == len(list((folder / "figures").glob("*.png")))


def test_example_data_stands_in_every_format(build, folder, tmp_path):
    for name in ("gaps", "coefficients", "balance", "sensitivity"):
        assert EXAMPLE in (folder / f"{name}.csv").read_text("utf-8")
    assert EXAMPLE in (folder / "report.md").read_text("utf-8")
    assert EXAMPLE in (folder / "tables.tex").read_text("utf-8")
    assert EXAMPLE in word_text(folder / "tables.docx")
    page = (folder / "report.html").read_text("utf-8")
    assert EXAMPLE in re.search(r'class="banner".*?</div>', page, flags=re.S)[0]
    for figure in re.findall(r"<figure>.*?</figure>", page, flags=re.S):
        assert re.search(rf"<text[^>]*>{EXAMPLE}</text>", figure)
        assert EXAMPLE in re.search(r"<figcaption>.*?</figcaption>", figure, flags=re.S)[0]
    captions = re.findall(r'<p class="caption">.*?</p>', page, flags=re.S)
    assert captions
    assert all(EXAMPLE in caption or "printed numbers" in caption for caption in captions)
    assert EXAMPLE in notebook_html(build.frames(), build.study(), build.meta())


def test_a_users_survey_is_not_marked(build, tmp_path):
    frames = build.frames("survey.csv")
    write_report(frames, build.study(), build.meta(is_example=False), tmp_path, FORMATS)
    for name in ("report.html", "report.md", "tables.tex", "gaps.csv"):
        assert EXAMPLE not in (tmp_path / name).read_text("utf-8")


def test_rows_marked_as_example_mark_the_report_whatever_the_meta_says(build, tmp_path):
    write_report(build.frames(), build.study(), build.meta(is_example=False), tmp_path, ("html",))
    assert 'class="banner"' in (tmp_path / "report.html").read_text("utf-8")


def test_no_forbidden_word(folder):
    for text in (
        Page((folder / "report.html").read_text("utf-8")).text,
        (folder / "report.md").read_text("utf-8"),
        (folder / "tables.tex").read_text("utf-8"),
        word_text(folder / "tables.docx"),
    ):
        assert list(causal_language(text)) == []


def test_every_status_is_spelled_out(folder):
    text = Page((folder / "report.html").read_text("utf-8")).text
    for status in Status:
        word, _, meaning = STATUSES[status].partition(": ")
        assert word in text
        assert not meaning or f"{word.capitalize()}: {meaning}." in text


def test_verdicts_are_in_words(folder):
    text = Page((folder / "report.html").read_text("utf-8")).text
    for word in VERDICTS.values():
        assert word.lower() in text.lower()


def test_the_headline_is_a_plain_sentence(folder):
    text = Page((folder / "report.html").read_text("utf-8")).text
    assert (
        "Members answer “yes” 9.1 points more often (95 % confidence interval 4.2 to 14.0) than "
        "comparison people of the same region and sex: 40.0\N{NO-BREAK SPACE}% against "
        "30.0\N{NO-BREAK SPACE}%. This is an association."
    ).replace("\N{NO-BREAK SPACE}", " ") in text
    assert "Probability of superiority 56.0 %" in text


def test_the_report_opens_with_the_printed_numbers(folder):
    page = (folder / "report.html").read_text("utf-8")
    first = page.index('<section id="printed" class="printed"')
    assert first < page.index('<section id="says"')
    section = Page(page[first : page.index('<section id="says"')])
    assert EXAMPLE not in section.text
    for piece in (
        "+13.0",
        "8.9 to 17.1",
        "12.0 to 14.0",
        "+17.0",
        "national average",
        "Two pages print two numbers.",
    ):
        assert piece in section.text
    plain = section.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "13.9 to 46.8 %" in plain
    assert "−6.8 to 26.1" in plain


def test_without_printed_rows_the_report_opens_with_the_run(build, tmp_path):
    frames = build.frames(printed=False)
    write_report(frames, build.study(), build.meta(), tmp_path, ("html",))
    page = (tmp_path / "report.html").read_text("utf-8")
    assert 'id="printed"' not in page


def test_unknown_is_printed_as_unknown(folder):
    text = Page((folder / "report.html").read_text("utf-8")).text
    assert "Comparison people interviewed in person: unknown." in text
    assert "SHA-256 of survey unknown" in text


def test_limits_of_the_phone_interviews_are_stated(folder):
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text("utf-8")
        assert "Mode, date, quarantine and phone coverage cannot be told apart" in text
        assert "no members were called" in text


def test_checks_have_a_heading_each(folder):
    text = Page((folder / "report.html").read_text("utf-8")).text
    for check in ("e_value", "variant", "negative_control"):
        assert CHECKS[check] in text


def test_hostile_labels_pass_through_every_format_as_text(build, hostile, tmp_path):
    for number, label in enumerate(hostile):
        target = tmp_path / str(number)
        target.mkdir()
        study = build.study((label, f"{label} 2", label, label))
        frames = build.hostile(build.frames(), label)
        write_report(frames, study, {**build.meta(), "survey": label}, target, FORMATS)
        page = (target / "report.html").read_text("utf-8")
        assert "<script" not in page
        assert "<b>" not in re.sub(r"<b>[^<]*</b> ", "", page) or "&lt;b&gt;" in page
        markdown = (target / "report.md").read_text("utf-8")
        html = MarkdownIt("commonmark").enable("table").render(markdown)
        assert "<script" not in html
        assert "<a " not in html
        tex = re.sub(r"\\[\\%&#_{}$]", "", (target / "tables.tex").read_text("utf-8"))
        assert "\\input{" not in tex.split("\n", 1)[1]


def test_hostile_labels_pass_through_the_notebook(build, hostile):
    for label in hostile:
        text = notebook_html(build.frames(), build.study((label,) * 4), build.meta())
        assert "<script" not in text


def test_markdown_tables_keep_their_columns(build, hostile, tmp_path):
    study = build.study(tuple(hostile[:4]))
    write_report(build.frames(), study, build.meta(), tmp_path, ("md",))
    html = (
        MarkdownIt("commonmark").enable("table").render((tmp_path / "report.md").read_text("utf-8"))
    )
    page = Page(html)
    rows = html.split("<table>")[1:]
    assert rows
    for table in rows:
        counts = {
            row.count("<td") + row.count("<th>") + row.count("<th ")
            for row in table.split("<tr>")[1:]
        }
        assert len(counts) == 1
    for label in hostile[:4]:
        assert " ".join(label.split()) in page.text


def test_markdown_is_escaped():
    assert escape_markdown("a|b <i> $x$\n# c") == r"a\|b &lt;i\> \$x\$ \# c"
    assert escape_markdown("- item") == r"\- item"
    assert MarkdownIt().render(escape_markdown("1. item")) == "<p>1. item</p>\n"
    assert MarkdownIt().render(f"text\n{escape_markdown('==')}") == "<p>text\n==</p>\n"
    assert MarkdownIt().render(escape_markdown("---")) == "<p>---</p>\n"
    assert MarkdownIt().render(escape_markdown("1) item")) == "<p>1) item</p>\n"
    assert "<a" not in MarkdownIt().render(escape_markdown("[a](b)"))
    assert escape_markdown("+13.0 (9 to 17)") == "+13.0 (9 to 17)"
    assert escape_markdown("40.0 %") == "40.0 %"


def test_latex_is_escaped():
    assert escape_latex("100% $x_$ & {a} \\b ^ ~ #") == (
        r"100\% \$x\_\$ \& \{a\} \textbackslash{}b \textasciicircum{} \textasciitilde{} \#"
    )


def test_empty_tables_make_a_report(build, tmp_path):
    frames = {name: to_frame(name, []) for name in TABLES}
    write_report(frames, build.study(), build.meta(), tmp_path, FORMATS)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "No headline outcome was estimated in this run." in page
    assert EXAMPLE in page
    for name in ("report.md", "tables.tex"):
        assert EXAMPLE in (tmp_path / name).read_text("utf-8")
    assert EXAMPLE in word_text(tmp_path / "tables.docx")
    assert "No headline" in notebook_html(frames, build.study(), {})


def test_figures_are_white_and_twice_the_size(folder):
    from matplotlib.image import imread

    for path in (folder / "figures").glob("*.png"):
        image = imread(str(path))
        assert image.shape[1] == 1382
        assert image[2, 2, :3].tolist() == [1.0, 1.0, 1.0]


def test_drawings_in_the_page_take_its_colours(folder):
    page = (folder / "report.html").read_text("utf-8")
    svg = re.search(r"<svg .*?</svg>", page, flags=re.S)[0]
    assert "var(--ink, #1b1f24)" in svg
    assert not re.findall(r"(?:fill|stroke): ?#(?!ffffff)[0-9a-f]{6}", svg)


def test_the_same_run_is_written_alike_twice(build, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_report(
            build.frames(), build.study(), build.meta(), tmp_path / name, ("html", "md", "tex")
        )
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
