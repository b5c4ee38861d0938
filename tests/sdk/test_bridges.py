"""Upstreams that only stream and upstreams that cannot: no SDK sees a difference."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sdk.conftest import UPSTREAMS
from tests.sdk.test_upstream_formats import SPEAKERS, Speaker
from tests.support.cases import sdk_answer, sdk_reply
from tests.support.clients import KEY
from tests.support.gateway import Gateway, serving
from tests.support.upstream import Upstream

speakers = pytest.mark.parametrize("speaker", SPEAKERS.values(), ids=SPEAKERS)
targets = pytest.mark.parametrize("target", UPSTREAMS)
modes = pytest.mark.parametrize("mode", ["only", "none"])


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Serves `MODE-FORMAT` from the provider of the format, whose `streaming` is that mode."""
    providers: dict[str, Any] = {}
    credentials = []
    for mode in ("only", "none"):
        for format, (provider, model) in UPSTREAMS.items():
            name = f"{mode}-{format}"
            vendor = {"vendor": provider, "streaming": mode}
            providers[name] = {"extends": provider, **vendor}
            credentials.append(
                {
                    "provider": name,
                    "api-key": "upstream-key",
                    "base-url": upstream.url,
                    "wire-api": format,
                    "models": [{"id": model, "alias": name}],
                }
            )
    configuration = {"api-keys": [KEY], "credentials": credentials, "providers": providers}
    with serving(configuration, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@modes
@targets
@speakers
def test_two_turns_with_thinking_and_parallel_calls(
    mode: str, target: str, speaker: Speaker, gateway: Gateway, upstream: Upstream
) -> None:
    streams = mode == "only"  # and the SDK asks for the other thing
    upstream.answers(sdk_answer(target, "answer", streams), sdk_answer(target, "final", streams))
    body = speaker.question(f"{mode}-{target}")
    first = speaker.ask(gateway.url, body, not streams)
    assert speaker.reply(first) == sdk_reply("answer")
    last = speaker.ask(gateway.url, speaker.second(body, first), not streams)
    assert replace(speaker.reply(last), thinking="") == sdk_reply("final")
    for sent in upstream.received:
        asked = "stream" in sent.path if target == "gemini" else sent.document.get("stream", False)
        assert asked is streams
