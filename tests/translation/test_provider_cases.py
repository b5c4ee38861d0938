"""Cases beside providers, and the checks that they are asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import MappingError
from engine.resources import shipped
from engine.translation import conformance, provider_cases
from engine.translation.provider_cases import Outcome
from engine.translation.translator import Translator
from tests.support.translations import translator

ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}
SENT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def outcome(folder: Path, provider: str = "mistral", **case: Any) -> Outcome:
    case = {"name": "one", "from": "openai-chat", "model": "m", "request": REQUEST, **case}
    (folder / f"{provider}.test.yaml").write_text(json.dumps({"cases": [case]}))
    (found,) = provider_cases.load([folder])
    return provider_cases.run(translator(), found)


@pytest.mark.parametrize(
    ("case", "wrong"),
    [
        ({"sends": {**SENT, "random_seed": 7}, "losses": []}, ""),
        ({"sends": {**SENT, "random_seed": 7}, "path": "/v1/chat/completions"}, ""),
        ({"sends": SENT}, "sends something else: random_seed is 7, not nothing"),
        ({"sends": {**SENT, "random_seed": 7}, "losses": ["seed"]}, "loses [], not ['seed']"),
        ({"sends": {**SENT, "random_seed": 7}, "path": "/chat"}, "goes to /v1/chat/completions"),
        ({"rejected": "x"}, "accepted what it should refuse"),
        ({"request": {**REQUEST, "messages": 1}, "rejected": "must be a list"}, ""),
        ({"request": {**REQUEST, "messages": 1}, "rejected": "x"}, "refused with other words: mes"),
        ({"request": {**REQUEST, "messages": 1}, "sends": {}}, "refused: messages: must be a list"),
        ({"answer": ANSWER, "gives": {}}, "gives something else: id is "),
        ({"from": "chat"}, "there is no wire format chat"),
        ({"to": "chat"}, "there is no wire format chat"),
        ({"name": "Two words!"}, "has no snapshot "),
    ],
)
def test_a_case_holds_or_tells_why_not(tmp_path: Path, case: dict[str, Any], wrong: str) -> None:
    found = outcome(tmp_path, **case).wrong
    assert found.startswith(wrong)
    assert bool(found) is bool(wrong)


def test_a_case_of_nobody_is_told(tmp_path: Path) -> None:
    assert outcome(tmp_path, "mistrl", sends={}).wrong == (
        "there is no provider mistrl, did you mean mistral?"
    )


def test_an_answer_goes_back_to_the_client(tmp_path: Path) -> None:
    case: dict[str, Any] = {"answer": ANSWER, "from": "claude", "request": CLAUDE}
    found = outcome(tmp_path, **case)
    assert found.result["answer"]["body"]["content"] == [{"type": "text", "text": "Hi"}]
    again = outcome(tmp_path, **case)
    assert again.text() == found.text()


CLAUDE = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


def test_a_snapshot_is_one_file_a_case_and_any_difference_is_told(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    file = found.case.snapshot
    assert file == tmp_path / "snapshots" / "mistral" / "one.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(found.text())
    assert outcome(tmp_path).wrong == ""
    file.write_bytes(found.text().replace(b"random_seed", b"seed"))
    assert outcome(tmp_path).wrong.startswith(f"differs from its snapshot {file}: ")
    file.write_bytes(b"{")
    assert outcome(tmp_path).wrong.startswith(f"its snapshot {file} cannot be read: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cases: {}", "a list under cases: is wanted here"),
        ("cases: [{ name: x }]", "the key from is missing"),
        ("cases: [{ nme: x }]", "unknown key nme, did you mean name?"),
    ],
)
def test_a_file_that_holds_no_cases_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "x.test.yaml").write_text(text)
    with pytest.raises(MappingError) as error:
        provider_cases.load([tmp_path])
    assert told in str(error.value)


def test_every_shipped_provider_has_cases_and_they_hold() -> None:
    cases = provider_cases.load([shipped("providers")])
    names = {path.name.split(".")[0] for path in shipped("providers").glob("*.yaml")}
    assert {case.provider for case in cases} == names
    assert [
        f"{c.place}: {w}" for c in cases if (w := provider_cases.run(translator(), c).wrong)
    ] == []


def test_own_checks_stand_in_place_of_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "conformance.yaml").write_text(
        "format: claude\nchecks: [{ name: one, request: {}, wants: { it: answer.body.x } }]\n"
    )
    known = conformance.load([tmp_path])
    assert [check.name for check in known.checks] == ["one"]
    assert known.checks[0].missing(200, {"x": 1}) == []
    assert known.checks[0].missing(200, {}) == ["it"]
    assert conformance.load().checks[0].format == "openai-chat"


@pytest.mark.parametrize("body", [None, "x", [], {}, {"choices": 3}, [{"choices": [1]}]])
def test_an_answer_of_any_shape_shows_nothing(body: Any) -> None:
    for check in conformance.load().checks:
        assert check.missing(200, body) == [claim for claim, _ in check._claims]


def test_a_formula_that_is_none_is_told_with_its_place(tmp_path: Path) -> None:
    text = "format: claude\nchecks: [{ name: one, request: {}, wants: { it: answr.body } }]\n"
    (tmp_path / "conformance.yaml").write_text(text)
    with pytest.raises(MappingError, match=r"conformance.yaml:2:49: .*answr"):
        conformance.load([tmp_path])


def test_a_list_of_models_is_read_in_the_words_of_its_format() -> None:
    known: Translator = translator()
    rows = [{"id": "a"}, {"id": "b"}]
    for name, side in known.formats.items():
        if {"read", "list"} <= side.lists.keys():
            assert known.listings.names(known.listings.whole(rows, name), name) == ["a", "b"]
            others = {other for other in known.formats if other != name}
            assert [
                o for o in others if known.listings.names(known.listings.whole(rows, name), o)
            ] == []
    odd: list[Any] = [None, 3, "x", [], {}, {"data": 3}, {"models": [3]}, [[]]]
    for garbage in odd:
        for name in known.formats:
            assert known.listings.names(garbage, name) == []
