"""The JSON Schemas say what the checks here say."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.gateway import schema as configuration
from engine.language import json_schema
from engine.language.source import plain, read
from engine.resources import shipped
from engine.translation import provider_files
from engine.translation.quirks import Quirks

ROOT = Path(__file__).parents[2]
MAPPINGS = shipped("mappings")
KINDS = ("request", "response", "error", "stream", "common")

QUIRKS = Quirks.load([MAPPINGS])
CONFIGURATION = configuration.json_schema_of(QUIRKS)
PROVIDER = provider_files.json_schema_of(QUIRKS)
MAPPING = json_schema.mapping()

FILES = [
    *((CONFIGURATION, path) for path in [ROOT / "config.example.yaml"]),
    *((PROVIDER, path) for path in sorted(shipped("providers").glob("*.yaml"))),
    *((MAPPING, path) for kind in KINDS for path in sorted(MAPPINGS.glob(f"*/{kind}.yaml"))),
]


def _wrong(schema: dict[str, Any], data: Any) -> list[str]:
    found = Draft202012Validator(schema).iter_errors(data)
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize("schema", [CONFIGURATION, PROVIDER, MAPPING], ids=lambda s: s["title"])
def test_a_schema_is_one(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "path"), FILES, ids=[f"{path.parent.name}/{path.name}" for _, path in FILES]
)
def test_a_shipped_file_holds_to_its_schema(schema: dict[str, Any], path: Path) -> None:
    assert _wrong(schema, plain(read(path))) == []


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
    ],
)
def test_a_mistake_is_seen(schema: dict[str, Any], data: Any, told: str) -> None:
    assert any(told in line for line in _wrong(schema, data))


def test_null_and_variables_are_taken_where_the_checks_take_them() -> None:
    assert _wrong(CONFIGURATION, {"providers-dir": None, "port": "${PORT}"}) == []
    assert _wrong(PROVIDER, {"name": "x", "base-url": None, "quirks": {"user_field": None}}) == []
    assert _wrong(MAPPING, {"read": {"a": {"$literal": {"$each": 1}}, "b": "= wire.b"}}) == []


@pytest.mark.parametrize("schema", [CONFIGURATION, PROVIDER, MAPPING], ids=lambda s: s["title"])
def test_the_schema_for_editors_is_the_one_that_is_printed(schema: dict[str, Any]) -> None:
    file = ROOT / "docs" / "schemas" / f"{schema['title']}.json"
    assert json.loads(file.read_text()) == schema, f"ai-proxy schema {schema['title']} > {file}"


@pytest.mark.parametrize(
    ("schema", "path"),
    [each for each in FILES if each[0] is not MAPPING],
    ids=[path.name for schema, path in FILES if schema is not MAPPING],
)
def test_a_file_names_its_schema_for_editors(schema: dict[str, Any], path: Path) -> None:
    first = path.read_text().splitlines()[0]
    named = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert named.resolve() == ROOT / "docs" / "schemas" / f"{schema['title']}.json"
