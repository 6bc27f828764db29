"""A row of labels under the header is no person, and a person is no row of labels."""

from __future__ import annotations

import pytest

from coopgap.app.plan import make_plan
from coopgap.report.plan import plan_text
from coopgap.survey.draft import draft_study
from coopgap.survey.read import read_table
from coopgap.survey.text import label_rows

pytestmark = pytest.mark.usefixtures("in_process")

HEADER = ["member", "age", "sex", "when"]
LABELS = ["Are you a member?", 'Age, in "full" years', "Sex", "Date of\ninterview"]
ROWS = [
    [str(i % 2), str(20 + i), ("male", "female")[i % 3 > 0], "2020-01-0" + str(i % 9 + 1)]
    for i in range(40)
]
IMPORT = ['{"ImportId":"QID1"}', '{"ImportId":"QID2"}', '{"ImportId":"sex"}', '{"ImportId":"d"}']


def write(folder, rows, mark=","):
    path = folder / "survey.csv"
    quoted = [mark.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("extra", [[], [IMPORT]])
@pytest.mark.parametrize("columns", [None, ["sex"]])
def test_labels_are_found_named_and_not_counted(tmp_path, mark, extra, columns):
    raw = read_table(write(tmp_path, [HEADER, LABELS, *extra, *ROWS], mark), columns)
    assert (raw.n_rows, raw.label_rows) == (40, 1 + len(extra))
    assert raw.labels == dict(zip(HEADER, [*LABELS[:3], "Date of interview"], strict=True))
    assert set(raw.answers("sex").values) == {"male", "female"}


FIRST_ROWS = {
    "a person": ROWS[0],
    "a person with text where others have numbers": ["refused", "sixty", "male", "2020-01-01"],
    "an answer that comes back": ["one", "about sixty", "male", "in May"],
    "no answers": ["n/a", "refused", "don't know", "missing"],
    "one number": ["Are you a member?", "40", "Sex", "Date"],
    "a trial": ["test", "test", "test", "test"],
    "mostly blank": ["Are you a member?", "", "", ""],
    "true or false": ["true", "Age", "Sex", "Date"],
}


@pytest.mark.parametrize("first", FIRST_ROWS.values(), ids=FIRST_ROWS)
def test_answers_are_never_taken_for_labels(tmp_path, first):
    raw = read_table(write(tmp_path, [HEADER, first, *ROWS]), None)
    assert (raw.n_rows, raw.label_rows, dict(raw.labels)) == (41, 0, {})


def test_texts_alone_are_answers(tmp_path):
    """Where no column has figures a first row that differs from the rest may be a person."""
    rows = [["yes", "Lima"], ["no", "Cusco"]] * 20
    raw = read_table(write(tmp_path, [["q", "place"], ["perhaps", "Puno"], *rows]), None)
    assert (raw.n_rows, raw.label_rows) == (41, 0)


@pytest.mark.parametrize(
    ("labels", "below", "found"),
    [
        (["Age", "Sex"], [{"1", "2"}, {"male"}], 0),
        (["Age", "Income", "Sex"], [{"1", "2", ""}, {"3.5", "4"}, {"male"}], 1),
        (["Age", "Income", "Sex"], [{"1", "n/a"}, {"3.5", "4"}, {"male"}], 0),
        (["Age", "Income", "Sex"], [{""}, {"3.5", "4"}, {"male"}], 0),
    ],
)
def test_two_columns_of_figures_are_needed(labels, below, found):
    assert label_rows(labels, [labels], lambda _: below)[1] == found


def test_a_header_and_labels_alone_are_one_row(tmp_path):
    assert read_table(write(tmp_path, [HEADER, LABELS]), None).n_rows == 1


def test_draft_and_plan_say_so(tmp_path, people, make_folder):
    header, *rows = people.to_csv(index=False).splitlines()
    path = tmp_path / "survey.csv"
    labels = ",".join(f"The {name} of the person" for name in people)
    path.write_text("\n".join([header, labels, *rows]), encoding="utf-8")
    line = "1 row under the header holds labels of the columns and is not counted"
    text = draft_study(read_table(path, None), str(path))
    assert f"# Draft from survey.csv: 600 rows, {people.shape[1]} columns.\n# {line}\n" in text
    assert 'label = "The age of the person"' in text
    plan = make_plan(make_folder(), path)
    assert plan.survey.n_read == 600
    assert f"labels    {line}" in plan_text(plan)
