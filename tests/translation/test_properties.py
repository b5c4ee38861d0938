"""What the matrix calls exact is exact for other values, too, and no content goes silently.

`--hypothesis-profile=thorough` tries a thousand examples of each instead of a few.
"""

import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Rejected, UpstreamError
from engine.language.runtime import Refusal
from engine.translation.fidelity import Measure
from engine.translation.halves import Halves
from engine.translation.losses import Loss
from engine.translation.plan import Plan
from engine.translation.probes import Probe, assembled, leaves, spoken
from engine.translation.translator import Translator
from tests.support.canonical import usage_problems
from tests.support.leaves import SPELT, missing
from tests.support.matrix import matrix
from tests.support.strategies import composed, probes, usages, varied

TRANSLATOR = Translator.load(now=lambda: 0.0)
MEASURE = Measure(TRANSLATOR)
HALVES = Halves(TRANSLATOR)
FORMATS = MEASURE.formats
PAIRS = [(source, target) for source in FORMATS for target in FORMATS]
THOROUGH = settings().max_examples > 100
KINDS = ("request", "response", "stream")


def examples(few: int) -> int:
    """How many to try."""
    return settings().max_examples if THOROUGH else few


# -------------------------------------------------------------------- exact cells


def _probes() -> list[Any]:
    found: list[Any] = []
    for number, probe in enumerate(probes().all):
        strategy = varied(probe)
        if strategy is not None:
            words = (probe.place.kind, probe.place.name, probe.field, str(number))
            name = "-".join(filter(None, words)).replace(" ", "_")
            found.append(pytest.param(number, strategy, id=name))
    return found


@pytest.mark.parametrize(("number", "strategy"), _probes())
def test_an_exact_cell_is_exact_for_other_values(
    number: int, strategy: st.SearchStrategy[Probe]
) -> None:
    """There and back; a value that is not (a bound, a name that is taken) is told as a loss."""
    exact = [pair for pair, cell in matrix().cells[number].items() if cell.state == "exact"]
    MEASURE.forget()

    @settings(max_examples=examples(3))
    @given(probe=strategy)
    def proved(probe: Probe) -> None:
        for source, target in exact:
            cell = MEASURE.cell(probe, source, target)
            if cell is not None and cell.state != "exact":
                untold = [reason.text for reason in cell.reasons if not reason.kind]
                assert untold == [], f"{source} > {target}: {probe.document}"

    proved()


# -------------------------------------------------------------------- whole documents


@cache
def _asked(format: str) -> dict[str, Any]:
    """What the client of an answer asked."""
    return HALVES.request_out({**probes().plain["request"], "stream": True}, format, "model")


@cache
def _plan(client: str, upstream: str) -> Plan:
    return TRANSLATOR.request(_asked(client), client, upstream).plan


def _said(kind: str, document: Any, format: str) -> Any:
    """The canonical document in this format."""
    document = spoken(document, TRANSLATOR.formats[format].vendor)
    if kind == "request":
        return HALVES.request_out(document, format, "model")
    if kind == "response":
        return HALVES.answer_out(document, format, _asked(format))
    return HALVES.events_out(document, format, _asked(format))


def _read(kind: str, wire: Any, source: str, target: str) -> Any:
    if kind == "request":
        return HALVES.request_in(wire, source)
    if kind == "response":
        return HALVES.answer_in(wire, source, _plan(target, source))
    return HALVES.events_in(wire, source, _plan(target, source))


def _there(kind: str, wire: Any, source: str, target: str) -> tuple[Any, list[Loss]]:
    if kind == "request":
        made = TRANSLATOR.request(wire, source, target, model="model")
        return made.body, made.losses
    if kind == "response":
        answer = TRANSLATOR.response(wire, source, target, _plan(target, source))
        return answer.body, answer.losses
    stream = TRANSLATOR.stream(source, target, _plan(target, source))
    return stream.feed(wire) + stream.close(), stream.losses


@pytest.mark.parametrize("kind", ["request", "response"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_document_that_is_read_and_written_is_the_same_but_for_its_losses(
    format: str, kind: str
) -> None:
    @settings(max_examples=examples(15))
    @given(document=composed(kind))
    def proved(document: Any) -> None:
        try:
            wire = _said(kind, document, format)
            back, losses = _there(kind, wire, format, format)
        except (Rejected, UpstreamError):
            return
        if format in SPELT:
            assert missing(format, wire, back, losses) == []
            return
        lost = [_unnumbered(loss.path) for loss in losses]
        gone = Counter(_leaves(wire)) - Counter(_leaves(back))
        assert [path for path, _ in gone if not any(_near(path, each) for each in lost)] == []

    proved()


@pytest.mark.parametrize("format", FORMATS)
def test_a_stream_that_is_read_and_written_says_the_same(format: str) -> None:
    @settings(max_examples=examples(15))
    @given(document=composed("stream"))
    def proved(document: Any) -> None:
        wire = _said("stream", document, format)
        back, losses = _there("stream", wire, format, format)
        if not losses:
            before, after = (
                _leaves(assembled(_read("stream", each, format, format))) for each in (wire, back)
            )
            # a refusal is told with its details from the second time on
            assert [leaf for leaf in before if leaf not in after] == []

    proved()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_no_content_goes_without_a_loss(source: str, target: str, kind: str) -> None:
    """Texts, thinking, calls, results, counts: what the source said is there, or told as lost."""

    @settings(max_examples=examples(6))
    @given(document=composed(kind))
    def proved(document: Any) -> None:
        try:
            wire = _said(kind, document, source)
            made, losses = _there(kind, wire, source, target)
            before = _content(_read(kind, wire, source, target))
            after = _content(_read(kind, made, target, source))
        except (Rejected, UpstreamError, Refusal):
            return
        if not losses:
            assert _missing(before, after) == []

    proved()


# What tells words, wherever they stand.
_WORDS = re.compile(r"(^|\.)(text|delta|explanation|name|raw|message)$")


def _content(document: Any) -> list[tuple[str, str]]:
    """The words of a document with the fields they stand in; arguments of calls by their leaves."""
    whole = assembled(document) if isinstance(document, list) else document
    return [
        (path.rpartition(".")[2], str(value).strip())
        for path, value in leaves(whole).items()
        if (_WORDS.search(path) or ".arguments." in path) and "native" not in path
        if not path.startswith(("tools", "output", "tool_choice"))
    ]


def _missing(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> list[str]:
    """Words that do not come back; they may stand among others, and thrice where they did twice.
    What stands between two pieces of a text may cut it in two."""
    everything = "\n".join(words for _, words in after)

    def pieces(field: str) -> str:
        return "".join(words for each, words in after if each == field)

    return [
        f"{field}: {words}"
        for field, words in before
        if words not in everything and words not in pieces(field)
    ]


def _leaves(document: Any) -> list[tuple[str, str]]:
    return [(_unnumbered(path), repr(value)) for path, value in leaves(document).items()]


def _unnumbered(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _near(path: str, lost: str) -> bool:
    """Whether a loss is about this path: one stands in the other, or beside it in one object."""
    beside = lost.rpartition(".")[0]
    return path.startswith((lost, f"{beside}.")) or lost.startswith(path)


# -------------------------------------------------------------------- counts


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_counts_add_up_in_every_pair(source: str, target: str) -> None:
    """Input holds what was read from and written to caches, output what was thought; both arrive
    whole."""

    @settings(max_examples=examples(10))
    @given(usage=usages())
    def proved(usage: dict[str, int]) -> None:
        answer = {**probes().plain["response"], "usage": usage}
        events = [
            {**event, "usage": usage} if event["type"] == "usage" else event
            for event in probes().plain["stream"]
        ]
        for kind, document in (("response", answer), ("stream", events)):
            wire = _said(kind, document, source)
            made, _ = _there(kind, wire, source, target)
            before = _usage(_read(kind, wire, source, target))
            after = _usage(_read(kind, made, target, source))
            assert usage_problems(before) == usage_problems(after) == []
            assert {before["input"], after["input"]} == {usage["input"]}
            assert {before["output"], after["output"]} == {usage["output"]}

    proved()


def _usage(document: Any) -> dict[str, Any]:
    if isinstance(document, list):
        counts: dict[str, Any] = assembled(document)["usage"]["usage"]
        return counts
    return dict(document["usage"])
