"""An unknown server is asked what it is."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.gateway.probe import Found, Probe, ProbeError
from engine.gateway.upstream import Transports
from tests.support.translations import translator
from tests.support.upstream import Answer, Received, Upstream, document, running
from tests.support.vendor import MODELS, Serve, garbage, vendor


def look(
    base_url: str, key: str | None = None, wanted: str | None = None, patience: float = 10.0
) -> tuple[Found, list[str]]:
    said: list[str] = []

    async def main() -> Found:
        transports = Transports()
        try:
            probe = Probe(base_url, key, translator(), transports, said.append, patience)
            return await probe.found(wanted)
        finally:
            await transports.aclose()

    return asyncio.run(main()), said


def found(serve: Serve, base: str = "", key: str | None = None) -> tuple[Found, Upstream]:
    with running(serve) as server:
        return look(server.url + base, key)[0], server


def told(serve: Serve, key: str | None = None) -> str:
    with running(serve) as server, pytest.raises(ProbeError) as error:
        look(server.url, key)
    return str(error.value).replace(server.url, "URL")


@pytest.mark.parametrize("name", ["openai-chat", "claude", "gemini"])
@pytest.mark.parametrize("base", ["", "/v1"])
def test_a_server_is_known_by_its_list_of_models_and_its_paths(name: str, base: str) -> None:
    seen, _ = found(vendor(name), "/v1beta" if base and name == "gemini" else base)
    assert seen == Found(name, (name,), MODELS, None, False)


def test_all_wire_formats_of_a_server_are_seen() -> None:
    names = ("openai-chat", "openai-responses", "claude")
    seen, server = found(vendor(*names), "/v1")
    assert (seen.format, set(seen.wires)) == ("openai-chat", set(names))
    asked = [request.document for request in server.received if request.method == "POST"]
    assert asked and not any(asked)  # no model had to work for it


def test_a_native_format_goes_before_its_imitations() -> None:
    def ollama(request: Received) -> Answer:
        if request.path == "/api/tags":
            return document({"models": [{"name": "llama3.2:latest", "digest": "x"}]})
        if request.path == "/api/chat":
            return document({"error": "model is required"}, 400)
        return both(request)

    both = vendor("openai-chat")
    seen, _ = found(ollama)
    assert (seen.format, seen.models) == ("ollama", ("llama3.2:latest",))
    assert set(seen.wires) == {"ollama", "openai-chat"}


def test_a_list_that_is_bare_is_one() -> None:
    def together(request: Received) -> Answer:
        if request.method == "GET":
            return document([{"id": "a", "object": "model"}])
        return chat(request)

    chat = vendor("openai-chat")
    assert found(together)[0].models == ("a",)


def test_a_server_without_a_version_in_its_paths_has_a_path_of_its_own() -> None:
    def bare(request: Received) -> Answer:
        if "/v1/" in request.path:
            return document({"detail": "Not Found"}, 404)
        parts = request.path.replace("/inference/", "/v1/")
        return chat(Received(request.method, parts, request.headers, request.body))

    chat = vendor("openai-chat")
    seen, _ = found(bare, "/inference")
    assert (seen.format, seen.path) == ("openai-chat", "/chat/completions")


@pytest.mark.parametrize("name", ["openai-chat", "claude", "gemini"])
def test_a_key_goes_where_each_format_has_it(name: str) -> None:
    seen, server = found(vendor(name, key="s3cret"), key="s3cret")
    header = translator().formats[name].auth_out["header"]
    assert seen.format == name
    assert any("s3cret" in request.headers.get(header, "") for request in server.received)


def test_a_server_that_answers_all_paths_alike_is_known_by_its_list_alone() -> None:
    def odd(request: Received) -> Answer:
        return chat(request) if request.method == "GET" else document({"error": "no"}, 400)

    chat = vendor("openai-chat")
    assert found(odd)[0].wires == ("openai-chat",)


@pytest.mark.parametrize(
    ("serve", "key", "words"),
    [
        (vendor("openai-chat", key="k"), None, "URL wants a key: name the variable that holds it"),
        (vendor("openai-chat", key="k"), "x", "URL refuses the key: 401 no key, no answer"),
        (garbage("<html>hi</html>"), None, "URL answers with web pages, not with an API"),
        (garbage("\x00\x01", "application/json"), None, "URL answers, but speaks none of "),
        (garbage("{}", "application/json"), None, "URL answers, but speaks none of "),
        (garbage("oh", "text/plain", 500), None, "URL fails: 500 oh"),
        (garbage("", "text/plain", 301), None, "URL sends elsewhere (301)"),
    ],
)
def test_what_is_no_provider_is_told_with_what_to_do(
    serve: Serve, key: str | None, words: str
) -> None:
    assert told(serve, key).startswith(words)


def test_the_key_is_in_no_message() -> None:
    def quoting(request: Received) -> Answer:
        return document({"error": {"message": f"no {request.headers.get('authorization')}"}}, 401)

    words = told(quoting, "s3cret")
    assert "refuses the key" in words
    assert "s3cret" not in words


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ProbeError, match=f"{url}: could not connect"):
        look(url)


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ProbeError, match="did not answer within"):
            look(url, patience=0.2)


def test_a_format_that_is_named_needs_no_answer_that_shows_it() -> None:
    with running(vendor("openai-chat", key="k")) as server:
        seen, said = look(server.url, wanted="openai-chat")
    assert seen == Found("openai-chat", ("openai-chat",), (), None, True)
    assert not any("messages" in line for line in said)
