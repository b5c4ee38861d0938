"""`POST /admin/translate`: a call as the gateway would make it, and nothing is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cerberus

from engine.errors import Rejected
from engine.gateway import call as calls
from engine.gateway.call import Call, Prepared
from engine.gateway.context import Context
from engine.gateway.ingress import Match
from engine.gateway.passthrough import PassThrough
from engine.gateway.prepare import Preparing
from engine.gateway.routing import Candidate
from engine.gateway.settings import HIDDEN
from engine.gateway.snapshot import Snapshot
from engine.translation import jsontext
from engine.translation.provider_manual import facts
from engine.translation.streams import Stream

Document = dict[str, Any]

# What a dry run is asked with.
SCHEMA: Document = {
    "path": {"type": "string", "required": True},
    "request": {"type": "dict", "required": True},
    "headers": {"type": "dict", "keysrules": {"type": "string"}, "valuesrules": {"type": "string"}},
    "key": {"type": "string", "nullable": True},
    "credential": {"type": "string", "nullable": True},
    "answer": {"type": "dict", "excludes": ["stream", "error"]},
    "stream": {"type": "string", "excludes": ["answer", "error"]},
    "error": {
        "type": "dict",
        "excludes": ["answer", "stream"],
        "schema": {"status": {"type": "integer", "required": True}, "body": {"required": True}},
    },
}


def run(asked: Any, snapshot: Snapshot) -> Document:
    """What would be sent, and what the client would get for a recorded answer.

    Raises Rejected for what is no such question or no such call, UpstreamError for an answer that
    cannot be used.
    """
    validator = cerberus.Validator(SCHEMA)
    if not isinstance(asked, dict) or not validator.validate(asked):
        raise Rejected(f"a dry run wants {', '.join(SCHEMA)}: {validator.errors or 'no object'}")
    call = _call(asked, snapshot)
    preparing = Preparing(call, snapshot, explaining=True)
    named = (call.model, *call.alternatives)
    names = dict.fromkeys(m for name in named for m in snapshot.router.chain(name))
    rows, found = [], None
    known = [snapshot.router.candidates(name) for name in names]
    taking = [candidate for group in known for candidate in preparing.fitting(group)[0]]
    for candidate in [candidate for group in known for candidate in group]:
        row: Document = {
            "credential": candidate.credential.name,
            "provider": candidate.credential.provider.name,
            "model": candidate.model,
        }
        rows.append(row)
        try:
            prepared = preparing.prepare(candidate)
        except Rejected as refusal:
            row["refused"] = str(refusal)
            continue
        row["format"] = prepared.wire
        if candidate not in taking:
            row["refused"] = "something would be lost here, and nothing elsewhere"
            continue
        if found is None and asked.get("credential") in (None, candidate.credential.name):
            found = candidate, prepared
    result: Document = {"format": call.format.name, "candidates": rows}
    if found is None:
        return result
    candidate, prepared = found
    result["request"] = _request(preparing, candidate, prepared)
    result["facts"] = _facts(candidate)
    result["losses"] = [loss.as_dict() for loss in prepared.losses]
    result["explain"] = prepared.explain()
    answer = _answer(asked, preparing, call, snapshot, *found)
    return {**result, **({} if answer is None else {"answer": answer})}


def _call(asked: Mapping[str, Any], snapshot: Snapshot) -> Call:
    headers = {name.lower(): value for name, value in asked.get("headers", {}).items()}
    match = _match(asked["path"], headers, snapshot)
    if match is None:
        raise Rejected(f"no generation is asked for at {asked['path']}", "path")
    context = Context("POST", asked["path"], key=asked.get("key"))
    return calls.read(match, jsontext.dumps(asked["request"]), headers, context)


def _match(path: str, headers: Mapping[str, str], snapshot: Snapshot) -> Match | None:
    for match in snapshot.ingress.find("POST", path, headers):
        if match.route.call == "generate":
            return match
    return None


def _request(preparing: Preparing, candidate: Candidate, prepared: Prepared) -> Document:
    credential = candidate.credential
    hidden = credential.headers[prepared.wire]
    return {
        "url": credential.url(prepared.path, prepared.wire),
        "headers": {
            name: HIDDEN if name in hidden else value
            for name, value in preparing.headers(candidate, prepared).items()
        },
        "body": jsontext.loads(prepared.body),
        "same": prepared.same,
        "stream": prepared.stream,
    }


def _facts(candidate: Candidate) -> list[Document]:
    """What holds for the model at its provider, and which file or setting says it."""
    provider = candidate.credential.provider
    return [
        {"key": key, "value": value, "from": place}
        for key, value, place in facts(provider, candidate.model)
        if not key.startswith("headers.")
    ]


def _answer(
    asked: Mapping[str, Any],
    preparing: Preparing,
    call: Call,
    snapshot: Snapshot,
    candidate: Candidate,
    prepared: Prepared,
) -> Document | None:
    """The client's answer for the recorded one, if there is one."""
    if "stream" in asked and not call.stream:
        return _gathered(asked["stream"].encode(), preparing, candidate, prepared)
    if "stream" in asked or ("answer" in asked and call.stream):
        stream: Stream | PassThrough
        if "stream" in asked:
            given = asked["stream"].encode()
            stream = preparing.stream(candidate, prepared, explain=True)
        else:
            given = jsontext.dumps(asked["answer"])
            stream = preparing.replay(prepared)
        out = stream.feed(given) + stream.close()
        return {
            "stream": out.decode("utf-8", "replace"),
            "error": stream.error,
            "usage": stream.usage,
            "losses": [loss.as_dict() for loss in stream.losses],
            "explain": stream.explain() if type(stream) is Stream and not prepared.same else [],
        }
    if "error" in asked:
        error = snapshot.translator.error(
            asked["error"]["status"],
            asked["error"]["body"],
            source=prepared.wire,
            target=call.format.name,
            provider=candidate.credential.provider.name,
            model=candidate.model,
        )
        return {"status": error.status, "body": error.body, "kind": error.kind}
    if "answer" not in asked:
        return None
    document = asked["answer"]
    answer = preparing.answer(prepared, document)
    body = preparing.written(candidate, prepared, answer, jsontext.dumps(document), document)
    return {
        "body": jsontext.loads(body),
        "error": answer.error,
        "usage": answer.usage,
        "losses": [] if prepared.same else [loss.as_dict() for loss in answer.losses],
        "explain": [] if prepared.same else answer.explain(),
    }


def _gathered(
    given: bytes, preparing: Preparing, candidate: Candidate, prepared: Prepared
) -> Document:
    """The whole answer that a recorded stream becomes."""
    gathering = preparing.gather(prepared)
    gathering.feed(given)
    gathering.close()
    body = None
    if gathering.error is None:
        body = jsontext.loads(preparing.encoded(prepared, gathering.answer()))
    return {
        "body": body,
        "error": gathering.error,
        "usage": gathering.usage,
        "losses": [loss.as_dict() for loss in gathering.losses],
        "explain": [],
    }
