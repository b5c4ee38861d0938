"""Read and written in the same format, nothing is gone but what a loss names."""

import json
from typing import Any

import pytest

from engine.errors import Rejected
from tests.support import recordings
from tests.support.leaves import SPELT, missing
from tests.support.translations import OwnCase, formats, own_cases, translator

FORMATS = [format for format in formats() if format in SPELT]

CHANGED = {
    "request/claude/output-format-of-the-beta": "told under its present name",
    "request/claude/prefill-on-an-older-model": "blanks at the end of a prefill are refused",
    "request/openai-chat/image-of-a-kind-not-taken": "inline data is always base64",
    "request/openai-chat/images": "inline data always says what it is",
    "request/openai-chat/thinking-with-signatures-in-history": "the same thinking told twice",
    "request/openai-chat/tool-names-out-of-rule": "names are put back in the answer",
    "response/openai-chat/call-without-id": "ids and indexes are made up",
    "response/openai-chat/calls-but-finish-stop": "an answer with calls stops for them",
    "response/openai-chat/custom-call-emulated": "the client's tool is a free-text tool",
    "response/openai-chat/finish-error-without-content": "told in the words of the format",
    "response/openai-chat/finish-insufficient-system-resource": "told in the words of the format",
    "response/openai-chat/finish-model-length": "told in the words of the format",
    "response/openai-chat/finish-tool-calls-without-calls": "an answer without calls just ends",
    "response/openai-chat/thinking-in-tags": "the thinking stands beside the text",
}
"""What comes back in other words on purpose; the snapshots show how."""


def _params(kind: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{case.format}/{case.name}")
        for case in own_cases(kind)
        if case.format in FORMATS and f"{kind}/{case.format}/{case.name}" not in CHANGED
    ]


@pytest.mark.parametrize("case", _params("request"))
def test_a_request_keeps_what_no_loss_names(case: OwnCase) -> None:
    try:
        made = translator().request(
            case.body,
            case.format,
            case.format,
            case.provider.get(case.format),
            case.model.get(case.format),
            headers=case.headers,
            options=case.options,
        )
    except Rejected as refusal:
        assert refusal.path or ":" in refusal.reason, "a refusal names the field"
        return
    before = {**case.body, "model": made.plan.model}
    assert missing(case.format, before, made.body, made.losses) == []


@pytest.mark.parametrize("case", _params("response"))
def test_an_answer_keeps_what_no_loss_names(case: OwnCase) -> None:
    client = {**case.client(case.format), "model": case.body.get("model", "assistant")}
    answer = translator().response(
        case.body, case.format, case.format, request=client, provider=case.provider.get(case.format)
    )
    if answer.error is None:
        before = {key: each for key, each in case.body.items() if key != "id"}
        assert missing(case.format, before, answer.body, answer.losses) == []


def _a_request_that_was_taken(row: recordings.Row) -> bool:
    return row.format in FORMATS and row.status < 400 and "response-only" not in row.tags


@pytest.mark.parametrize("row", recordings.chosen(_a_request_that_was_taken))
def test_a_recorded_request_keeps_what_no_loss_names(row: recordings.Row) -> None:
    request = recordings.read(row).request
    assert request is not None
    made = translator().request(request, row.format, row.format)
    assert missing(row.format, request, made.body, made.losses) == []


def _a_whole_answer(row: recordings.Row) -> bool:
    return row.format in FORMATS and row.status < 400 and not row.stream


@pytest.mark.parametrize("row", recordings.chosen(_a_whole_answer))
def test_a_recorded_answer_keeps_what_no_loss_names(row: recordings.Row) -> None:
    recorded = recordings.read(row)
    body = json.loads(recorded.answer.body)
    client = {**(recorded.request or {}), "model": body.get("model")}
    answer = translator().response(body, row.format, row.format, request=client)
    if answer.error is None:
        before = {key: each for key, each in body.items() if key != "id"}
        assert missing(row.format, before, answer.body, answer.losses) == []
