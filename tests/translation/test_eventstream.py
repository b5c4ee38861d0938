"""Binary event streams: the same events however the bytes are cut, and nothing else is taken."""

import struct
import sys
from binascii import crc32
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.extras import MissingExtra
from engine.translation.eventstream import EventStreamReader
from engine.translation.framing import Frame, FramingError
from engine.translation.framings import FRAMINGS
from engine.translation.jsontext import loads
from tests.support.eventstream import event, exception, message, raw

STREAM = (
    event("messageStart", {"role": "assistant", "p": "abc"})
    + event("contentBlockDelta", {"delta": {"text": "café 😀"}})
    + message({":message-type": "event", ":event-type": "empty"}, b"")
    + message({":message-type": "unknown-to-us"}, b"{}")
    + exception("throttlingException", {"message": "slow down"})
)
FRAMES = [
    ("messageStart", b'{"role": "assistant", "p": "abc"}'),
    ("contentBlockDelta", '{"delta": {"text": "café 😀"}}'.encode()),
    ("empty", b"{}"),
    ("exception", b'{"type":"throttlingException","message":"slow down"}'),
]


def read(data: bytes, cuts: list[int] | None = None, bound: int = 1000) -> list[Frame]:
    reader = EventStreamReader(bound)
    edges = [0, *sorted(cuts or []), len(data)]
    frames = [frame for a, b in pairwise(edges) for frame in reader.feed(data[a:b])]
    return frames + reader.close()


def test_a_cut_at_any_byte_changes_nothing() -> None:
    for cut in range(len(STREAM) + 1):
        assert read(STREAM, [cut]) == FRAMES


def test_bytes_one_by_one_change_nothing() -> None:
    assert read(STREAM, list(range(len(STREAM)))) == FRAMES


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=20), st.dictionaries(st.text(), st.text()))),
    st.data(),
)
def test_any_events_in_any_cutting_come_out_whole(
    events: list[tuple[str, dict[str, str]]], data: st.DataObject
) -> None:
    stream = b"".join(event(*each) for each in events)
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    frames = read(stream, cuts, bound=100_000)
    assert [(name, loads(raw)) for name, raw in frames] == events


def test_a_message_comes_out_with_its_last_byte() -> None:
    reader = EventStreamReader()
    data = event("messageStop", {})
    assert reader.feed(data[:-1]) == []
    assert reader.feed(data[-1:]) == [("messageStop", b"{}")]


@pytest.mark.parametrize(
    ("headers", "payload", "said"),
    [
        ({":error-code": "Internal", ":error-message": "no"}, b"", ("Internal", "no")),
        ({":exception-type": "x"}, b"words only", ("x", "words only")),
        ({":exception-type": "x"}, b'{"message":"m"}', ("x", "m")),
        ({}, b"", (None, None)),
    ],
    ids=["an error", "no JSON", "JSON", "nothing"],
)
def test_exceptions_and_errors_say_their_type_and_message(
    headers: dict[str, str], payload: bytes, said: tuple[str | None, str | None]
) -> None:
    kind = "error" if ":error-code" in headers else "exception"
    ((name, raw),) = read(message({":message-type": kind, **headers}, payload))
    data = loads(raw)
    assert name == "exception"
    assert (data.get("type"), data.get("message")) == said


def test_a_stream_cut_short_gives_nothing_of_its_last_message() -> None:
    assert read(STREAM[:-1]) == FRAMES[:-1]


BROKEN = {
    "html": b"<html><body>Bad Gateway</body></html>",
    "prelude": event("a", {})[:8] + b"\0\0\0\0" + event("a", {})[12:],
    "payload": event("a", {"x": 1}).replace(b"1", b"2"),
    "a header of no type": raw(b"\x01a\x63", b"{}"),
    "a header twice": raw(b"\x01a\x00\x01a\x00", b"{}"),
    "a header that ends in its name": raw(b"\x02a", b"{}"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_is_no_message_is_refused_without_quoting_it(data: bytes, size: int) -> None:
    with pytest.raises(
        FramingError, match=r"^the upstream's stream holds what is no event stream message$"
    ):
        read(data, list(range(0, len(data), size)))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused_or_wait_for_more(data: bytes) -> None:
    reader = EventStreamReader(1000)
    try:
        assert reader.feed(STREAM + data) == FRAMES
    except FramingError:
        return
    assert len(data) < 12


def test_a_message_beyond_the_bound_is_refused_before_it_is_read() -> None:
    fits = event("a", {"x": "y" * 10})
    assert len(read(fits, bound=len(fits))) == 1
    with pytest.raises(FramingError, match=r"^the upstream sent an event of more than 50 bytes$"):
        EventStreamReader(50).feed(fits[:12])


def test_more_headers_than_any_service_sends_are_refused() -> None:
    headers = {f"h{number}": "v" for number in range(3000)}
    with pytest.raises(FramingError, match=r"^the upstream sent an event with too many headers$"):
        EventStreamReader().feed(message(headers, b"{}"))


def test_without_its_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.eventstream", None)
    with pytest.raises(MissingExtra) as error:
        FRAMINGS["aws-event-stream"].prepare()
    assert str(error.value) == (
        "the framing aws-event-stream needs the package botocore: pip install 'ai-proxy[aws]'"
    )


def test_headers_that_reach_beyond_their_message_are_refused() -> None:
    whole = raw(b"\x01a\x00", b"{}")
    prelude = struct.pack("!II", len(whole), 4000)
    data = prelude + struct.pack("!I", crc32(prelude)) + whole[12:]
    with pytest.raises(FramingError, match="no event stream message"):
        read(data)
