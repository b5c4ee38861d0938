"""What is kept between starts: equal to what was put, missing when anything is odd."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.language import cache as module
from engine.language.cache import VARIABLE, Cache, user_folder

VALUES: list[Any] = [
    {"a": [1, 2.5, None, True, "é", b"\0"], "b": (frozenset({"x"}),)},
    compile("x = 1", "m", "exec"),
    "",
]


@pytest.mark.parametrize("value", VALUES, ids=["data", "code", "empty"])
def test_what_is_put_is_got_by_another_start(value: Any, tmp_path: Path) -> None:
    assert not Cache(tmp_path / "new").has("k")
    Cache(tmp_path / "new").put("k", value)
    assert Cache(tmp_path / "new").has("k")
    assert Cache(tmp_path / "new").get("k") == value


def test_the_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    Cache(tmp_path / "a" / "b").put("k", 1)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b" / "k").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(mode: int, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("k", 1)
    tmp_path.chmod(mode)
    assert cache.get("k") is None
    cache.put("other", 1)
    assert [each.name for each in tmp_path.iterdir()] == ["k"]
    tmp_path.chmod(0o700)
    assert cache.get("k") == 1


def test_a_folder_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    cache.put("k", 1)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert cache.get("k") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"\0" * 40, b"x" * 32 + b"[]"],
    ids=["empty", "short", "zeros", "sum"],
)
def test_a_broken_entry_is_missing_and_written_anew(content: bytes, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (tmp_path / "k").write_bytes(content)
    assert cache.get("k") is None
    cache.put("k", 2)
    assert cache.get("k") == 2


def test_an_entry_that_is_a_link_is_missing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "own")
    cache.put("k", 1)
    (tmp_path / "own" / "k").rename(tmp_path / "elsewhere")
    (tmp_path / "own" / "k").symlink_to(tmp_path / "elsewhere")
    assert cache.get("k") is None


def test_a_place_where_no_folder_can_be_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        cache = Cache(folder)
        cache.put("k", 1)
        assert cache.get("k") is None


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    cache = Cache(None)
    cache.put("k", 1)
    assert cache.get("k") is None


def test_starts_at_the_same_time_disturb_each_other_nowhere(tmp_path: Path) -> None:
    value = list(range(10_000))
    wrong: list[Any] = []

    def start() -> None:
        cache = Cache(tmp_path)
        for _ in range(40):
            cache.put("k", value)
            if cache.get("k") != value:
                wrong.append(1)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, [each.name for each in tmp_path.iterdir()]) == ([], ["k"])


def test_old_entries_and_those_beyond_the_bound_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 3)
    for number in range(6):
        Cache(tmp_path).put(f"k{number}", number)
        os.utime(tmp_path / f"k{number}", (2_000_000_000 + number,) * 2)
    Cache(tmp_path).put("last", 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["k3", "k4", "k5", "last"]
    os.utime(tmp_path / "k5", (0, 0))
    os.utime(tmp_path / "k4", (0, 0))
    assert Cache(tmp_path).get("k4") == 4, "what is used is kept"
    Cache(tmp_path).put("last", 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["k3", "k4", "last"]


def test_a_key_tells_parts_and_programs_apart(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("1")
    first = Cache(tmp_path, [code])
    assert len({first.key("ab", "c"), first.key("a", "bc"), first.key("abc")}) == 3
    assert Cache(tmp_path, [code]).key("a") == first.key(b"a")
    code.write_text("2")
    assert Cache(tmp_path, [code]).key("a") != first.key("a")


def test_the_folder_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert user_folder() == tmp_path / "ai-proxy"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_folder() == tmp_path / ".cache" / "ai-proxy"
    monkeypatch.setenv(VARIABLE, "/x")
    assert user_folder() == Path("/x")
    monkeypatch.setenv(VARIABLE, "")
    assert user_folder() is None
