"""A registry file that is not as its format says is refused in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coopgap.core.errors import StudyError
from coopgap.datasets.registry import COLUMNS, SHIPPED, load_registry, read_registry

HEAD = (
    "id,source,group,item,category,stat,value,base_n,note,"
    "name,rank,role,against,called,same_as,apart_from,within\n"
)
AGAINST = (
    "allowed: the id of another percentage, or count with a base, of a group other than all and "
    "not itself set against one"
)
GOOD = "A1,Table 1,member,thing,yes,percent,40,50,,,,,,,,,\n"


def refusal(text):
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(StudyError) as caught:
        read_registry("own.csv", content)
    return str(caught.value)


def changed(**cells):
    values = dict(zip(HEAD.strip().split(","), GOOD.strip().split(","), strict=True)) | cells
    return HEAD + ",".join(values.values()) + "\n"


def cases():
    """A cell changed in each of the file's, and the message; then whole files."""
    text = (Path(__file__).parent / "refusals.txt").read_text(encoding="utf-8")
    for case, message in re.findall(r"^([^#>\n].*)\n> (.*)$", text, re.MULTILINE):
        cells = dict(cell.split(" = ", 1) for cell in case.split("; "))
        yield pytest.param(changed(**cells), message, id=case)
    for name, (content, message) in REFUSED.items():
        yield pytest.param(content, message, id=name)


REFUSED = {
    "no column": (
        HEAD.replace("note,", "") + "A1,T,member,i,c,percent,1,,,,,\n",
        f"own.csv: has no column note; give {', '.join(COLUMNS)}",
    ),
    "unknown column": (
        HEAD.replace("rank", "rnak") + GOOD,
        "own.csv: unknown column rnak; allowed: id, source, group, item, category, stat, value, "
        "base_n, note, name, rank, role, against, called, same_as, apart_from, within",
    ),
    "column twice": (
        HEAD.replace("role", "rank") + GOOD,
        "own.csv: has the column rank twice; allowed: each once",
    ),
    "nothing": (HEAD, "own.csv: holds no printed number; give one a line"),
    "empty": ("", f"own.csv: has no column id; give {', '.join(COLUMNS)}"),
    "short line": (
        HEAD + "A1,Table 1\n",
        "own.csv: line 2: has another number of cells than the header; allowed: 17",
    ),
    "no group": (changed(group=" "), "own.csv: line 2: group: is empty; give a text"),
    "NUL bytes": (changed(category="y\0es"), "own.csv: holds NUL bytes; save it as UTF-8 text"),
    "id twice": (HEAD + GOOD + GOOD, "own.csv: has the id A1 twice; allowed: each once"),
    "number twice": (
        HEAD + GOOD + GOOD.replace("A1", "A2"),
        "own.csv: A2 repeats A1: source, group, item and category; give each number once a place",
    ),
    "two names": (
        HEAD + GOOD + GOOD.replace("A1", "A2").replace("yes", "no").replace("50,,,", "50,,x,"),
        "own.csv: name: A2 names its item otherwise; allowed: one name an item",
    ),
    "one name for two": (
        changed(name="x") + "A2,Table 1,member,other,yes,percent,40,50,,x,,,,,,,\n",
        "own.csv: name: x stands for two items; allowed: one item a name",
    ),
    "two ranks": (
        changed(rank="1") + "A2,Table 2,member,thing,yes,percent,40,50,,,2,,,,,,\n",
        "own.csv: rank: A2 has another rank than its category elsewhere, or a taken one; "
        "allowed: one rank a category of an item",
    ),
    "against both groups together": (
        changed(against="A2") + GOOD.replace("A1", "A2").replace("member", "all"),
        f"own.csv: against: A1 is set against A2; {AGAINST}",
    ),
    "against one another": (
        changed(against="A2") + changed(id="A2", category="no", against="A1").split("\n", 1)[1],
        f"own.csv: against: A1 is set against A2; {AGAINST}",
    ),
    "in a chain": (
        changed(against="A2")
        + changed(id="A2", category="no", against="A3").split("\n", 1)[1]
        + GOOD.replace("A1", "A3").replace("yes", "maybe"),
        f"own.csv: against: A1 is set against A2; {AGAINST}",
    ),
    "the same as one of another group": (
        changed(same_as="A2") + changed(id="A2", group="non-member").split("\n", 1)[1],
        "own.csv: same_as: A1 is of the same as A2; "
        "allowed: the id of another percentage of its group",
    ),
    "not UTF-8": (HEAD.encode() + b"A1,T\xe9", "own.csv: is not UTF-8; save it as UTF-8"),
    "a quote that stays open": (
        HEAD + '"A1,Table 1\n',
        "own.csv: is not CSV: unexpected end of data; mend that line",
    ),
}


@pytest.mark.parametrize(("text", "expected"), [*cases()])
def test_a_registry_is_refused_in_one_line(text, expected):
    assert refusal(text) == expected


def test_a_number_keeps_its_decimals_and_its_exact_value():
    (row,) = read_registry("own.csv", changed(value="2.30", base_n="").encode())
    assert (row.value, row.decimals, row.base) == (2.3, 2, None)
    assert row.exact * 100 == 230


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Member", "member"),
        ("Non-Member", "non-member"),
        ("nonmembers", "non-member"),
        ("Non members", "non-member"),
        ("National Average", "national average"),
        ("SACCO Members", "SACCO members"),
        ("Co-operatives", "Co-operatives"),
    ],
)
def test_groups_that_mean_something_are_known_in_any_case(given, read):
    (row,) = read_registry("own.csv", changed(group=given).encode())
    assert row.group == read


def test_a_byte_order_mark_and_blank_lines_are_no_harm():
    content = b"\xef\xbb\xbf" + (HEAD + "\n" + GOOD + ",,,,,,,,,,,,,,,\n").encode()
    assert [row.id for row in read_registry("own.csv", content)] == ["A1"]


def test_optional_columns_may_be_left_out():
    text = ",".join(COLUMNS) + "\nA1,Table 1,member,thing,yes,percent,40,50,\n"
    (row,) = read_registry("own.csv", text.encode())
    assert (row.name, row.rank, row.role, row.against) == ("", None, "", "")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_registries_can_be_read(name):
    registry = load_registry(name)
    assert len(registry.sha256) == 64
    assert all(row.place for row in registry.rows)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"own\.csv: cannot be read"):
        load_registry(tmp_path / "own.csv")


def test_an_unknown_registry_lists_the_shipped_ones():
    with pytest.raises(StudyError, match="kenya, peru"):
        load_registry("chile")
