"""`ai-proxy providers show`, `ai-proxy schema`, and docs/providers.md."""

import json
import shutil
from pathlib import Path

from click.testing import CliRunner, Result

from engine.cli import main
from engine.resources import shipped
from engine.translation import provider_cases
from engine.translation.provider_manual import renewed

ROOT = Path(__file__).parents[2]


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_the_manual_has_every_provider_key_and_quirk_as_it_is_shipped() -> None:
    text = (ROOT / "docs" / "providers.md").read_text()
    assert renewed(text) == text


def test_every_fact_is_shown_with_the_line_that_says_it() -> None:
    rows = {
        row["key"]: row for row in json.loads(_run("providers", "show", "zai", "--json").stdout)
    }
    assert rows["quirks.stream_options"]["value"] is False
    for key in ("quirks.stream_options", "format", "base-urls.claude", "models[0]"):
        name, line, _ = rows[key]["from"].rsplit(":", 2)
        written = (ROOT / name).read_text().splitlines()[int(line) - 1]
        assert key.rpartition(".")[2].replace("models[0]", "match") in written
    assert rows["format"]["from"].startswith("providers/openai-compatible.yaml:")


def test_the_facts_of_a_model_are_shown() -> None:
    shown = _run("providers", "show", "zai", "--model", "GLM-5.3").stdout
    assert "quirks.thinking_switch: null " in shown
    assert 'limits.efforts: ["low", "high", "max"] ' in shown
    assert "models[0]" not in shown


def test_the_files_of_a_configuration_lie_over_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "zai.yaml").write_text("name: zai\nextends: zai\nquirks: { top_k: true }\n")
    (tmp_path / "config.yaml").write_text("providers-dir: own\ncredentials: []\n")
    shown = _run("providers", "show", "zai", "--config", str(tmp_path / "config.yaml")).stdout
    line = next(line for line in shown.splitlines() if line.startswith("quirks.top_k: true"))
    assert line.endswith(f"# {tmp_path / 'own' / 'zai.yaml'}:3:11")


def test_an_unknown_provider_is_told_with_the_nearest() -> None:
    result = _run("providers", "show", "zay")
    assert result.exit_code == 2
    assert "no provider zay, did you mean zai?" in result.stderr


def test_schemas_are_printed() -> None:
    for what in ("configuration", "provider", "mapping"):
        assert json.loads(_run("schema", what).stdout)["title"] == what
    assert "mappings is not one of configuration, provider," in _run("schema", "mappings").stderr


def test_the_manual_names_every_key_of_a_case() -> None:
    text = (ROOT / "docs" / "providers.md").read_text().partition("## Cases")[2]
    assert [key for key in provider_cases.SCHEMA if f"`{key}`" not in text] == []


def _translate(*arguments: str) -> Result:
    body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
    given = json.dumps(body)
    return CliRunner().invoke(main, ["translate", *arguments], input=given, catch_exceptions=False)


def test_what_a_configuration_lays_over_holds_and_is_named(tmp_path: Path) -> None:
    own = tmp_path / "own" / "cohere"
    shutil.copytree(shipped("mappings") / "cohere", own)
    config = tmp_path / "config.yaml"
    said = "providers: { mistral: { quirks: { max_field: max_completion_tokens } } }"
    config.write_text(f"mappings-dir: own\n{said}\n")
    arguments = ("--from", "openai-chat", "--config", str(config))
    mistral = ("--to", "openai-chat", "--provider", "mistral")
    assert json.loads(_translate(*arguments, *mistral).stdout)["max_completion_tokens"] == 100
    shown = _translate(*arguments, "--to", "cohere", "--explain").stdout
    assert f'"rule":"{own / "request.yaml"}:' in shown
