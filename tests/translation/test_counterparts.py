"""What bridges lose is told by the paths of what the upstream sent: its answer, or its events."""

import pytest

from engine.translation.jsontext import dumps
from tests.support.paths import bare, of_events, paths
from tests.support.translations import OwnCase, formats, own_cases, plan, targets, translator

LIMIT = 1_000_000
PAIRS = [
    (source, target) for source in formats() for target in targets("stream") if source != target
]
BINARY = "aws-event-stream"


def _cases(kind: str, format: str) -> list[OwnCase]:
    return [case for case in own_cases(kind) if case.format == format]


def _replayed(case: OwnCase, target: str) -> set[tuple[str, str]]:
    made = plan(case, target, translator())
    replay = translator().replay(case.format, target, LIMIT, plan=made)
    replay.feed(dumps(case.body))
    replay.close()
    return {(bare(loss.path), loss.reason) for loss in replay.losses}


def _gathered(case: OwnCase, target: str) -> set[tuple[str, str]]:
    made = plan(case, target, translator())
    gathering = translator().gather(case.format, target, LIMIT, plan=made)
    gathering.feed(case.body)
    gathering.close()
    if gathering.error is None:
        gathering.answer()
    return {(bare(loss.path), loss.reason) for loss in gathering.losses}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_replayed_answer_tells_its_losses_by_its_own_paths(source: str, target: str) -> None:
    strange = {
        (case.name, path)
        for case in _cases("response", source)
        for path, _ in _replayed(case, target)
        if path and path not in paths(case.body)
    }
    assert strange == set()


# of binary events a readable form lies beside the case
@pytest.mark.parametrize(
    ("source", "target"),
    [pair for pair in PAIRS if translator().formats[pair[0]].framing.kind.name != BINARY],
)
def test_a_gathered_stream_tells_its_losses_by_paths_of_its_events(
    source: str, target: str
) -> None:
    strange = {
        (case.name, path)
        for case in _cases("stream", source)
        for path, _ in _gathered(case, target)
        if path and path not in of_events(case.body)
    }
    assert strange == set()


def _one(kind: str, format: str, name: str) -> OwnCase:
    return next(case for case in _cases(kind, format) if case.name == name)


REPLAYED = [
    ("claude", "gemini", "stop-pause-turn", "stop_reason"),
    ("claude", "openai-chat", "refusal", "stop_details.category"),
    ("claude", "gemini", "document-citation", "content"),
    ("claude", "openai-chat", "unknown-fields", "content.x_block"),
    ("bedrock-converse", "claude", "unknown-block-and-fields", "x_new"),
    ("openai-chat", "claude", "two-choices-with-logprobs", "choices.logprobs.content"),
    ("gemini", "claude", "audio-out", "candidates.content.parts.inlineData"),
]


@pytest.mark.parametrize(("source", "target", "name", "path"), REPLAYED)
def test_a_loss_of_a_replayed_answer_names_it(
    source: str, target: str, name: str, path: str
) -> None:
    assert path in {path for path, _ in _replayed(_one("response", source, name), target)}


GATHERED = [
    ("claude", "gemini", "stop-pause-turn", "delta.stop_reason"),
    ("claude", "openai-chat", "refusal", "delta.stop_details.category"),
    ("claude", "gemini", "cut-arguments", "delta.partial_json"),
    ("claude", "gemini", "server-tool", "usage.server_tool_use.web_search_requests"),
    ("openai-chat", "claude", "images", "choices.delta.images.image_url.url"),
    ("openai-chat", "claude", "logprobs", "choices.logprobs.content"),
    ("openai-responses", "openai-chat", "hosted-tools", "item"),
    ("gemini", "claude", "hosted-tools", "candidates.content.parts"),
]


@pytest.mark.parametrize(("source", "target", "name", "path"), GATHERED)
def test_a_loss_of_a_gathered_stream_names_it(
    source: str, target: str, name: str, path: str
) -> None:
    assert path in {path for path, _ in _gathered(_one("stream", source, name), target)}
