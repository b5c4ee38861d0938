"""Cases beside the mappings: ``mappings/<format>/*.test.yaml``, run by ``ai-proxy check`` and by
the tests.

A case gives a document to one half and says what comes out, what is lost, or why it is refused::

    cases:
      - name: a refusal keeps its explanation
        covers: [response 5]
        read: { … }            # or write:
        gives: { … }           # or rejected: part of the sentence
        losses: []             # paths
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import Defect
from engine.language.envelope import check
from engine.language.events import EventHalf
from engine.language.runtime import Refusal
from engine.language.sections import Section
from engine.language.source import plain, read
from engine.language.sources import EARLIER
from engine.resources import file_name
from engine.translation.case_files import gather, rows
from engine.translation.differing import difference
from engine.translation.formats import KINDS, Format
from engine.translation.held import Held
from engine.translation.plan import Plan
from engine.translation.translator import Translator

SCHEMA: dict[str, Any] = {
    "name": {"type": "string", "required": True},
    "covers": {"type": "list", "schema": {"type": "string"}},
    "read": {},
    "write": {},
    "gives": {},
    "rejected": {"type": "string"},
    "losses": {"type": "list", "schema": {"type": "string"}},
    "ctx": {"type": "dict"},
    "plan": {"type": "dict"},
    "client": {"type": "dict"},
}


@dataclass(frozen=True, slots=True)
class Case:
    """One case. ``place`` is ``file:line:column``; ``half`` read or write."""

    place: str
    name: str
    format: str
    kind: str
    half: str
    given: Any
    gives: Any
    rejected: str | None
    losses: tuple[str, ...]
    covers: tuple[str, ...]
    ctx: dict[str, Any]
    plan: dict[str, Any]
    client: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case gave: the result or the refusal, and the paths lost. ``wrong`` is empty when it
    holds."""

    case: Case
    result: Any
    losses: tuple[str, ...]
    refusal: str | None
    wrong: str


def load(folders: Iterable[Path]) -> list[Case]:
    """All cases of mapping folders, in the order of the files. Raises MappingError."""
    files = (path for folder in folders for path in sorted(folder.glob("*/*.test.yaml")))
    return gather(files, _file)


def _file(path: Path) -> Iterator[Case]:
    kind = path.name.split(".")[0]
    if kind not in KINDS:
        read(path, file_name(path)).pos.error(
            f"the name of a case file begins with one of {', '.join(KINDS)}"
        )
    for item in rows(path):
        data = check(item, SCHEMA)
        raw = plain(item)
        half = "read" if "read" in raw else "write"
        if half not in raw or ("gives" in raw) is ("rejected" in raw):
            item.pos.error("a case has read or write, and gives or rejected")
        yield Case(
            place=str(item.pos),
            name=data["name"],
            format=path.parent.name,
            kind=kind,
            half=half,
            given=raw[half],
            gives=raw.get("gives"),
            rejected=raw.get("rejected"),
            losses=tuple(raw.get("losses") or ()),
            covers=tuple(str(section) for section in raw.get("covers") or ()),
            ctx=raw.get("ctx") or {},
            plan=raw.get("plan") or {},
            client=raw.get("client") or {},
        )


def run(translator: Translator, case: Case) -> Outcome:
    """Run one case."""
    side = translator.formats[case.format]
    roots = (case.client, case.plan, _ctx(translator, side, case))
    refusal: str | None = None
    result: Any = None
    losses: tuple[str, ...] = ()
    try:
        if case.kind == "stream":
            result, losses = _events(side, case, roots)
        else:
            section = (side.read if case.half == "read" else side.write)[case.kind]
            result, losses = _document(section, case, roots)
    except Refusal as error:
        refusal = f"{error.path}: {error.reason}" if error.path else error.reason
    except Defect as error:
        refusal = str(error)
    return Outcome(case, result, losses, refusal, _wrong(case, result, losses, refusal))


def _ctx(translator: Translator, side: Format, case: Case) -> Any:
    given = dict(case.ctx)
    name = given.pop("provider", side.default_provider)
    who = translator.providers.get(name) if isinstance(name, str) else None
    model = given.get("model")
    facts = name if isinstance(name, dict) else who.facts_for(model) if who else {}
    version = (who.api_version if who else None) or side.api_versions.default
    plan = Plan(
        side.name,
        side.name,
        who,
        model,
        model,
        False,
        version,
        Held(case.client),
        {},
        1_700_000_000,
    )
    ctx = plan.ctx(side, side.vendor)
    limits = {**side.limits.row(model), **(who.limits_for(model) if who else {})}
    ctx.update(limits=limits, provider=facts)
    ctx.update(given)
    return ctx


def _document(section: Section, case: Case, roots: tuple[Any, ...]) -> tuple[Any, tuple[str, ...]]:
    try:
        result, lost = section.run(case.given, *roots)
    except Refusal:
        section.trace(case.given, *roots)
        raise
    if not lost:
        return result, ()
    _, trace = section.trace(case.given, *roots)
    return result, tuple(dict.fromkeys(loss.path for loss in trace.losses))


def _events(side: Format, case: Case, roots: tuple[Any, ...]) -> tuple[Any, tuple[str, ...]]:
    half: EventHalf | None = side.events_in if case.half == "read" else side.events_out
    assert half is not None
    state, losses = half.start(), half.losses()
    result: list[Any] = []
    for event in case.given:
        result += half.step(event, state, losses, *roots)
    result += half.finish(state, losses, *roots)
    return result, tuple(dict.fromkeys(path.rpartition(EARLIER)[2] for path, *_ in losses.counts))


def _wrong(case: Case, result: Any, losses: tuple[str, ...], refusal: str | None) -> str:
    if case.rejected is not None:
        if refusal is None:
            return "accepted what it should refuse"
        return "" if case.rejected in refusal else f"refused with other words: {refusal}"
    if refusal is not None:
        return f"refused: {refusal}"
    if result != case.gives:
        return f"gives something else: {difference(result, case.gives)}"
    if sorted(losses) != sorted(case.losses):
        return f"loses {list(losses)}, not {list(case.losses)}"
    return ""
