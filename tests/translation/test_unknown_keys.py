"""An unknown key at any depth reaches the other side or is told to be lost, in every pair.

A key that nobody knows is put into every object of the project's own cases. What is somebody's
own data (schemas, arguments, tags) crosses whole and is left as it is.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from engine.errors import Rejected, UpstreamError
from engine.resources import shipped
from engine.translation.losses import Loss, told
from engine.translation.translator import Translator
from tests.support.lines import joined, lines
from tests.support.translations import (
    ANY_MODEL,
    MODELS,
    OwnCase,
    formats,
    own_cases,
    plan,
    stream,
    targets,
    translator,
)

KEY = "x_zz"
OWN_DATA = frozenset(
    "parameters input_schema inputSchema parametersJsonSchema responseSchema responseJsonSchema"
    " schema args arguments input response metadata labels logit_bias json_schema properties"
    " output_schema provider extra_body location user_location safetySettings".split()
)
# Where such a key is still lost without a word, by what is read and the object it stands in. What
# is mended must go from here.
GAPS: dict[str, dict[str, set[str]]] = {
    "request": {},
    "response": {},
    "stream": {},
}

# Where such a key is lost without a word on purpose, and why.
ON_PURPOSE: dict[str, dict[str, dict[str, str]]] = {
    "response": {
        "openai-responses": {
            "billing": "what surrounds an answer is only for who speaks this format",
            "reasoning": "it repeats the request",
            "text": "it repeats the request",
            "text.format": "it repeats the request",
            "tools[]": "it repeats the request",
        },
    },
    "stream": {
        "cohere": {
            "delta.usage.billed_units": "what is billed is no count of the answer",
            "delta.message.citations.sources[].document": "a document is somebody's own data",
        },
        "openai-responses": {
            "": "what opens or closes a piece says nothing that other events do not say",
            "part": "it is told by the event that closes it, or said again by its item",
            "part.annotations[]": "each has an event of its own",
            "item.content[]": "it repeats the parts that came before",
            "item.summary[]": "it repeats the texts that came before",
        },
        "openai-chat": {"choices[].message": "beside a delta it repeats all that was said"},
    },
}
# The same of streams that are written in the format they came in.
REPEATED: dict[str, dict[str, str]] = {
    "gemini": {
        "candidates[].safetyRatings[]": "what stopped the answer is told without its reasons",
        "usageMetadata": "the last counts are those of the answer",
    },
    "openai-responses": {"item": "what closes an item says again what opened it"},
}
# Cases about what comes after the end, which is no part of an answer.
BEYOND = ("after-done", "after-the-last-event")

MOST = 1_000_000

Marked = list[tuple[str, str]]


def objects(value: Any, path: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(value, dict):
        yield value, path
        for key, each in list(value.items()):
            # the items of a request, beside what a call is given
            if key not in OWN_DATA or (path == "" and isinstance(each, list)):
                yield from objects(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from objects(each, f"{path}[{position}]")


def marked(document: Any, marks: Marked) -> Any:
    """A copy with a key of its own in every object; ``marks`` takes paths and values."""
    document = copy.deepcopy(document)
    for each, path in objects(document):
        value = f"zz{len(marks)}zz"
        marks.append((f"{path}.{KEY}" if path else KEY, value))
        each[KEY] = value
    return document


def within(path: str, other: str) -> bool:
    return other in ("", path) or path.startswith((f"{other}.", f"{other}["))


def unsaid(marks: Marked, out: str, losses: list[Loss]) -> Iterator[str]:
    """The objects whose key is neither in the output nor told, and those of which both is so."""
    places = {loss.path for loss in losses}
    unread = {loss.path for loss in losses if loss.kind == "unread"}
    for path, value in marks:
        there = value in out
        if there and path in unread:
            yield f"told, and there: {path}"
        elif not there and not any(within(path, each) for each in places):
            yield path


def request(case: OwnCase, target: str, by: Translator) -> Iterator[str]:
    marks: Marked = []
    body = marked(case.body, marks)
    model = MODELS.get(target, ANY_MODEL)
    try:
        made = by.request(
            body, case.format, target, model=model, headers=case.headers, options=case.options
        )
    except Rejected:
        return
    yield from unsaid(marks, json.dumps(made.body), made.losses)


def response(case: OwnCase, target: str, by: Translator) -> Iterator[str]:
    marks: Marked = []
    body = marked(case.body, marks)
    try:
        made = by.response(body, case.format, target, plan=plan(case, target, by))
    except UpstreamError:
        return
    if made.error is None:
        yield from unsaid(marks, json.dumps(made.body), made.losses)


def replayed(case: OwnCase, target: str, by: Translator) -> Iterator[str]:
    """The same of a whole answer that is told as a stream."""
    marks: Marked = []
    made = by.replay(case.format, target, MOST, plan=plan(case, target, by))
    made.feed(json.dumps(marked(case.body, marks)).encode())
    out = made.close().decode()
    if made.error is None:
        yield from unsaid(marks, out, made.losses)


def streamed(case: OwnCase, target: str, by: Translator) -> Iterator[str]:
    if case.name.endswith(BEYOND):
        return
    marks: Marked = []
    found = lines(case)
    for line in found:
        line.document = line.document and marked(line.document, marks)
    made = stream(case, target, by)
    out = (made.feed(joined(case, found)) + made.close()).decode()
    if made.error is not None:
        # an error tells no losses, and what waited for the end is gone
        return
    static = [(re.sub(r"\[\d+\]", "[]", path), value) for path, value in marks]
    # what is told once of many events is told of all of them
    yield from (each for each in unsaid(static, out, made.losses) if "told, and" not in each)


def silent(kind: str, source: str, run: Callable[..., Iterator[str]] | None = None) -> set[str]:
    """The objects of a format whose unknown keys are lost on the way to one of the others."""
    run = run or RUNS[kind]
    return {
        place
        for target in targets(kind)
        if target != source
        for place in lost_places(kind, source, target, run)
    }


def lost_places(
    kind: str, source: str, target: str, run: Callable[..., Iterator[str]]
) -> Iterator[str]:
    for case in own_cases(kind):
        for path in run(case, target, translator()) if case.format == source else ():
            yield re.sub(r"\[\d+\]", "[]", path).removesuffix(KEY).removesuffix(".")


RUNS: dict[str, Callable[..., Iterator[str]]] = {
    "request": request,
    "response": response,
    "stream": streamed,
}


def sources(kind: str) -> list[str]:
    """The formats of which there are such documents."""
    known = translator().formats
    return [name for name in formats() if kind != "request" or known[name].serves]


@pytest.mark.parametrize(
    ("kind", "source"),
    [(kind, source) for kind in ("request", "response", "stream") for source in sources(kind)],
)
def test_no_unknown_key_is_lost_silently(kind: str, source: str) -> None:
    known = GAPS[kind].get(source, set()) | ON_PURPOSE.get(kind, {}).get(source, {}).keys()
    assert silent(kind, source) <= known


@pytest.mark.parametrize(
    ("kind", "source"),
    [(kind, each) for kind in RUNS for each in targets(kind) if each in sources(kind)],
)
def test_no_unknown_key_is_lost_silently_in_its_own_format(kind: str, source: str) -> None:
    known: set[str] = set()
    if kind == "stream":
        known = REPEATED.get(source, {}).keys() | ON_PURPOSE["stream"].get(source, {}).keys()
    assert set(lost_places(kind, source, source, RUNS[kind])) <= known


@pytest.mark.parametrize("source", sources("response"))
def test_no_unknown_key_is_lost_silently_where_an_answer_is_told_as_a_stream(source: str) -> None:
    assert silent("response", source, replayed) <= ON_PURPOSE["response"].get(source, {}).keys()


@pytest.mark.parametrize("source", ON_PURPOSE["response"])
def test_what_an_answer_loses_on_purpose_is_ignored_as_a_whole(source: str) -> None:
    meant = ON_PURPOSE["response"][source]
    read = yaml.safe_load((shipped("mappings") / source / "response.yaml").read_text())["read"]
    wholes = {f"wire.{re.split(r'[.[]', path)[0]}" for path in meant}
    assert wholes <= {each.strip() for each in read["$else"]["$ignore"]}
    assert meant.keys() <= silent("response", source)


@pytest.mark.parametrize("source", sources("request"))
def test_a_traced_run_loses_what_the_run_that_served_lost(source: str) -> None:
    by = translator()
    for case in [each for each in own_cases("request") if each.format == source][::12]:
        for target in targets("request"):
            body = marked(case.body, [])
            model = MODELS.get(target, ANY_MODEL)
            try:
                made = by.request(body, source, target, model=model, headers=case.headers)
            except Rejected:
                continue
            traced = told(made._read.trace(), made._write.trace().side, "request", made._moved)
            spelt = [replace(each, path=made._read.spelt(each.path)) for each in traced]
            assert sorted(made.losses, key=str) == sorted(spelt, key=str)
