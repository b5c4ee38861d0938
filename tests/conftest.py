"""Fixtures for all tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from engine.language.cache import VARIABLE
from tests.support import upstream as upstreams

# How long an example takes says more of the machine than of the project.
# The suite tries the same examples each time; --hypothesis-profile=thorough others, and more.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1_000)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Mappings that were compiled in a run before are taken from there, not from the user's own."""
    if config.pluginmanager.hasplugin("cacheprovider") and config.cache is not None:
        os.environ[VARIABLE] = str(config.cache.mkdir("mappings") / "compiled")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes that share the work agree on the names of tests, whatever their hash seeds are."""
    for item in items:
        call = getattr(item, "callspec", None)
        for value in call.params.values() if call else ():
            if isinstance(value, set | frozenset) and len(value) > 1 and str(value) in item.name:
                raise pytest.UsageError(
                    f"{item.nodeid}: its name shows a set, whose order each process makes "
                    "itself; give the parameters other ids"
                )


@pytest.fixture(scope="session", autouse=True)
def direct() -> Iterator[None]:
    """Tests talk to loopback only: a proxy of the machine's own environment has no place here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="session")
def upstream() -> Iterator[upstreams.Upstream]:
    """One upstream for all; a test sets its answers first."""
    with upstreams.running() as running:
        yield running
