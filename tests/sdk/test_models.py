"""The model list has the shape that each SDK expects; calls that are not served say so."""

import openai
import pytest

from tests.support.clients import anthropic_client, openai_client
from tests.support.gateway import Gateway

RAIL = ["rail-claude", "rail-gemini", "rail-openai-chat", "rail-openai-responses"]


def test_the_openai_sdk_lists_and_finds_models(gateway: Gateway) -> None:
    with openai_client(gateway.url) as client:
        listed = [model.id for model in client.models.list()]
        found = client.models.retrieve("rail-claude")
    assert [name for name in sorted(listed) if name.startswith("rail-")] == RAIL
    assert (found.id, found.object) == ("rail-claude", "model")
    assert not any("*" in name for name in listed)


def test_the_anthropic_sdk_lists_and_finds_models(gateway: Gateway) -> None:
    with anthropic_client(gateway.url) as client:
        listed = [model.id for model in client.models.list()]
        found = client.models.retrieve("rail-openai-chat")
    assert [name for name in sorted(listed) if name.startswith("rail-")] == RAIL
    assert (found.id, found.type) == ("rail-openai-chat", "model")
    assert not any("*" in name for name in listed)


def test_a_call_that_is_not_served_is_an_error_with_a_sentence(gateway: Gateway) -> None:
    with openai_client(gateway.url) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.embeddings.create(model="rail-openai-chat", input="a")
    assert caught.value.status_code == 501
    assert "/v1/embeddings" in caught.value.message
