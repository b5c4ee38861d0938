"""Where accounts are told apart, what one of them signed is not sent to another."""

from typing import Any

import pytest

from engine.translation.scopes import Vendor, scope_of
from engine.translation.translated import Translated
from engine.translation.translator import Translator
from tests.support.cases import sdk
from tests.support.turns import first, second

HERE, ELSEWHERE = scope_of("trains-nv"), scope_of("trams-bv")
SIGNED: str = sdk("expected")["signature"]
CLIENTS = ("openai-chat", "openai-responses", "gemini", "claude")
clients = pytest.mark.parametrize("client", CLIENTS)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load()


def asked(translator: Translator, body: Any, client: str, scope: str | None) -> Translated:
    return translator.request(
        body, client, "claude", model="claude-sonnet-5-5", stream=False, scope=scope
    )


def again(translator: Translator, client: str, made_by: str | None, sent_to: str | None) -> str:
    """The second request of a conversation, as text, whose first was answered by an account."""
    plan = asked(translator, first(client), client, made_by).plan
    answer = translator.response(sdk("claude/answer"), "claude", client, plan)
    body = second(client, answer.body)
    made = asked(translator, body, client, sent_to)
    return repr(made.body) + "".join(f"\n{loss.path}: {loss.reason}" for loss in made.losses)


@clients
def test_a_signature_comes_back_bare_to_its_own_account(
    translator: Translator, client: str
) -> None:
    said = again(translator, client, HERE, HERE)
    assert SIGNED in said and "gw1." not in said


# To a client of its own format it goes bare, and nobody knows whose it is.
@pytest.mark.parametrize("client", [each for each in CLIENTS if each != "claude"])
def test_another_account_does_not_get_it_and_that_is_a_loss(
    translator: Translator, client: str
) -> None:
    said = again(translator, client, HERE, ELSEWHERE)
    assert SIGNED not in said and "thinking of another model" in said


@clients
def test_where_accounts_are_not_told_apart_it_goes_to_any(
    translator: Translator, client: str
) -> None:
    assert SIGNED in again(translator, client, None, None)


def test_a_vendor_with_a_scope_is_the_vendor() -> None:
    assert Vendor("claude", HERE) == "claude" and len(HERE) == 8 and scope_of(None) == ""
