"""Whatever is wrong with a study folder is one line: file, key, what is there, what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from coopgap.core.errors import StudyError
from coopgap.study.load import load_study


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
