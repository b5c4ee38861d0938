"""Framing: the same frames however the bytes are cut, bounded, and safe to write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.translation.framing import (
    Frame,
    FramingError,
    JsonArrayReader,
    Reader,
    SseReader,
    sse_frame,
)
from engine.translation.framings import FRAMINGS


def read(reader: Reader, chunks: Iterable[bytes]) -> list[Frame]:
    frames = []
    for chunk in chunks:
        frames += reader.feed(chunk)
    return frames + reader.close()


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def sse(data: bytes) -> list[Frame]:
    return read(SseReader(), [data])


STREAM = (
    b"\xef\xbb\xbfevent: ping\r\ndata: {}\r\n\r\n"
    b": a comment\nid: 7\nretry: 10\ndata:no space\n\n"
    b"data:  two spaces\rdata\rdata: caf\xc3\xa9 \xe2\x80\xa8 \xc2\x85 \xf0\x9f\x98\x80\r\r"
    b"event: lonely\n\n\n\ndata: after\n\n"
    b"event: last\r\ndata: cut"
)
FRAMES = [
    ("ping", b"{}"),
    (None, b"no space"),
    (None, b" two spaces\n\ncaf\xc3\xa9 \xe2\x80\xa8 \xc2\x85 \xf0\x9f\x98\x80"),
    (None, b"after"),
    ("last", b"cut"),
]
ARRAY = b' [{"a":"]}\\"\\\\caf\xc3\xa9"},\r\n{"b":[{},[1]]} ,{} ]\n'
ELEMENTS = [
    (None, b'{"a":"]}\\"\\\\caf\xc3\xa9"}'),
    (None, b'{"b":[{},[1]]}'),
    (None, b"{}"),
]
LINES = b'{"a":1}\n\r\n  \n{"b":"\r\xc3\xa9"}\r\n[2]'
VALUES = [(None, b'{"a":1}'), (None, b'{"b":"\r\xc3\xa9"}'), (None, b"[2]")]

EVERY_FRAMING = pytest.mark.parametrize(
    ("framing", "data", "frames"),
    [("sse", STREAM, FRAMES), ("ndjson", LINES, VALUES), ("json-array", ARRAY, ELEMENTS)],
    ids=["sse", "ndjson", "json-array"],
)


@EVERY_FRAMING
def test_a_cut_at_any_byte_changes_nothing(framing: str, data: bytes, frames: list[Frame]) -> None:
    for cut in range(len(data) + 1):
        assert read(FRAMINGS[framing].reader(1000), [data[:cut], b"", data[cut:]]) == frames


@EVERY_FRAMING
def test_bytes_one_by_one_change_nothing(framing: str, data: bytes, frames: list[Frame]) -> None:
    assert read(FRAMINGS[framing].reader(1000), [bytes([byte]) for byte in data]) == frames


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
@settings(deadline=None)
@given(st.data())
def test_any_cutting_of_any_bytes_gives_the_same_frames(framing: str, data: st.DataObject) -> None:
    words = [
        b"data: ",
        b"data:",
        b"data",
        b"event: e",
        b"\n",
        b"\r",
        b"\r\n",
        b":",
        b"\xef\xbb\xbf",
    ]
    stream = b"".join(data.draw(st.lists(st.sampled_from(words) | st.binary(max_size=3))))
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    whole = read(FRAMINGS[framing].reader(1000), [stream])
    assert read(FRAMINGS[framing].reader(1000), pieces(stream, cuts)) == whole


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_an_event_comes_out_with_the_first_byte_that_ends_it(end: bytes) -> None:
    reader = SseReader()
    assert reader.feed(b"data: x" + end) == []
    assert reader.feed(end[:1]) == [(None, b"x")]
    assert reader.feed(end[1:] + b"data: y" + end + end) == [(None, b"y")]


def test_a_data_line_without_value_is_an_event_and_an_event_without_data_line_is_none() -> None:
    assert sse(b"event: a\ndata\n\nevent: b\n\ndata:\n\n") == [("a", b""), (None, b"")]


def test_a_name_does_not_outlive_its_event() -> None:
    assert sse(b"event: a\ndata: 1\n\ndata: 2\n\nevent: b\n\ndata: 3") == [
        ("a", b"1"),
        (None, b"2"),
        (None, b"3"),
    ]


def test_only_the_first_byte_order_mark_is_skipped() -> None:
    assert sse(b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n") == [(None, b"1")]
    assert sse(b"\xef\xbb") == []


@EVERY_FRAMING
def test_a_stream_cut_short_gives_what_came_of_its_last_frame_once(
    framing: str, data: bytes, frames: list[Frame]
) -> None:
    reader = FRAMINGS[framing].reader(1000)
    begun = {"sse": b"data: {", "ndjson": b"{", "json-array": b"[{"}[framing]
    assert reader.feed(begun) == []
    assert reader.close() == [(None, b"{")]
    assert reader.close() == []


@pytest.mark.parametrize("framing", list(FRAMINGS))
def test_an_empty_stream_has_no_frames(framing: str) -> None:
    assert read(FRAMINGS[framing].reader(1000), []) == []


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("framing", "fits", "too_long"),
    [
        ("sse", b"data: " + b"x" * 94 + b"\n\n", b"data: " + b"x" * 101 + b"\n\n"),
        ("sse", b"data: 12345\n" * 16 + b"\n", b"data: 12345\n" * 17 + b"\n"),
        ("sse", b"data\n" * 101 + b"\n", b"data\n" * 102 + b"\n"),
        ("ndjson", b"x" * 100 + b"\n", b"x" * 101 + b"\n"),
        ("json-array", b'[{"' + b"x" * 96 + b'"}]', b'[{"' + b"x" * 97 + b'"}]'),
    ],
    ids=["one line", "many lines", "many empty lines", "ndjson", "json-array"],
)
def test_a_frame_beyond_the_bound_is_refused(
    framing: str, fits: bytes, too_long: bytes, size: int
) -> None:
    def chunks(data: bytes) -> list[bytes]:
        return [data[at : at + size] for at in range(0, len(data), size)]

    assert len(read(FRAMINGS[framing].reader(100), chunks(fits))) == 1
    with pytest.raises(FramingError, match=r"^the upstream sent an event of more than 100 bytes$"):
        read(FRAMINGS[framing].reader(100), chunks(too_long))


@pytest.mark.parametrize("framing", list(FRAMINGS))
def test_a_frame_that_never_ends_is_refused(framing: str) -> None:
    reader = FRAMINGS[framing].reader(100)
    with pytest.raises(FramingError):
        read(reader, [b'[{"', *[b"x" * 10] * 10])


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), st.text() | st.lists(st.text()))), st.data())
def test_any_array_of_objects_comes_out_element_by_element(
    elements: list[dict[str, object]], data: st.DataObject
) -> None:
    stream = json.dumps(elements, ensure_ascii=False, indent=1).encode()
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    frames = read(JsonArrayReader(), pieces(stream, cuts))
    assert [json.loads(raw) for _, raw in frames] == elements


def test_an_element_comes_out_with_its_last_bracket() -> None:
    reader = JsonArrayReader()
    assert reader.feed(b'[{"a":{}') == []
    assert reader.feed(b"}") == [(None, b'{"a":{}}')]


def test_an_object_in_place_of_an_array_is_its_only_element() -> None:
    assert read(JsonArrayReader(), [b'\n{"error":{}}\n']) == [(None, b'{"error":{}}')]


def test_what_follows_an_array_is_ignored() -> None:
    assert read(JsonArrayReader(), [b"[{}]<p>", b"{}"]) == [(None, b"{}")]


@pytest.mark.parametrize("data", [b"<html>", b"[1]", b'["a"]', b"[{}}", b"[[]]", b"]"])
def test_what_is_no_array_of_objects_is_refused_without_quoting_it(data: bytes) -> None:
    with pytest.raises(FramingError, match=r"^the upstream's stream is no JSON array of objects$"):
        read(JsonArrayReader(), [data])


@pytest.mark.parametrize("separator", [b"\n\n", b"\r\n\r\n"], ids=["LF", "CRLF"])
@given(data=st.binary(), name=st.none() | st.text(min_size=1))
@settings(deadline=None)
def test_what_is_written_is_read_back_as_one_frame(
    separator: bytes, data: bytes, name: str | None
) -> None:
    lines = [data] if b"\n" not in data and b"\r" not in data else data.splitlines()
    ((found, raw),) = read(SseReader(), [sse_frame(data, name, separator)])
    assert raw.splitlines() == [line for line in lines if data]
    assert (found is None) == (name is None)


def test_frames_are_written_as_the_formats_show_them() -> None:
    assert sse_frame(b"{}", None, b"\n\n") == b"data: {}\n\n"
    assert sse_frame(b"{}", "ping", b"\n\n") == b"event: ping\ndata: {}\n\n"
    assert sse_frame(b"{}", None, b"\r\n\r\n") == b"data: {}\r\n\r\n"
    assert sse_frame(b"a\n\nb\n", None, b"\n\n") == b"data: a\ndata: \ndata: b\ndata: \n\n"


def test_a_name_cannot_smuggle_in_a_field() -> None:
    frame = sse_frame(b"1", "a\r\ndata: 2\n\nb", b"\n\n")
    assert sse(frame) == [("a data: 2  b", b"1")]
