"""The JSON Schema of a study folder, the key reference, and the command that prints them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coopgap.app.cli import main
from coopgap.study.load import StudyFile
from coopgap.study.model import KEYS, ModelFile
from coopgap.study.schema import json_schema, key_reference

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"study": StudyFile, "model": ModelFile}


def tables(node: Any) -> Iterator[dict[str, Any]]:
    """Every table of a schema that has keys."""
    if isinstance(node, dict):
        if "properties" in node and node.get("type") == "object":
            yield node
        for value in node.values():
            yield from tables(value)
    elif isinstance(node, list):
        for value in node:
            yield from tables(value)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_key_has_a_line_and_no_table_takes_another(kind):
    found = [*tables(json_schema(kind))]
    assert len(found) > 3
    for table in found:
        assert table["additionalProperties"] is False
        for key, node in table["properties"].items():
            assert re.fullmatch(r"[A-Z`].*\.", node["description"]), key
            assert "|" not in node["description"]


def test_limits_and_choices_are_in_the_schema():
    schema = json_schema(ModelFile)
    matching = schema["$defs"]["Matching"]
    assert matching["properties"]["method"]["enum"] == [*KEYS]
    assert matching["properties"]["interactions"]["items"]["minItems"] == 2
    assert schema["$defs"]["Hierarchical"]["properties"]["draws"]["minimum"] == 100
    assert schema["required"] == ["outcome"]
    study = json_schema(StudyFile)
    assert study["required"] == ["title", "group", "headline", "variables"]
    assert "name" not in study["$defs"]["Variable"]["properties"]
    assert study["properties"]["smallest_gap"] | {"description": ""} == {
        "default": 0.05,
        "description": "",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "type": "number",
    }


@pytest.mark.parametrize("method", KEYS)
def test_the_schema_has_the_keys_of_each_method(method):
    rules = {
        rule["if"]["properties"]["method"]["const"]: rule
        for rule in json_schema(ModelFile)["properties"]["matching"]["allOf"]
    }
    refused = rules[method]["then"]["properties"]
    every = {*json_schema(ModelFile)["$defs"]["Matching"]["properties"]} - {"method"}
    assert {key for key in every if key not in refused} == {*KEYS[method]}
    assert set(refused.values()) <= {False}
    # Without a method it is exact matching.
    assert rules[method]["if"]["required"] == ([] if method == "exact" else ["method"])


def test_the_keys_of_the_shipped_studies_are_in_the_reference():
    for path in (ROOT / "models").glob("*/*.toml"):
        kind = StudyFile if path.name == "study.toml" else ModelFile
        reference = key_reference(kind)
        for key in tomllib.loads(path.read_text("utf-8")):
            assert f"| `{key}` |" in reference


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_the_books_keys_are_made_from_the_records(name, kind, page):
    assert f"\n{key_reference(kind)}\n" in page(f"reference/{name}.md")


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_the_command_prints_a_schema_or_writes_it(name, kind, tmp_path, capsys):
    assert main(["schema", name]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema(kind)
    path = tmp_path / "schema.json"
    assert main(["schema", name, "--out", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert json.loads(path.read_text("utf-8")) == json_schema(kind)
    assert main(["schema", name, "--keys"]) == 0
    assert capsys.readouterr().out == f"{key_reference(kind)}\n"


def test_a_folder_is_no_file(tmp_path, capsys):
    assert main(["schema", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("cannot be written; Is a directory\n")


def test_help_imports_nothing_of_it():
    code = "import sys; from coopgap.__main__ import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "schema" in done.stdout
    assert "pydantic" not in done.stdout
