"""One client call, read and checked, and what is sent upstream for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from engine.errors import Rejected
from engine.gateway.cloak import Cloak
from engine.gateway.context import Context
from engine.gateway.ingress import Match
from engine.translation import jsontext
from engine.translation.formats import Format
from engine.translation.held import Held
from engine.translation.jsontext import JsonError
from engine.translation.plan import Plan

# Longer than any vendor's; what a glob has to look through stays small.
MAX_MODEL_NAME = 256
MAX_ALTERNATIVES = 10


# Not frozen: each field of a frozen one costs a call, and these are made for every request.
@dataclass(slots=True)
class Call:
    """A generation that a client asks for. ``headers`` are the client's, names in lower case.

    ``alternatives`` are models that it takes instead, in turn. ``as_array``: its stream is one JSON
    array.
    """

    format: Format
    raw: bytes
    document: Held = field(repr=False)
    model: str
    stream: bool
    headers: Mapping[str, str] = field(repr=False)
    context: Context
    debug: bool = False
    alternatives: tuple[str, ...] = ()
    as_array: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The document in ``raw``, read anew where it was let go of."""
        return self.document.get()

    @property
    def stream_type(self) -> bytes:
        """Content type of its stream."""
        return b"application/json" if self.as_array else self.format.content_type.encode()


@dataclass(slots=True)
class Prepared:
    """An upstream request in a wire format: translated, or the client's own bytes when ``same``.

    ``stream``: what the upstream is asked for, whatever the client wants. ``usage_asked``: the
    counts were asked for on the client's behalf, who is not to see them.
    """

    wire: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    plan: Plan
    losses: Sequence[Any]
    same: bool
    stream: bool
    cloak: Cloak | None = None
    explain: Callable[[], list[dict[str, Any]]] = field(default=list, repr=False)
    usage_asked: bool = False


def read(match: Match, raw: bytes, headers: Mapping[str, str], context: Context) -> Call:
    """The call in a request. Raises Rejected with a sentence that names the field."""
    encoding = headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise Rejected(f"the body is compressed ({encoding[:40]}); send it as it is")
    try:
        body = jsontext.loads(raw)
    except JsonError as error:
        raise Rejected(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Rejected("the body must be a JSON object")
    model = match.model if match.model is not None else body.get("model")
    models = _models(body)
    if models:
        # The gateway's own field: no upstream is to read it.
        body = {key: value for key, value in body.items() if key != "models"}
        if model is None:
            model, *models = models
            body["model"] = model
        raw = jsontext.dumps(body)
    if model is None:
        raise Rejected("the model is missing; name one of GET /v1/models", "model")
    if not _is_name(model):
        raise Rejected(f"the model must be a text of 1 to {MAX_MODEL_NAME} characters", "model")
    return Call(
        format=match.format,
        raw=raw,
        document=Held(body, partial(jsontext.loads, raw)),
        model=model,
        stream=match.streamed(body),
        headers=headers,
        context=context,
        debug=headers.get("x-debug", "").lower() == "true",
        alternatives=tuple(models),
        as_array=match.as_array(),
    )


def _models(body: Mapping[str, Any]) -> list[str]:
    """The models that a request names beside its own. Raises Rejected."""
    models = body.get("models")
    if models is None:
        return []
    if not isinstance(models, list) or not 0 < len(models) <= MAX_ALTERNATIVES:
        raise Rejected(f"models must be a list of 1 to {MAX_ALTERNATIVES} names", "models")
    for at, name in enumerate(models):
        if not _is_name(name):
            words = f"each of models must be a text of 1 to {MAX_MODEL_NAME} characters"
            raise Rejected(words, f"models[{at}]")
    return models


def _is_name(value: Any) -> bool:
    """Whether it can be a model's: also in a path and in a log, where half a character cannot."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_MODEL_NAME:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
