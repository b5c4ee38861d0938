"""What the operator sees, and who else does not."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from engine.gateway.context import Context
from engine.gateway.metrics import MAX_FIELDS, UNTOLD, Metrics
from engine.translation.losses import Loss
from tests.gateway.harness import claude_answer, claude_stream, credential, serving
from tests.gateway.wire import answers, streams, upstream

PAGES = ("config", "metrics", "models", "credentials")
DEMO: dict[str, Any] = {"credentials": [{"provider": "demo"}]}
LIMIT = answers({"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}, 429)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"host": "evil.example"},
        {"origin": "http://127.0.0.1"},
    ],
)
def test_without_a_key_only_this_machine_itself_may_ask(headers: dict[str, str]) -> None:
    async def main() -> None:
        async with serving({**DEMO, "cors": {"origins": ["*"]}}) as gw:
            for page in PAGES:
                assert (await gw.http.get(f"/admin/{page}")).status_code == 200
                refused = await gw.http.get(f"/admin/{page}", headers=headers)
                assert refused.status_code == 403
                assert "access-control-allow-origin" not in refused.headers

    asyncio.run(main())


def test_an_admin_key_is_another_one_than_the_clients() -> None:
    async def main() -> None:
        async with serving({**DEMO, "api-keys": ["client"], "admin-key": "admin"}) as gw:
            for key, status in (("client", 401), ("admin", 200)):
                headers = {"authorization": f"Bearer {key}"}
                assert (await gw.http.get("/admin/config", headers=headers)).status_code == status
            assert (await gw.http.get("/admin/config?key=admin")).status_code == 401
            assert (await gw.claude(model="demo")).status_code == 401

    asyncio.run(main())


def test_no_page_shows_a_secret() -> None:
    settings = {
        "api-keys": ["hush-1", {"key": "hush-2", "name": "ci"}],
        "proxy-url": "http://user:hush-3@proxy.example:1",
        "providers": {"claude": {"headers": {"x-team": "hush-7"}}},
        "credentials": [
            {"provider": "demo"},
            {
                "provider": "claude",
                "api-key": "hush-4",
                "headers": {"x-extra": "hush-5"},
                "proxy-url": "socks5://u:hush-6@p.example:1",
            },
        ],
    }

    async def main() -> None:
        async with serving(settings) as gw:
            for page in PAGES:
                assert "hush" not in (await gw.http.get(f"/admin/{page}")).text
            shown = (await gw.http.get("/admin/config")).json()
            assert shown["api-keys"] == ["key-1", "ci"]
            assert shown["retry"]["max-retries"] == 3
            assert shown["credentials"][1]["api-key"] == "[hidden]"

    asyncio.run(main())


def test_rests_can_be_seen() -> None:
    async def main() -> None:
        async with (
            upstream(LIMIT) as wire,
            serving({"credentials": [credential("claude", wire.url)]}) as gw,
        ):
            await gw.claude()
            (row,) = (await gw.http.get("/admin/credentials")).json()["credentials"]
            assert (row["name"], row["provider"]) == ("claude", "claude")
            (rest,) = row["rests"]
            assert (rest["model"], rest["kind"]) == ("m", "rate-limit")
            assert 50 < rest["seconds"] <= 60

    asyncio.run(main())


def test_models_are_shown_with_who_serves_them() -> None:
    async def main() -> None:
        rows = [{"provider": "demo", "models": [{"id": "demo", "alias": "d"}]}]
        async with serving({"credentials": rows}) as gw:
            assert (await gw.http.get("/admin/models")).json() == {
                "models": [
                    {
                        "id": "d",
                        "provider": "demo",
                        "owned_by": "demo",
                        "credential": "demo",
                        "upstream_model": "demo",
                    }
                ]
            }

    asyncio.run(main())


def test_trap_30_everything_is_counted_and_errors_once() -> None:
    async def main() -> None:
        scripts = [
            answers(claude_answer()),
            streams(*claude_stream("hello")),
            LIMIT,
            streams(*claude_stream("hello")[:3]),
        ]
        async with (
            upstream(*scripts) as wire,
            serving({"credentials": [credential("claude", wire.url, name) for name in "ab"]}) as gw,
        ):
            await gw.claude()
            await gw.claude(stream=True)
            await gw.claude()  # one credential refuses, the other's answer is no document
            await gw.http.get("/nowhere")
            await gw.http.head("/")
            shown = (await gw.http.get("/metrics")).json()
            assert shown == (await gw.http.get("/admin/metrics")).json()
            assert shown["total_requests"] == 3
            assert shown["total_errors"] == 1
            assert (shown["total_input_tokens"], shown["total_output_tokens"]) == (14, 6)
            assert shown["by_model"] == {"m": 3}
            assert shown["by_provider"] == {"claude": 3}
            assert sum(shown["latency_ms"].values()) == 3

    asyncio.run(main())


def test_scrapers_get_prometheus_text_at_the_same_path() -> None:
    async def main() -> None:
        async with serving(DEMO) as gw:
            await gw.claude(model="demo")
            accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
            text = await gw.http.get("/metrics", headers=accept)
            assert text.headers["content-type"].startswith("text/plain")
            labels = 'format="claude",model="demo",provider="demo",status="200"'
            assert f"ai_proxy_requests_total{{{labels}}} 1.0" in text.text.splitlines()
            assert json.loads((await gw.http.get("/metrics")).text)["total_requests"] == 1

    asyncio.run(main())


def test_losses_are_counted_by_field_and_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "engine.gateway.access")
    deep = {"type": "object", "properties": {"p": {"type": "string", "x-own-secret": 1}}}
    tools = [{"name": "t", "input_schema": deep, "unheard_of": 1}]

    async def main() -> str:
        async with serving(DEMO) as gw:
            for more in ({"unheard_of": {"deep": {"deeper": {"deepest": 1}}}}, {"tools": tools}):
                answer = await gw.claude(model="demo", **more)
                assert answer.status_code == 200
            accept = {"accept": "text/plain"}
            return (await gw.http.get("/metrics", headers=accept)).text

    lines = [each for each in asyncio.run(main()).splitlines() if "losses_total{" in each]
    start = "ai_proxy_losses_total{field="
    shown = sorted(line.removeprefix(start).partition(",")[0] for line in lines)
    assert shown == ['"tools[].unheard_of"', '"unheard_of"']
    assert all(line.endswith(" 1.0") for line in lines)
    fields = [record.__dict__["fields"] for record in caplog.records]
    named = [field["lost"] for field in fields if "lost" in field]
    assert named == [["unheard_of"], ["tools[0].unheard_of"]]


def test_no_more_fields_are_counted_by_name_than_the_bound() -> None:
    metrics = Metrics()
    for number in range(MAX_FIELDS + 3):
        context = Context("POST", "/", format="claude", provider="p")
        context.losses = [Loss(f"a[{number}].k{number}.b.c", "r", "", "unread", "request")]
        metrics.observe(context)
    lines = metrics.text()[0].decode().splitlines()
    counted = [line for line in lines if line.startswith("ai_proxy_losses_total{")]
    assert len(counted) == MAX_FIELDS + 1
    assert 'field="a[].k0.b",' in counted[0]
    assert any('field="other"' in line and line.endswith(" 3.0") for line in counted)


def test_counts_are_the_same_however_often_somebody_looks() -> None:
    seldom, often = Metrics(), Metrics()
    for number in range(2 * UNTOLD + 7):
        context = Context("POST", "/", format="claude", provider="p", status=200 + number % 2)
        context.usage = {"input": number, "output": 1, "words": 5}
        context.attempts = number % 3
        for metrics in (seldom, often):
            metrics.observe(context)
        often.document()
    assert seldom.document() == often.document()
    assert seldom.document()["total_requests"] == 2 * UNTOLD + 7
    # with the library's own times left out, and the sums of times
    lines = [
        [
            line
            for line in each.text()[0].decode().splitlines()
            if not re.search("_(created|sum)", line)
        ]
        for each in (seldom, often)
    ]
    assert lines[0] == lines[1]
    assert 'ai_proxy_upstream_calls_total{provider="p"} 207.0' in lines[0]


def test_a_gateway_without_a_file_has_nothing_to_reload() -> None:
    async def main() -> None:
        async with serving(DEMO) as gw:
            assert (await gw.http.get("/admin/reload")).status_code == 404

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/admin/nonsense", 404, "there is no /admin/nonsense here"),
        ("POST", "/admin/config", 405, "/admin/config takes GET, HEAD, not POST"),
        ("DELETE", "/health", 405, "/health takes GET, HEAD, not DELETE"),
    ],
)
def test_what_the_own_pages_do_not_have_is_told_in_json(
    method: str, path: str, status: int, words: str
) -> None:
    async def main() -> None:
        async with serving(DEMO) as gw:
            answer = await gw.http.request(method, path)
            assert answer.status_code == status
            assert answer.json() == {"error": {"message": words}}
            assert answer.headers.get("allow", "").split(", ") == (
                ["GET", "HEAD"] if status == 405 else [""]
            )

    asyncio.run(main())
