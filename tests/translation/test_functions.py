"""Signatures, ids and names: what crosses a format and comes back is what it was."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.functions import FUNCTIONS, FunctionError
from engine.translation.functions import (
    TAG,
    alias_names,
    answer_id,
    carry,
    raw_id,
    safe_id,
    uncarry,
)

OURS = ("carry", "uncarry", "safe_id", "raw_id", "answer_id", "alias_names")
VALUES = st.text(min_size=1) | st.text(min_size=1).map(lambda text: f"={text}")
WORDS = st.text(min_size=1, max_size=12).filter(lambda word: word != "-")


def test_importing_registers_the_functions() -> None:
    assert set(OURS) <= FUNCTIONS.keys()


@pytest.mark.parametrize("name", OURS)
def test_null_for_the_first_argument_gives_null(name: str) -> None:
    assert FUNCTIONS[name].call(None, *["a"] * (FUNCTIONS[name].min_args - 1)) is None


SIGNATURES = st.fixed_dictionaries(
    {"vendor": WORDS, "kind": st.sampled_from(["sig", "redacted", "enc"]), "value": VALUES},
    optional={"scope": WORDS, "where": st.sampled_from(["prev", "next"]), "id": WORDS},
)


@given(SIGNATURES, WORDS)
def test_a_signature_comes_back_whole_from_a_format_that_is_not_its_own(
    signature: dict[str, Any], vendor: str
) -> None:
    text = carry({**signature, "vendor": "a" + vendor}, vendor)
    assert text is not None and text.startswith(TAG)
    assert uncarry(text, "whoever", "sig") == {**signature, "vendor": "a" + vendor}


@given(VALUES, st.sampled_from(["sig", "redacted", "enc"]))
def test_a_signature_goes_bare_to_its_own_vendor(value: str, kind: str) -> None:
    signature = {"vendor": "claude", "kind": kind, "value": value}
    text = carry(signature, "claude")
    assert text == value
    assert uncarry(value, "claude", kind) == signature


def test_a_bare_value_that_looks_like_a_tag_is_tagged_so_that_it_comes_back() -> None:
    signature = {"vendor": "claude", "kind": "sig", "value": "gw1.a.-.sig.self.b"}
    text = carry(signature, "claude")
    assert text == "gw1.claude.-.sig.self.gw1.a.-.sig.self.b"
    assert uncarry(text, "claude", "sig") == signature


@pytest.mark.parametrize(
    "text",
    ["gw1.", "gw1.claude.-.sig.self", "gw1.claude.-.other.self.x", "gw1.claude.-.sig.there.x"],
)
def test_a_broken_tag_is_a_value_like_any_other(text: str) -> None:
    assert uncarry(text, "gemini", "enc") == {"vendor": "gemini", "kind": "enc", "value": text}


def test_the_tag_says_more_than_the_place_it_was_found_in() -> None:
    assert uncarry("gw1.gemini.ab12.enc.prev.=rs_1:Eq.Q=", "claude", "sig") == {
        "vendor": "gemini", "scope": "ab12", "kind": "enc", "where": "prev", "id": "rs_1",
        "value": "Eq.Q=",
    }  # fmt: skip


def test_an_empty_or_missing_signature_is_none() -> None:
    assert uncarry("", "claude", "sig") is None
    assert carry({"vendor": "claude", "kind": "sig"}, "chat") is None


@given(st.text(min_size=1, max_size=40))
def test_a_safe_id_is_legal_everywhere_and_short_ones_come_back(ident: str) -> None:
    safe = safe_id(ident)
    assert safe is not None
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", safe)
    if len(ident.encode("utf-8", "surrogatepass")) <= 23:
        assert raw_id(safe) == ident or re.fullmatch(r"[A-Za-z0-9_-]{1,40}", ident)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_a_legal_id_stays(ident: str) -> None:
    assert safe_id(ident) == ident


@given(st.text(max_size=45) | st.from_regex(r"x_[a-z2-7]{0,38}", fullmatch=True))
def test_raw_id_undoes_only_what_safe_id_makes(ident: str) -> None:
    raw = raw_id(ident)
    assert raw == ident or safe_id(raw) == ident


def test_the_longest_id_that_is_escaped_and_the_first_that_is_hashed() -> None:
    assert safe_id("." * 23) == "x_fyxc4lrofyxc4lrofyxc4lrofyxc4lrofyxc4"
    assert len("x_fyxc4lrofyxc4lrofyxc4lrofyxc4lrofyxc4") == 39
    hashed = safe_id("." * 24)
    assert hashed is not None and re.fullmatch("call_[0-9a-f]{24}", hashed)
    assert safe_id("a" * 41) != safe_id("a" * 42)
    assert safe_id("") is None


@pytest.mark.parametrize(
    ("ident", "prefix", "known", "result"),
    [
        ("chatcmpl-abc", "msg_", None, "msg_abc"),
        ("msg_01X", "msg_", None, "msg_01X"),
        ("01X", "msg_", None, "msg_01X"),
        ("gen-1-2", "chatcmpl-", None, "chatcmpl-1-2"),
        ("gen-1-2", "chatcmpl-", ["msg_"], "chatcmpl-gen-1-2"),
        ("msg_bdrk_1", "chatcmpl-", ["msg_", "msg_bdrk_"], "chatcmpl-1"),
        ("", "msg_", None, None),
    ],
)
def test_an_answer_keeps_the_tail_of_its_id(
    ident: str, prefix: str, known: list[Any] | None, result: str | None
) -> None:
    assert answer_id(ident, prefix, known) == result


@given(st.text(min_size=1))
def test_an_answer_id_is_legal_and_derived(ident: str) -> None:
    made = answer_id(ident, "msg_")
    assert made == answer_id(ident, "msg_")
    assert made is not None and re.fullmatch(r"msg_[A-Za-z0-9_-]{1,64}", made)


def test_names_that_are_fine_need_no_aliases() -> None:
    assert alias_names(["a", "b_c", None], "^[a-z_]+$", 64) is None


@pytest.mark.parametrize(
    ("names", "pattern", "longest", "aliases"),
    [
        (["a.b", "a b"], "^[a-z0-9_]+$", 64, {"a.b": "a_b", "a b": re.compile("a_b_[0-9a-f]{8}")}),
        (["a.b", "a_b"], "^[a-z0-9_]+$", 64, {"a.b": re.compile("a_b_[0-9a-f]{8}")}),
        (["9a"], "^[A-Za-z_][A-Za-z0-9_.:-]*$", 128, {"9a": "_9a"}),
        (["a\n"], "^[a-z_]+$", 64, {"a\n": "a_"}),
        (
            ["abcdef", "abcdeg"],
            "^[a-z0-9_]+$",
            5,
            {"abcdef": "abcde", "abcdeg": re.compile(".{5}")},
        ),
        ([""], "^[A-Za-z0-9_-]+$", 64, {"": "_"}),
    ],
)
def test_a_name_outside_the_rule_gets_an_alias(
    names: list[Any], pattern: str, longest: int, aliases: dict[str, Any]
) -> None:
    got = alias_names(names, pattern, longest)
    assert got is not None and got.keys() == aliases.keys()
    for name, alias in aliases.items():
        assert got[name] == alias if isinstance(alias, str) else alias.fullmatch(got[name])


@given(st.lists(st.text(max_size=70) | st.sampled_from(["a.b", "a_b", "a b"]), max_size=8))
def test_aliases_are_legal_different_and_the_same_each_time(names: list[str]) -> None:
    pattern = "^[A-Za-z0-9_-]+$"
    aliases = alias_names(names, pattern, 64) or {}
    assert aliases == (alias_names(names, pattern, 64) or {})
    final = [aliases.get(name, name) for name in dict.fromkeys(names)]
    assert len(set(final)) == len(final)
    assert all(re.fullmatch(pattern, name) and len(name) <= 64 for name in final)


def test_a_pattern_that_nothing_can_match_is_told() -> None:
    with pytest.raises(FunctionError, match="matches no name that could be made"):
        alias_names(["a"], "^[A-Z]$", 64)


def test_a_pattern_that_is_none_is_told() -> None:
    with pytest.raises(FunctionError, match="is no regular expression"):
        alias_names(["a"], "(", 64)
