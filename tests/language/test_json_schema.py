"""The JSON Schemas say what the checks here say."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine import editor_schemas
from engine.language.source import plain, read

ROOT = Path(__file__).parents[2]
SCHEMAS = {name: editor_schemas.schema(name) for name in editor_schemas.NAMES}
CONFIGURATION, PROVIDER, MAPPING = (
    SCHEMAS[name] for name in ("configuration", "provider", "mapping")
)
LINE = "# yaml-language-server: $schema="
# Every file that comes with the package, and the providers of the tests.
FILES = [
    ROOT / "config.example.yaml",
    *(
        path
        for folder in ("engine", "mappings", "providers", "tests/cases/providers")
        for path in sorted((ROOT / folder).rglob("*.yaml"))
    ),
]


def _wrong(schema: dict[str, Any], data: Any) -> list[str]:
    found = Draft202012Validator(schema).iter_errors(data)
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["title"] == name


def _named(path: Path) -> str:
    """The schema that a file names for editors."""
    first = path.read_text().splitlines()[0]
    assert first.startswith(LINE), f"{path} names no schema"
    schema = (path.parent / first.removeprefix(LINE)).resolve()
    assert schema.parent == ROOT / "docs" / "schemas"
    return schema.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_shipped_file_holds_to_the_schema_that_it_names(path: Path) -> None:
    assert _wrong(SCHEMAS[_named(path)], plain(read(path))) == []


def test_each_schema_is_for_some_file() -> None:
    assert {_named(path) for path in FILES} == set(SCHEMAS)


@pytest.mark.parametrize(
    ("schema", "data", "told"),
    [
        (CONFIGURATION, {"prt": 1}, "'prt' was unexpected"),
        (CONFIGURATION, {"port": -1}, "less than the minimum"),
        (CONFIGURATION, {"providers": {"x": {"quirks": {"strct": 1}}}}, "'strct' was unexpected"),
        (PROVIDER, {"format": "x"}, "'name' is a required property"),
        (PROVIDER, {"name": "x", "quirks": {"strct": True}}, "'strct' was unexpected"),
        (PROVIDER, {"name": "x", "quirks": {"max_field": "m"}}, "is not one of"),
        (PROVIDER, {"name": "x", "models": [{"quirks": {}}]}, "'match' is a required property"),
        (MAPPING, {"reed": {}}, "'reed' was unexpected"),
        (MAPPING, {"read": {"a": {"$eech": "x"}}}, "'$eech' does not match any"),
        (SCHEMAS["canonical"], {"part": {"a": {"type": "txt"}}}, "is not valid under any"),
        (SCHEMAS["canonical"], {"part": {"a": {"type": "dict", "alowed": []}}}, "unexpected"),
        (SCHEMAS["canonical"], {"part": {"a": {"type": "list", "schema": "part"}}}, "not of type"),
        (SCHEMAS["quirks"], {"quirks": {"a": {"type": "string", "absent": 1}}}, "'meaning' is a"),
        (SCHEMAS["schema-profiles"], {"profiles": {"a": {"refs": "inlined"}}}, "is not one of"),
        (SCHEMAS["schema-profiles"], {"profiles": {"a": {"other": {"in": []}}}}, "is not valid"),
        (SCHEMAS["kinds"], {"kinds": {"mine": 200}}, "less than the minimum"),
        (SCHEMAS["fidelity"], {"places": [{"fild": {}}]}, "'fild' was unexpected"),
        (SCHEMAS["error-classes"], [{"match": {"status": 404}, "do": "stpo"}], "is not one of"),
        (SCHEMAS["error-classes"], [{"match": {"status": "4xx"}, "do": "stop"}], "does not match"),
        (SCHEMAS["protocols"], {"a": "b"}, "is not of type 'array'"),
    ],
)
def test_a_mistake_is_seen(schema: dict[str, Any], data: Any, told: str) -> None:
    assert any(told in line for line in _wrong(schema, data))


def test_null_and_variables_are_taken_where_the_checks_take_them() -> None:
    assert _wrong(CONFIGURATION, {"providers-dir": None, "port": "${PORT}"}) == []
    assert _wrong(PROVIDER, {"name": "x", "base-url": None, "quirks": {"user_field": None}}) == []
    assert _wrong(MAPPING, {"read": {"a": {"$literal": {"$each": 1}}, "b": "= wire.b"}}) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_for_editors_is_the_one_that_is_printed(name: str) -> None:
    file = ROOT / "docs" / "schemas" / f"{name}.json"
    assert json.loads(file.read_text()) == SCHEMAS[name], f"ai-proxy schema {name} > {file}"
