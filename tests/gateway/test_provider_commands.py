"""`ai-proxy providers new` and `test`, against servers on this machine, good and deviant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from engine.cli import main
from engine.resources import shipped
from engine.translation.conformance import load
from tests.support.upstream import Answer, Received, document, running, stream
from tests.support.vendor import Serve, garbage, vendor

FORMATS = ("openai-chat", "openai-responses", "claude", "gemini")
SHIPPED = sorted(path.stem for path in shipped("providers").glob("*.yaml") if "." not in path.stem)
CHECKS = [check.name for check in load().checks]


def run(*arguments: str, **environment: str) -> Result:
    arguments = ("providers", *arguments)
    return CliRunner().invoke(main, arguments, catch_exceptions=False, env=environment)


def new(serve: Serve, folder: Path, *more: str, base: str = "/v1", **environment: str) -> Result:
    with running(serve) as server:
        arguments = ("new", "acme", "--base-url", server.url + base, "--dir", str(folder), *more)
        return run(*arguments, **environment)


def written(folder: Path) -> Any:
    return yaml.safe_load((folder / "acme.yaml").read_text())


def spoilt(serve: Serve, change: Callable[[dict[str, Any]], Answer | None]) -> Serve:
    """The server, but for the requests that ``change`` answers by itself."""

    def changed(request: Received) -> Answer:
        answer = change(request.document) if request.method == "POST" else None
        return serve(request) if answer is None else answer

    return changed


# -- new


def test_a_server_is_asked_and_its_file_cases_and_snapshots_are_written(tmp_path: Path) -> None:
    result = new(vendor("openai-chat"), tmp_path)
    assert result.exit_code == 0, result.output
    made = written(tmp_path)
    assert made.pop("base-url").startswith("http://127.0.0.1:")
    # it took include_usage, so that is kept
    assert made == {
        "name": "acme",
        "extends": "openai-compatible",
        "quirks": {"stream_options": True},
    }
    assert "# Its models: acme-1, acme-2" in (tmp_path / "acme.yaml").read_text()
    snapshot = json.loads((tmp_path / "snapshots" / "acme" / "tools.json").read_text())
    assert snapshot["request"]["body"]["model"] == "acme-1"
    assert snapshot["request"]["body"]["tools"][0]["function"]["name"] == "get_weather"
    assert f"providers test acme --dir {tmp_path}" in result.stdout
    assert "text: ok" in result.stderr


def test_what_it_wrote_holds(tmp_path: Path) -> None:
    assert new(vendor("openai-chat"), tmp_path).exit_code == 0
    result = run("test", "acme", "--dir", str(tmp_path))
    assert (result.exit_code, result.stdout) == (
        0,
        "acme: 8 cases, 0 wrong\nnot asked itself: say --live\n",
    )


@pytest.mark.parametrize("name", ["claude", "gemini"])
def test_a_server_of_another_format_gets_a_file_of_it(tmp_path: Path, name: str) -> None:
    result = new(vendor(name), tmp_path, base="")
    assert result.exit_code == 0, result.output
    assert written(tmp_path)["format"] == name
    assert "text: ok" in result.stderr


def test_several_wire_formats_are_written_down(tmp_path: Path) -> None:
    assert new(vendor("openai-chat", "openai-responses"), tmp_path).exit_code == 0
    assert written(tmp_path)["wires"] == ["openai-chat", "openai-responses"]


@pytest.mark.parametrize("variable", ["ACME_API_KEY", "OTHER"])
def test_a_key_is_had_from_the_environment_and_only_its_name_is_written(
    tmp_path: Path, variable: str
) -> None:
    more = () if variable == "ACME_API_KEY" else ("--key-env", variable)
    serve = vendor("openai-chat", key="s3cret")
    result = new(serve, tmp_path, *more, **{variable: "s3cret"})
    assert result.exit_code == 0, result.output
    assert written(tmp_path)["key-env"] == variable
    texts = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any("s3cret" in text for text in [*texts, result.output])


def test_a_quirk_that_an_error_names_is_learnt(tmp_path: Path) -> None:
    def refuse(body: dict[str, Any]) -> Answer | None:
        words = "max_tokens is not supported, use max_completion_tokens"
        return document({"error": {"message": words}}, 400) if "max_tokens" in body else None

    result = new(spoilt(vendor("openai-chat"), refuse), tmp_path)
    assert result.exit_code == 0, result.output
    assert written(tmp_path)["quirks"]["max_field"] == "max_completion_tokens"


def test_a_quirk_with_which_nothing_works_is_left_out(tmp_path: Path) -> None:
    def refuse(body: dict[str, Any]) -> Answer | None:
        words = "unknown field stream_options"
        return document({"error": {"message": words}}, 400) if "stream_options" in body else None

    assert new(spoilt(vendor("openai-chat"), refuse), tmp_path).exit_code == 0
    assert "quirks" not in written(tmp_path)


def test_a_call_that_fails_is_told_and_the_files_are_there(tmp_path: Path) -> None:
    def refuse(body: dict[str, Any]) -> Answer | None:
        return document({"error": {"message": "out of credit"}}, 402) if "model" in body else None

    result = new(spoilt(vendor("openai-chat"), refuse), tmp_path)
    assert result.exit_code == 1
    assert "text: failed" in result.stderr
    assert "text: 402; out of credit" in result.stdout
    assert written(tmp_path)["name"] == "acme"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("mine")
    result = new(vendor("openai-chat"), tmp_path)
    assert result.exit_code == 2
    assert "acme.yaml: there already; with --force it is written over" in result.stderr
    assert (tmp_path / "acme.yaml").read_text() == "mine"
    assert new(vendor("openai-chat"), tmp_path, "--force").exit_code == 0
    assert written(tmp_path)["name"] == "acme"


def test_a_server_that_cannot_be_asked_is_taken_at_ones_word(tmp_path: Path) -> None:
    serve = vendor("openai-chat", key="k")
    result = new(serve, tmp_path, "--format", "openai-chat", "--model", "m")
    assert result.exit_code == 0, result.output
    assert written(tmp_path)["key-env"] == "ACME_API_KEY"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("acme", "--base-url", "ftp://x"), 2, "ftp://x: a base URL begins with http:// or"),
        (("acme", "--base-url", "http://u:p@x"), 2, "a base URL begins with http:// or"),
        (("Acme", "--base-url", "http://x"), 2, "Acme: a name is of small letters"),
        (("claude", "--base-url", "http://x"), 2, "the provider claude is known; say what differs"),
        (("acme", "--base-url", "http://x", "--format", "cluade"), 2, "unknown wire format cluade"),
        (("acme", "--base-url", "http://x", "--key-env", "NOT_SET_X"), 2, "NOT_SET_X is not set"),
        (("acme",), 2, "Missing option '--base-url'"),
        (("acme", "--base-url", "http://x/\nname: y"), 2, "a base URL begins with http:// or"),
        (("acme", "--base-url", "http://x", "--timeout", "0"), 2, "Invalid value for '--timeout'"),
        (("acme", "--base-url", "http://127.0.0.1:9"), 1, "http://127.0.0.1:9: could not connect"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    result = run("new", "--dir", str(tmp_path / "out"), *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def _slow(request: Received) -> Answer:
    time.sleep(1)
    return document({})


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (garbage("<html>Welcome</html>"), "answers with web pages, not with an API; a base URL"),
        (garbage("OK", "text/plain"), "answers, but speaks none of claude, "),
        (garbage("[" * 200_000, "application/json"), "answers, but speaks none of claude, "),
        (garbage("x" * (9 << 20), "application/json"), "its answer is longer than 8388608 bytes"),
        (garbage('{"error": "boom"}', "application/json", 500), "fails: 500 boom"),
        (lambda _: Answer(b'{"data": [', cut=True), "the answer is cut short or no HTTP"),
        (
            lambda _: Answer(b"", 301, {"location": "https://acme.example/v2"}),
            "sends elsewhere (301 to https://acme.example/v2); name the address it sends to",
        ),
        (vendor("openai-chat", key="other"), "refuses the key: 401 no key, no answer"),
        (_slow, "did not answer within 0.3 s"),
    ],
    ids="pages text deep huge failing cut moved locked slow".split(),
)
def test_what_is_no_provider_is_told_and_nothing_is_written(
    tmp_path: Path, serve: Serve, words: str
) -> None:
    patience = "0.3" if serve is _slow else "15"
    result = new(serve, tmp_path, "--key-env", "K", "--timeout", patience, K="mine")
    assert (result.exit_code, result.stdout) == (1, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("http://127.0.0.1:") and words in last
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_lists_no_models_gets_its_file_and_says_how_one_is_tried(
    tmp_path: Path,
) -> None:
    good = vendor("openai-chat")

    def serve(request: Received) -> Answer:
        missing = document({"detail": "Not Found"}, 404)
        return missing if request.method == "GET" else good(request)

    result = new(serve, tmp_path)
    assert (result.exit_code, "it lists no models: have one" in result.stdout) == (0, True)
    assert "quirks" not in written(tmp_path)
    assert new(serve, tmp_path, "--force", "--model", "acme-1").exit_code == 0
    assert written(tmp_path)["quirks"] == {"stream_options": True}


def test_whatever_models_are_called_the_file_is_one(tmp_path: Path) -> None:
    names = ("a\nquirks: {strict: true}\n#", "\u2028\x07", "y" * 5000, "[]")
    result = new(vendor("openai-chat", models=names), tmp_path)
    assert result.exit_code == 0, result.output
    assert written(tmp_path)["quirks"] == {"stream_options": True}
    last = (tmp_path / "acme.yaml").read_text().splitlines()[-1]
    assert last == f"# Its models: a?quirks: {{strict: true}}?#, ??, {'y' * 80}…, []"
    assert run("test", "acme", "--dir", str(tmp_path), "--offline").exit_code == 0


def test_editors_find_the_schemas_that_the_files_name(tmp_path: Path) -> None:
    assert new(vendor("openai-chat"), tmp_path).exit_code == 0
    for name in ("acme.yaml", "acme.test.yaml"):
        text = (tmp_path / name).read_text()
        schema = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        known = json.loads((tmp_path / schema).read_text())
        jsonschema.validate(yaml.safe_load(text), known)


def test_editors_know_the_quirks_of_ones_own_mappings(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    row = "{ type: boolean, absent: false, meaning: it sings }"
    (tmp_path / "own" / "quirks.yaml").write_text(f"quirks: {{ sings: {row} }}\n")
    (tmp_path / "config.yaml").write_text("mappings-dir: own\n")
    config = str(tmp_path / "config.yaml")
    printed = CliRunner().invoke(main, ["schema", "provider", "--config", config])
    quirks = json.loads(printed.stdout)["properties"]["quirks"]["properties"]
    assert quirks["sings"]["type"] == "boolean"
    assert set(quirks) > {"sings", "strict"}


def test_the_folder_of_a_configuration_is_where_it_goes(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "config.yaml").write_text("providers-dir: own\n")
    with running(vendor("openai-chat")) as server:
        config = str(tmp_path / "config.yaml")
        result = run("new", "acme", "--base-url", server.url, "--config", config, "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert shown["files"][0] == str(tmp_path / "own" / "acme.yaml")
    assert (shown["format"], shown["models"]) == ("openai-chat", ["acme-1", "acme-2"])
    assert {row["check"]: row["outcome"] for row in shown["checks"]} == {
        "text": "ok",
        "stream": "ok",
    }


# -- test


def provider(folder: Path, form: str, url: str, **facts: Any) -> None:
    said = {"name": "acme", "format": form, "base-url": url, **facts}
    if form == "openai-chat":
        said["extends"] = "openai-compatible"
        said["quirks"] = {"stream_options": True, "parallel": True, **facts.get("quirks", {})}
    (folder / "acme.yaml").write_text(json.dumps(said))


def live(folder: Path, serve: Serve, *more: str, form: str = "openai-chat", **facts: Any) -> Result:
    with running(serve) as server:
        provider(folder, form, server.url, **facts)
        return run("test", "acme", "--dir", str(folder), "--live", *more)


def rows(result: Result) -> dict[str, tuple[str, str]]:
    shown = json.loads(result.stdout)["checks"]
    return {row["check"]: (row["outcome"], row["detail"]) for row in shown}


@pytest.mark.parametrize("form", FORMATS)
def test_a_good_server_of_any_format_passes_every_check(tmp_path: Path, form: str) -> None:
    model = ("--model", "acme-1") if form == "openai-responses" else ()
    result = live(tmp_path, vendor(form), "--json", *model, form=form)
    found = rows(result)
    assert {name: row[0] for name, row in found.items()} == dict.fromkeys(CHECKS, "ok"), found
    assert result.exit_code == 0


def test_a_table_ends_it_and_the_steps_are_told_meanwhile(tmp_path: Path) -> None:
    result = live(tmp_path, vendor("openai-chat"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "acme: 0 cases, 0 wrong"
    assert lines[2].split() == ["check", "outcome", "ms", "what", "it", "was"]
    assert [line[:17].strip() for line in lines[3:]] == CHECKS
    assert "parallel tools …" in result.stderr
    assert "parallel tools: ok" in result.stderr


def one_call(body: dict[str, Any]) -> Answer | None:
    if "Oslo" not in json.dumps(body):
        return None
    call = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return document({"id": "x", "object": "chat.completion", "choices": [choice]})


def cut_stream(body: dict[str, Any]) -> Answer | None:
    piece = b'data: {"choices": [{"delta": {"content": "one"}}]}\n\n'
    return stream(piece) if body.get("stream") else None


def overloaded(body: dict[str, Any]) -> Answer | None:
    return document({"error": {"message": "come back"}}, 503)


def friendly(body: dict[str, Any]) -> Answer | None:
    if not body["model"].startswith("no-such"):
        return None
    message = {"role": "assistant", "content": "Sure"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return document({"id": "x", "object": "chat.completion", "choices": [choice]})


@pytest.mark.parametrize(
    ("change", "failing", "words"),
    [
        (one_call, ["parallel tools"], "without two calls"),
        (cut_stream, ["stream", "tools in a stream"], "stream ended early"),
        (overloaded, CHECKS, "503; come back"),
        (friendly, ["errors"], "without a status, words"),
    ],
)
def test_a_deviant_server_fails_where_it_deviates(
    tmp_path: Path,
    change: Callable[[dict[str, Any]], Answer | None],
    failing: list[str],
    words: str,
) -> None:
    result = live(tmp_path, spoilt(vendor("openai-chat"), change), "--json")
    found = rows(result)
    assert [name for name, row in found.items() if row[0] == "failed"] == failing
    assert words in found[failing[0]][1]
    assert result.exit_code == 1


def test_what_its_file_says_it_lacks_is_not_asked_for(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"limits": {"images": False}}
    result = live(tmp_path, vendor("openai-chat"), "--json", **facts)
    outcome, detail = rows(result)["image"]
    assert outcome == "not offered"
    assert "acme-1 takes no images" in detail
    assert result.exit_code == 0


def test_single_checks_and_models_can_be_named(tmp_path: Path) -> None:
    more = ("--check", "text", "--check", "errors", "--model", "acme-2", "--json")
    with running(vendor("openai-chat")) as server:
        provider(tmp_path, "openai-chat", server.url)
        result = run("test", "acme", "--dir", str(tmp_path), "--live", *more)
        assert server.received[-1].document["model"] == "no-such-model-of-ai-proxy"
        assert "acme-2" in [each.document["model"] for each in server.received]
    assert list(rows(result)) == ["text", "errors"]


def test_a_credential_of_a_configuration_is_used(tmp_path: Path) -> None:
    with running(vendor("openai-chat", key="s3cret")) as server:
        provider(tmp_path, "openai-chat", "http://nowhere.invalid", **{"key-env": "ACME_API_KEY"})
        models = [{"id": "*"}, {"id": "acme-2", "alias": "two"}]
        row = {"provider": "acme", "api-key": "s3cret", "base-url": server.url, "models": models}
        document = {"providers-dir": str(tmp_path), "credentials": [row]}
        (tmp_path / "config.yml").write_text(json.dumps(document))
        result = run("test", "acme", "--config", str(tmp_path / "config.yml"), "--check", "text")
        assert result.exit_code == 0, result.output
        assert server.received[0].document["model"] == "acme-2"
    assert "s3cret" not in result.output


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_provider_has_cases_that_its_name_runs(name: str) -> None:
    result = run("test", name, "--offline", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["checks"]) == (0, []), told
    assert told["cases"]


def test_the_list_holds_what_a_configuration_adds(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("providers: { acme: { extends: mistral } }\n")
    rows = json.loads(run("list", "--json", "--config", str(tmp_path / "config.yaml")).stdout)
    assert {row["name"] for row in rows} == {*SHIPPED, "acme"}
    assert {"name": "acme", "format": "openai-chat", "key-env": "MISTRAL_API_KEY"} in rows


def test_without_a_key_the_way_to_one_is_told(tmp_path: Path) -> None:
    provider(tmp_path, "openai-chat", "http://x.invalid", **{"key-env": "ACME_API_KEY"})
    result = run("test", "acme", "--dir", str(tmp_path))
    assert (result.exit_code, result.stdout) == (
        0,
        "acme: 0 cases, 0 wrong\n"
        "not asked itself: set ACME_API_KEY, or name another variable with --key-env\n",
    )


def test_a_key_in_the_environment_is_enough(tmp_path: Path) -> None:
    with running(vendor("openai-chat", key="s3cret")) as server:
        provider(tmp_path, "openai-chat", server.url, **{"key-env": "ACME_API_KEY"})
        result = run(
            "test", "acme", "--dir", str(tmp_path), "--check", "text", ACME_API_KEY="s3cret"
        )
    assert (result.exit_code, "text" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("acmee",), 2, "no provider acmee, did you mean acme?"),
        (("acme", "--live", "--check", "txt"), 2, "no check txt, did you mean text?"),
        (("acme", "--key-env", "NOT_SET_X"), 2, "the variable NOT_SET_X is not set"),
        (("acme", "--live"), 1, "credential acme is off: ACME_API_KEY is not set"),
        (("acme", "--config", "nowhere.yaml"), 1, "nowhere.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_tested_is_told(
    tmp_path: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    provider(tmp_path, "openai-chat", "http://x.invalid", **{"key-env": "ACME_API_KEY"})
    result = run("test", "--dir", str(tmp_path), *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert words in result.stderr


def test_a_changed_file_is_told_by_its_snapshots_until_they_are_written_anew(
    tmp_path: Path,
) -> None:
    assert new(vendor("openai-chat"), tmp_path).exit_code == 0
    file = tmp_path / "acme.yaml"
    file.write_text(file.read_text() + "docs: https://acme.example\n")
    assert run("test", "acme", "--dir", str(tmp_path)).exit_code == 0
    changed = file.read_text().replace("stream_options: true", "developer_role: developer")
    file.write_text(changed)
    result = run("test", "acme", "--dir", str(tmp_path))
    assert result.exit_code == 1
    assert "text: differs from its snapshot" in result.stderr
    assert run("test", "acme", "--dir", str(tmp_path), "--update").exit_code == 0
    assert run("test", "acme", "--dir", str(tmp_path)).exit_code == 0
