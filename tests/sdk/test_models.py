"""The model list has the shape that each SDK expects."""

from tests.support.clients import anthropic_client, openai_client
from tests.support.gateway import Gateway

RAIL = ["rail-claude", "rail-openai-chat"]


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
