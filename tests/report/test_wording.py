"""No word of cause in anything coopgap says: templates, labels, figures, reports, its own code."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from contextlib import suppress
from dataclasses import replace
from html import unescape
from pathlib import Path
from tokenize import COMMENT, tokenize

import numpy as np
import pytest

import coopgap
from coopgap.__main__ import COMMANDS, main
from coopgap.plan import make_plan
from coopgap.report.content.says import headline_sentences
from coopgap.report.document import Paragraph, Section
from coopgap.report.documents import latex_tables, readable_tables
from coopgap.report.figures.calibration import rank_panels
from coopgap.report.figures.canvas import drawing_style, drawn_words
from coopgap.report.figures.draw import drawings
from coopgap.report.markdown import markdown_page
from coopgap.report.notebook import notebook_html
from coopgap.report.page import html_page, sections
from coopgap.report.plan import plan_text
from coopgap.report.shape import RUN
from coopgap.report.view import make_view
from coopgap.report.wording import causal_language, own_words, quoted_words, wording_words
from coopgap.report.write import write_report
from coopgap.study.load import load_study, shipped_studies

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "coopgap"
RULE = {SOURCE / "report" / name for name in ("turns.py", "wording.py")}
NAMED = {
    # Python's own name of an error behind an error.
    "__cause__",
    # The titles of works cited, and what a report is quoted with.
    "What Difference Do Cooperatives Make?",
    "Journal of Causal Inference",
    "Improved estimation in cumulative link models",
    "an improved R-hat",
    "Nonparametric bounds on treatment effects",
    "Social Benefits to Cooperative Members",
    "the section on social benefits",
}


STUDYS = "words of cause stand only in the study's own words: {}"


def words(text, quoted=()):
    return [found.word.lower() for found in causal_language(text, quoted)]


def test_a_quotation_is_somebody_elses_word():
    label = "Economic situation improved due to membership"
    text = f"Share who agree: economic situation improved due to membership. {label}!"
    assert words(text, [label]) == []
    assert words(f"{text} It improved.", [label]) == ["improved"]


def test_a_title_that_claims_a_difference_is_allowed_as_a_quotation():
    quoted = ["The Co-operative Difference"]
    assert words("Read with “The co-operative difference”, page 3.", quoted) == []
    assert words("The Co-operative difference", quoted) == []
    assert words("Any co-operative difference is 13 points.", quoted) == ["co-operative difference"]


def test_a_label_of_one_word_hides_it_only_where_it_stands_alone_or_in_quotation_marks():
    quoted = ("Impact", "impact on trust")
    assert words("Impact", quoted) == []
    assert words(" impact ", quoted) == []
    assert words("The gap in “Impact” is 5 points.", quoted) == []
    assert words("Membership has an impact of 5 points.", quoted) == ["impact"]
    assert words("“Impact” is the impact of membership.", quoted) == ["impact"]
    assert words("What people say of impact on trust", quoted) == []


def test_the_run_details_name_a_word_that_slipped_in():
    study = replace(load_study("uganda_dairy"), title="Dairy")
    bad = Section(title="T", anchor="t", blocks=(Paragraph(text="It had an impact."),))
    good = replace(bad, blocks=(Paragraph(text="It had a gap."),))
    assert "impact" in wording_words(study, [good, bad])
    assert wording_words(study, [good]) == "no words of cause"
    titled = replace(study, title="Impact study")
    quoted = replace(bad, blocks=(Paragraph(text="Impact study"),))
    assert wording_words(titled, [quoted]) == STUDYS.format("1 text")


@pytest.mark.parametrize("name", shipped_studies())
def test_labels_that_are_shipped(name):
    study = load_study(name)
    assert own_words(replace(study, printed=None)) == frozenset()


def rendered_alike(template):
    """A template's own text: what is put in stands as a word that any sentence may hold."""
    text = re.sub(r"\{\{.*?\}\}", "also", template, flags=re.S)
    text = re.sub(r"\{%.*?%\}|</?(?:b|strong|i|em|span)\b[^>]*>", "", text, flags=re.S)
    return re.sub(r"<[^>]+>", ". ", text)


def test_templates():
    paths = [path for path in (SOURCE / "report" / "templates").rglob("*") if path.is_file()]
    assert {path.suffix for path in paths} >= {".html", ".md", ".css"}
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert words(text) == words(rendered_alike(text)) == [], path.name


def test_a_template_is_read_past_its_tags_and_what_is_put_in():
    text = "<p>{{ label }}: <b>membership</b> {{ adverb }} {% if x %}raises{% endif %} it.</p>"
    assert words(rendered_alike(text)) == ["membership also raises"]


def literals(tree):
    """Every text of a module, values put into it, as an f-string or by name, standing as `also`."""
    nodes = list(ast.walk(tree))
    joined = [node.values for node in nodes if isinstance(node, ast.JoinedStr)]
    for values in joined:
        yield "".join(one.value if isinstance(one, ast.Constant) else "also" for one in values)
    pieces = {id(one) for values in joined for one in values}
    for node in nodes:
        if id(node) not in pieces and isinstance(getattr(node, "value", None), str):
            yield re.sub(r"\{[a-z_]+\}", "also", node.value)


def names(tree):
    for node in ast.walk(tree):
        for field in ("name", "arg", "id", "attr"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield value


def test_texts_docstrings_and_names_of_the_package():
    found = [
        (path.relative_to(SOURCE).as_posix(), text, words(text, NAMED))
        for path in sorted(SOURCE.rglob("*.py"))
        if path not in RULE
        for tree in [ast.parse(path.read_text(encoding="utf-8"))]
        for text in (*literals(tree), *names(tree))
        if words(text, NAMED)
    ]
    assert found == []


def test_texts_docstrings_and_names_are_all_seen():
    lines = (
        "def causes(raised_by_membership):",
        "    'Its effect.'",
        "    f'Joining {how} helps'",
        "    f'{\"It boosts\" if how else 1} trust'",
        "    'membership {x} adds'",
    )
    tree = ast.parse("\n".join(lines))
    found = [one for text in (*literals(tree), *names(tree)) for one in words(text)]
    assert sorted(found) == [
        "boosts",
        "causes",
        "effect",
        "joining also helps",
        "membership also adds",
        "raised by membership",
    ]


def comments(path):
    with path.open("rb") as file:
        return "\n".join(
            one.string.lstrip("# ") for one in tokenize(file.readline) if one.type == COMMENT
        )


def test_comments_of_the_package():
    found = [
        (path.name, word)
        for path in sorted(SOURCE.rglob("*.py"))
        if path not in RULE
        for word in causal_language(comments(path), NAMED)
    ]
    assert found == []


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "CITATION.cff", "Makefile", "reports/README.md"]
)
def test_pages_beside_the_code(name):
    assert words((ROOT / name).read_text(encoding="utf-8"), NAMED) == []


def test_study_folders_as_they_are_shipped():
    paths = sorted((ROOT / "models").rglob("*.toml"))
    assert {path.parent.name for path in paths} == set(shipped_studies())
    for path in paths:
        assert words(path.read_text(encoding="utf-8")) == [], path.name


def test_what_the_package_says_of_itself():
    text = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert words(text["description"]) == []


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_of_every_command(command, capsys):
    with suppress(SystemExit):
        main([*([command] if command else []), "--help"])
    printed = capsys.readouterr().out
    assert "usage:" in printed
    assert words(printed) == []


@pytest.mark.parametrize("name", shipped_studies())
def test_a_plan(name):
    study = load_study(name)
    data = None if study.survey == "example" else os.environ.get("COOPGAP_UGANDA")
    if study.survey != "example" and data is None:
        pytest.skip("COOPGAP_UGANDA names no folder")
    text = plan_text(make_plan(name, data, ()))
    assert "dry run: nothing was fitted" in text
    assert words(text) == []


@pytest.fixture(scope="module")
def run():
    return coopgap.run("peru", only=["trusted_person", "neighbours"], checks="full")


@pytest.fixture(scope="module")
def view(run):
    return make_view(run.frames, run.study, run.meta)


def visible(html):
    """Text of a page, without drawings and style; a cell or a line ends what is said."""
    html = re.sub(r"<(svg|style)\b.*?</\1>", " ", html, flags=re.S)
    html = re.sub(r"</?(?:b|strong|i|em|span)\b[^>]*>", "", html)
    return unescape(re.sub(r"<[^>]+>", " | ", html))


def test_a_rendered_report(view):
    quoted = own_words(view.study)
    assert any("due to membership" in text for text in quoted)
    found = sections(view, ())
    for text in (visible(html_page(view, {}, found)), markdown_page(view, found)):
        assert words(text, quoted) == []
    assert found[-1].blocks[-1].rows[-1][1].startswith(STUDYS.format(""))


def test_a_notebook(run):
    text = visible(notebook_html(run.frames, run.study, run.meta))
    assert "printed" in text
    assert words(text, own_words(run.study)) == []


def test_tables_for_latex_and_word(run, view):
    quoted = own_words(run.study)
    tables = readable_tables(view)
    assert words(latex_tables(view, tables), quoted) == []
    for lead, text in headline_sentences(view):
        assert words(f"{lead} {text}", quoted) == []


def test_notes_and_keys_of_every_row(run):
    quoted = own_words(run.study)
    seen = 0
    for frame in run.frames.values():
        for column in frame.select_dtypes(exclude="number").columns:
            for text in frame[column].dropna().astype(str).unique():
                seen += 1
                assert words(text, quoted) == [], (column, text)
    assert seen > 500


def test_what_the_command_says_of_exceptions(run):
    assert all(words(str(text)) == [] for text in run.exceptions["reason"].dropna())


def test_figures(view):
    quoted = own_words(view.study)
    with drawing_style():
        drawn = drawings(view)
        assert len(drawn) > 5
        for drawing in drawn:
            texts = drawn_words(drawing)
            assert len(texts) > 5
            assert words(" | ".join(texts), quoted) == [], drawing.name


def test_figures_of_a_calibration():
    ranks = {"gap||region=North": np.arange(100) % 10}
    with drawing_style():
        for drawing in rank_panels("ses-default", ranks):
            assert words(" | ".join(drawn_words(drawing))) == []


def test_texts_of_figures_are_looked_at_when_a_report_is_written(view):
    def line(*texts):
        return sections(view, (), texts)[-1].blocks[-1].rows[-1]

    said = "words of cause stand here that no gap carries: “What membership does for trust”"
    assert line("What membership does for trust") == ("Wording", said)
    assert line("trust, points") == line()


def test_a_figure_that_says_more_is_told_on_in_the_page_that_is_written(build, tmp_path):
    def drawings_of(view):
        first, *rest = RUN.drawings(view)
        first.figure.axes[0].set_xlabel("trust that membership creates")
        return [first, *rest]

    shape = replace(RUN, drawings=drawings_of)
    write_report(build.frames(), build.study(), build.meta(), tmp_path, ("html", "md"), shape)
    for name in ("report.html", "report.md"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert "“trust that membership creates”" in page


def test_the_line_on_wording_is_short_and_counts_what_it_leaves_out():
    study = replace(load_study("uganda_dairy"), title="Dairy")
    blocks = tuple(Paragraph(text=f"Text {number} has an impact.") for number in range(9))
    line = wording_words(study, [Section(title="T", anchor="t", blocks=blocks)])
    assert line.endswith("; and 6 more")
    assert line.count("impact") == 3
    assert len(line) < 300


def test_the_line_on_wording_counts_whose_words_stand_there():
    labels = ("Economic situation improved due to membership", "Impact on trust", "Benefits felt")
    said = Paragraph(text="Economic situation improved due to mem… and “impact on trust”")
    section = Section(title="T", anchor="t", blocks=(said,))
    assert quoted_words(labels, [section], "the study") == STUDYS.format("2 texts")
    assert quoted_words(labels, [section], "the study", labels[2:]) == STUDYS.format("3 texts")
    none = replace(section, blocks=(Paragraph(text="A gap."),))
    assert quoted_words(labels, [none], "the study") == "no words of cause"


def test_a_label_cut_short_is_a_quotation_only_as_far_as_it_goes():
    label = "Economic benefits to the community"
    assert words("Economic benefits to the…", [label]) == []
    assert words("Economic benefits to all…", [label]) == ["benefits"]
    assert words("benefits to the…", [label]) == ["benefits"]
    assert words("Economic benefits to the… and its impact", [label]) == ["impact"]
    assert words("Economic benefits grew", [label]) == ["benefits"]
