"""JSON text: exact both ways, bounded, and errors fit for a client."""

from __future__ import annotations

import json
import math
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


def _refuse(word: str) -> None:
    raise ValueError(word)


def _finite(number: str) -> float:
    if math.isinf(float(number)):
        raise ValueError(number)
    return float(number)


def _by_the_standard_library(text: bytes) -> str | None:
    try:
        words = text.decode().removeprefix("\ufeff")
        return repr(json.loads(words, parse_constant=_refuse, parse_float=_finite))
    except ValueError:
        return None


PIECES = [
    *'{}[]",:\\/0189.eE+-utrfalsnd \t\n\x01\x7f',
    "null",
    "1e400",
    "0e-400",
    "NaN",
    "Infinity",
]
PIECES += ["\\u", "\\ud83d", "\\ude00", "9" * 19, "é", "☃", "\U0001f600", "\ufeff"]
BYTES = st.sampled_from(
    [*(piece.encode() for piece in PIECES), b"\xff", b"\xed\xa0\x80", b"\xc0\x80"]
)
SEED = b'{"a":[1,-2.5e1,"\\ud83d\\ude00\\n\xc3\xa9",18446744073709551616,true,{}],"\\u0000":null}'


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SEED)), st.integers(0, 3), BYTES), max_size=4))
def test_a_text_however_spoilt_is_read_as_the_standard_library_reads_it_or_refused(
    spoilt: list[tuple[int, int, bytes]],
) -> None:
    text = SEED
    for at, left_out, put_in in spoilt:
        text = text[:at] + put_in + text[at + left_out :]
    expected = _by_the_standard_library(text)
    if expected is None:
        refusal(text)
    else:
        assert repr(loads(text)) == expected


@settings(deadline=None)
@given(st.floats(-1e308, 1e308), st.integers(1, 40))
def test_every_spelling_of_a_number_is_the_same_number(number: float, digits: int) -> None:
    for text in (repr(number), f"{number:.{digits}e}", f"{number:.{digits}f}"):
        assert repr(loads(text)) == repr(json.loads(text))


def _around(inner: str, kind: str) -> str:
    return f"[{inner}]" if kind == "[" else f'{{"{kind}":{inner}}}'


BESIDE = st.sampled_from(
    ["", "1,", "[[]],", '"[[[{{{",', '"]]]}}}",', "18446744073709551616,", "[],[],"]
)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(MAX_DEPTH - 1, MAX_DEPTH + 2),
    st.lists(st.sampled_from(["[", "k", "}", "[["]), min_size=1, max_size=5),
    st.tuples(BESIDE, st.integers(0, 300)),
    st.tuples(BESIDE, st.integers(0, 300)),
)
def test_the_limit_of_nesting_is_the_same_whatever_stands_inside_and_beside(
    depth: int, kinds: list[str], before: tuple[str, int], after: tuple[str, int]
) -> None:
    text = "[]"
    for level in range(depth - 2):
        text = _around(text, kinds[level % len(kinds)])
    behind = "".join("," + piece.rstrip(",") for piece in [after[0]] * after[1] if piece)
    text = f"[{before[0] * before[1]}{text}{behind}]"
    if depth <= MAX_DEPTH:
        assert loads(text) == json.loads(text)
    else:
        assert refusal(text).reason == f"nested deeper than {MAX_DEPTH} levels"


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


def test_a_number_too_large_is_told_whatever_follows_it() -> None:
    assert str(refusal("[1e400-2.5e1]")) == "line 1 column 2: number too large"


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
