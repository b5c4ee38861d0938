"""A wire format joins by its folder: its framing as a fact, with a client's side or without."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.gateway.ingress import Ingress
from engine.translation.folders import load
from engine.translation.translator import Translator
from tests.support.translations import translator

READ = {
    "response.yaml": """\
read: { choices: [{ parts: [{ type: text, text: = wire.say }], stop: end }] }
""",
    "error.yaml": "read: { message: = wire.wrong }\n",
    "stream.yaml": """\
read:
  events:
    - when: wire.wrong
      fail: { kind: overloaded, message: = wire.wrong }
    - when: wire.bye
      emit: [{ type: part_end, part: 0 }, { type: stop, reason: end }, { type: end }]
      done: true
    - also: true
      when: "emitted == `0`"
      emit: [{ type: start, id: a, model: m }, { type: part_start, part: 0, kind: text }]
    - emit: { type: text, part: 0, delta: = wire.say }
""",
}
REQUEST = """\
write: { model: = ctx.model, stream: = ctx.stream, ask: "= request.turns[-1].parts[0].text" }
"""
WRITTEN = {
    "request.yaml": REQUEST + "read: { model: = wire.model, turns: [] }\n",
    "response.yaml": "write: { say: '= response.choices[0].parts[0].text' }\n",
    "error.yaml": "write: { body: { wrong: = error.message } }\n",
    "stream.yaml": """\
write:
  dispatch: event.type
  ignore: [start, part_start, part_end, usage, stop]
  events:
    - { event: text, emit: { say: = event.delta } }
    - { event: end, emit: { bye: true } }
    - { event: error, emit: { wrong: = event.error.message } }
""",
}
ROUTE = "routes: [{ method: POST, path: /lines, call: generate }]\n"


def _loaded(folder: Path, framing: str, served: bool = False) -> Translator:
    facts = "name: lines\nvendor: lines\nupstream: { path: '/say/{model}' }\nframing: " + framing
    own = folder / "lines"
    own.mkdir()
    (own / "format.yaml").write_text(f"{facts}\n{ROUTE if served else ''}")
    for name in ("request.yaml", "response.yaml", "error.yaml", "stream.yaml"):
        half = READ.get(name, "") + (WRITTEN[name] if served else "")
        (own / name).write_text(half or REQUEST)
    known = {**translator().formats, **load([folder])}
    return Translator(known, translator().providers, {})


FRAMED: dict[str, Callable[[bytes], bytes]] = {
    "{ kind: ndjson }": lambda data: data + b"\n",
    "{ kind: sse }": lambda data: b"data: " + data + b"\n\n",
    "{ kind: json-array }": lambda data: data + b",",
}
SAID = [b'{"say":"Hel"}', b'{"say":"lo"}']


@pytest.mark.parametrize("framing", list(FRAMED))
def test_a_format_for_upstreams_needs_its_folder_alone(tmp_path: Path, framing: str) -> None:
    by = _loaded(tmp_path, framing)
    asked = {"model": "a/b", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    request = by.request(asked, "openai-chat", "lines")
    assert (request.path, request.body) == (
        "/say/a%2Fb",
        {"model": "a/b", "stream": True, "ask": "Hi"},
    )
    answer = by.response({"say": "Hello"}, "lines", "claude", request=asked)
    assert answer.body["content"] == [{"type": "text", "text": "Hello"}]
    assert by.error(529, {"wrong": "no"}, "lines", "claude").body["error"]["message"] == "no"
    stream = by.stream("lines", "openai-chat", plan=request.plan)
    events = b"".join(map(FRAMED[framing], [*SAID, b'{"bye":true}']))
    output = b"".join(stream.feed(events[at : at + 1]) for at in range(len(events)))
    assert b'"content":"Hel"' in output and output.endswith(b"data: [DONE]\n\n")
    assert stream.close() == b"" and stream.error is None


@pytest.mark.parametrize("framing", list(FRAMED))
def test_a_stream_that_ends_without_its_last_event_is_an_error(
    tmp_path: Path, framing: str
) -> None:
    stream = _loaded(tmp_path, framing).stream("lines", "openai-chat")
    stream.feed(b"".join(map(FRAMED[framing], SAID)))
    assert b"the upstream's stream ended early" in stream.close()
    assert stream.error is not None and stream.error["kind"] == "upstream"


@pytest.mark.parametrize("framing", list(FRAMED))
def test_an_error_in_a_stream_reaches_the_client(tmp_path: Path, framing: str) -> None:
    stream = _loaded(tmp_path, framing).stream("lines", "claude")
    output = stream.feed(b"".join(map(FRAMED[framing], [*SAID, b'{"wrong":"full"}'])))
    assert b'{"type":"error","error":{"type":"overloaded_error","message":"full"' in output
    assert stream.done and stream.close() == b""


def test_no_path_leads_to_a_format_for_upstreams(tmp_path: Path) -> None:
    by = _loaded(tmp_path, "{ kind: ndjson }")
    ingress = Ingress(by.formats)
    assert "lines" not in ingress.formats
    assert ingress.asker({}).name != "lines"


def test_clients_of_a_line_framing_get_lines(tmp_path: Path) -> None:
    by = _loaded(tmp_path, "{ kind: ndjson, terminator: bye }", served=True)
    assert [match.format.name for match in Ingress(by.formats).find("POST", "/lines", {})] == [
        "lines"
    ]
    assert by.formats["lines"].content_type == "application/x-ndjson"
    stream = by.stream("lines", "lines")
    output = stream.feed(b"".join(each + b"\n" for each in [*SAID, b'{"bye":true}']))
    assert output.splitlines() == [*SAID, b'{"bye":true}', b"bye"]


def test_the_name_beside_an_event_is_a_key_of_it_where_the_format_says_so(tmp_path: Path) -> None:
    by = _loaded(tmp_path, "{ kind: sse, event-name: say }")
    stream = by.stream("lines", "openai-chat")
    output = stream.feed(b'event: by name\ndata: {}\n\nevent: unread\ndata: {"say":"by key"}\n\n')
    assert b'"content":"by name"' in output and b'"content":"by key"' in output
