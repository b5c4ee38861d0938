"""The real vendor SDKs as clients, and what a person would care about in what they parsed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

KEY = "client-key"
# Reading the machine's certificates, for connections that have none, costs more than a call.
_PLAIN: dict[str, Any] = {"verify": False}

_STOPS = {
    "stop": "end",
    "length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
    "end_turn": "end",
    "stop_sequence": "end",
    "pause_turn": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool",
    "refusal": "filter",
}


@dataclass(frozen=True)
class Reply:
    """One answer, the same whichever SDK parsed it. Token counts are all-inclusive."""

    text: str
    thinking: str
    calls: list[tuple[str, Any]]
    stop: str
    input: int
    output: int
    cached: int


def of_completion(completion: Any) -> Reply:
    """A chat completion as the openai SDK parsed it."""
    choice = completion.choices[0]
    message = choice.message
    calls = [(call.function.name, call.function.arguments) for call in message.tool_calls or []]
    if message.function_call:
        calls.append((message.function_call.name, message.function_call.arguments))
    return _reply(*_said(message), calls, choice.finish_reason, completion.usage)


def of_chunks(chunks: Iterable[Any]) -> Reply:
    """The chunks of a chat stream, added up as the users of plain streaming do it."""
    text, thinking, stop, usage = "", "", None, None
    calls: dict[int, tuple[str, str]] = {}
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices or []:
            if choice.index:
                continue
            more_text, more_thinking = _said(choice.delta)
            text, thinking = text + more_text, thinking + more_thinking
            for call in choice.delta.tool_calls or []:
                name, arguments = calls.get(call.index, ("", ""))
                more = call.function.arguments or ""
                calls[call.index] = (name or call.function.name or "", arguments + more)
            stop = choice.finish_reason or stop
    assert stop is not None, "the stream has no finish reason"
    return _reply(text, thinking, list(calls.values()), stop, usage)


def _said(message: Any) -> tuple[str, str]:
    """Text and thinking of a chat message or delta. Thinking has no official field; some servers
    give content as a list of parts and put it there."""
    text, thinking = message.content or "", ""
    if isinstance(text, list):
        parts, text = text, "".join(part.get("text", "") for part in text)
        thoughts = [part["thinking"] for part in parts if part["type"] == "thinking"]
        thinking = "".join(piece["text"] for pieces in thoughts for piece in pieces)
    thinking += getattr(message, "reasoning_content", None) or ""
    thinking = thinking or getattr(message, "reasoning", None) or ""
    return text + (message.refusal or ""), thinking


def _reply(text: str, thinking: str, calls: list[tuple[str, str]], stop: str, usage: Any) -> Reply:
    details = usage.prompt_tokens_details if usage else None
    stop = _STOPS.get(stop, "end")  # what no one knows is the end
    return Reply(
        text,
        thinking,
        [(name, json.loads(arguments or "{}")) for name, arguments in calls],
        "tool" if calls and stop == "end" else stop,
        usage.prompt_tokens if usage else 0,
        usage.completion_tokens if usage else 0,
        (details.cached_tokens or 0) if details else 0,
    )


def of_message(message: Any) -> Reply:
    """A message as the anthropic SDK parsed it."""
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    refused = getattr(message, "stop_details", None)
    return Reply(
        "".join(block.text for block in message.content if block.type == "text")
        + ((refused.explanation or "") if refused else ""),
        "".join(block.thinking for block in message.content if block.type == "thinking"),
        [(block.name, block.input) for block in message.content if block.type == "tool_use"],
        _STOPS[message.stop_reason],
        usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
        usage.output_tokens,
        cached,
    )


@contextmanager
def openai_client(url: str, key: str = KEY) -> Iterator[openai.OpenAI]:
    """The SDK as a person sets it up, but for its own retries, which would hide ours."""
    http = openai.DefaultHttpxClient(**_PLAIN)
    base = f"{url}/v1"
    with openai.OpenAI(api_key=key, base_url=base, max_retries=0, http_client=http) as client:
        yield client


@contextmanager
def anthropic_client(url: str, key: str = KEY) -> Iterator[anthropic.Anthropic]:
    """As `openai_client`."""
    http = anthropic.DefaultHttpxClient(**_PLAIN)
    with anthropic.Anthropic(api_key=key, base_url=url, max_retries=0, http_client=http) as client:
        yield client


@asynccontextmanager
async def _openai_async(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    http = openai.DefaultAsyncHttpxClient(**_PLAIN)
    base = f"{url}/v1"
    async with openai.AsyncOpenAI(
        api_key=KEY, base_url=base, max_retries=0, http_client=http
    ) as client:
        yield client


@asynccontextmanager
async def _anthropic_async(url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    http = anthropic.DefaultAsyncHttpxClient(**_PLAIN)
    async with anthropic.AsyncAnthropic(
        api_key=KEY, base_url=url, max_retries=0, http_client=http
    ) as client:
        yield client


def _openai_whole(url: str, body: dict[str, Any]) -> Any:
    with openai_client(url) as client:
        return client.chat.completions.create(**body)


def _openai_stream(url: str, body: dict[str, Any]) -> Any:
    options: Any = {"include_usage": True}
    with openai_client(url) as client:
        with client.chat.completions.stream(**body, stream_options=options) as events:
            return events.get_final_completion()


def _openai_whole_async(url: str, body: dict[str, Any]) -> Any:
    async def ask() -> Any:
        async with _openai_async(url) as client:
            return await client.chat.completions.create(**body)

    return asyncio.run(ask())


def _openai_stream_async(url: str, body: dict[str, Any]) -> Any:
    options: Any = {"include_usage": True}

    async def ask() -> Any:
        async with _openai_async(url) as client:
            async with client.chat.completions.stream(**body, stream_options=options) as events:
                return await events.get_final_completion()

    return asyncio.run(ask())


def _anthropic_whole(url: str, body: dict[str, Any]) -> Any:
    with anthropic_client(url) as client:
        return client.messages.create(**body)


def _anthropic_stream(url: str, body: dict[str, Any]) -> Any:
    with anthropic_client(url) as client:
        with client.messages.stream(**body) as events:
            return events.get_final_message()


def _anthropic_whole_async(url: str, body: dict[str, Any]) -> Any:
    async def ask() -> Any:
        async with _anthropic_async(url) as client:
            return await client.messages.create(**body)

    return asyncio.run(ask())


def _anthropic_stream_async(url: str, body: dict[str, Any]) -> Any:
    async def ask() -> Any:
        async with _anthropic_async(url) as client:
            async with client.messages.stream(**body) as events:
                return await events.get_final_message()

    return asyncio.run(ask())


def _openai_history(answer: Any, results: list[dict[str, Any]]) -> list[Any]:
    """The answer's own object goes back, as the SDK's users do it; a failure has no flag."""
    message = answer.choices[0].message
    return [
        message,
        *(
            {"role": "tool", "tool_call_id": call.id, "content": result["text"]}
            for call, result in zip(message.tool_calls, results, strict=True)
        ),
    ]


def _anthropic_history(answer: Any, results: list[dict[str, Any]]) -> list[Any]:
    calls = [block for block in answer.content if block.type == "tool_use"]
    blocks = [
        {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": result["text"],
            "is_error": result["failed"],
        }
        for call, result in zip(calls, results, strict=True)
    ]
    return [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": blocks},
    ]


@dataclass(frozen=True)
class Client:
    """One way to use one SDK. `whole` and `streamed` take a url and a body and give the SDK's own
    object; `reply` reads it; `history` makes the messages of the next turn of it."""

    format: str
    whole: Callable[[str, dict[str, Any]], Any]
    streamed: Callable[[str, dict[str, Any]], Any]
    reply: Callable[[Any], Reply]
    history: Callable[[Any, list[dict[str, Any]]], list[Any]]

    def ask(self, url: str, body: dict[str, Any], stream: bool) -> Any:
        """The SDK's own object for the whole answer, streamed or not."""
        return (self.streamed if stream else self.whole)(url, body)


OPENAI = Client("openai-chat", _openai_whole, _openai_stream, of_completion, _openai_history)
ANTHROPIC = Client("claude", _anthropic_whole, _anthropic_stream, of_message, _anthropic_history)

CLIENTS = {
    "openai": OPENAI,
    "openai-async": Client(
        "openai-chat", _openai_whole_async, _openai_stream_async, of_completion, _openai_history
    ),
    "anthropic": ANTHROPIC,
    "anthropic-async": Client(
        "claude", _anthropic_whole_async, _anthropic_stream_async, of_message, _anthropic_history
    ),
}
