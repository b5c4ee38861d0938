"""The project's own cases of whole translations, and what each becomes: the text of its snapshot.

A case is `tests/cases/<kind>/<format>/<name>.json`, for a stream with the events beside it in
`<name>.sse` (or another suffix of SUFFIXES, by the framing):

    covers    sections of the tables, such as "request 4"
    body      what the format's client or upstream says (a stream: the file beside it)
    headers   of the client, or of the upstream's error
    options   of the route
    stream    the client asks for a stream where its body does not say so
    provider  who is asked, by the format it speaks; default: the format's own
    model     its name there, by that format; default: MODELS, or the client's in its own format
    clients   of an answer: keys over the request that the client sent, by its format
    status    of an error

Every case goes to every format, its own included; an answer only to those that clients speak.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.translation.jsontext import loads
from engine.translation.losses import Loss
from engine.translation.plan import Plan
from engine.translation.streams import Stream
from engine.translation.translated import Translated
from engine.translation.translator import Translator
from engine.translation.warming import quicken
from tests.support.eventstream import encoded

CASES = Path(__file__).parents[1] / "cases"
PROVIDERS = CASES / "providers"
KINDS = ("request", "response", "stream", "error")
NOW = 1_795_305_600

SUFFIXES = {"sse": ".sse", "ndjson": ".ndjson", "aws-event-stream": ".events"}

ANY_MODEL = "acme-large-1"
MODELS = {
    "bedrock-converse": "us.anthropic.claude-sonnet-4-6-v1:0",
    "claude": "claude-sonnet-5-5",
    "gemini": "gemini-3.8-flash",
}
"""What a request of another format is sent to, when its case does not say; else ANY_MODEL."""

CLIENTS: dict[str, dict[str, Any]] = {
    "openai-chat": {
        "model": "assistant",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream_options": {"include_usage": True},
    },
    "claude": {
        "model": "assistant",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "Hello"}],
    },
    "openai-responses": {"model": "assistant", "input": "Hello"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}
"""What a client of the format asked, when the case of an answer does not say."""

# Left to json.dumps these would stand as they are, and nobody could see or save them.
_UNSEEN = re.compile("[\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class OwnCase:
    """One case; see the module."""

    kind: str
    format: str
    name: str
    covers: tuple[str, ...]
    body: Any
    headers: dict[str, str]
    options: dict[str, Any]
    stream: bool | None
    provider: dict[str, str]
    model: dict[str, str]
    clients: dict[str, dict[str, Any]]
    status: int

    def snapshot(self, target: str) -> str:
        """The place of its snapshot, under `snapshots/`."""
        suffix = "sse" if self.kind == "stream" else "json"
        return f"{self.kind}/{self.format}-to-{target}/{self.name}.{suffix}"

    @property
    def lines(self) -> list[str]:
        """Of a stream: the lines of its file."""
        suffix = SUFFIXES[translator().formats[self.format].framing.kind.name]
        path = CASES / self.kind / self.format / f"{self.name}{suffix}"
        return path.read_text(encoding="utf-8").splitlines()

    def client(self, target: str) -> dict[str, Any]:
        """What the client of an answer asked."""
        return {**CLIENTS[target], **self.clients.get(target, {})}


@cache
def translator() -> Translator:
    """The shipped mappings with the providers that cases need, at a fixed time, in the quick form
    that a server comes to serve in."""
    made = Translator.load(providers=[PROVIDERS], now=lambda: NOW)
    quicken(made.formats.values())
    return made


@cache
def formats() -> tuple[str, ...]:
    """The wire formats with cases of every kind: one that is being written has no part yet."""
    return tuple(
        name
        for name, side in sorted(translator().formats.items())
        if all((CASES / kind / name).is_dir() for kind in (KINDS if side.serves else KINDS[1:]))
    )


@cache
def clients() -> tuple[str, ...]:
    """Those of the formats that clients speak."""
    return tuple(name for name in formats() if translator().formats[name].serves)


def targets(kind: str) -> tuple[str, ...]:
    """The formats that a case of this kind goes to."""
    return formats() if kind == "request" else clients()


@cache
def own_cases(kind: str | None = None) -> tuple[OwnCase, ...]:
    """All cases, or those of one kind, by format and name."""
    return tuple(case for each in KINDS if kind in (None, each) for case in _of(each))


def _of(kind: str) -> Iterator[OwnCase]:
    for path in sorted((CASES / kind).glob("*/*.json")):
        if path.parent.name not in formats():
            continue
        data = loads(path.read_bytes())
        framing = translator().formats[path.parent.name].framing.kind.name
        events = path.with_suffix(SUFFIXES[framing])
        yield OwnCase(
            kind=kind,
            format=path.parent.name,
            name=path.stem,
            covers=tuple(data.pop("covers")),
            body=_bytes(events) if kind == "stream" else data.pop("body"),
            headers=data.pop("headers", {}),
            options=data.pop("options", {}),
            stream=data.pop("stream", None),
            provider=data.pop("provider", {}),
            model=data.pop("model", {}),
            clients=data.pop("clients", {}),
            status=data.pop("status", 500),
        )
        assert not data, f"{path}: unknown keys {list(data)}"


def _bytes(events: Path) -> bytes:
    """A stream as it lies on the wire; of binary ones the files hold a readable form."""
    if events.suffix == ".events":
        return encoded(events.read_text(encoding="utf-8").splitlines())
    return events.read_bytes()


def rendered(case: OwnCase, target: str, by: Translator) -> str:
    """The text of the case's snapshot."""
    return _RENDER[case.kind](case, target, by)


def plan(case: OwnCase, target: str, by: Translator) -> Plan:
    """The plan of a request, or of the request that an answer belongs to."""
    if case.kind == "request":
        return request_of(case, target, by).plan
    return by.request(
        case.client(target),
        source=target,
        target=case.format,
        provider=case.provider.get(case.format),
        model=case.model.get(case.format, MODELS.get(case.format, ANY_MODEL)),
        options=case.options,
        client_model="assistant",
    ).plan


def stream(case: OwnCase, target: str, by: Translator) -> Stream:
    """The translation of a stream, not fed yet."""
    return by.stream(case.format, target, plan=plan(case, target, by))


def stream_text(output: bytes, losses: list[Loss]) -> str:
    """A stream's snapshot: what the client gets, then what was lost, as comments.

    A carriage return is shown: left as it is, no diff would.
    """
    return output.decode().replace("\r", "␍") + "".join(
        f": lost {line}\n" for line in _lines(losses)
    )


def request_of(case: OwnCase, target: str, by: Translator) -> Translated:
    # Where the path holds the model, bodies have none to fall back on.
    named = case.format == target and "model" in case.body
    own = None if named else MODELS.get(target, ANY_MODEL)
    return by.request(
        case.body,
        source=case.format,
        target=target,
        provider=case.provider.get(target),
        model=case.model.get(target, own),
        stream=case.stream,
        headers=case.headers,
        options=case.options,
    )


def _request_text(case: OwnCase, target: str, by: Translator) -> str:
    try:
        made = request_of(case, target, by)
    except Rejected as error:
        return _json({"status": error.status, "path": error.path, "rejected": error.reason})
    losses = _lines(made.losses)
    return _json({"path": made.path, "headers": made.headers, "body": made.body, "losses": losses})


def _response_text(case: OwnCase, target: str, by: Translator) -> str:
    try:
        answer = by.response(case.body, case.format, target, plan=plan(case, target, by))
    except UpstreamError as error:
        return _json({"kind": error.kind, "unusable": error.message})
    shown = {"body": answer.body, "error": answer.error, "losses": _lines(answer.losses)}
    return _json({key: value for key, value in shown.items() if value is not None})


def _stream_text(case: OwnCase, target: str, by: Translator) -> str:
    made = stream(case, target, by)
    output = made.feed(case.body) + made.close()
    return stream_text(output, made.losses)


def _error_text(case: OwnCase, target: str, by: Translator) -> str:
    answer = by.error(case.status, case.body, case.format, target, headers=case.headers)
    return _json(
        {
            "status": answer.status,
            "headers": answer.headers,
            "body": answer.body,
            "kind": answer.kind,
            "retry_after": answer.retry_after,
        }
    )


_RENDER = {
    "request": _request_text,
    "response": _response_text,
    "stream": _stream_text,
    "error": _error_text,
}


def _lines(losses: list[Loss]) -> list[str]:
    # Without the rule's place: it moves with every line above it.
    return [f"{loss.path or '(all)'}: {loss.reason} ({loss.kind})" for loss in losses]


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"
