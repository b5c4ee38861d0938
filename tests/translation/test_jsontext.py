"""JSON text: exact both ways, bounded, and errors fit for a client."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.translation.jsontext import (
    MAX_DEPTH,
    JsonError,
    ValueScanner,
    compact_json,
    dumps,
    loads,
    parse_json,
)


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def refusal(text: bytes | str) -> JsonError:
    with pytest.raises(JsonError) as caught:
        loads(text)
    return caught.value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(VALUES)
def test_every_value_survives_writing_and_reading(value: Any) -> None:
    # Two surrogates side by side are one character in JSON: compare what JSON can tell apart.
    assert loads(dumps(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("digits", ["9223372036854775807", "-9223372036854775808"])
@pytest.mark.parametrize("tail", ["", "0", "1234567890" * 20])
@pytest.mark.parametrize("offset", range(20))
def test_integers_keep_all_their_digits_wherever_they_stand(
    digits: str, tail: str, offset: int
) -> None:
    text = '{"' + "k" * offset + '":[' + digits + tail + "]}"
    assert dumps(loads(text)).decode() == text


def test_integers_beside_64_bits_stay_integers() -> None:
    for number in (2**63, 2**64 - 1, 2**64, -(2**63) - 1):
        assert loads(str(number)) == number
        assert isinstance(loads(str(number)), int)


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "a\\ud83dz", "\\ude00\\ud83d"])
def test_lone_surrogates_survive_as_escapes(escape: str) -> None:
    text = f'{{"{escape}":"{escape}"}}'
    assert dumps(loads(text.encode())).decode() == text


def test_halves_of_one_character_joined_by_hand_are_written_as_one_character() -> None:
    assert loads(dumps("\ud83d" + "\ude00")) == "\U0001f600"


def test_text_with_an_unescaped_lone_surrogate_is_read() -> None:
    assert loads('["\ud800"]') == ["\ud800"]


def test_writing_is_compact_unescaped_and_keeps_the_order_of_keys() -> None:
    assert dumps({"z": [1, 2.5, None], "a": "né\u2028☃\n"}) == (
        '{"z":[1,2.5,null],"a":"né\u2028☃\\n"}'.encode()
    )
    # The same by the other way out, which a number of 65 bits forces.
    assert dumps({"z": 2**64, "a": "né\u2028☃\n"}) == (
        '{"z":18446744073709551616,"a":"né\u2028☃\\n"}'.encode()
    )


@pytest.mark.parametrize("text", ['{"a":1,"b":2,"a":3}', '{"a":1,"b":18446744073709551616,"a":3}'])
def test_the_last_of_duplicate_keys_wins(text: str) -> None:
    assert loads(text)["a"] == 3


def test_a_byte_order_mark_before_the_value_is_skipped() -> None:
    assert loads(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("other", ["1", "18446744073709551616", '"\\ud800"'])
def test_not_a_number_and_infinity_are_refused_at_their_place(word: str, other: str) -> None:
    error = refusal(f'{{"NaN \\" Infinity":{other},\n "b":[{word}]}}')
    assert str(error) == "line 2 column 7: NaN and Infinity are no JSON"


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "9" * (sys.get_int_max_str_digits() + 1)], ids=len
)
def test_numbers_too_large_are_refused_at_their_place(number: str) -> None:
    assert str(refusal(f'["1e400",1.5e3,\n{number}]')) == "line 2 column 1: number too large"


def test_nesting_to_the_limit_is_read_and_written() -> None:
    text = nested(MAX_DEPTH)
    assert dumps(loads(text)).decode() == text


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1024, 1025, 200_000])
@pytest.mark.parametrize("before", ['"[[[]",', "18446744073709551616,", '"\\ud800",'])
def test_nesting_beyond_the_limit_is_refused_at_its_place(levels: int, before: str) -> None:
    error = refusal(f"[{before}{nested(levels - 1)}]")
    assert error.reason == f"nested deeper than {MAX_DEPTH} levels"
    assert error.column == 1 + len(before) + MAX_DEPTH


def test_nesting_that_is_never_closed_is_refused() -> None:
    assert refusal(b"[" * 1_000_000).reason == f"nested deeper than {MAX_DEPTH} levels"
    assert refusal(b'{"a":' * 1_000_000).reason == f"nested deeper than {MAX_DEPTH} levels"


def test_a_value_nested_too_deep_cannot_be_written() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(JsonError, match=r"^nested too deep$"):
        dumps(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "line 1 column 1: expecting value"),
        (b'{"a": 1,\n "b": sesame}', "line 2 column 7: expecting value"),
        (b'{"a" 1}', "line 1 column 6: expecting ':' delimiter"),
        (b'{"sesame": 1} sesame', "line 1 column 15: extra data"),
        (b'["open \xc3\xa9 \n sesame"]', "line 1 column 10: invalid control character"),
        (b'["sesame', "line 1 column 2: unterminated string"),
        (b'["\\sesame"]', "line 1 column 3: invalid \\escape"),
        (b'[1,\n"\xc3\xa9\xff"]', "line 2 column 3: not valid UTF-8"),
        (b'["\xed\xa0\x80"]', "line 1 column 3: not valid UTF-8"),
        ("[1]".encode("utf-16"), "line 1 column 1: not valid UTF-8"),
    ],
)
def test_errors_name_the_place_and_never_quote_the_text(text: bytes, message: str) -> None:
    assert str(refusal(text)) == message


def test_arguments_are_written_as_text_and_read_back() -> None:
    arguments = {"ville": "Orléans", "n": 2**70, "half": "\ud800"}
    text = compact_json(arguments)
    assert text == '{"ville":"Orléans","n":1180591620717411303424,"half":"\\ud800"}'
    assert parse_json(text) == arguments


def test_a_value_that_is_no_json_is_our_mistake() -> None:
    with pytest.raises(TypeError):
        dumps({"a": {1, 2}})


WHOLE = ["{}", "[]", '""', '{"a":"}\\"]\\\\","b":[{"c":{}}]}', '"\\\\\\""', ' [ "[" , 1 ] ']


@pytest.mark.parametrize("text", WHOLE)
def test_a_scanner_finds_the_end_of_a_value_cut_at_any_place(text: str) -> None:
    end = len(text.rstrip())
    for cut in range(len(text) + 1):
        scanner = ValueScanner()
        first = scanner.feed(text[:cut])
        assert first == (end if cut >= end else -1)
        if cut < end:
            assert not scanner.complete
            assert scanner.feed("--" + text[cut:], 2) == end - cut + 2
        assert scanner.complete


@pytest.mark.parametrize("text", WHOLE)
def test_a_scanner_fed_by_character_is_complete_with_the_last_one_only(text: str) -> None:
    scanner = ValueScanner()
    seen = []
    for character in text.rstrip():
        scanner.feed(character)
        scanner.feed("")
        seen.append(scanner.complete)
    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize("text", ["", "12", "true", "null", "}", "]{}"])
def test_what_has_no_end_of_its_own_is_never_complete(text: str) -> None:
    scanner = ValueScanner()
    assert scanner.feed(text) == -1
    assert not scanner.complete
