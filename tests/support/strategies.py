"""Hypothesis strategies from mappings/canonical.yaml: other values for the fields of a probe.

The types come from the schema. What the type alone does not say (a name is no text with blanks, a
count belongs to another) stands in ``VALUES``; what is not varied keeps the value of the probe.
"""

import copy
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from engine.resources import shipped
from engine.translation.probes import Probe, Probes, put

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text
)
WORD = st.from_regex(r"[a-z][a-z0-9_]{0,11}", fullmatch=True)
DATA = st.binary(min_size=1, max_size=12)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECT = st.dictionaries(WORD, JSON, max_size=3)

# By `schema.field`. What has no entry is not varied.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "request.max_output": st.integers(1024, 4096),
    "request.temperature": st.floats(0, 1).map(lambda value: round(value, 3)),
    "request.top_p": st.floats(0.01, 1).map(lambda value: round(value, 3)),
    "request.top_k": st.integers(1, 500),
    "request.n": st.integers(2, 8),
    "request.seed": st.integers(0, 2**31 - 1),
    "request.frequency_penalty": st.floats(-1.9, 1.9).map(lambda value: round(value, 3)),
    "request.presence_penalty": st.floats(-1.9, 1.9).map(lambda value: round(value, 3)),
    "request.top_logprobs": st.integers(1, 5),
    "request.budget": st.integers(1024, 24576),
    "request.user": WORD,
    "request.cache_key": WORD,
    "request.stop": st.lists(WORD, min_size=1, max_size=4, unique=True),
    "request.metadata": st.dictionaries(WORD, WORD, min_size=1, max_size=3),
    "request.logit_bias": st.dictionaries(
        st.integers(0, 100_000).map(str), st.integers(-100, 100), min_size=1, max_size=3
    ),
    "part.text": TEXT,
    "part.title": WORD.map(lambda word: f"{word}.pdf"),
    "part.context": TEXT,
    "part.arguments": OBJECT,
    "part.raw": TEXT.map(lambda text: f"- {text}"),
    "part.name": WORD,
    "turn.name": WORD,
    "tool.description": TEXT,
    "tool.examples": st.lists(OBJECT, min_size=1, max_size=2),
    "output.name": WORD,
    "output.description": TEXT,
    "signature.value": st.from_regex(r"[A-Za-z0-9+/]{1,20}=?", fullmatch=True),
    "citation.title": TEXT,
    "citation.url": WORD.map(lambda word: f"https://example.org/{word}"),
    "citation.start": st.just(0),
    "choice.stop_sequence": WORD,
    "choice.explanation": TEXT,
    "choice.category": WORD,
    "response.created": st.integers(1, 2**31 - 1),
    "usage.cache_read": st.integers(1, 50),
    "usage.cache_write": st.integers(1, 50),
    "usage.reasoning": st.integers(1, 50),
    "event.created": st.integers(1, 2**31 - 1),
    "event.stop_sequence": WORD,
    "event.explanation": TEXT,
    "event.category": WORD,
    "error.code": WORD,
    "error.message": TEXT,
    "error.param": WORD,
    "error.retry_after": st.integers(1, 3600),
    "error.request_id": WORD,
}


@cache
def probes() -> Probes:
    """Those of the shipped mappings."""
    return Probes(shipped("mappings"))


def varied(probe: Probe) -> st.SearchStrategy[Probe] | None:
    """The probe with other values; None when nothing of it can be another."""
    places = list(_places(probe))
    if not places:
        return None
    drawn = st.tuples(*(VALUES[name] for _, name in places))

    def made(values: tuple[Any, ...]) -> Probe:
        document = copy.deepcopy(probe.document)
        base = copy.deepcopy(probe.base)
        for (path, _), value in zip(places, values, strict=True):
            put(document, path, value)
        return replace(probe, document=document, base=base)

    return drawn.map(made)


def composed(kind: str) -> st.SearchStrategy[Any]:
    """Documents of a kind that say many things at once: several probes laid over each other."""
    several = st.lists(
        st.sampled_from([probe for probe in probes().all if probe.place.kind == kind]),
        min_size=1,
        max_size=6,
    )
    return several.map({"request": _request, "response": _response, "stream": _stream}[kind])


def _request(several: list[Probe]) -> dict[str, Any]:
    whole: dict[str, Any] = {"model": "model", "turns": []}
    tools: dict[str, Any] = {}
    for number, probe in enumerate(several):
        document = _renamed(probe.document, f"_{number}")
        plain = document["turns"] == probe.place.plain["turns"]
        for key, value in document.items():
            if key == "turns":
                whole["turns"] += [] if plain else value
            elif key == "tools":
                tools |= {tool["name"]: tool for tool in value}
            elif key == "instructions":
                whole["instructions"] = [*whole.get("instructions", []), *value]
            else:
                whole[key] = value
    whole["turns"].append({"role": "user", "parts": [{"type": "text", "text": "Go on"}]})
    return {**whole, **({"tools": list(tools.values())} if tools else {})}


def _response(several: list[Probe]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    parts: list[Any] = []
    for number, probe in enumerate(several):
        document = _renamed(probe.document, f"_{number}")
        parts += document["choices"][0]["parts"]
        stop = {**whole.get("choices", [{}])[0], **document["choices"][0]}
        whole |= {**document, "choices": [{**stop, "parts": parts}]}
    if any(part["type"] == "call" for part in parts):
        whole["choices"][0]["stop"] = "tool"
    return whole


def _stream(several: list[Probe]) -> list[dict[str, Any]]:
    start: dict[str, Any] = {}
    middle: list[Any] = []
    stop: dict[str, Any] = {}
    end: list[Any] = []
    for number, probe in enumerate(several):
        events = _renamed(probe.document, f"_{number}")
        start |= events[0]
        stop |= events[-2]
        end = [events[-3], stop, events[-1]]
        for event in events[1:-3]:
            middle.append({**event, "part": event["part"] + 10 * number})
    if any(event.get("kind") == "call" for event in middle):
        stop["reason"] = "tool"
    return [start, *middle, *end]


def _renamed(value: Any, suffix: str) -> Any:
    """With ids and names of tools of its own, so that several documents go into one."""
    if isinstance(value, list):
        return [_renamed(each, suffix) for each in value]
    if not isinstance(value, dict):
        return value
    own = {key: _renamed(each, suffix) for key, each in value.items()}
    for key in ("id", "call_id"):
        if isinstance(own.get(key), str) and own[key].startswith("call_"):
            own[key] += suffix
    if own.get("name") in ("look", "find", "open") or "names" in own:
        own |= {"name": own["name"] + suffix} if "name" in own else {}
        own |= {"names": [name + suffix for name in own["names"]]} if "names" in own else {}
    return own


def _places(probe: Probe) -> list[tuple[str, str]]:
    """The paths of what may be another, with the names of the fields."""
    found = _varied(probe)
    if probe.place.kind != "request" and "tools" in probe.place.request:
        # a call of a tool that the request names
        return [place for place in found if place[1] != "part.name"]
    return found


def _varied(probe: Probe) -> list[tuple[str, str]]:
    schema, at = probe.place.schema, probe.place.at
    if probe.field:
        path = f"{at}.{probe.field}"
        owner, _, field = f"{schema}.{probe.field}".rpartition(".")
        name = f"{owner.rpartition('.')[2]}.{field}"
        return [(path, name)] if name in VALUES else _of(probe, path, field, _at(probe, path))
    return _of(probe, at, schema, _at(probe, at))


def _of(probe: Probe, path: str, schema: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        inner = {"parts": "part", "turns": "turn", "citations": "citation"}.get(schema, schema)
        return [
            place
            for index, each in enumerate(value)
            for place in _of(probe, f"{path}[{index}]", inner, each)
        ]
    if not isinstance(value, dict):
        return []
    found: list[tuple[str, str]] = []
    for key, each in value.items():
        name = f"{schema}.{key}"
        if name in VALUES:
            found.append((f"{path}.{key}", name))
        elif key in ("parts", "signature", "citations", "citation", "usage"):
            found += _of(probe, f"{path}.{key}", key, each)
    return found


def _at(probe: Probe, path: str) -> Any:
    value = probe.document
    for step in path.replace("[", ".[").split("."):
        if step.startswith("["):
            value = value[int(step[1:-1])]
        elif step:
            value = value[step]
    return value


@st.composite
def usages(draw: st.DrawFn) -> dict[str, int]:
    """Canonical counts whose sums hold."""
    parts = {key: draw(st.integers(1, 10_000)) for key in ("fresh", "said")}
    parts |= {key: draw(st.integers(0, 10_000)) for key in ("read", "write")}
    thought = draw(st.integers(0, 10_000))
    counts = {
        "input": parts["fresh"] + parts["read"] + parts["write"],
        "output": parts["said"] + thought,
    }
    for key, value in (
        ("cache_read", parts["read"]),
        ("cache_write", parts["write"]),
        ("reasoning", thought),
    ):
        if value:
            counts[key] = value
    return counts
