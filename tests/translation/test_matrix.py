"""The committed page is what the mappings do, and the matrix asks for everything there is."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.cli import main
from engine.errors import Rejected
from engine.resources import shipped
from engine.translation.fidelity import Cell, Matrix
from engine.translation.fidelity_page import data, page
from engine.translation.halves import Halves
from engine.translation.probes import Probes, assembled, spoken
from engine.translation.translator import Translator
from engine.translation.verdicts import STATES
from tests.support.canonical import problems
from tests.support.matrix import few, matrix
from tests.support.translations import own_cases, translator

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"
FLOOR = Path(__file__).parent / "floor.json"

NOT_WRITTEN = {
    "gemini": {"tool(function).strict": "all functions of a request or none"},
    "openai-chat": {
        "part(result).name": "results of the old form of calls, which nobody writes any more",
        "part(thinking).redacted": "another vendor's hidden thinking, in its carrier",
    },
    "openai-responses": {
        "part(thinking).redacted": "another vendor's hidden thinking, in its carrier",
        "tool(function).deferred": "only with the format's own search for tools",
    },
}
"""What a format reads but is never sent: nothing can be asked of it as a source."""

PROBES = Probes(shipped("mappings"))
ASKED = {"request": "request", "response": "response", "stream": "event", "error": "error"}


def _cells(found: Matrix) -> dict[tuple[str, Any], dict[tuple[str, str], Cell]]:
    rows: dict[tuple[str, Any], dict[tuple[str, str], Cell]] = {}
    for number, probe in enumerate(found.probes.all):
        rows[probe.field, json.dumps(probe.value)] = found.cells[number]
    return rows


def test_the_committed_page_is_what_the_mappings_do() -> None:
    written = page(matrix())
    assert written == PAGE.read_text(encoding="utf-8"), "write it again: ai-proxy mapping matrix"


def test_the_exact_cells_of_no_pair_sink() -> None:
    """Every exact cell is one that test_properties proves. The floor rises with them, by hand."""
    counts = matrix().counts()
    sunk = [
        f"{pair} {kind}: {counts[pair][kind]} exact cells, there were {number}"
        for pair, kinds in json.loads(FLOOR.read_text()).items()
        for kind, number in kinds.items()
        if counts[pair][kind] < number
    ]
    assert sunk == []


def test_every_field_of_the_canonical_form_is_asked_for() -> None:
    asked: set[str] = set()
    for probe in PROBES.all:
        for document in (probe.document, probe.place.request):
            asked |= {_plain(name) for name in _named(ASKED[probe.place.kind], document)}
    known = {f"{schema}.{field}" for schema in PROBES.schemas for field in PROBES.schemas[schema]}
    for inner in ("output", "tool_choice", "source"):
        known |= {f"{inner}.{field}" for field in PROBES.rules(inner)}
    apart = {each for each in known if each in PROBES.apart or each.endswith(".native")}
    assert known - asked - apart == set()
    unknown = {name for name in PROBES.apart if _plain(name) not in known | {"native"}}
    assert unknown == set(), "there is no such field"


def _named(schema: str, value: Any, rules: dict[str, Any] | None = None) -> Iterator[str]:
    """Every field of a document as `schema.field`, of parts and the like as `part(text).cache`."""
    if isinstance(value, list):
        for each in value:
            yield from _named(schema, each, rules)
        return
    known = PROBES.rules(schema) if rules is None else rules
    sort = value.get("type") or value.get("kind") if schema in ("part", "source", "tool") else None
    for field, each in value.items():
        yield f"{schema}({sort}).{field}" if sort else f"{schema}.{field}"
        inner = known.get(field, {}).get("schema")
        if isinstance(each, list) and isinstance(inner, dict):
            inner = inner.get("schema") if inner["type"] == "dict" else None
        if isinstance(inner, str):
            yield from _named(inner, each)
        elif isinstance(inner, dict):
            yield from _named(field, each, inner)


def _plain(name: str) -> str:
    return re.sub(r"\(.*?\)", "", name)


def test_what_is_asked_is_canonical() -> None:
    for probe in PROBES.all:
        document = spoken(probe.document, "acme")
        several = document if probe.place.kind == "stream" else [document]
        found = [each for one in several for each in problems(ASKED[probe.place.kind], one)]
        assert found == [], f"{probe.place.name} {probe.field} {probe.value}"


def test_some_format_says_whatever_is_asked() -> None:
    unsaid = [
        f"{probe.place.kind} {probe.place.name} {probe.field} {probe.value}"
        for number, probe in enumerate(matrix().probes.all)
        if not matrix().cells[number]
    ]
    assert unsaid == []


@pytest.mark.parametrize("format", translator().formats)
def test_what_the_cases_of_a_format_say_has_a_row(format: str) -> None:
    """What a read half makes of a field that the matrix does not ask it for is found here."""
    said: set[str] = set()
    for number, probe in enumerate(matrix().probes.all):
        if any(source == format for source, _ in matrix().cells[number]):
            said |= set(_named(ASKED[probe.place.kind], probe.document))
    found: set[str] = set()
    for case in own_cases("request"):
        if case.format == format:
            with suppress(Rejected):
                read = Halves(translator()).request_in(case.body, format)
                found |= set(_named("request", read))
    apart = PROBES.apart.keys() | NOT_WRITTEN.get(format, {}).keys()
    assert {
        name
        for name in found - said
        if not name.endswith(".native") and not {_plain(name), name} & apart
        # asked for among the answers, where they begin
        if not name.startswith(("citation.", "signature."))
    } == set()


def test_a_loss_in_a_mapping_is_a_lost_cell(tmp_path: Path) -> None:
    folder = tmp_path / "mappings" / "claude"
    shutil.copytree(shipped("mappings") / "claude", folder)
    file = folder / "request.yaml"
    text = file.read_text()
    old = "user_id: = request.user,"
    new = "user_id: { $drop: nobody asks, $of: request.user },"
    file.write_text(text.replace(old, new))
    found = Matrix(
        Translator.load(mappings=[tmp_path / "mappings"]), few("request", "request", "user")
    )
    cell = _cells(found)["user", '"user-1"']["openai-chat", "claude"]
    assert cell.state == "lost"
    assert [reason.text for reason in cell.reasons] == ["nobody asks"]
    assert cell.reasons[0].rule.startswith(f"{file}:")
    assert cell.reasons[0].section == "claude/request.yaml § request 19"


def test_a_cell_names_what_other_models_do() -> None:
    cells = _cells(Matrix(translator(), few("request", "request", "temperature")))
    assert {cell.state for cell in cells["temperature", "0.5"].values()} == {"exact"}
    clamped = cells["temperature", "1.5"]["openai-chat", "claude"]
    assert clamped.state == "changed"
    assert [state for state, _ in clamped.others] == ["lost"]
    assert clamped.reasons[0].section == "claude/request.yaml § request 16"


def test_events_say_the_same_however_they_are_cut() -> None:
    one = [
        {"type": "start", "choice": 0, "id": "a"},
        {"type": "part_start", "choice": 0, "part": 7, "kind": "text"},
        {"type": "text", "choice": 0, "part": 7, "delta": "Hello"},
        {"type": "part_end", "choice": 0, "part": 7},
    ]
    cut = [*one[:2], {**one[2], "delta": "He"}, {**one[2], "delta": "llo"}, one[3]]
    assert assembled(cut) == assembled(one)
    assert assembled(one) == {"start": {"id": "a"}, "parts": [{"kind": "text", "delta": "Hello"}]}


@pytest.mark.usefixtures("loaded_once")
def test_the_command_tells_every_cell_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.translation.probes.Probes", lambda _: few("error", "error", "kind"))
    result = CliRunner().invoke(main, ["mapping", "matrix", "--json"], catch_exceptions=False)
    rows = json.loads(result.stdout)
    assert rows == data(Matrix(translator(), few("error", "error", "kind")))
    assert {row["state"] for row in rows} <= set(STATES)


@pytest.mark.usefixtures("loaded_once")
def test_the_command_writes_the_page_and_checks_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("engine.translation.probes.Probes", lambda _: few("error", "error", "kind"))
    out = str(tmp_path / "page.md")

    def run(*more: str) -> tuple[int, str]:
        found = CliRunner().invoke(main, ["mapping", "matrix", "--out", out, *more])
        return found.exit_code, found.stderr

    told = f"{out} is not up to date; write it again: ai-proxy mapping matrix --out {out}\n"
    assert run("--check") == (1, told)
    assert run() == (0, "")
    assert run("--check") == (0, "")
    Path(out).write_text("old")
    assert run("--check") == (1, told)


def test_the_command_says_where_it_cannot_write(tmp_path: Path) -> None:
    out = str(tmp_path / "none" / "page.md")
    found = CliRunner().invoke(main, ["mapping", "matrix", "--out", out])
    assert found.exit_code == 2
    assert found.stderr == f"no folder {tmp_path / 'none'} here; name a file with --out\n"
