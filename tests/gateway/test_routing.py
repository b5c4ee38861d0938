"""Names find their credentials: exact, alias, glob, prefix, exclusions, in the file's order."""

from __future__ import annotations

import pytest

from engine.gateway.credentials import Credential
from engine.gateway.patterns import matches
from engine.gateway.routing import Router
from engine.gateway.settings import ModelEntry
from engine.translation.providers import Provider


def credential(
    name: str,
    *models: str | tuple[str, str],
    prefix: str | None = None,
    excluded: tuple[str, ...] = (),
    base_url: str = "https://host.example",
) -> Credential:
    entries = [ModelEntry(*m) if isinstance(m, tuple) else ModelEntry(m) for m in models]
    provider = Provider(name=f"provider-{name}", format="f", wires=("f",))
    return Credential(
        name, name, provider, {"f": base_url}, {}, tuple(entries), excluded, prefix, 1, None, ()
    )


def found(router: Router, model: str) -> list[tuple[str, str]]:
    return [(c.credential.name, c.model) for c in router.candidates(model)]


@pytest.mark.parametrize(
    ("pattern", "name", "wanted"),
    [
        ("gpt-*", "gpt-6", True),
        ("gpt-*", "gpt-", True),
        ("gpt-*", "a-gpt-6", False),
        ("*-mini*", "o9-mini-high", True),
        ("?1", "o1", True),
        ("?1", "o11", False),
        ("a.c", "abc", False),
        ("[a]*", "a", False),
        ("GPT", "gpt", False),
        ("*", "", True),
        ("a*b", "a\nb", True),
    ],
)
def test_a_glob_matches_whole_names(pattern: str, name: str, wanted: bool) -> None:
    assert matches(pattern, name) is wanted


def test_a_glob_made_to_backtrack_ends_at_once() -> None:
    assert not matches("*a" * 40 + "b", "a" * 256)


def test_alias_and_id_lead_to_the_id() -> None:
    router = Router([credential("one", ("big-model-2026", "big"), ("big-model-2026", "large"))])
    for name in ("big", "large", "big-model-2026"):
        assert found(router, name) == [("one", "big-model-2026")]
    assert found(router, "small") == []


def test_an_exact_name_stands_before_a_glob_of_the_same_credential() -> None:
    router = Router([credential("one", "*", ("big-model-2026", "big"))])
    assert found(router, "big") == [("one", "big-model-2026")]
    assert found(router, "other") == [("one", "other")]


def test_a_glob_in_the_alias_leads_to_a_fixed_id() -> None:
    router = Router([credential("one", ("small-model", "gemini-*-flash"))])
    assert found(router, "gemini-9-flash") == [("one", "small-model")]


def test_credentials_come_in_the_order_of_the_file() -> None:
    router = Router([credential("b", "m"), credential("a"), credential("c", "m*")])
    assert [name for name, _ in found(router, "m")] == ["b", "a", "c"]


def test_exclusions_hold_for_the_clients_and_the_upstreams_name() -> None:
    router = Router([credential("one", ("secret-model", "open"), "*", excluded=("secret-*",))])
    assert found(router, "open") == []
    assert found(router, "secret-x") == []
    assert found(router, "fine") == [("one", "fine")]


def test_a_prefix_is_taken_off_and_a_catch_all_behind_it_takes_no_bare_names() -> None:
    router = Router([credential("team", "m", "*", prefix="team/")])
    assert found(router, "team/x/y") == [("team", "x/y")]
    assert found(router, "m") == [("team", "m")]
    assert found(router, "x") == []
    assert found(router, "team/") == []


def test_trap_08_a_forced_prefix_cannot_be_left_out() -> None:
    router = Router([credential("team", "m", prefix="team/"), credential("one", "m")], True)
    assert found(router, "m") == []
    assert router.lacks_prefix("m")
    assert found(router, "team/m") == [("team", "m")]
    assert found(router, "provider-one/m") == [("one", "m")]
    assert not router.lacks_prefix("nothing-like-it")


def test_trap_05_the_list_holds_what_clients_must_send_and_no_globs() -> None:
    credentials = [
        credential("b", ("id-1", "alias"), "*", "x?", prefix="team/"),
        credential("a", "m", "hidden", excluded=("hidden",)),
        credential("c", "m"),
    ]
    assert [m.id for m in Router(credentials).listed()] == ["team/alias", "m"]
    forced = [m.id for m in Router(credentials, True).listed()]
    assert forced == ["team/alias", "provider-a/m", "provider-c/m"]


def test_a_chain_names_each_model_once() -> None:
    router = Router([], fallbacks={"a": ["b", "a", "c"]})
    assert router.chain("a") == ["a", "b", "c"]
    assert router.chain("x") == ["x"]


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h", "/v1/messages", "https://h/v1/messages"),
        ("https://h/v1", "/v1/messages", "https://h/v1/messages"),
        ("https://h/v1beta", "/v1beta/models/m:go", "https://h/v1beta/models/m:go"),
        ("https://h/openai/v1", "/v1/chat/completions", "https://h/openai/v1/chat/completions"),
        ("https://h/paas/v4", "/v1/chat/completions", "https://h/paas/v4/chat/completions"),
        ("https://h/openai", "/v1/chat/completions", "https://h/openai/v1/chat/completions"),
    ],
)
def test_a_base_url_is_taken_with_and_without_its_version(base: str, path: str, url: str) -> None:
    assert credential("one", base_url=base).url(path, "f") == url
