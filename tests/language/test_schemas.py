"""The profiles of JSON Schema: each rule on a schema of its own, and what holds for all schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import MappingError
from engine.language import source
from engine.language.schemas import Profile, Profiles
from engine.resources import shipped

Schema = dict[str, Any]

PROFILES = Profiles.load(shipped("mappings") / "schema-profiles.yaml")
ALL = sorted(set(PROFILES) - {"json-schema"})  # of targets; that one reads what others wrote
REWRITING = [name for name in ALL if name != "claude"]


def given_property(schema: Any) -> Schema:
    return {"type": "object", "properties": {"x": schema}, "required": ["x"]}


def rewritten(profile: str, schema: Any) -> Any:
    """What becomes of a property of a complete object."""
    return PROFILES[profile].rewrite(given_property(schema))[0]["properties"]["x"]


def losses(profile: str, schema: Any) -> list[str]:
    return PROFILES[profile].rewrite(given_property(schema))[1]


@pytest.mark.parametrize(
    ("profile", "schema", "result"),
    [
        ("claude-strict", {"oneOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}]}),
        ("claude-strict", {"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        (
            "claude-strict",
            {"enum": [{"a": 1}], "type": "object", "additionalProperties": False},
            {
                "type": "object",
                "additionalProperties": False,
                "description": '{enum: [{"a": 1}]}',
            },
        ),
        (
            "claude-strict",
            {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many"},
            {"type": "integer", "description": "How many\n\n{minimum: 1, maximum: 9}"},
        ),
        (
            "claude-strict",
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ),
        (
            "claude-strict",
            {"type": "array", "items": {"type": "string"}, "minItems": 2},
            {"type": "array", "items": {"type": "string"}, "description": "{minItems: 2}"},
        ),
        (
            "claude-strict",
            {"type": "string", "format": "uri", "x-order": 1, "$comment": "c"},
            {"type": "string", "format": "uri"},
        ),
        (
            "claude-strict",
            {"type": "string", "format": "phone"},
            {"type": "string", "description": "{format: phone}"},
        ),
        (
            "claude-strict",
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": False},
        ),
        ("openai-strict", {"type": "string", "default": None}, {"type": "string"}),
        (
            "openai-strict",
            {"type": "string", "default": "a", "title": "T"},
            {"type": "string", "default": "a", "title": "T"},
        ),
        ("openai-strict", {"type": "string", "format": "uri"}, {"type": "string"}),
        ("openai-strict", {"type": "string", "not": {"const": "a"}}, {"type": "string"}),
        (
            "openai-strict",
            {"allOf": [{"type": "string", "minLength": 2}], "maxLength": 5},
            {"maxLength": 5, "type": "string", "minLength": 2},
        ),
        (
            "openai-strict",
            {"type": "object"},
            {
                "type": "object",
                "properties": {},
                "additionalProperties": False,
                "required": [],
            },
        ),
        ("gemini-json-schema", {"const": "a"}, {"enum": ["a"]}),
        ("gemini-json-schema", True, {}),
        ("gemini-json-schema", {"type": "array"}, {"type": "array", "items": {}}),
        ("gemini-json-schema", {"type": ["string", "null"]}, {"type": ["string", "null"]}),
        (
            "gemini-json-schema",
            {"enum": ["a", None]},
            {"enum": ["a"], "type": ["string", "null"]},
        ),
        (
            "gemini-json-schema",
            {"type": "string", "pattern": "^a", "title": "T", "default": "a"},
            {"type": "string", "title": "T", "description": "{pattern: ^a}"},
        ),
        (
            "gemini-json-schema",
            {"allOf": [{"type": "integer", "minimum": 1}, {"type": "number", "minimum": 3}]},
            {"type": "integer", "minimum": 3},
        ),
        (
            "gemini-openapi",
            {"type": ["string", "null"], "description": "d"},
            {"type": "string", "description": "d", "nullable": True},
        ),
        (
            "gemini-openapi",
            {"type": ["string", "integer"], "minimum": 2, "maxLength": 3, "description": "d"},
            {
                "anyOf": [
                    {"type": "string", "maxLength": 3, "description": "d"},
                    {"type": "integer", "minimum": 2, "description": "d"},
                ]
            },
        ),
        (
            "gemini-openapi",
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "T"},
            {"title": "T", "nullable": True, "type": "integer"},
        ),
        ("gemini-openapi", {"const": "a"}, {"enum": ["a"], "type": "string"}),
        (
            "gemini-openapi",
            {"type": "string", "enum": ["a", 1]},
            {"type": "string", "enum": ["a", "1"]},
        ),
        (
            "gemini-openapi",
            {"type": "integer", "enum": [1, 2]},
            {"type": "integer", "description": "{enum: [1, 2]}"},
        ),
        ("gemini-openapi", {"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        (
            "gemini-openapi",
            {"type": "integer", "format": "int64"},
            {"type": "integer", "format": "int64"},
        ),
        ("gemini-openapi", {"type": "string", "format": "int64"}, {"type": "string"}),
        ("gemini-openapi", {"type": "object", "additionalProperties": True}, {"type": "object"}),
        (
            "gemini-openapi",
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        (
            "gemini-openapi",
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
    ],
)
def test_a_property_becomes(profile: str, schema: Any, result: Any) -> None:
    got = rewritten(profile, schema)
    assert json.dumps(got) == json.dumps(result)


@pytest.mark.parametrize(
    ("profile", "schema", "sentences"),
    [
        (
            "claude-strict",
            {"type": "string", "minLength": 1, "pattern": "a"},
            ["minLength is moved into the description", "pattern is moved into the description"],
        ),
        (
            "claude-strict",
            {"type": "object", "properties": {}, "additionalProperties": True},
            ["objects take only the named properties (additionalProperties)"],
        ),
        ("openai-strict", {"type": "string", "if": {}}, ["if is left out"]),
        ("openai-strict", {"type": "null", "dependentAny": {}}, ["dependentAny is left out"]),
        (
            "gemini-json-schema",
            {"allOf": [{"type": "string"}, {"type": "integer"}]},
            ["type says two things that cannot be merged; the first stays"],
        ),
        (
            "gemini-json-schema",
            {"$ref": "#/$defs/none"},
            ["a $ref to what is not in the schema is left out"],
        ),
        ("gemini-openapi", {"oneOf": [{"type": "string"}], "x-a": 1, "$comment": ""}, []),
    ],
)  # fmt: skip
def test_what_is_taken_out_is_told(profile: str, schema: Any, sentences: list[str]) -> None:
    assert losses(profile, schema) == sentences


def test_one_sentence_for_what_is_taken_out_many_times() -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": "string", "pattern": name} for name in "abc"},
    }
    assert PROFILES["claude-strict"].rewrite(schema)[1] == ["pattern is moved into the description"]


@pytest.mark.parametrize("profile", ALL)
def test_names_of_parameters_are_no_keywords(profile: str) -> None:
    names = [
        "format",
        "pattern",
        "not",
        "$ref",
        "const",
        "enum",
        "default",
        "allOf",
        "minimum",
        "x-a",
    ]
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    result, sentences = PROFILES[profile].rewrite(schema)
    assert list(result["properties"]) == names
    assert all(each == {"type": "string"} for each in result["properties"].values())
    assert sentences == (
        [] if profile != "gemini-openapi" else ["additionalProperties is left out"]
    )


def test_optional_properties_are_required_and_may_be_null_where_all_must_be() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer"},
            "c": {"type": "string", "enum": ["x"]},
            "d": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "e": {"const": 1},
            "f": {"$ref": "#/$defs/F"},
            "g": {"type": ["string", "null"]},
            "h": {"enum": [1, None]},
        },
        "required": ["a"],
        "$defs": {"F": {"type": "string"}},
    }
    result, sentences = PROFILES["openai-strict"].rewrite(schema)
    assert result["required"] == list("abcdefgh")
    assert result["properties"] == {
        "a": {"type": "string"},
        "b": {"type": ["integer", "null"]},
        "c": {"type": ["string", "null"], "enum": ["x", None]},
        "d": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        "e": {"anyOf": [{"const": 1}, {"type": "null"}]},
        "f": {"anyOf": [{"$ref": "#/$defs/F"}, {"type": "null"}]},
        "g": {"type": ["string", "null"]},
        "h": {"enum": [1, None]},
    }
    assert sentences == ["properties that may be missing must be given and may be null"]


TREE = {
    "type": "object",
    "properties": {"root": {"$ref": "#/definitions/Node"}},
    "required": ["root"],
    "definitions": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "next": {"$ref": "#/definitions/Node"},
                "other": {"$ref": "#/definitions/Node"},
            },
            "required": ["name", "next"],
        }
    },
}


def test_definitions_are_renamed_and_references_follow() -> None:
    result, sentences = PROFILES["gemini-json-schema"].rewrite(TREE)
    assert result["properties"]["root"] == {"$ref": "#/$defs/Node"}
    assert result["required"] == ["root"]
    assert "definitions" not in result
    assert result["$defs"]["Node"]["properties"]["next"] == {"$ref": "#/$defs/Node"}
    assert result["$defs"]["Node"]["required"] == ["name"]
    assert sentences == ["a property that leads back to its own schema is no longer required"]


def test_a_renamed_definition_does_not_hide_another_of_its_name() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/definitions/T"}, "b": {"$ref": "#/$defs/T"}},
        "definitions": {"T": {"type": "string"}},
        "$defs": {"T": {"type": "integer"}},
    }
    result = PROFILES["gemini-json-schema"].rewrite(schema)[0]
    assert result["properties"] == {"a": {"$ref": "#/$defs/T_"}, "b": {"$ref": "#/$defs/T"}}
    assert result["$defs"] == {"T": {"type": "integer"}, "T_": {"type": "string"}}


def test_references_are_written_out_and_recursion_ends_in_a_plain_object_with_a_note() -> None:
    result, sentences = PROFILES["gemini-openapi"].rewrite(TREE)
    cut = {"type": "object", "description": "(again: Node)"}
    assert result == {
        "type": "object",
        "properties": {
            "root": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "next": cut, "other": cut},
                "required": ["name", "next"],
            }
        },
        "required": ["root"],
    }
    assert sentences == ["a recursive $ref is cut to a plain object"]


def test_what_stands_beside_a_reference_is_inlined_or_left_out() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/T", "description": "mine"},
            "b": {"$ref": "#/$defs/T"},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
        "$defs": {"T": {"type": "string", "description": "theirs", "title": "T"}},
    }
    kept = {"$ref": "#/$defs/T"}
    inlined = {"description": "mine", "type": "string", "title": "T"}
    for profile, expected in (
        ("openai-strict", inlined),
        ("gemini-json-schema", inlined),
        ("claude-strict", kept),
    ):
        assert PROFILES[profile].rewrite(schema)[0]["properties"] == {"a": expected, "b": kept}
    assert PROFILES["claude"].rewrite(schema)[0] is schema


def test_a_reference_into_the_middle_of_the_schema_is_written_out() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "title": "T"}, "b": {"$ref": "#/properties/a"}},
        "required": ["a", "b"],
    }
    for profile in REWRITING:
        assert PROFILES[profile].rewrite(schema)[0]["properties"]["b"] == {
            "type": "string",
            "title": "T",
        }


def test_closed_alternatives_beside_properties_stay_satisfiable() -> None:
    schema = given_property(
        {
            "type": "object",
            "properties": {"kind": {"type": "string"}},
            "anyOf": [
                {"properties": {"a": {"type": "string"}}},
                {"properties": {"b": {"type": "string"}}},
            ],
        }
    )
    alternatives = PROFILES["claude-strict"].rewrite(schema)[0]["properties"]["x"]
    assert list(alternatives) == ["anyOf"]
    assert [sorted(each["properties"]) for each in alternatives["anyOf"]] == [
        ["a", "kind"],
        ["b", "kind"],
    ]


@pytest.mark.parametrize("profile", ["claude", "claude-strict", "openai-strict", "gemini-openapi"])
def test_alternatives_at_the_root_become_one_object(profile: str) -> None:
    schema = {
        "oneOf": [
            {"$ref": "#/$defs/A"},
            {
                "type": "object",
                "properties": {"k": {"type": "string"}, "b": {"type": "integer"}},
                "required": ["k", "b"],
            },
        ],
        "$defs": {
            "A": {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]}
        },
    }
    result, sentences = PROFILES[profile].rewrite(schema)
    assert result["type"] == "object"
    assert "oneOf" not in result
    assert sorted(result["properties"]) == ["b", "k"]
    assert "k" in result["required"]
    assert "oneOf at the root is widened to one object with the properties of all" in sentences
    assert not PROFILES[profile].accepts(schema)


@pytest.mark.parametrize("profile", ALL)
def test_a_reference_at_the_root_is_written_out(profile: str) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/Args",
        "definitions": {
            "Args": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
        },
    }
    result = PROFILES[profile].rewrite(schema)[0]
    assert result["type"] == "object"
    assert "$ref" not in result
    assert result["properties"] == {"a": {"type": "string"}}


@pytest.mark.parametrize("profile", ALL)
@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"properties": {}},
        {"type": ["object", "null"], "properties": {}},
        {"type": "object", "properties": None, "required": None},
        {"required": "name", "properties": []},
    ],
)
def test_the_root_is_an_object_whatever_was_sent(profile: str, schema: Any) -> None:
    result, sentences = PROFILES[profile].rewrite(schema)
    assert result["type"] == "object"
    assert result.get("properties", {}) == {}
    assert sentences == []


@pytest.mark.parametrize("profile", ALL)
def test_malformed_schemas_are_repaired_first(profile: str) -> None:
    schema = {
        "city": {"type": "string", "required": True},
        "days": {"type": "object", "properties": {"n": "integer"}, "required": True},
        "when": {"type": "string", "required": False, "enum": [], "description": None},
        "pair": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
    }
    result = PROFILES[profile].rewrite(schema)[0]
    assert result["type"] == "object"
    assert {"city", "days"} <= set(result["required"])
    properties = result["properties"]
    assert properties["city"] == {"type": "string"}
    number = properties["days"]["properties"]["n"]["type"]
    assert number in ("integer", ["integer", "null"])
    assert "enum" not in properties["when"]
    assert not isinstance(properties["pair"].get("items"), list)
    if profile in ("claude", "gemini-json-schema", "openai-strict"):
        assert properties["pair"]["prefixItems"] == [{"type": "string"}, {"type": "integer"}]


@pytest.mark.parametrize("profile", ALL)
@pytest.mark.parametrize("schema", [False, "text", 5, [1]])
def test_what_is_no_schema_becomes_a_plain_object_and_is_told(profile: str, schema: Any) -> None:
    result, sentences = PROFILES[profile].rewrite(schema)
    assert (result["type"], result["properties"]) == ("object", {})
    assert sentences == ["a schema that is none or is too large is replaced by a plain object"]
    assert not PROFILES[profile].accepts(schema)


def with_c(schema: Any) -> Schema:
    return {"properties": {**STRICT["properties"], "c": schema}, "required": ["a", "b", "c"]}


STRICT: Schema = {
    "type": "object",
    "properties": {
        "a": {"type": "string"},
        "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["a", "b"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("profile", ["openai-strict", "claude-strict"])
@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"$schema": "x"}, True),
        ({"additionalProperties": True}, False),
        (with_c({}), False),
        (with_c(True), False),
        (with_c({"type": "array"}), False),
        (with_c({"not": {}}), False),
    ],
)  # fmt: skip
def test_a_schema_passes_the_strict_rules_or_not(
    profile: str, change: Schema, accepted: bool
) -> None:
    assert PROFILES[profile].accepts({**STRICT, **change}) is accepted


def test_optional_properties_pass_only_where_they_may_be_optional() -> None:
    schema = {**STRICT, "required": ["a"]}
    assert not PROFILES["openai-strict"].accepts(schema)
    assert PROFILES["claude-strict"].accepts(schema)


def test_a_root_that_is_no_object_passes_only_where_it_may_be_one() -> None:
    schema = {"type": "string", "enum": ["red", "blue"]}
    assert not PROFILES["openai-strict"].accepts(schema)
    assert PROFILES["claude-strict"].accepts(schema)


def test_recursion_passes_only_where_it_is_allowed() -> None:
    node = {**STRICT, "properties": {"a": {"$ref": "#/$defs/N"}, "b": {"type": "string"}}}
    schema = {
        **node,
        "$defs": {
            "N": {**STRICT, "properties": {"a": {"$ref": "#/$defs/N"}, "b": {"type": "null"}}}
        },
    }
    assert PROFILES["openai-strict"].accepts(schema)
    assert not PROFILES["claude-strict"].accepts(schema)


@pytest.mark.parametrize("profile", ["openai-strict", "claude-strict"])
def test_what_was_made_strict_passes_the_strict_rules(profile: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
            "b": {
                "oneOf": [
                    {"type": "string", "format": "phone"},
                    {"$ref": "#/$defs/D", "title": "t"},
                ]
            },
        },
        "$defs": {"D": {"allOf": [{"type": "object"}, {"properties": {"q": {"const": 1}}}]}},
    }
    assert not PROFILES[profile].accepts(schema)
    assert PROFILES[profile].accepts(PROFILES[profile].rewrite(schema)[0])


def doubling(levels: int) -> Schema:
    definitions: Schema = {"D0": {"type": "string"}}
    for level in range(1, levels):
        ref = {"$ref": f"#/$defs/D{level - 1}"}
        definitions[f"D{level}"] = {"type": "object", "properties": {"l": ref, "r": ref}}
    return {
        "type": "object",
        "properties": {"x": {"$ref": f"#/$defs/D{levels - 1}"}},
        "$defs": definitions,
    }


def multiplying(levels: int) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(levels):
        alternatives = [{"required": [f"r{number}"]} for number in range(8)]
        schema = {"type": "object", "properties": {"x": schema}, "anyOf": alternatives}
    return given_property(schema)


def nested(levels: int) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return given_property(schema)


def count(value: Any) -> int:
    total, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        total += 1
        waiting.extend(
            each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        )
    return total


@pytest.mark.parametrize("profile", ALL)
@pytest.mark.parametrize(
    "schema",
    [
        doubling(60),
        multiplying(40),
        nested(80),
        nested(5_000),
        given_property({"properties": {str(n): {"allOf": [{"$ref": "#"}]} for n in range(3_000)}}),
        {"allOf": [{"properties": {str(n): {"type": "string"}}} for n in range(3_000)]},
        given_property({"enum": [str(n) for n in range(50_000)]}),
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"$ref": "#"},
        given_property({"$ref": "#/properties/x"}),
    ],
    ids=["double", "many", "deep", "deeper", "loops", "allOf", "large", "circle", "self", "own"],
)  # fmt: skip
def test_a_hostile_schema_costs_bounded_space(profile: str, schema: Schema) -> None:
    result = PROFILES[profile].rewrite(schema)[0]
    assert count(result) < 400_000


def test_a_profile_that_takes_everything_leaves_a_large_schema_alone() -> None:
    schema = given_property({"enum": [str(number) for number in range(50_000)]})
    assert PROFILES["claude"].rewrite(schema) == (schema, [])
    assert len(PROFILES["claude-strict"].rewrite(schema)[1]) == 1


NAMES = st.sampled_from(["a", "b", "type", "format", "items"])
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
JUNK: st.SearchStrategy[Any] = st.sampled_from([None, 5, "x", [], {}, [5], [None]])
LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True) | JUNK,
        "enum": JUNK
        | st.lists(st.none() | st.booleans() | st.integers(0, 3) | NAMES, min_size=1, max_size=3),
        "const": st.none() | st.integers(0, 3) | NAMES,
        "minimum": st.integers(0, 5),
        "minItems": st.integers(0, 2),
        "pattern": NAMES,
        "format": st.sampled_from(["date", "int32", "phone"]),
        "default": st.none() | NAMES,
        "description": NAMES,
        "$ref": st.sampled_from(
            ["#", "#/$defs/a", "#/definitions/a", "#/$defs/none", "https://x.test/"]
        ),
        "x-a": st.none() | NAMES,
        "required": JUNK | st.booleans() | st.lists(NAMES, max_size=2, unique=True),
    },
)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    LEAVES | st.booleans() | JUNK,
    lambda inner: st.builds(
        lambda leaf, more: {**leaf, **more},
        LEAVES,
        st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(NAMES, inner, max_size=3) | JUNK,
                "items": inner | st.lists(inner, max_size=2),
                "anyOf": st.lists(inner, min_size=1, max_size=3) | JUNK,
                "oneOf": st.lists(inner, min_size=1, max_size=2),
                "allOf": st.lists(inner, min_size=1, max_size=3),
                "additionalProperties": inner,
                "not": inner,
                "$defs": st.dictionaries(NAMES, inner, max_size=2),
                "definitions": st.dictionaries(NAMES, inner, max_size=2),
            },
        ),
    ),
    max_leaves=10,
)

FORBIDDEN = {
    "claude": set(),
    "claude-strict": {"oneOf", "allOf", "not", "minimum", "pattern", "x-a"},
    "openai-strict": {"oneOf", "allOf", "not"},
    "gemini-json-schema": {"allOf", "not", "pattern", "const", "definitions", "default", "x-a"},
    "gemini-openapi": {
        "oneOf", "allOf", "not", "const", "$ref", "$defs", "definitions", "additionalProperties",
        "x-a",
    },
}  # fmt: skip


def nodes(schema: Any) -> Iterator[Schema]:
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword, value in schema.items():
        if keyword in ("properties", "$defs", "definitions") and isinstance(value, dict):
            for each in value.values():
                yield from nodes(each)
        elif keyword in ("items", "additionalProperties", "not"):
            yield from nodes(value)
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            for each in value:
                yield from nodes(each)


@pytest.mark.parametrize("profile", ALL)
@given(schema=SCHEMAS)
def test_for_any_schema_the_rules_hold_and_the_callers_object_stays(
    profile: str, schema: Any
) -> None:
    before = copy.deepcopy(schema)
    result, sentences = PROFILES[profile].rewrite(schema)
    assert schema == before
    assert len(set(sentences)) == len(sentences)
    for node in nodes(result):
        assert not FORBIDDEN[profile] & node.keys()
        if profile in ("claude-strict", "openai-strict") and node.get("type") == "object":
            assert node["additionalProperties"] is False
        if profile == "openai-strict" and "properties" in node:
            assert node["required"] == list(node["properties"]) or set(node["required"]) == set(
                node["properties"]
            )
        if profile == "gemini-openapi":
            assert isinstance(node.get("type", ""), str)
            assert "anyOf" not in node or list(node) == ["anyOf"]
            assert set(node.get("required", ())) <= set(node.get("properties", ()))


@pytest.mark.parametrize("profile", ALL)
@given(schema=SCHEMAS)
def test_a_schema_that_nothing_changes_is_the_same_object(profile: str, schema: Any) -> None:
    result, _ = PROFILES[profile].rewrite(schema)
    again, _ = PROFILES[profile].rewrite(schema)
    assert json.dumps(again) == json.dumps(result)
    if isinstance(schema, dict) and json.dumps(result) == json.dumps(schema):
        assert result is schema


@pytest.mark.parametrize("profile", ALL)
def test_the_cache_of_results_does_not_confuse_what_differs_by_order_or_type(profile: str) -> None:
    one = given_property({"type": "integer", "default": 1, "title": "T"})
    other = given_property({"title": "T", "default": True, "type": "integer"})
    for schema in (one, other, one):
        fresh = Profile(profile, PROFILES[profile].rules, {}).rewrite(schema)
        assert json.dumps(PROFILES[profile].rewrite(schema)) == json.dumps(fresh)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "profiles:\n  a: { root-objekt: true }",
            "p.yaml:2:8: unknown option root-objekt, did you mean root-object?\n"
            "    a: { root-objekt: true }\n         ^",
        ),
        (
            "profiles:\n  a: { refs: inlined }",
            "p.yaml:2:14: inlined is not known here, did you mean inline?\n"
            "    a: { refs: inlined }\n               ^",
        ),
        (
            "profiles:\n  a:\n    keywords: { not: dropp }",
            "p.yaml:3:22: dropp is not known here, did you mean drop?\n"
            "    keywords: { not: dropp }\n                     ^",
        ),
        (
            "profiles:\n  a:\n    keywords: { enum: { kinds: string, else: drop } }",
            "p.yaml:3:23: kinds takes a list\n"
            "    keywords: { enum: { kinds: string, else: drop } }\n                      ^",
        ),
        (
            "profiles:\n  a:\n    keywords: { enum: { kind: [string] } }",
            "p.yaml:3:23: an action is a word, {rename: name}, "
            "or in, not-in, by-type or kinds with else\n"
            "    keywords: { enum: { kind: [string] } }\n                      ^",
        ),
        (
            "profiles:\n  a: { closed-objects: 1, refuse: [some] }",
            "p.yaml:2:24: closed-objects is true or false\n"
            "    a: { closed-objects: 1, refuse: [some] }\n                         ^\n"
            "p.yaml:2:35: some is not known here; "
            "known: any, bare-array, recursion, root-alternatives, root-type\n"
            "    a: { closed-objects: 1, refuse: [some] }\n                                    ^",
        ),
        (
            "profiles:\n  a: [x]",
            "p.yaml:2:6: a list stands where a map is needed\n    a: [x]\n       ^",
        ),
        (
            "other: 1",
            "p.yaml:1:1: no profiles here; write `profiles:` with a map of them\n"
            "    other: 1\n    ^",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        Profiles.load(source.parse(text, "p.yaml"))
    assert str(caught.value) == message


def test_profiles_load_from_a_path(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("profiles:\n  tiny: { other: drop }\n", encoding="utf-8")
    profiles = Profiles.load(file)
    assert list(profiles) == ["tiny"]
    assert profiles["tiny"].rewrite({"type": "string"}) == ({}, ["type is left out"])


def test_an_openapi_schema_becomes_the_json_schema_that_it_means() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "a": {"type": "STRING", "nullable": True},
            "b": {
                "type": "ARRAY",
                "items": {"type": "INTEGER", "nullable": False},
                "minItems": "1",
                "maxItems": "many",
            },
        },
        "propertyOrdering": ["a", "b"],
    }
    assert PROFILES["json-schema"].rewrite(schema) == (
        {
            "type": "object",
            "properties": {
                "a": {"type": ["string", "null"]},
                "b": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "minItems": 1,
                    "maxItems": "many",
                },
            },
        },
        [],
    )
