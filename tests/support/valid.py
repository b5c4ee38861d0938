"""Whether a request is one that a vendor's SDK could have sent."""

from functools import cache
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming as ClaudeWhole
from anthropic.types.message_create_params import MessageCreateParamsStreaming as ClaudeStream
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming as ChatWhole,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming as ChatStream
from pydantic import TypeAdapter

_TYPES: dict[tuple[str, bool], Any] = {
    ("openai-chat", False): ChatWhole,
    ("openai-chat", True): ChatStream,
    ("claude", False): ClaudeWhole,
    ("claude", True): ClaudeStream,
}


@cache
def _adapter(format: str, stream: bool) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[format, stream])


def valid_request(format: str, body: dict[str, Any]) -> None:
    """Raises pydantic's ValidationError when the body breaks the vendor's own parameter types."""
    _walk(_adapter(format, bool(body.get("stream"))).validate_python(body))


def _walk(value: Any) -> None:
    """Iterables of the types are checked when they are walked, not before."""
    if isinstance(value, dict):
        for inner in value.values():
            _walk(inner)
    elif not isinstance(value, str | bytes | int | float | None):
        for inner in value:
            _walk(inner)
