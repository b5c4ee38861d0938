"""Changed files become live whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from engine.gateway import config
from engine.gateway.reload import Reloader
from engine.gateway.snapshot import Snapshot, build
from engine.gateway.state import Cooldown, LocalState
from engine.translation import provider_cases
from engine.translation.translator import Translator
from tests.gateway.harness import translator

PATIENCE_SECONDS = 10
DEMO = "credentials:\n  - { provider: demo, models: [{ id: NAME }] }\n"


class Live:
    """A configuration file, the snapshot that serves, and what keeps them together."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        path.write_text(text)
        self.snapshot: Snapshot = build(config.load(path, {}), translator=translator())
        self.reloader = Reloader(path, "127.0.0.1", self.snapshot, self._swap)

    def _swap(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    @property
    def models(self) -> list[str]:
        return [model.id for model in self.snapshot.router.listed()]

    async def until(self, models: list[str]) -> None:
        async def wait() -> None:
            while self.models != models:
                await asyncio.sleep(0.01)

        await asyncio.wait_for(wait(), PATIENCE_SECONDS)


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path / "config.yaml", DEMO.replace("NAME", "one"))


def test_a_changed_file_is_taken_over(live: Live) -> None:
    live.path.write_text(DEMO.replace("NAME", "two"))
    status = asyncio.run(live.reloader.reload())
    assert live.models == ["two"]
    assert (status.reloads, status.problems) == (1, [])


def test_the_same_content_is_no_reload(live: Live) -> None:
    before = live.snapshot
    live.path.touch()
    assert asyncio.run(live.reloader.reload()).reloads == 0
    assert live.snapshot is before
    assert asyncio.run(live.reloader.reload(force=True)).reloads == 1
    assert live.snapshot is not before


@pytest.mark.parametrize(
    "text",
    [
        "credentials: [",
        "prot: 8317",
        "credentials: [{ provider: cluade }]",
        "providers-dir: nowhere",
        "api-keys: ['${NOT_SET_ANYWHERE}']",
    ],
)
def test_a_file_that_does_not_hold_changes_nothing_and_is_told_once(
    text: str, live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    before = live.snapshot
    live.path.write_text(text)
    status = asyncio.run(live.reloader.reload())
    asyncio.run(live.reloader.reload())
    assert live.snapshot is before
    assert status.problems
    assert len(caplog.records) == 1
    live.path.write_text(DEMO.replace("NAME", "mended"))
    asyncio.run(live.reloader.reload())
    assert (live.models, status.problems) == (["mended"], [])


def test_a_file_that_would_open_the_server_is_refused(tmp_path: Path) -> None:
    live = Live(tmp_path / "config.yaml", "api-keys: [k]\nhost: 0.0.0.0\n")
    live.reloader = Reloader(live.path, "0.0.0.0", live.snapshot, live._swap)
    live.path.write_text("host: 127.0.0.1\n")  # the socket stays where it listens
    assert asyncio.run(live.reloader.reload()).problems
    assert not live.snapshot.keyring.empty


def test_what_is_read_only_at_the_start_is_named(live: Live) -> None:
    live.path.write_text("port: 9999\nbody-limit-mb: 1\n")
    assert asyncio.run(live.reloader.reload()).needs_restart == ["port"]
    assert live.snapshot.settings.body_limit == 1024 * 1024


def test_trap_32_rests_outlive_a_reload(live: Live) -> None:
    state = LocalState()
    (before,) = live.snapshot.router.credentials
    asyncio.run(state.cool(before.id, Cooldown(2e9, "auth")))
    live.path.write_text(DEMO.replace("NAME", "two") + "body-limit-mb: 1\n")
    asyncio.run(live.reloader.reload())
    (after,) = live.snapshot.router.credentials
    assert asyncio.run(state.cooling([after.id]))


def test_a_key_file_is_watched_like_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("old")
    live = Live(tmp_path / "config.yaml", "api-keys: [file:key]\n")
    (tmp_path / "key").write_text("new")
    asyncio.run(live.reloader.reload())
    assert live.snapshot.keyring.identify({"x-api-key": "new"}, b"") == "key-1"
    assert live.snapshot.keyring.identify({"x-api-key": "old"}, b"") is None


def test_a_new_provider_file_becomes_live(tmp_path: Path) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()
    text = "providers-dir: providers\n" + DEMO.replace("NAME", "one")
    live = Live(tmp_path / "config.yaml", text)
    file = folder / "mine.yaml"
    file.write_text("name: mine\nformat: nowhere\n")
    assert asyncio.run(live.reloader.reload()).problems
    file.write_text("name: mine\nformat: openai-chat\nbase-url: https://mine.example\n")
    live.path.write_text(text + "  - { provider: mine, models: [{ id: two }] }\n")
    assert asyncio.run(live.reloader.reload()).problems == []
    assert live.models == ["one", "two"]


def test_what_the_configuration_says_of_a_provider_becomes_live(tmp_path: Path) -> None:
    text = DEMO.replace("NAME", "one")
    live = Live(tmp_path / "config.yaml", text)
    formats = live.snapshot.translator.formats
    live.path.write_text(text + "providers: { demo: { quirks: { strict: 1 } } }\n")
    assert "strict must be true or false" in asyncio.run(live.reloader.reload()).problems[0]
    live.path.write_text(text + "providers: { demo: { quirks: { strict: false } } }\n")
    assert asyncio.run(live.reloader.reload()).problems == []
    (credential,) = live.snapshot.router.credentials
    assert credential.provider.quirks["strict"] is False
    assert live.snapshot.translator.formats is formats
    live.path.write_text(text)
    asyncio.run(live.reloader.reload())
    assert live.snapshot.router.credentials[0].provider.quirks["strict"] is True


def test_a_mapping_whose_case_fails_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mappings" / "openai-chat"
    folder.mkdir(parents=True)
    live = Live(tmp_path / "config.yaml", "mappings-dir: mappings\n" + DEMO.replace("NAME", "one"))
    before = live.snapshot
    case = "cases:\n  - { name: wrong, read: { model: m, messages: [] }, gives: 7 }\n"
    (folder / "request.test.yaml").write_text(case)
    status = asyncio.run(live.reloader.reload())
    assert live.snapshot is before
    words = 'gives something else: all of it is nothing, not 7; model is "m", not nothing'
    assert f"request.test.yaml:2:5: wrong: {words}" in status.problems[0]


def _written(path: Path, text: str) -> None:
    path.write_text(text)


def _renamed(path: Path, text: str) -> None:
    """As editors save."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def _swapped(path: Path, text: str) -> None:
    """As mounted configuration maps are: the file is a link through a link that is replaced."""
    folder = path.parent / f"data-{len(list(path.parent.iterdir()))}"
    folder.mkdir()
    (folder / path.name).write_text(text)
    link = path.parent / "..tmp"
    link.symlink_to(folder.name)
    os.replace(link, path.parent / "..data")
    if not path.is_symlink():
        path.unlink(missing_ok=True)
        path.symlink_to(Path("..data") / path.name)


@pytest.mark.parametrize("change", [_written, _renamed, _swapped])
def test_changes_are_noticed_however_the_file_is_replaced(
    change: Callable[[Path, str], None], tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    change(path, DEMO.replace("NAME", "one"))
    live = Live.__new__(Live)
    live.path = path
    live.snapshot = build(config.load(path, {}), translator=translator())
    live.reloader = Reloader(path, "127.0.0.1", live.snapshot, live._swap)

    async def watching(work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(live.reloader.run())
        try:
            await work()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def work() -> None:
        for name in ("two", "three"):
            # The watch may not have begun: what is written before it does is not noticed.
            for attempt in range(PATIENCE_SECONDS):
                change(path, DEMO.replace("NAME", name) + f"port: {9000 + attempt}\n")
                try:
                    await asyncio.wait_for(live.until([name]), 1)
                except TimeoutError:
                    continue
                break
            assert live.models == [name]

    asyncio.run(watching(work))


MINE = "name: mine\nextends: openai-compatible\nbase-url: https://mine.example\n"
CASE = """
cases:
  - name: seeds are not sent
    from: openai-chat
    model: m
    request: { model: m, seed: 7, messages: [{ role: user, content: Hi }] }
    sends: { model: m, messages: [{ role: user, content: Hi }] }
"""


def test_a_provider_whose_case_fails_is_refused_until_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()
    live = Live(
        tmp_path / "config.yaml", "providers-dir: providers\n" + DEMO.replace("NAME", "one")
    )
    before = live.snapshot
    (folder / "mine.yaml").write_text(MINE)
    (folder / "mine.test.yaml").write_text(CASE)
    (problem,) = asyncio.run(live.reloader.reload()).problems
    assert live.snapshot is before
    assert problem.endswith(
        "mine.test.yaml:3:5: seeds are not sent: sends something else: seed is 7, not nothing"
    )
    (folder / "mine.yaml").write_text(MINE + "quirks: { drop: [seed] }\n")
    assert asyncio.run(live.reloader.reload()).problems == []
    assert live.snapshot.translator.providers["mine"].quirks["drop"] == ["seed"]
    # and again: the old one stays
    (folder / "mine.yaml").write_text(MINE)
    assert asyncio.run(live.reloader.reload()).problems == [problem]
    assert live.snapshot.translator.providers["mine"].quirks["drop"] == ["seed"]


def test_a_snapshot_that_is_written_anew_lets_the_provider_in(tmp_path: Path) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()
    live = Live(
        tmp_path / "config.yaml", "providers-dir: providers\n" + DEMO.replace("NAME", "one")
    )
    (folder / "mine.yaml").write_text(MINE)
    (folder / "mine.test.yaml").write_text(CASE.partition("    sends")[0])
    (problem,) = asyncio.run(live.reloader.reload()).problems
    assert "seeds are not sent: has no snapshot " in problem
    known = Translator.load(providers=[folder])
    for case in provider_cases.load([folder]):
        case.snapshot.parent.mkdir(parents=True)
        case.snapshot.write_bytes(provider_cases.run(known, case).text())
    assert asyncio.run(live.reloader.reload()).problems == []
    assert "mine" in live.snapshot.translator.providers


def test_a_provider_file_is_noticed_where_it_is_watched_for(tmp_path: Path) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()
    live = Live(
        tmp_path / "config.yaml", "providers-dir: providers\n" + DEMO.replace("NAME", "one")
    )

    async def known() -> None:
        while "mine" not in live.snapshot.translator.providers:
            await asyncio.sleep(0.01)

    async def main() -> None:
        task = asyncio.create_task(live.reloader.run())
        try:
            # The watch may not have begun: what is written before it does is not noticed.
            for attempt in range(PATIENCE_SECONDS):
                (folder / "mine.yaml").write_text(f"{MINE}docs: try {attempt}\n")
                try:
                    await asyncio.wait_for(known(), 1)
                except TimeoutError:
                    continue
                break
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())
    assert "mine" in live.snapshot.translator.providers
