"""A registry file that is not as its format says is refused in one line."""

from __future__ import annotations

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
    "unknown stat": (
        changed(stat="median"),
        'own.csv: line 2: stat: is "median"; allowed: percent, count, mean, points, not printed',
    ),
    "percent sign": (
        changed(value="40%"),
        'own.csv: line 2: value: is "40%"; allowed: a number, without a sign of %',
    ),
    "not a number": (
        changed(value="nan"),
        'own.csv: line 2: value: is "nan"; allowed: a number, without a sign of %',
    ),
    "beyond a hundred": (
        changed(value="140"),
        "own.csv: line 2: value: is 140; allowed for percent: 0 to 100",
    ),
    "more than its base": (
        changed(stat="count", value="51"),
        "own.csv: line 2: value: is 51; allowed for count: 0 to 50",
    ),
    "a part of somebody": (
        changed(stat="count", value="4.5"),
        "own.csv: line 2: value: is 4.5; allowed for count: a whole number",
    ),
    "a value that is not printed": (
        changed(stat="not printed"),
        "own.csv: line 2: value: is given; leave it empty: nothing is printed",
    ),
    "base": (
        changed(base_n="0"),
        'own.csv: line 2: base_n: is "0"; allowed: a whole number to 10000000, or empty',
    ),
    "more people than can be looked at": (
        changed(base_n="2000000000"),
        'own.csv: line 2: base_n: is "2000000000"; allowed: a whole number to 10000000, or empty',
    ),
    "NUL bytes": (changed(category="y\0es"), "own.csv: holds NUL bytes; save it as UTF-8 text"),
    "role": (
        changed(role="outcome"),
        'own.csv: line 2: role: is "outcome"; allowed: covariate, or empty',
    ),
    "name": (
        changed(name="A name"),
        'own.csv: line 2: name: is "A name"; allowed: small letters, digits and _, a letter first',
    ),
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
    "against nothing": (
        changed(against="A9"),
        f"own.csv: against: A1 is set against A9; {AGAINST}",
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
    "apart from itself": (
        changed(apart_from="A1"),
        "own.csv: apart_from: A1 is apart from A1; "
        "allowed: the id of another percentage of its group",
    ),
    "within": (
        changed(within="few"),
        'own.csv: line 2: within: is "few"; allowed: a whole number to 10000000, or empty',
    ),
    "not UTF-8": (HEAD.encode() + b"A1,T\xe9", "own.csv: is not UTF-8; save it as UTF-8"),
    "a quote that stays open": (
        HEAD + '"A1,Table 1\n',
        "own.csv: is not CSV: unexpected end of data; mend that line",
    ),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED)
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
