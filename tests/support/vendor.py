"""Vendors on loopback: servers of a wire format with a model that does what the checks of providers
ask for, and such that do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from engine.gateway import demo
from engine.translation.formats import Format
from engine.translation.standing import Standing
from engine.translation.wholes import unfold
from tests.support.translations import translator
from tests.support.upstream import Answer, Received, document

Canonical = dict[str, Any]
Serve = Callable[[Received], Answer]
MODELS = ("acme-1", "acme-2")
_MODEL = re.compile(r"/models/([^/:]+):")


def vendor(*names: str, key: str | None = None, models: Sequence[str] = MODELS) -> Serve:
    """A server of these wire formats, the first one's in its list of models.

    With a ``key`` it answers nobody without it.
    """
    sides = [translator().formats[name] for name in names]

    def serve(request: Received) -> Answer:
        if key is not None and not any(key in value for value in request.headers.values()):
            return document({"error": {"message": "no key, no answer"}}, 401)
        path = request.path.partition("?")[0]
        if request.method == "GET":
            listing = [
                side for side in sides if side.models_path and path.endswith(side.models_path)
            ]
            if not listing:
                return document({"detail": "Not Found"}, 404)
            rows = [{"id": model, "created": 1, "owner": "acme"} for model in models]
            return document(translator().listings.whole(rows, listing[0].name))
        for side in sides:
            if re.fullmatch(_pattern(side), path):
                return _answered(side, request, models)
        return document({"detail": "Not Found"}, 404)

    return serve


def _pattern(side: Format) -> str:
    paths = {path.partition("?")[0] for path in side.upstream.values()}
    return "|".join(".*" + re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(path)) for path in paths)


def _answered(side: Format, request: Received, models: Sequence[str]) -> Answer:
    body = request.document
    named = _MODEL.search(request.path)
    model = named[1] if named else body.get("model")
    if model not in models:
        kind = "invalid" if model is None else "not-found"
        fault = translator().faults.own(kind, f"there is no model {model}", side.name)
        return document(fault.body, fault.status)
    asked = {**Standing(translator()).read_request(body, side.name), "model": model}
    answer = compose(asked)
    if "stream" not in request.path and not body.get("stream"):
        return document(Standing(translator()).write_response(answer, side.name, body))
    pieces = b"".join(
        Standing(translator()).write_stream(unfold(answer, cut=demo.words), side.name, body)
    )
    return Answer(pieces, headers={"content-type": side.content_type}, piece=61)


def compose(asked: Canonical) -> Canonical:
    """What a good model says: what is asked for."""
    last = asked["turns"][-1]["parts"]
    said = " ".join(part.get("text", "") for part in last)
    parts: list[Canonical] = []
    if any(part["type"] == "result" for part in last):
        parts.append({"type": "text", "text": "It is 21 degrees."})
    elif "tools" in asked:
        cities = [city for city in ("Paris", "Oslo") if city in said]
        parts += [
            {
                "type": "call",
                "id": f"call_{number}",
                "name": asked["tools"][0]["name"],
                "arguments": {"city": city},
            }
            for number, city in enumerate(cities)
        ]
    else:
        parts.append({"type": "text", "text": _text(asked, last, said)})
    calls = parts[0]["type"] == "call"
    return {
        "id": "answer-1",
        "model": asked["model"],
        "created": 1,
        "choices": [{"index": 0, "parts": parts, "stop": "tool" if calls else "end"}],
        "usage": {"input": 7, "output": 3},
    }


def _text(asked: Canonical, last: list[Canonical], said: str) -> str:
    if "JSON" in said:
        return json.dumps({"city": "Paris", "country": "France"})
    if any(part["type"] == "image" for part in last):
        return "Red"
    return "pong" if "pong" in said else "one two three four five six seven eight nine"


def garbage(text: str, kind: str = "text/html", status: int = 200) -> Serve:
    """A server that says this to everything."""
    return lambda _: Answer(text.encode(), status, {"content-type": kind})
