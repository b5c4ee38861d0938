"""Provider files: what they may say, what they take over from others, and what is told."""

import re
from pathlib import Path

import pytest

from engine.errors import MappingError
from engine.language.source import parse
from engine.resources import shipped
from engine.translation.capabilities import Capabilities
from engine.translation.provider_files import SCHEMA, ProviderFiles
from engine.translation.providers import Provider
from engine.translation.quirks import Quirks
from engine.translation.translator import Translator
from tests.support.translations import translator

MAPPINGS = shipped("mappings")
BASE = """
name: base
format: openai-chat
base-url: https://base.example.com/v1
vendor: them
headers: { x-a: "1", x-b: "1" }
quirks: { strict: true, finish_map: { done: end } }
models:
  - { match: "big-*", quirks: { strict: false, top_k: true }, limits: { stop: false } }
"""


def test_an_error_is_read_as_the_file_of_its_provider_says(tmp_path: Path) -> None:
    paths = "quirks: { error_paths: { message: fault.text } }\n"
    text = "name: acme\nextends: openai-compatible\n" + paths
    by = Translator.load(providers=[_folder(tmp_path, acme=text)])
    body = {"fault": {"text": "Broken."}, "message": "Sorry."}
    said = by.error(500, body, "openai-chat", "claude", provider="acme").body["error"]["message"]
    assert said == "Broken."
    other = by.error(500, body, "openai-chat", "claude").body["error"]["message"]
    assert other == "Sorry."


def _load(*folders: Path, settings: str = "") -> dict[str, Provider]:
    known = Quirks.load([MAPPINGS]), Capabilities.load([MAPPINGS])
    files = ProviderFiles(folders, translator().formats, *known)
    return files.under(parse(settings, "config.yaml"))


def _folder(path: Path, **files: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text)
    return path


def _told(folder: Path) -> str:
    with pytest.raises(MappingError) as caught:
        _load(folder)
    return "\n".join(caught.value.problems)


def test_a_file_says_only_what_differs(tmp_path: Path) -> None:
    child = 'name: child\nextends: base\nheaders: { x-b: "2" }\nquirks: { strict: false }\n'
    found = _load(_folder(tmp_path, base=BASE, child=child))["child"]
    assert (found.format, found.base_url) == ("openai-chat", "https://base.example.com/v1")
    assert found.headers == {"x-a": "1", "x-b": "2"}
    assert found.quirks == {"strict": False, "finish_map": {"done": "end"}}
    assert found.vendor == "child"


def test_every_fact_has_its_place(tmp_path: Path) -> None:
    child = "name: child\nextends: base\nquirks:\n  strict: false\nmodels:\n  - match: big-1\n"
    folder = _folder(tmp_path, base=BASE, child=child)
    sources = _load(folder)["child"].sources
    assert sources["quirks.strict"] == f"{folder}/child.yaml:4:3"
    assert sources["quirks.finish_map"] == f"{folder}/base.yaml:7:25"
    assert sources["models[0]"] == f"{folder}/child.yaml:6:5"
    assert sources["models[1]"] == f"{folder}/base.yaml:9:5"
    assert "vendor" not in sources


def test_rows_of_models_lie_over_the_file_and_the_first_one_wins(tmp_path: Path) -> None:
    child = """
name: child
extends: base
models:
  - { match: "BIG-1*", quirks: { top_k: false } }
"""
    found = _load(_folder(tmp_path, base=BASE, child=child))["child"]
    assert found.facts_for("small")["strict"] is True
    assert found.facts_for("Big-2")["top_k"] is True
    both = found.facts_for("big-1x")
    assert (both["top_k"], both["strict"]) == (False, False)
    assert found.limits_for("big-1x") == {"stop": False}
    assert found.limits_for(None) == {}


def test_an_own_folder_changes_a_shipped_file_in_place(tmp_path: Path) -> None:
    low = _folder(tmp_path / "low", base=BASE)
    high = _folder(tmp_path / "high", base="name: base\nextends: base\nquirks: { top_k: true }\n")
    found = _load(low, high)["base"]
    assert found.quirks["strict"] is found.quirks["top_k"] is True
    assert found.vendor == "them"
    assert found.sources["quirks.top_k"].startswith(str(high))


def test_without_extends_an_own_file_replaces_a_shipped_one(tmp_path: Path) -> None:
    low = _folder(tmp_path / "low", base=BASE)
    high = _folder(tmp_path / "high", base="name: base\nformat: claude\n")
    found = _load(low, high)["base"]
    assert (found.format, found.quirks, found.base_url) == ("claude", {}, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\n", "the key format is missing, here and in what this file extends"),
        ("name: x\nextends: bsae\n", "unknown provider bsae, did you mean base?"),
        ("name: x\nextends: x\n", "x extends itself, and there is no file of that name below"),
        ("name: y\nformat: claude\n", "name is y, but the file is x.yaml"),
        ("name: x\nformat: cluade\n", "unknown wire format cluade"),
        ("name: x\nformat: claude\nbase-urls: { chat: u }\n", "unknown wire format chat"),
        ("name: x\nextends: base\nquirks: { strct: 1 }\n", "unknown key strct, did you mean stric"),
        ("name: x\nextends: base\nquirks: { strict: 1 }\n", "strict must be true or false"),
        ("name: x\nextends: base\nquirks: { max_field: m }\n", "max_field must be one of: max_tok"),
        (
            "name: x\nextends: base\nmodels: [{ match: a, quirks: { topk: true } }]\n",
            "x.yaml:3:32: unknown key topk, did you mean top_k?",
        ),
        (
            "name: x\nextends: base\nmodels: [{ match: a, limits: { stpo: true } }]\n",
            "x.yaml:3:32: unknown limit stpo, did you mean stop?",
        ),
        ("name: x\nextends: base\nbase_url: u\n", "unknown key base_url, did you mean base-url?"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert told in _told(_folder(tmp_path, base=BASE, x=text))


def test_files_that_extend_each_other_are_told(tmp_path: Path) -> None:
    files = {"a": "name: a\nextends: b\n", "b": "name: b\nextends: c\n", "c": "name: c\nextends: a"}
    assert "these extend each other: a, b, c, a" in _told(_folder(tmp_path, **files))


def test_a_configuration_lies_over_all_files_and_is_named_as_the_source(tmp_path: Path) -> None:
    settings = """base: { quirks: { strict: false }, limits: { images: false } }
"""
    folder = _folder(tmp_path, base=BASE)
    found = _load(folder, settings=settings)["base"]
    assert (found.quirks["strict"], found.quirks["finish_map"]) == (False, {"done": "end"})
    assert (found.vendor, found.limits_for("small")) == ("them", {"images": False})
    assert found.sources["quirks.strict"] == "config.yaml:1:19"
    assert found.sources["limits.images"] == "config.yaml:1:46"
    assert found.sources["base-url"] == f"{folder}/base.yaml:4:1"
    assert _load(folder)["base"].quirks["strict"] is True


ANY_KEY = {
    "format": "openai-responses",
    "wires": "[openai-chat, claude]",
    "base-url": "https://mine.example",
    "base-urls": "{ openai-chat: https://mine.example }",
    "path": "/ask",
    "key-env": "MINE",
    "auth": "{ header: x-mine }",
    "signing": "{ method: aws-sigv4, service: x }",
    "region": "north",
    "api-version": "'2'",
    "vendor": "mine",
    "signs": "true",
    "headers": "{ x-a: mine }",
    "streaming": "none",
    "rename": "{ seed: random_seed }",
    "quirks": "{ parallel: true }",
    "limits": "{ images: false }",
    "models": "[{ match: small, quirks: { parallel: true } }]",
    "demo": "true",
    "docs": "https://mine.example/docs",
}


@pytest.mark.parametrize("key", ANY_KEY)
def test_any_key_of_a_file_can_be_said_in_the_configuration(key: str, tmp_path: Path) -> None:
    said = _load(_folder(tmp_path, base=BASE), settings=f"base: {{ {key}: {ANY_KEY[key]} }}")
    places = {name for name, at in said["base"].sources.items() if "config.yaml" in at}
    # an entry has the place of its name, too
    assert {name.split(".")[0].split("[")[0] for name in places} == {"name", key}


def test_these_are_all_keys_but_those_that_name_a_file() -> None:
    assert set(ANY_KEY) == set(SCHEMA) - {"name", "extends"}


def test_a_configuration_may_hold_providers_of_its_own(tmp_path: Path) -> None:
    settings = "own: { extends: base, base-url: 'http://own' }\nbare: { format: claude }\n"
    found = _load(_folder(tmp_path, base=BASE), settings=settings)
    assert (found["own"].base_url, found["own"].vendor) == ("http://own", "own")
    assert found["own"].sources["name"] == "config.yaml:1:1"
    assert found["base"].base_url == "https://base.example.com/v1"
    assert found["bare"].format == "claude"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            "bse: { quirks: {} }",
            "config.yaml:1:1: unknown provider bse; a new one says extends or fo",
        ),
        (
            "base: { quirks: { strct: 1 } }",
            "config.yaml:1:19: unknown key strct, did you mean stri",
        ),
        ("base: { limits: { imags: false } }", "1:19: unknown limit imags, did you mean images?"),
        ("base: { name: base }", "config.yaml:1:9: unknown key name"),
        ("base: { base_url: x }", "unknown key base_url, did you mean base-url?"),
    ],
)
def test_a_mistake_of_a_configuration_is_told_with_its_place(
    tmp_path: Path, settings: str, told: str
) -> None:
    with pytest.raises(MappingError) as caught:
        _load(_folder(tmp_path, base=BASE), settings=settings)
    assert told in "\n".join(caught.value.problems)


def test_an_own_mapping_may_know_further_quirks(tmp_path: Path) -> None:
    (tmp_path / "quirks.yaml").write_text(
        "quirks: { shout: { type: boolean, absent: false, meaning: capital letters } }\n"
    )
    known = Quirks.load([MAPPINGS, tmp_path])
    assert known["shout"].values == "true, false"
    assert "strict" in known


def test_quirks_are_those_that_mappings_read() -> None:
    text = "".join(
        path.read_text()
        for path in MAPPINGS.glob("*/*.yaml")
        if not path.name.endswith(".test.yaml")
    )
    read = set(re.findall(r"ctx\.provider\.([a-z_]+)", text)) - {"name", "demo"}
    assert read == set(Quirks.load([MAPPINGS]))


def test_every_quirk_has_a_case() -> None:
    cases = "".join(path.read_text() for path in MAPPINGS.glob("*/*.test.yaml"))
    named = Path(__file__).parents[1] / "cases" / "providers"
    cases += "".join(path.read_text() for path in named.glob("*.yaml"))
    # what cases run with when they name nobody
    for side in translator().formats.values():
        cases += "".join(f"{key}: " for key in translator().providers[side.default_provider].quirks)
    assert [name for name in Quirks.load([MAPPINGS]) if not re.search(rf"\b{name}:", cases)] == []


def test_shipped_providers_say_where_they_answer() -> None:
    """All but those that only the configuration can tell."""
    open_ended = {"demo", "openai-compatible", "azure-openai"}
    shipped_ones = _load(shipped("providers"))
    assert {name for name, each in shipped_ones.items() if each.base_url is None} == open_ended
    for name, each in shipped_ones.items():
        assert each.wires[0] == each.format, name
        urls = [each.base_url or "https://", *each.base_urls.values()]
        assert all(url.startswith(("https://", "http://localhost:")) for url in urls), name


def test_a_model_of_a_shipped_provider_has_its_own_ways() -> None:
    moonshot = translator().providers["moonshot"]
    assert "temperature" in moonshot.facts_for("kimi-k3-turbo")["drop"]
    assert moonshot.facts_for("kimi-k3-turbo")["reasoning_control"] == "reasoning_effort"
    assert moonshot.facts_for("kimi-k2.6")["thinking_switch"] == "thinking"
    assert "drop" not in moonshot.facts_for("moonshot-v1-8k")


def test_a_request_is_written_in_the_ways_of_its_provider_and_model() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "none",
        "max_completion_tokens": 9,
        "reasoning_effort": "medium",
        "temperature": 0,
    }
    made = translator().request(body, "openai-chat", provider="zai", model="glm-5.3")
    assert made.body == {
        "tool_stream": True,
        "model": "glm-5.3",
        "messages": [{"role": "user", "content": "Hi"}],
        "reasoning_effort": "high",
        "max_tokens": 9,
        "temperature": 0.01,
    }
    assert {loss.path for loss in made.losses} >= {"tool_choice", "reasoning_effort", "temperature"}
