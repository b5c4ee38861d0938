"""Loading from what an earlier start kept: the same translator, and the same words for mistakes."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from engine import MappingError, Translator
from engine.language.cache import VARIABLE
from engine.resources import shipped
from engine.translation import mapping_files
from engine.translation.warming import warm

BODY: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "unknown": 1,
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Translator]:
    """What the first of all starts left behind, and its translator."""
    folder = tmp_path_factory.mktemp("first") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        first = Translator.load()
        _translated(first)
    return folder, first


@pytest.fixture
def first(start: tuple[Path, Translator]) -> Translator:
    """The translator of the first start."""
    return start[1]


@pytest.fixture
def kept(start: tuple[Path, Translator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache as the first start left it."""
    shutil.copytree(start[0], tmp_path / "cache")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """Mappings of one format to be changed, over the shipped ones."""
    folder = tmp_path / "mappings"
    shutil.copytree(shipped("mappings") / "openai-chat", folder / "openai-chat")
    return folder


def _translated(translator: Translator) -> tuple[Any, Any, Any]:
    made = translator.request(BODY, "openai-chat", target="claude")
    return made.body, made.losses, made.explain()


def test_a_second_start_compiles_nothing_and_translates_the_same(
    first: Translator, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mapping_files, "Files")
    second = Translator.load()
    assert _translated(second) == _translated(first)
    assert second.providers == first.providers
    assert second.listings.whole([{"id": "m"}], "gemini") == first.listings.whole(
        [{"id": "m"}], "gemini"
    )
    for name in first.formats:
        half, other = first.formats[name].events_in, second.formats[name].events_in
        assert half is not None and other is not None
        assert other.start() == half.start()
        assert other.program.source == half.program.source


def test_a_changed_file_is_read(kept: Path, mappings: Path) -> None:
    Translator.load(mappings=[mappings])
    file = mappings / "openai-chat" / "format.yaml"
    file.write_text(file.read_text().replace("vendor: openai", "vendor: other"))
    assert Translator.load(mappings=[mappings]).formats["openai-chat"].vendor == "other"
    assert Translator.load().formats["openai-chat"].vendor == "openai"


def test_a_mistake_is_told_in_the_same_words_at_every_start(kept: Path, mappings: Path) -> None:
    file = mappings / "openai-chat" / "request.yaml"
    file.write_text(file.read_text() + "more: 1\nread: {}\n")
    told = []
    for _ in range(2):
        with pytest.raises(MappingError) as error:
            Translator.load(mappings=[mappings])
        told.append(error.value.problems)
    assert told[0] == told[1]
    assert "the key read stands here twice; remove one" in str(told[0])


def test_entries_that_are_gone_are_made_again(first: Translator, kept: Path) -> None:
    for each in kept.iterdir():
        # the programs are the large ones; the facts stay
        if each.stat().st_size > 20_000:
            each.unlink()
    assert _translated(Translator.load()) == _translated(first)


def test_a_broken_cache_is_no_mistake(first: Translator, kept: Path) -> None:
    for each in kept.iterdir():
        each.write_bytes(each.read_bytes()[:-1])
    assert _translated(Translator.load()) == _translated(first)


def test_a_start_that_trusts_compiles_what_a_translation_needs_and_the_rest_behind_it(
    first: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    make = mapping_files.Files.program

    def noting(files: mapping_files.Files, label: str, traced: bool) -> Any:
        compiled.append(f"{files.name}/{label}{' traced' if traced else ''}")
        return make(files, label, traced)

    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(mapping_files.Files, "program", noting)
    trusting = Translator.load(trusting=True)
    assert compiled == []
    assert trusting.request(BODY, "openai-chat", target="claude").body == _translated(first)[0]
    needed = ["openai-chat/plan.read", "openai-chat/request.read"]
    assert sorted(compiled) == sorted([*needed, "claude/plan.write", "claude/request.write"])
    trusting.formats = {"cohere": trusting.formats["cohere"]}
    warm(trusting.formats.values(), 0)
    assert {"cohere/response.read", "cohere/stream.read", "cohere/error.read traced"} < {*compiled}
    assert len(compiled) == len(set(compiled))
    monkeypatch.setattr(mapping_files, "Files", None)
    second = Translator.load(trusting=True)
    assert second.request(BODY, "openai-chat", target="claude").body == _translated(first)[0]


def test_what_an_operator_wrote_is_trusted_by_no_start(
    mappings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    file = mappings / "openai-chat" / "error.yaml"
    file.write_text(file.read_text() + "more: 1\n")
    with pytest.raises(MappingError, match="unknown key more"):
        Translator.load(mappings=[mappings], trusting=True)
