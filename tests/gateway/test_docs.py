"""The manual and the example say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from engine.gateway import config, manual
from engine.gateway.context import Context
from engine.gateway.schema import keys
from engine.gateway.snapshot import build
from engine.translation.losses import Loss
from tests.gateway.harness import translator

ROOT = Path(__file__).parents[2]


def test_the_configuration_manual_has_every_key_as_the_schema_has_it() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert manual.renewed(text) == text


def test_the_blocks_of_the_configuration_manual_are_configurations() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 1
    for block in blocks:
        settings = config.parse(block, {})
        build(settings, translator=translator().with_settings(settings.providers), environ={})


def test_every_key_has_a_meaning() -> None:
    assert [
        key.path
        for key in keys()
        if not key.meta and not key.path.startswith("credentials[].models[]")
    ] == []


def test_every_key_of_the_schema_is_read() -> None:
    """A key that is parsed and unused is a defect."""
    code = (ROOT / "engine" / "gateway" / "config.py").read_text()
    names = {part.rstrip("[]") for key in keys() for part in key.path.split(".")}
    cooldowns = {name for name in names if name.startswith("cooldown-")}
    options = {key.path.rpartition(".")[2] for key in keys() if "[].options." in key.path}
    assert [n for n in sorted(names - cooldowns - options) if f'"{n}"' not in code] == []
    mappings = "".join(path.read_text() for path in (ROOT / "mappings").rglob("*.yaml"))
    dispatch = (ROOT / "engine" / "gateway" / "prepare.py").read_text()
    options.remove("on-refusal")  # its one word says what is done anyway
    unread = [
        n
        for n in sorted(options)
        if n not in mappings + dispatch and n.replace("-", "_") not in mappings
    ]
    assert unread == []


def test_the_example_works_as_it_is_and_switches_real_providers_on() -> None:
    path = ROOT / "config.example.yaml"
    keyless = config.load(path, {})
    assert [c.name for c in keyless.credentials if not c.disabled] == ["demo"]
    assert (keyless.host, keyless.port, keyless.api_keys) == ("127.0.0.1", 8317, ())
    keyed = config.load(path, {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "b"})
    assert not any(c.disabled for c in keyed.credentials)


def test_the_operations_manual_names_every_metric_and_admin_page() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    metrics = re.findall(r'"(ai_proxy_[a-z_]+)"', (ROOT / "engine/gateway/metrics.py").read_text())
    own = {name.removesuffix("_total").removesuffix("_bucket") for name in metrics}
    assert {name for name in own if f"`{name}" not in text} == set()
    pages = re.findall(r'Route\("(/[a-z]+)"', (ROOT / "engine/gateway/admin.py").read_text())
    assert [page for page in pages if f"/admin{page}`" not in text] == []


def test_the_operations_manual_names_every_field_of_the_log() -> None:
    context = Context("GET", "/", "c", key="k", format="f", model="m", stream=True, provider="p")
    context.credential = context.upstream_model = context.upstream_request_id = "x"
    context.attempts = context.status = 1
    context.losses = [Loss("a", "b", "c", "dropped", "request")]
    context.error, context.usage = "e", {"input": 1, "output": 1}
    text = (ROOT / "docs" / "operations.md").read_text()
    named = set(re.findall(r"`([a-z_]+)`", text))
    assert set(context.record()) <= named
