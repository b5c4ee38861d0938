"""What anybody may send, and what they get for it: never a 500, never a traceback."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from engine.errors import ConfigError, MappingError
from engine.gateway import config
from engine.gateway.app import create_app
from engine.gateway.settings import guard
from tests.gateway.harness import CHAT, CLAUDE, Running, claude_request, serving

DEMO = {"credentials": [{"provider": "demo"}]}
GEMINI = "/v1beta/models/"
RESPONSES = "/v1/responses"
PATHS = pytest.mark.parametrize("path", [CHAT, CLAUDE], ids=["chat", "claude"])


def ask(work: Callable[[Running], Awaitable[None]], settings: dict[str, Any] | None = None) -> None:
    async def main() -> None:
        async with serving(settings or DEMO) as gw:
            await work(gw)

    asyncio.run(main())


def message(answer: httpx.Response, path: str) -> str:
    """The message of an error in the envelope of the path's format, and in no other."""
    body = answer.json()
    if path.startswith(CLAUDE):
        assert body["type"] == "error"
        assert body["request_id"] == answer.headers["request-id"]
    elif path.startswith(GEMINI):
        assert set(body["error"]) == {"code", "message", "status", "details"}
        assert body["error"]["code"] == answer.status_code
    else:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
    return str(body["error"]["message"])


@PATHS
@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe{}", 400, "not JSON"),
        (b'{"model": NaN}', 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 400, "JSON object"),
        (b"null", 400, "JSON object"),
        (b"{}", 400, "model"),
        (b'{"model": null}', 400, "model"),
        (b'{"model": 7}', 400, "model"),
        (b'{"model": ""}', 400, "model"),
        (b'{"model": "' + b"x" * 5000 + b'"}', 400, "model"),
        (b'{"model": "\\ud800"}', 400, "model"),
        (b'{"model": "demo", "models": ["\\ud800"]}', 400, "models[0]"),
        (b'{"model": "demo", "stream": "yes"}', 400, "stream"),
        (b'{"model": "nope", "messages": []}', 404, "nope"),
        (b'{"model": "demo", "messages": "hi", "max_tokens": 9}', 400, "messages"),
        (b'{"model": "demo", "messages": [7], "max_tokens": 9}', 400, "messages"),
        (b'{"model": "demo", "messages": [{"role": "king"}], "max_tokens": 9}', 400, "messages"),
    ],
)
def test_bad_input_gets_a_status_and_a_sentence_that_names_the_field(
    path: str, body: bytes, status: int, words: str
) -> None:
    async def work(gw: Running) -> None:
        answer = await gw.http.post(path, content=body)
        assert answer.status_code == status, answer.text
        assert words in message(answer, path)
        assert "Traceback" not in answer.text

    ask(work)


@PATHS
def test_trap_06_a_wrong_key_is_refused_in_the_clients_own_format(path: str) -> None:
    async def work(gw: Running) -> None:
        for headers in ({}, {"authorization": "Bearer wrong-key"}, {"x-api-key": "wrong-key"}):
            answer = await gw.http.post(path, json={}, headers=headers)
            assert answer.status_code == 401
            assert "wrong-key" not in message(answer, path)
        answer = await gw.http.post(path, json={}, headers={"x-api-key": "right"})
        assert answer.status_code == 400

    ask(work, {**DEMO, "api-keys": ["right"]})


@PATHS
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_trap_33_the_body_limit_is_the_configured_one(path: str, chunked: bool) -> None:
    async def work(gw: Running) -> None:
        async def pieces(size: int) -> Any:
            yield b'{"model": "nope", "x": "'
            for _ in range(size // 65536):
                yield b"x" * 65536
            yield b'"}'

        async def post(size: int) -> httpx.Response:
            if chunked:
                return await gw.http.post(path, content=pieces(size))
            body = b"".join([piece async for piece in pieces(size)])
            return await gw.http.post(path, content=body)

        assert (await post(3 * 1024 * 1024)).status_code == 404
        answer = await post(5 * 1024 * 1024)
        assert answer.status_code == 413
        assert "4 MiB" in message(answer, path)

    ask(work, {**DEMO, "body-limit-mb": 4})


def test_a_body_without_end_is_cut_off() -> None:
    async def work(gw: Running) -> None:
        async def forever() -> Any:
            while True:
                yield b" " * 65536

        with pytest.raises(httpx.TransportError):
            answer = await gw.http.post(CHAT, content=forever())
            assert answer.status_code == 413
            raise httpx.WriteError("the server answered and closed, as it may")

    ask(work, {**DEMO, "body-limit-mb": 1})


def test_a_compressed_body_is_refused_with_a_sentence() -> None:
    async def work(gw: Running) -> None:
        headers = {"content-encoding": "gzip"}
        answer = await gw.http.post(CHAT, content=b"xx", headers=headers)
        assert (answer.status_code, "compressed" in message(answer, CHAT)) == (400, True)

    ask(work)


def test_probes_need_no_key() -> None:
    async def work(gw: Running) -> None:
        for method, path in (("GET", "/health"), ("GET", "/"), ("HEAD", "/"), ("GET", "/ready")):
            assert (await gw.http.request(method, path)).status_code == 200
        assert (await gw.http.get("/health")).json()["status"] == "ok"
        # Clients warm up with calls like this one; it must not ask for a key either.
        assert (await gw.http.head("/api/hello")).status_code == 404

    ask(work, {**DEMO, "api-keys": ["k"]})


def test_not_ready_without_a_usable_credential() -> None:
    async def work(gw: Running) -> None:
        assert (await gw.http.get("/ready")).status_code == 503
        assert (await gw.http.get("/health")).status_code == 200

    ask(work, {"credentials": []})


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "envelope"),
    [
        ("GET", "/nowhere", {}, 404, CHAT),
        ("GET", "/v1/nowhere", {"anthropic-version": "2023-06-01"}, 404, CLAUDE),
        ("POST", "/v1/messages/nowhere", {}, 404, CLAUDE),
        ("POST", "/v1/messages/batches", {}, 501, CLAUDE),
        ("GET", "/v1/messages", {}, 405, CLAUDE),
        ("DELETE", "/v1/chat/completions", {}, 405, CHAT),
        ("POST", "/v1beta/models/m:nonsense", {}, 404, GEMINI),
        ("POST", "/v1beta/nowhere", {}, 404, GEMINI),
        ("GET", "/v1/nowhere", {}, 404, CHAT),
        ("GET", "/v1/responses/r_1/nowhere", {}, 404, RESPONSES),
        ("DELETE", "/v1beta/models/m", {}, 405, GEMINI),
        ("GET", "/v1beta/models/m:generateContent", {}, 405, GEMINI),
        ("PUT", "/v1beta/tunedModels/a:b:streamGenerateContent?alt=sse", {}, 405, GEMINI),
        ("GET", "/v1/models/m:generateContent", {"x-goog-api-key": "k"}, 405, GEMINI),
        ("GET", "/v1beta/models/m:countTokens", {}, 405, GEMINI),
        ("GET", "/v1beta/models/m:nonsense", {}, 404, GEMINI),
        ("POST", "/v1beta/models/m:countTokens", {}, 501, GEMINI),
        ("POST", "/v1/messages/count_tokens?beta=true", {}, 501, CLAUDE),
        ("POST", "/v1/embeddings", {}, 501, CHAT),
        ("POST", "/v1/completions", {}, 501, CHAT),
    ],
)
def test_what_is_not_served_is_told_in_the_envelope_of_the_paths_format(
    method: str, path: str, headers: dict[str, str], status: int, envelope: str
) -> None:
    async def work(gw: Running) -> None:
        answer = await gw.http.request(method, path, headers=headers)
        assert answer.status_code == status
        assert message(answer, envelope)
        assert ("allow" in answer.headers) is (status == 405)
        # SDKs try again what ends in 5xx; this will never be served.
        assert (answer.headers.get("x-should-retry") == "false") is (status == 501)
        assert gw.gateway.metrics.document()["total_errors"] == 0

    ask(work)


def test_a_path_that_is_not_there_is_no_missing_model() -> None:
    async def work(gw: Running) -> None:
        nowhere = {path: await gw.http.get(path) for path in ("/v1/nowhere", "/v1/responses/r/x")}
        for path, answer in nowhere.items():
            error = answer.json()["error"]
            assert (error["type"], error["code"]) == ("invalid_request_error", "unknown_url")
            assert error["message"] == f"there is no {path} here"
        error = (await gw.http.get("/v1/models/nobody")).json()["error"]
        assert (error["code"], error["param"]) == ("model_not_found", "model")

    ask(work)


def test_a_head_request_is_answered_like_a_get_without_the_body() -> None:
    async def work(gw: Running) -> None:
        for path in ("/v1/models", "/v1/models/demo", "/health"):
            there, head = await gw.http.get(path), await gw.http.head(path)
            assert (head.status_code, head.content) == (there.status_code, b"")
            assert head.headers["content-length"] == there.headers["content-length"]

    ask(work)


def test_header_lines_of_one_name_are_one_list() -> None:
    async def work(gw: Running) -> None:
        twice = [("x-api-key", "k"), ("x-api-key", "other")]
        assert (await gw.http.get("/v1/models", headers=twice)).status_code == 401
        once = [("x-api-key", "k"), ("anthropic-beta", "a-1"), ("anthropic-beta", "b-2")]
        assert (await gw.http.get("/v1/models", headers=once)).status_code == 200

    ask(work, {**DEMO, "api-keys": ["k"]})


def test_what_command_line_clients_send_to_warm_up_is_quick_keyless_and_no_error() -> None:
    counting = claude_request(model="demo")

    async def work(gw: Running) -> None:
        key = {"authorization": "Bearer k"}
        betas = {**key, "anthropic-version": "2023-06-01", "anthropic-beta": "token-counting"}
        answers = [
            await gw.http.head("/"),
            await gw.http.head("/api/hello"),
            await gw.http.get("/v1/models?limit=1000", headers=betas),
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 200]
        listed = answers[-1].json()
        assert {"data", "has_more", "first_id", "last_id"} <= set(listed)
        burst = [
            gw.http.post("/v1/messages/count_tokens?beta=true", json=counting, headers=betas)
            for _ in range(24)
        ]
        assert {answer.status_code for answer in await asyncio.gather(*burst)} == {501}
        # the burst costs the calls after it nothing
        answer = await gw.http.post("/v1/messages?beta=true", json=counting, headers=betas)
        assert answer.status_code == 200
        counted = gw.gateway.metrics.document()
        assert (counted["total_requests"], counted["total_errors"]) == (1, 0)

    ask(work, {**DEMO, "api-keys": ["k"]})


def test_models_are_listed_in_the_shape_of_who_asks() -> None:
    rows = [
        {"provider": "demo", "models": [{"id": "demo", "alias": "d"}, {"id": "e*"}, {"id": "f"}]}
    ]

    async def work(gw: Running) -> None:
        plain = (await gw.http.get("/v1/models")).json()
        assert (plain["object"], [m["id"] for m in plain["data"]]) == ("list", ["d", "f"])
        version = {"anthropic-version": "2023-06-01"}
        other = (await gw.http.get("/v1/models?limit=1000", headers=version)).json()
        assert (other["first_id"], other["last_id"], other["has_more"]) == ("d", "f", False)
        assert [m["type"] for m in other["data"]] == ["model", "model"]
        one = (await gw.http.get("/v1/models/f")).json()
        assert (one["id"], one["object"]) == ("f", "model")
        assert (await gw.http.get("/v1/models/e1")).status_code == 404

    ask(work, {"credentials": rows})


def test_unknown_queries_and_betas_never_fail() -> None:
    async def work(gw: Running) -> None:
        answer = await gw.http.post(
            f"{CLAUDE}?beta=true&x=%00",
            json=claude_request(model="demo"),
            headers={"anthropic-beta": "never-heard-of-2030-01-01", "x-app": "cli"},
        )
        assert answer.status_code == 200

    ask(work)


@PATHS
def test_a_forced_prefix_is_asked_for(path: str) -> None:
    async def work(gw: Running) -> None:
        answer = await gw.http.post(path, json=claude_request(model="demo"))
        assert answer.status_code == 400
        assert "prefix/demo" in message(answer, path)
        assert (await gw.http.post(path, json=claude_request(model="demo/demo"))).status_code == 200

    ask(work, {**DEMO, "force-model-prefix": True})


def test_pages_of_listed_origins_only_may_call() -> None:
    async def work(gw: Running) -> None:
        for origin, allowed in (("https://a.example", True), ("https://b.example", False)):
            headers = {"origin": origin, "access-control-request-method": "POST"}
            answer = await gw.http.options(CHAT, headers=headers)
            assert ("access-control-allow-origin" in answer.headers) is allowed

    ask(work, {**DEMO, "cors": {"origins": ["https://a.example"]}})


def test_a_request_writes_one_line_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    async def work(gw: Running) -> None:
        answer = await gw.http.post(
            f"{CHAT}?key=hush-query",
            json={"model": "demo", "messages": [{"role": "user", "content": "hush-text"}]},
            headers={"x-api-key": "hush"},
        )
        assert answer.status_code == 200
        (record,) = [r for r in caplog.records if r.name == "engine.gateway.access"]
        line: dict[str, Any] = record.__dict__["fields"]
        assert "hush" not in json.dumps(line)
        assert (line["id"], line["path"]) == (answer.headers["x-request-id"], CHAT)
        assert (line["model"], line["provider"], line["credential"]) == ("demo", "demo", "demo")
        assert (line["status"], line["attempts"], line["key"]) == (200, 1, "mine")
        assert line["input_tokens"] > 0
        assert line["output_tokens"] > 0

    with caplog.at_level(logging.INFO, logger="engine.gateway"):
        ask(work, {**DEMO, "api-keys": [{"key": "hush", "name": "mine"}]})


def test_trap_01_without_keys_only_this_machine_is_let_in() -> None:
    open_to_all = config.parse("host: 0.0.0.0", {})
    with pytest.raises(ConfigError):
        guard(open_to_all, open_to_all.host)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        guard(open_to_all, host)
    guard(config.parse("allow-anonymous: true", {}), "0.0.0.0")
    guard(config.parse("api-keys: [k]", {}), "0.0.0.0")


@pytest.mark.parametrize(
    "rows", ["{ provider: cluade }", "{ provider: openai-compatible }"], ids=["unknown", "no-url"]
)
def test_a_credential_that_cannot_work_stops_the_start(rows: str) -> None:
    with pytest.raises((ConfigError, MappingError)):
        create_app(config.parse(f"credentials: [{rows}]", {}))
