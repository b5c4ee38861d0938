"""What every stage takes for granted of what was read from an upstream, which may write anything.

mappings/canonical.yaml says of all fields what they are; here are those that some stage would
stumble over. The rest goes to the client as it came.
"""

from __future__ import annotations

from typing import Any

from engine.errors import UpstreamError
from engine.language.saying import article, type_name

_TEXT, _OBJECT = frozenset({str}), frozenset({dict})
_DELTAS = frozenset({"text", "args", "thinking"})
_PLACE = frozenset({int, str})
_EVENT: dict[str, frozenset[type]] = {
    "choice": frozenset({int}),
    "part": _PLACE,
    **dict.fromkeys(("id", "name", "kind", "delta"), _TEXT),
    **dict.fromkeys(("usage", "error", "signature", "citation"), _OBJECT),
    "logprobs": frozenset({list}),
}
_START = {key: _EVENT[key] for key in ("choice", "usage")}
_PART: dict[str, frozenset[type]] = {
    **dict.fromkeys(("id", "name", "text", "raw"), _TEXT),
    **dict.fromkeys(("arguments", "signature"), _OBJECT),
    **dict.fromkeys(("citations", "logprobs"), frozenset({list})),
}
_CHOICE: dict[str, frozenset[type]] = {"index": frozenset({int})}


def fit_event(event: dict[str, Any]) -> None:
    """Raises UpstreamError for a canonical event, its ``choice`` set, that no stage can take."""
    if (
        event["type"] in _DELTAS
        and type(event.get("delta")) is str
        and type(event.get("part")) in _PLACE
        and type(event["choice"]) is int
        and len(event) == 4
    ):
        return
    _fit(event, _START if event["type"] == "start" else _EVENT, event["type"])


def fit_answer(answer: dict[str, Any]) -> None:
    """Raises UpstreamError for a canonical answer with parts that no stage can take."""
    for choice in answer.get("choices") or ():
        if type(choice.get("index", 0)) is not int:
            _fit(choice, _CHOICE, "choice")
        for part in choice["parts"]:
            word = part["type"]
            # texts and calls as they usually are
            if word == "text":
                if type(part.get("text")) is str and len(part) == 2:
                    continue
            elif (
                word == "call"
                and type(part.get("arguments")) is dict
                and type(part.get("id")) is type(part.get("name")) is str
                and len(part) == 4
            ):
                continue
            _fit(part, _PART, word)


def _fit(document: dict[str, Any], fields: dict[str, frozenset[type]], name: str) -> None:
    for key, value in document.items():
        kinds = fields.get(key)
        if kinds is not None and type(value) not in kinds:
            found = article(type_name(value))
            raise UpstreamError(f"the upstream's answer cannot be used: {key} of {name} is {found}")
