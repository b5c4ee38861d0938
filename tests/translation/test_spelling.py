"""Documents in one spelling, and paths back in the client's."""

from typing import Any

import pytest

from engine.translation.spelling import Spelling

SPELLING = Spelling.of({"keys": "camel", "opaque": ["args"], "lists": ["parts"]})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"max_tokens": 1}, {"maxTokens": 1}),
        ({"_private": 1, "a__b": 2, "tail_": 3}, {"_private": 1, "a__b": 2, "tail_": 3}),
        ({"the_args": {"in_ner": 1}}, {"theArgs": {"inNer": 1}}),
        ({"args": {"in_ner": {"x_y": 1}}}, {"args": {"in_ner": {"x_y": 1}}}),
        ({"parts": {"a_b": 1}}, {"parts": [{"aB": 1}]}),
        ({"parts": [{"a_b": 1}]}, {"parts": [{"aB": 1}]}),
        ({"aB": 1, "a_b": 2}, {"aB": 1}),
    ],
)
def test_known_spellings_become_one(given: Any, read: Any) -> None:
    assert SPELLING.read(given) == read


def test_a_document_that_is_spelt_so_already_stays_the_same_object() -> None:
    document = {"maxTokens": 1, "parts": [{"text": "a_b"}], "args": {"a_b": 1}}
    assert SPELLING.read(document) is document


def test_nothing_is_changed_in_place() -> None:
    document = {"a_b": {"c_d": 1}}
    SPELLING.read(document)
    assert document == {"a_b": {"c_d": 1}}


def test_a_format_without_spellings_looks_at_nothing() -> None:
    document = {"a_b": 1}
    assert Spelling.of(None).read(document) is document


def test_what_lies_too_deep_stays_as_it_is() -> None:
    document: dict[str, Any] = {"a_b": 1}
    for _ in range(5000):
        document = {"x": document}
    assert SPELLING.read(document) == document


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("contents[0].parts[0].inlineData.mimeType", "contents[0].parts.inline_data.mimeType"),
        ("contents[1].parts[1].inlineData", "contents[1].parts[1].inline_data"),
        ("genConfig.maxTokens", "gen_config.maxTokens"),
        ("no.such[3].pathHere", "no.such[3].pathHere"),
        ("", ""),
    ],
)
def test_a_path_is_told_in_the_clients_spelling(path: str, told: str) -> None:
    said = {
        "contents": [
            {"parts": {"inline_data": {"mimeType": "a/b"}}},
            {"parts": [{}, {"inline_data": {}}]},
        ],
        "gen_config": {"maxTokens": 1},
    }
    assert SPELLING.told(path, said) == told
