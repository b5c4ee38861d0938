"""The JSON Schemas say what the checks here say."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.gateway.schema import SCHEMA
from engine.language import json_schema
from engine.language.source import plain, read
from engine.resources import shipped
from engine.translation.provider_files import json_schema_of
from engine.translation.quirks import Quirks

ROOT = Path(__file__).parents[2]
MAPPINGS = shipped("mappings")
KINDS = ("request", "response", "error", "stream", "common")

CONFIGURATION = json_schema.document(SCHEMA, "configuration")
PROVIDER = json_schema_of(Quirks.load([MAPPINGS]))
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
