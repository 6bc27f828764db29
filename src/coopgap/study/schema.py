"""The JSON Schema of a study folder's files; from it errors in one line and the key reference."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from coopgap.core.errors import StudyError
from coopgap.study.keys import LARGEST, Refusal, adapter, place, unknown_key

_LATER = {
    "Group.prevalence": "it serves gaps over everyone; leave it out",
    "Design.cluster": "name the clusters as zone",
    "VariantTable.outcome": "give the outcome a model file of its own",
    "VariantTable.population": "a variant redoes the gap over the matched members",
    "VariantTable.intervals": "only a model has coefficients; ask for it there",
    "VariantTable.hierarchical": "give it a model file of its own",
    "VariantTable.multiverse": "declare it once, for the model",
}
"""Keys that a table might have and has not, with what to do instead."""

_NOUNS = {
    "string": ("a text", "texts"),
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "boolean": ("true or false", "true or false"),
    "object": ("a table", "tables"),
}


def study_error(kind: type, name: str, table: object, error: ValidationError) -> StudyError:
    """One line for the first thing that is wrong; an unknown key goes before what is absent."""
    errors = error.errors(include_url=False)
    first = next((one for one in errors if one["type"] == _UNKNOWN), errors[0])
    return _located(kind, name, table, first)


_UNKNOWN = "unexpected_keyword_argument"


def _located(kind: type, name: str, table: object, error: ErrorDetails) -> StudyError:
    """File and key, what is there and what is allowed."""
    schema, steps, unknown = json_schema(kind), [*error["loc"]], None
    if steps[-1:] == ["[key]"]:
        _, unknown = steps.pop(), steps.pop()
    elif error["type"] == _UNKNOWN:
        unknown = steps.pop()
    node, value, path = schema, table, ""
    for number, step in enumerate(steps, start=1):
        held, inner = _holds(value, step), _below(node, step, schema)
        absent = error["type"] == "missing" and number == len(steps)
        # Others are pydantic's own steps, such as the parts of a union.
        if not inner or not (held or absent):
            continue
        node = inner
        path += f"[{step + 1}]" if isinstance(step, int) else f"{'.' if path else ''}{step}"
        value = value[step] if held else None  # type: ignore[index]
    if unknown is None:
        refusal = _refusal(error, node, value, schema)
    else:
        refusal = _unknown_refusal(str(unknown), node, schema)
    return StudyError(place(place(name, path), refusal.key), refusal.found, refusal.allowed)


def _holds(value: object, step: int | str) -> bool:
    if isinstance(step, int):
        return isinstance(value, list) and step < len(value)
    return isinstance(value, dict) and step in value


def _unknown_refusal(key: str, node: JsonSchemaValue, schema: JsonSchemaValue) -> Refusal:
    tables = (one for one in _options(node, schema) if one.get("type") == "object")
    table = next(tables)
    later = _LATER.get(f"{table.get('title')}.{key}")
    if later:
        return Refusal("is not available in this version", later, key)
    return unknown_key(key, table.get("propertyNames", {}).get("enum") or [*table["properties"]])


def _refusal(
    error: ErrorDetails, node: JsonSchemaValue, value: Any, schema: JsonSchemaValue
) -> Refusal:
    refusal = error.get("ctx", {}).get("error")
    if isinstance(refusal, Refusal):
        return refusal
    kind, allowed = error["type"], _allowed(node, schema)
    if kind == "missing":
        text = node.get("description", "")
        return Refusal("is absent", f"give {allowed}{': ' if text else ''}{text.rstrip('.')}")
    if kind == "string_pattern_mismatch":
        return Refusal("is empty", f"give {allowed}")
    if kind in ("too_short", "too_long"):
        exact = next((one["maxItems"] for one in _options(node, schema) if "maxItems" in one), None)
        allowed = str(exact or f"{error['ctx']['min_length']} or more")
        return Refusal(f"has {len(value)}" if value else "is empty", f"allowed: {allowed}")
    if kind.startswith(("greater", "less")):
        number = next(one for one in _options(node, schema) if "type" in one)
        found = f"is {value:g}" if isinstance(value, float) else f"is {value}"
        return Refusal(found, f"allowed: {_limits(number, largest=value > LARGEST)}")
    if kind == "literal_error" and type(value) in (str, int):
        return Refusal(f"is {json.dumps(value, ensure_ascii=False)}", f"allowed: {allowed}")
    return Refusal(f"is {_kind(value)}", f"allowed: {allowed}")


def _kind(value: object) -> str:
    """What a TOML value is, without saying the value."""
    names = {
        bool: "true or false",
        str: "a text",
        int: "a whole number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")


def _options(node: JsonSchemaValue, schema: JsonSchemaValue) -> Iterator[JsonSchemaValue]:
    """What a node may be, references followed."""
    if "$ref" in node:
        yield from _options(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    elif "anyOf" in node:
        for option in node["anyOf"]:
            yield from _options(option, schema)
    else:
        yield node


def _below(node: JsonSchemaValue, step: int | str, schema: JsonSchemaValue) -> JsonSchemaValue:
    for option in _options(node, schema):
        inner = option.get("items") if isinstance(step, int) else None
        if isinstance(step, str):
            inner = option.get("properties", {}).get(step, option.get("additionalProperties"))
        if isinstance(inner, dict):
            return inner
    return {}


def _allowed(node: JsonSchemaValue, schema: JsonSchemaValue, *, several: bool = False) -> str:
    """What a node may be, in words."""
    options = [*_options(node, schema)]
    lists = [one for one in options if one.get("type") == "array"]
    rest = [one for one in options if one not in lists]
    nouns = dict.fromkeys(_noun(one, several) for one in rest)
    if _NOUNS["number"][several] in nouns:
        nouns.pop(_NOUNS["integer"][several], None)
    for one in lists:
        same = [*_options(one["items"], schema)] == rest
        of = "these" if same else _allowed(one["items"], schema, several=True)
        nouns[f"{'lists' if several else 'a list'} of {of}"] = None
    return (" or " if len(nouns) == 2 else ", ").join(nouns)


def _noun(node: JsonSchemaValue, several: bool) -> str:
    if "enum" in node:
        return ", ".join(node["enum"])
    if "const" in node:
        return json.dumps(node["const"])
    noun, limits = _NOUNS[node["type"]][several], _limits(node)
    comma = "," if limits[:1].isdigit() else ""
    return f"{noun}{comma} {limits}" if limits else noun


def _limits(node: JsonSchemaValue, *, largest: bool = False) -> str:
    """Limits of a number in words; the largest whole number there is goes without saying."""
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    if high == LARGEST and not largest:
        high = None
    if above is not None:
        return f"above {above:g}" if below is None else f"between {above:g} and {below:g}"
    most = f"to {high:,}" if high is not None else f"to below {below:g}" if below else "or more"
    return f"{low:,} {most}" if low is not None else ""


@cache
def json_schema(kind: type) -> JsonSchemaValue:
    """The JSON Schema of a kind of file."""
    schema = adapter(kind).json_schema(schema_generator=_Generator)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


class _Generator(GenerateJsonSchema):
    """With the texts under the fields, and without nulls, which TOML has not."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """A key needs no second name."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """None stands for a key that is absent."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """None and empty tables are what is absent."""
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value}

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        """Each field with its text; one without is no key."""
        made, texts = super().dataclass_schema(schema), _texts(schema["cls"])
        keys = {key: value for key, value in made["properties"].items() if key in texts}
        described = {key: {**value, "description": texts[key]} for key, value in keys.items()}
        return {**made, "properties": described, "additionalProperties": False}


def _texts(kind: type) -> dict[str, str]:
    """The text under each field of a record, those of its bases included."""
    texts: dict[str, str] = {}
    for base in (base for base in reversed(kind.__mro__) if base is not object):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        name = ""
        for statement in body.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name)):
                    pass
                case ast.Expr(value=ast.Constant(value=str(text))) if name:
                    texts[name] = " ".join(text.split())
    return texts


def key_reference(kind: type) -> str:
    """A table of every key of a kind of file, in Markdown."""
    schema = json_schema(kind)
    rows = [
        f"| `{key}` | {what} | {text} |" for key, what, text in _rows(schema, "", schema, set())
    ]
    return "\n".join(["| key | what it is | meaning |", "|---|---|---|", *rows])


def _rows(
    table: JsonSchemaValue, path: str, schema: JsonSchemaValue, known: set[str]
) -> Iterator[tuple[str, str, str]]:
    """Keys of a table and of the tables in it, each kind of table once."""
    for key, node in table.get("properties", {}).items():
        what = _allowed(node, schema)
        if key in table.get("required", ()):
            what = f"**{what}**"
        if "default" in node:
            what += f"; {json.dumps(node['default'])} if absent"
        yield f"{path}{key}", what, node["description"]
        for option in _options(node, schema):
            inner = {
                ".": option,
                "[].": option.get("items"),
                ".NAME.": option.get("additionalProperties"),
            }
            for suffix, tables in inner.items():
                for one in _options(tables, schema) if isinstance(tables, dict) else ():
                    if one.get("title", "") not in known:
                        known.add(one.get("title", ""))
                        yield from _rows(one, f"{path}{key}{suffix}", schema, known)
