"""The fidelity matrix as a page for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from engine.translation.fidelity import Cell, Matrix
from engine.translation.probes import Probe
from engine.translation.reasons import Reason

_TITLES = {"request": "Requests", "response": "Answers", "stream": "Streams", "error": "Errors"}
_LONGEST = 48

_HEAD = """\
# Fidelity

What gets from each wire format to each other one. `ai-proxy mapping matrix` wrote this page from
the mappings; a test keeps it true, so do not edit it. What is left out on purpose is explained in
[fidelity-notes.md](fidelity-notes.md).

Nothing here is declared by hand. A document that says the field is written in the source's format,
translated to the target's and translated back:

- **exact**: it came back as it was said, and no loss was told.
- **changed**: something near it got across. The note says what.
- **lost**: nothing of it got across. The note says why.
- **refused**: the client is told that it cannot be done.
- no row: the source's format cannot say it.

A rule's own words stand with the file and its section of the tables. Where models or API versions
of the target differ, the best outcome counts, with a star, and a note tells of the others. Bytes of
one format to itself normally pass through untouched; its column here is what the mappings do when
they have to run.

"""


def page(matrix: Matrix) -> str:
    """The page, as it is committed."""
    return _HEAD + "\n".join([*_summary(matrix), *_tables(matrix)]).rstrip() + "\n"


def data(matrix: Matrix) -> list[dict[str, Any]]:
    """Every cell: ``{kind, place, field, value, source, target, state, reasons, others}``."""
    rows: list[dict[str, Any]] = []
    for number, probe in enumerate(matrix.probes.all):
        for (source, target), cell in matrix.cells[number].items():
            row: dict[str, Any] = {
                "kind": probe.place.kind,
                "place": probe.place.name,
                "field": probe.field or None,
                "value": probe.value,
                "source": source,
                "target": target,
                "state": cell.state,
                "reasons": [_reason_data(each) for each in cell.reasons],
                "others": [
                    {"state": state, "reasons": [_reason_data(each) for each in reasons]}
                    for state, reasons in cell.others
                ],
            }
            rows.append(row)
    return rows


def _reason_data(reason: Reason) -> dict[str, str]:
    return {"text": reason.text, "kind": reason.kind, "rule": reason.rule}


# -------------------------------------------------------------------- tables


def _summary(matrix: Matrix) -> Iterator[str]:
    """How many cells of each pair are exact."""
    yield "## Exact cells"
    yield ""
    yield "Of the rows that the source's format can say.\n"
    yield _line(["from", "to", *(_TITLES[kind].lower() for kind in _TITLES)])
    yield _line(["---"] * (2 + len(_TITLES)))
    said: dict[tuple[str, str, str], list[bool]] = {}
    for number, probe in enumerate(matrix.probes.all):
        for pair, cell in matrix.cells[number].items():
            said.setdefault((*pair, probe.place.kind), []).append(cell.state == "exact")
    for source in matrix.formats:
        for target in matrix.formats:
            cells = [said.get((source, target, kind), []) for kind in _TITLES]
            yield _line([source, target, *(f"{sum(cell)} of {len(cell)}" for cell in cells)])
    yield ""


def _tables(matrix: Matrix) -> Iterator[str]:
    for kind, title in _TITLES.items():
        for source in matrix.formats:
            rows = list(_rows(matrix, kind, source))
            if not rows:
                continue
            yield f"## {title}: from {source}"
            yield ""
            yield _line(["", *(f"to {target}" for target in matrix.formats)])
            yield _line(["---"] * (1 + len(matrix.formats)))
            for label, cells in rows:
                yield _line([label, *(cell.state + "*" * bool(cell.others) for cell in cells)])
            yield ""
            yield from _notes(rows, matrix.formats)
            yield ""


def _rows(matrix: Matrix, kind: str, source: str) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """The label of each row and its cells; values of a field that fare alike share one."""
    for probes in _fields(matrix, kind):
        by_cells: dict[tuple[Cell, ...], list[Probe]] = {}
        for number, probe in probes:
            found = matrix.cells[number]
            if found.keys() & {(source, target) for target in matrix.formats}:
                cells = tuple(_without_rules(found[source, each]) for each in matrix.formats)
                by_cells.setdefault(cells, []).append(probe)
        for cells, several in by_cells.items():
            yield _label(several, len(by_cells) > 1), cells


def _notes(rows: list[tuple[str, tuple[Cell, ...]]], formats: list[str]) -> Iterator[str]:
    """The reasons, one a line with all rows it is true of. No numbers: a new one moves no other."""
    found: dict[tuple[str, str], list[str]] = {}
    for label, cells in rows:
        told: dict[str, list[str]] = {}
        for target, cell in zip(formats, cells, strict=True):
            for reason in cell.reasons:
                told.setdefault(f"{cell.state}, {_because(reason)}", []).append(target)
            for state, reasons in cell.others:
                for reason in reasons:
                    text = f"at some models {state}, {_because(reason)}"
                    told.setdefault(text, []).append(target)
        for text, whom in told.items():
            found.setdefault((", ".join(whom), text), []).append(label)
    for (targets, text), labels in found.items():
        yield f"- to {targets}: {text}: {'; '.join(labels)}"


def _because(reason: Reason) -> str:
    return f"{reason.text} ({reason.section})" if reason.section else reason.text


def _fields(matrix: Matrix, kind: str) -> Iterator[list[tuple[int, Probe]]]:
    """The probes of each place and field."""
    found: dict[tuple[str, str], list[tuple[int, Probe]]] = {}
    for number, probe in enumerate(matrix.probes.all):
        if probe.place.kind == kind:
            found.setdefault((probe.place.name, probe.field), []).append((number, probe))
    yield from found.values()


def _without_rules(cell: Cell) -> Cell:
    """Lines of rules move with every edit above them: the page names sections."""

    def plain(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
        return tuple(dict.fromkeys(Reason(each.text, each.kind, each.section) for each in reasons))

    others = tuple((state, plain(reasons)) for state, reasons in cell.others)
    return Cell(cell.state, plain(cell.reasons), others)


def _label(probes: list[Probe], split: bool) -> str:
    first = probes[0]
    if not first.field:
        return f"**{first.place.name}**"
    text = f"`{first.field}`" if first.place.is_plain else f"{first.place.name}: `{first.field}`"
    if split:
        values = ", ".join(f"`{_short(probe.value)}`" for probe in probes)
        text += f" {values}"
    return text


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("\n", "\\n").replace("`", "'")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
