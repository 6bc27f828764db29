"""Whatever is wrong with a study folder is one line: file, key, what is there, what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from random import Random

import pytest

from coopgap.core.errors import StudyError
from coopgap.study.load import load_study

MORE = {
    "where": {"wave": [1, 2]},
    "disclosure": {"minimum": 5},
    "variables.helped.role": {"helped": "negative_control"},
    "negative_control": {"variable": "helped", "outcomes": ["trust"], "exclusion": "For all."},
}
AXES = {
    "method": ["exact", "nearest"],
    "caliper": ["none", 0.2],
    "coding": ["trust", ">=high"],
    "covariates": [["age_band", "region"], []],
}


def cases() -> Iterator[tuple[dict[str, dict[str, object]], str]]:
    """Changes by file, and the message."""
    changes: dict[str, dict[str, object]] = {}
    text = (Path(__file__).parent / "refusals.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("> "):
            yield changes, line.removeprefix("> ")
            changes = {}
        elif line.startswith(("study: ", "trust: ")):
            file, _, change = line.partition(": ")
            key, given, value = change.partition(" = ")
            set_to = tomllib.loads(f"value = {value}")["value"] if given else None
            changes.setdefault(file, {})[key] = set_to


@pytest.mark.parametrize(("changes", "expected"), [*cases()])
def test_what_is_wrong_is_one_line(make_study, changes, expected):
    with pytest.raises(StudyError) as caught:
        load_study(make_study(**changes, helped=True))
    assert str(caught.value) == expected


JUNK = (
    *(0, -1, 2**53 + 1, 2.5, float("nan"), float("inf"), 1e305, True, "", " ", "none", ">=high"),
    *("trust", "a.csv", [], {}, [[]], [{}], ["trust"], [1, "1"], {"str": 1}, {"0": 1}),
    *({"trust": {}}, [{"model": "trust", "at": 3}], date(2020, 1, 31), [date(2020, 1, 31)]),
)


def altered(table, random):
    """A table with something in it replaced, left out, or under a key of another table."""
    places = []

    def walk(inner):
        for key in inner if isinstance(inner, dict) else range(len(inner)):
            places.append((inner, key))
            if isinstance(inner[key], dict | list):
                walk(inner[key])

    walk(table)
    inner, key = random.choice(places)
    way = random.random()
    if way < 0.7:
        inner[key] = random.choice(JUNK)
    elif way < 0.85 and isinstance(inner, dict):
        inner[random.choice(("zzz", "name", "declared_levels", "type", "at"))] = random.choice(JUNK)
    else:
        del inner[key]
    return table


@pytest.mark.parametrize("seed", range(4))
def test_whatever_stands_in_a_file_is_a_study_or_one_line(make_study, write_toml, seed):
    folder, random = make_study(MORE, {"multiverse": AXES}, helped=True), Random(seed)
    lines: list[str] = []
    for path in (folder / "study.toml", folder / "trust.toml"):
        text = path.read_text("utf-8")
        for _ in range(100):
            write_toml(path, altered(tomllib.loads(text), random))
            with suppress(StudyError):
                load_study(folder)
                continue
            with pytest.raises(StudyError) as caught:
                load_study(folder)
            lines.append(str(caught.value))
        path.write_text(text, encoding="utf-8")
    assert 100 < len(lines) < 200
    assert all(re.fullmatch(r"[a-z]+\.(toml|csv): [^\n]+; [^\n]+", line) for line in lines)


@pytest.mark.parametrize(("fewer", "refused"), [(34, False), (33, True)])
def test_combinations_are_counted_before_they_are_made(make_study, fewer, refused):
    calipers = ["none", *(k / 1000 for k in range(fewer, 1699))]
    axes = {"caliper": calipers, "method": ["exact", "entropy"]}
    folder = make_study(trust={"multiverse": axes | {"link": ["logit", "probit", "cloglog"]}})
    if not refused:
        assert len(load_study(folder).models[0].multiverse.caliper) == 1666
        return
    with pytest.raises(StudyError) as caught:
        load_study(folder)
    assert str(caught.value) == (
        "trust.toml: multiverse: has 10,002 combinations; allowed: at most 10,000"
    )
