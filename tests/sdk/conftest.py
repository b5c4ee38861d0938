"""One running gateway for the SDK tests, in front of the replaying upstream."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.clients import KEY
from tests.support.gateway import Gateway, serving
from tests.support.upstream import Upstream

# The upstream's wire format -> provider and a model of it.
UPSTREAMS = {
    "openai-chat": ("openai", "gpt-6-astra"),
    "claude": ("claude", "claude-sonnet-5-5"),
    "openai-responses": ("openai", "gpt-6-astra"),
    "gemini": ("gemini", "gemini-3.8-flash"),
}
# A failure cools a credential down; each test of a failure takes one that has never failed.
_SPARE = 200

Spare = Callable[[str], str]


def _credential(upstream: Upstream, format: str, alias: str) -> dict[str, Any]:
    provider, model = UPSTREAMS[format]
    return {
        "provider": provider,
        "name": alias,
        "api-key": f"upstream-key-{alias}",
        "base-url": upstream.url,
        "wire-api": format,
        "models": [{"id": model, "alias": alias}],
    }


@pytest.fixture(scope="session")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Serves model `rail-FORMAT` from the upstream in that wire format, `spare-FORMAT-N` likewise,
    and every other name under the prefix FORMAT."""
    credentials = []
    for format in UPSTREAMS:
        names = [f"rail-{format}", *(f"spare-{format}-{n}" for n in range(_SPARE))]
        credentials += [_credential(upstream, format, name) for name in names]
        any_model = _credential(upstream, format, f"any-{format}")
        credentials.append({**any_model, "models": [{"id": "*"}], "prefix": format})
    configuration = {"api-keys": [KEY], "credentials": credentials}
    with serving(configuration, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="session")
def spare() -> Spare:
    """Gives the next model name of a wire format whose credential nobody has used."""
    numbers = {format: itertools.count() for format in UPSTREAMS}
    return lambda format: f"spare-{format}-{next(numbers[format])}"
