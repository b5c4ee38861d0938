"""Every function by its own example, the traps, and the stock ones against the jmespath package."""

from __future__ import annotations

import json
import math
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jmespath import exceptions
from jmespath.functions import Functions

from engine.errors import EngineError
from engine.language.functions import FUNCTIONS, STOCK, FunctionError, arity, stock

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


class _Registered(Functions):  # type: ignore[misc]
    def call_function(self, name: str, arguments: list[Any]) -> Any:
        return FUNCTIONS[name].call(*arguments)


def call(name: str, *arguments: Any) -> Any:
    return FUNCTIONS[name].call(*arguments)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_example_of_each_function_holds(name: str) -> None:
    expression, document, result = FUNCTIONS[name].example
    assert f"{name}(" in expression
    options = jmespath.Options(custom_functions=_Registered())
    assert jmespath.search(expression, document, options=options) == result


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_declaration_is_whole(name: str) -> None:
    declared = FUNCTIONS[name]
    assert declared.doc.endswith(".")
    assert 0 < declared.min_args <= declared.max_args == len(declared.kinds)
    assert name not in STOCK


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_null_for_every_argument_raises_nothing(name: str) -> None:
    result = call(name, *[None] * FUNCTIONS[name].max_args)
    assert result is None or result is False


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_wrong_type_names_function_argument_and_type(name: str) -> None:
    kinds = FUNCTIONS[name].kinds
    good = {
        "text": "a",
        "number": 1,
        "list": [],
        "object": {},
        "integer": 1,
        "any": 1,
        "boolean": True,
    }
    for position, kind in enumerate(kinds):
        wrong: Any = [] if "list" not in kind else 5
        if kind == "any":
            continue
        values = [good[each.split("|")[0]] for each in kinds]
        values[position] = wrong
        with pytest.raises(FunctionError) as caught:
            call(name, *values)
        got = "list" if wrong == [] else "number"
        assert (caught.value.name, caught.value.argument, caught.value.got) == (
            name,
            position + 1,
            got,
        )


def test_a_wrong_type_reads_well_and_is_both_ours_and_a_type_error() -> None:
    with pytest.raises(FunctionError) as caught:
        call("add", 1, "2")
    assert str(caught.value) == "add(): argument 2 must be number, not text"
    assert isinstance(caught.value, EngineError)
    assert isinstance(caught.value, TypeError)


def test_a_boolean_is_no_number() -> None:
    with pytest.raises(FunctionError):
        call("add", True, 1)


def test_a_wrong_count_of_arguments_is_refused() -> None:
    with pytest.raises(FunctionError, match=r"^get\(\): takes 2 to 3 arguments, not 1$"):
        call("get", {})
    with pytest.raises(FunctionError, match=r"^lower\(\): takes 1 arguments, not 2$"):
        call("lower", "a", "b")


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("add", (None, 3), 3),
        ("sub", (None, 3), -3),
        ("mul", (None, 3), 0),
        ("div_floor", (7, 0), None),
        ("min2", (None, 3), 3),
        ("max2", (0, None), 0),
        ("at", ([1, 2], -1), 2),
        ("at", ([1, 2], 2), None),
        ("at", ([1, 2], 1.5), None),
        ("at", ([1, 2], math.inf), None),
        ("at", ([1, 2], "x"), None),
        ("at", ([1, 2], True), None),
        ("at", ({"3": "c"}, 3), "c"),
        ("at", ({3: "c"}, 3), "c"),
        ("get", ({"x": None}, "x", 1), 1),
        ("get", ({"x": 0}, "x", 1), 0),
        ("get", (None, "x", 1), 1),
        ("get", ({}, "x"), None),
        (
            "index_by",
            ([{"i": 1, "v": "a"}, {"i": 1, "v": "b"}, {"v": "c"}, 5], "i"),
            {"1": {"i": 1, "v": "b"}},
        ),
        (
            "group_by",
            ([{"i": 1}, {"i": 1.0}, {"i": True}], "i"),
            {"1": [{"i": 1}, {"i": 1.0}], "true": [{"i": True}]},
        ),
        ("index_by", ([{"i": []}, {"i": {}}], "i"), {}),
        ("unique_by", ([{"i": 1}, {}, {"i": 1}, {}, "x"], "i"), [{"i": 1}, {}, {}, "x"]),
        ("index_of", ([True, 1], 1), 1),
        ("index_of", ([], None), None),
        ("last_index", ([1, True], 1), 0),
        ("take_last", ([1, 2], 5), [1, 2]),
        ("take_last", ([1, 2], 0), []),
        ("take_last", ([1, 2], -1), []),
        ("parts", ("",), []),
        ("parts", ([{"type": "x"}],), [{"type": "x"}]),
        ("capture", ("abc", "b."), "bc"),
        ("capture", ("abc", "x(y)"), None),
        ("capture", ("abc", "b(x)?"), None),
        ("replace", ("a-b", "(a)-", r"\1+"), "a+b"),
        ("starts_with_ci", ("err", "error"), False),
        ("join_text", ([{"text": "a"}, {"type": "image"}, {"text": None}, "b"], None), "ab"),
        ("join_text", ([], "-"), ""),
        ("merge_present", (None, {"a": 1}), {"a": 1}),
        ("merge_present", ({"a": 1}, None), {"a": 1}),
        ("json", (2**70,), str(2**70)),
        ("json", ({"a": "\ud800"},), '{"a":"\ud800"}'),
        ("json", (False,), "false"),
        ("parse_json", ("{",), None),
        ("parse_json", ("",), None),
        ("parse_json", ("NaN",), None),
        ("parse_json", ("[1e999]",), None),
        ("parse_json", ('"\\ud800"',), "\ud800"),
        ("parse_json", (str(2**70),), 2**70),
        ("parse_json", ("9" * 5000,), None),
        ("parse_json", ("[" * 100_000,), None),
        ("parse_json", ({"a": 1},), {"a": 1}),
        ("b64_encode", ("é",), "w6k="),
        ("b64_decode", ("w6k",), "é"),
        ("b64_decode", ("w6k!",), None),
        ("b64_decode", ("_w==",), None),
        ("b64_standard", ("ab\ncd",), "abcd"),
        ("b64_standard", ("not base64!",), "not base64!"),
        ("data_url", ("DATA:image/PNG;base64,aGk%3D",), {"mime": "image/png", "data": "aGk="}),
        (
            "data_url",
            ("data:text/plain;charset=utf-8,%C3%A9",),
            {"mime": "text/plain", "data": "w6k="},
        ),
        ("data_url", ("data:image/png;base64,_-8",), {"mime": "image/png", "data": "/+8="}),
        ("data_url", ("https://x.test/a,b",), None),
        ("data_url", ("data:" + "x" * 5000 + ",a",), None),
        ("sniff_mime", ("/9j/4AAQSkZJRg==",), "image/jpeg"),
        ("sniff_mime", ("R0lGODlh",), "image/gif"),
        ("sniff_mime", ("UklGRiQAAABXRUJQVlA4",), "image/webp"),
        ("sniff_mime", ("UklGRiQAAABXQVZFZm10",), None),
        ("sniff_mime", ("JVBERi0xLjc=",), "application/pdf"),
        ("sniff_mime", ("aGVsbG8=",), None),
        ("sniff_mime", ("",), None),
        ("is_object", (None,), False),
        ("digest", ({"a": 1, "b": 2},), call("digest", {"b": 2, "a": 1})),
    ],
)
def test_a_function_gives(name: str, arguments: tuple[Any, ...], result: Any) -> None:
    given = json.dumps(arguments, default=str)
    got = call(name, *arguments)
    assert (got, type(got)) == (result, type(result))
    assert json.dumps(arguments, default=str) == given


def test_a_regular_expression_sees_a_bounded_piece_of_the_text() -> None:
    text = "a" * 70_000 + "b"
    assert call("matches", text, "b") is False
    assert call("capture", text, "(b)") is None
    assert call("replace", text, "b", "c") == text


def test_a_pattern_that_is_none_is_an_error_not_a_crash() -> None:
    for name, arguments in (
        ("matches", ("a", "(")),
        ("capture", ("a", "[")),
        ("replace", ("a", "(", "")),
    ):
        with pytest.raises(FunctionError, match="is no regular expression"):
            call(name, *arguments)
    with pytest.raises(FunctionError, match="is no replacement"):
        call("replace", "a", "a", r"\7")
    with pytest.raises(FunctionError, match="must not be empty"):
        call("split", "a", "")


@given(JSON)
def test_json_and_parse_json_are_inverse(value: Any) -> None:
    assert call("parse_json", call("json", [value])) == [value]


@given(st.text())
def test_base64_is_reversible_in_every_dialect(text: str) -> None:
    encoded = call("b64_encode", text)
    url_safe = encoded.replace("+", "-").replace("/", "_").rstrip("=")
    assert call("b64_decode", encoded) == call("b64_decode", url_safe) == text
    assert call("b64_standard", url_safe) == encoded


def outcome(call: Any, arguments: tuple[Any, ...]) -> Any:
    """Result with its types spelt out, or the class and text of the error."""
    try:
        return "gives", repr(call(*arguments))
    except exceptions.JMESPathError as error:
        return type(error), str(error)
    except (TypeError, ValueError, OverflowError):
        return "leaks"


@given(
    st.sampled_from(sorted(STOCK - {"map", "sort_by", "min_by", "max_by"})),
    st.lists(JSON, max_size=3),
)
def test_a_stock_function_does_what_jmespath_does(name: str, values: list[Any]) -> None:
    wanted = outcome(lambda *each: Functions().call_function(name, each), tuple(values))
    got = outcome(stock(name), tuple(values))
    if wanted == "leaks":
        assert got[0] is exceptions.JMESPathTypeError
    else:
        assert got == wanted


@given(st.sampled_from(["length", "contains", "starts_with", "join", "keys", "type", "to_string",
                        "not_null", "to_array"]), st.data())  # fmt: skip
def test_a_direct_version_equals_the_stock_one(name: str, data: st.DataObject) -> None:
    least = arity(name)[0]
    texts = st.text(max_size=2) | st.lists(st.text(max_size=2), max_size=3) | JSON
    values = tuple(data.draw(st.lists(texts, min_size=least, max_size=least)))
    wanted = outcome(lambda *each: Functions().call_function(name, each), values)
    got = outcome(stock(name), values)
    assert got == wanted if wanted != "leaks" else got[0] is exceptions.JMESPathTypeError


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("merge", ({}, None)),
        ("contains", ("abc", 1)),
        ("max_by", ([{"a": 1}, {"a": "x"}], lambda each: each["a"])),
        ("ceil", (math.inf,)),
        ("sort_by", ([1], "no expression")),
    ],
)
def test_what_jmespath_lets_escape_is_a_type_error_of_jmespath(
    name: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(exceptions.JMESPathTypeError):
        stock(name)(*arguments)


def test_an_expression_reference_is_a_callable() -> None:
    people = [{"n": "b", "a": 2}, {"n": "a", "a": 1}]
    assert stock("sort_by")(people, lambda each: each["n"]) == [people[1], people[0]]
    assert stock("min_by")(people, lambda each: each["a"]) == people[1]
    assert stock("max_by")(people, lambda each: each["a"]) == people[0]
    assert stock("map")(lambda each: each["n"], people) == ["b", "a"]
    with pytest.raises(exceptions.JMESPathTypeError):
        stock("sort_by")([{"a": 1}, {"a": "x"}], lambda each: each["a"])


def test_stock_functions_tell_their_arity_and_unknown_ones_are_refused() -> None:
    assert arity("length") == (1, 1)
    assert arity("merge") == (1, None)
    with pytest.raises(exceptions.UnknownFunctionError):
        stock("lenght")
