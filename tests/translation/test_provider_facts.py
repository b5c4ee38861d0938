"""What a provider file must be able to say, and who must have one."""

import re
from pathlib import Path

import pytest

from engine.resources import shipped
from engine.translation.capabilities import Capabilities
from engine.translation.provider_files import SCHEMA
from engine.translation.quirks import Quirks
from tests.support.translations import translator

MAPPINGS = shipped("mappings")
QUIRKS = Quirks.load([MAPPINGS])
# Facts in which providers differ, and what says them: keys of the file, quirks, limits.
SAID_BY = {
    "wire formats": ["format", "wires"],
    "addresses": ["base-url", "base-urls", "path"],
    "the key": ["auth", "key-env"],
    "further headers": ["headers"],
    "fields by other names": ["rename", "max_field", "user_field", "prefill_field"],
    "fields it refuses": ["drop", "drop_thinking", "own_fields", "top_k", "message_names"],
    "constants": ["set"],
    "numbers within bounds": ["ranges", "max_output"],
    "roles": ["developer_role", "join_instructions", "user_message"],
    "content": ["string_content", "tool_media", "documents", "document_field", "cache_field"],
    "counts in streams": ["stream_options"],
    "choices of tools": [
        "tool_choice",
        "tool_choice_thinking",
        "forced_stops_thinking",
        "allowed_tools",
    ],
    "tools": ["strict", "strict_alike", "parallel", "custom_tools", "tools"],
    "structured output": [
        "response_format",
        "list_schemas",
        "format_with_tools",
        "format_with_thinking",
        "json_word",
        "json_schema",
    ],
    "ids and names of tools": ["tool_ids", "tool_names", "nameless_calls"],
    "where thinking comes from": [
        "reasoning_out",
        "think_tags",
        "plain_thinking",
        "encrypted_reasoning",
    ],
    "where thinking goes back": ["reasoning_in", "reasoning_scope"],
    "how thinking is asked for": [
        "reasoning_control",
        "thinking_switch",
        "thinks",
        "effort_words",
        "efforts",
    ],
    "counts": ["usage_paths", "cached_included", "reasoning_included"],
    "errors": ["error_paths", "ok_status_errors"],
    "finish reasons": ["finish_map"],
    "tiers": ["tiers"],
    "streams": ["streaming"],
    "what models take": ["models", "limits", "images", "pdf", "audio", "thinking"],
}
LIVING = """
    openai claude gemini gemini-openai azure-openai deepseek groq mistral xai together fireworks
    openrouter cerebras perplexity moonshot zai qwen minimax sambanova nvidia huggingface ollama
    vllm lmstudio llamacpp
""".split()


@pytest.mark.parametrize("fact", SAID_BY)
def test_a_fact_has_its_keys_and_each_is_in_the_manual(fact: str) -> None:
    limits = {key for side in translator().formats.values() for key in side.limits.keys()}
    known = {*SCHEMA, *QUIRKS, *limits, *Capabilities.load([MAPPINGS])}
    assert [key for key in SAID_BY[fact] if key not in known] == []
    files = [*MAPPINGS.glob("*/models.yaml"), Path("docs/providers.md")]
    text = "".join((MAPPINGS.parent / file).read_text() for file in files)
    missing = [
        key for key in SAID_BY[fact] if not re.search(rf"`{key}`|^# {key}\b", text, re.MULTILINE)
    ]
    assert missing == []


def test_all_living_providers_are_shipped_and_retired_ones_are_not() -> None:
    names = set(translator().providers)
    assert set(LIVING) <= names
    assert not {name for name in names if "github" in name}


def test_every_provider_of_the_chat_format_has_cases() -> None:
    chat = {
        name
        for name, each in translator().providers.items()
        if "openai-chat" in each.wires and not each.demo
    }
    folder = shipped("providers")
    own = [name for name in sorted(chat) if (folder / f"{name}.yaml").is_file()]
    assert [name for name in own if not (folder / f"{name}.test.yaml").is_file()] == []
