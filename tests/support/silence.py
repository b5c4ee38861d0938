"""What has no effect: one value of a document is changed, then left out, and nothing else comes of
it.

A translation whose result and whose losses are the same then is silent about that value. Such a one
is a defect, or means nothing: `tests/translation/redundant.yaml` says which mean nothing, and why.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.translation.jsontext import dumps, loads
from engine.translation.losses import Loss
from engine.translation.plan import Plan
from engine.translation.translator import Translator
from tests.support.lines import joined, lines
from tests.support.translations import OwnCase, plan, request_of

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Outcome:
    """All that anyone sees of a translation, and the paths and reasons of its losses."""

    seen: str
    lost: frozenset[tuple[str, str]] = frozenset()
    refused: bool = False


@dataclass(frozen=True)
class Silent:
    """One value of a case without an effect. `path` names the elements of lists by their type.

    `how`: `ignored`; `any` when it matters only that it is there; else the losses that its absence
    made or unmade, of which none names it.
    """

    case: OwnCase
    target: str
    path: str
    how: str

    def __str__(self) -> str:
        case = self.case
        return f"{case.kind}/{case.format}/{case.name} to {self.target}: {self.path}: {self.how}"


Translate = Callable[[Any], Outcome]


def silences(case: OwnCase, target: str, by: Translator) -> Iterator[Silent]:
    """The values of the case that have no effect, or one that another value's loss tells."""
    document = loads(dumps(case.body))
    translate = _TRANSLATE[case.kind](case, target, by)

    def run() -> Outcome:
        # what comes out may share parts with what went in, and is remembered
        return translate(loads(dumps(document)))

    base = run()
    if base.refused or not isinstance(document, dict):
        return
    for path, holder, value in _leaves(document):
        step = path[-1]
        holder[step] = _other(value)
        changed = run()
        holder[step] = value
        if changed.seen != base.seen:
            continue
        with_it = list(holder.items()) if isinstance(holder, dict) else list(holder)
        del holder[step]
        removed = run()
        holder.clear()
        (holder.update if isinstance(holder, dict) else holder.extend)(with_it)
        place = _spelt(path)
        silent = Silent(case, target, _named(document, path), "ignored")
        if changed == base and not any(_covers(loss, place) for loss, _ in base.lost):
            yield silent if removed == base else replace(silent, how="any")
        elif removed.seen == base.seen and removed.lost != base.lost:
            told = {loss for loss, _ in removed.lost ^ base.lost}
            if not any(_covers(loss, place) or _covers(place, loss) for loss in told):
                yield replace(silent, how=f"told by {sorted(told)}")


TRIES = 4
"""So many values of a stream are tried that stand at one place."""


def streamed(cases: list[OwnCase], target: str, by: Translator) -> Iterator[Silent]:
    """The places in events of which no value has an effect, in any of the first that have one."""
    tried: dict[str, int] = {}
    found: dict[str, Silent] = {}
    for case in cases:
        planned = plan(case, target, by)
        events = lines(case)
        base = _streamed(case, target, planned, joined(case, events), by)
        if base.refused:
            continue
        for line in events:
            for path, holder, value in _leaves(line.document):
                place = _bare(_spelt(path))
                name = f"{_type(line.document)}: {_named(line.document, path)}"
                if tried.setdefault(name, 0) == TRIES or _lost_at(base, place):
                    continue
                tried[name] += 1
                holder[path[-1]] = _other(value)
                changed = _streamed(case, target, planned, joined(case, events), by)
                holder[path[-1]] = value
                if changed == base:
                    found.setdefault(name, Silent(case, target, name, "ignored"))
                else:
                    found.pop(name, None)
                    tried[name] = TRIES
    yield from found.values()


def _lost_at(outcome: Outcome, place: str) -> bool:
    return any(_covers(_bare(loss), place) for loss, _ in outcome.lost)


def _bare(path: str) -> str:
    """A path without positions: losses of streams have none."""
    return re.sub(r"\[\d*\]", "", path)


def _streamed(case: OwnCase, target: str, planned: Plan, data: bytes, by: Translator) -> Outcome:
    made = by.stream(case.format, target, plan=planned)
    out = made.feed(data) + made.close()
    return Outcome(out.decode(), _lost(made.losses), made.error is not None)


def _leaves(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Every value: its path, what it stands in, itself. Nulls say nothing."""
    steps = document.items() if isinstance(document, dict) else enumerate(document or ())
    for step, value in list(steps):
        if isinstance(value, dict | list):
            yield from _leaves(value, (*path, step))
        elif value is not None:
            yield (*path, step), document, value


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}zz"


def _spelt(path: Path) -> str:
    """A path as losses have it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _named(document: Any, path: Path) -> str:
    """A path with the types of elements in place of their positions."""
    text = ""
    for step in path:
        document = document[step]
        text += f"[{_type(document)}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _type(element: Any) -> str:
    if not isinstance(element, dict):
        return ""
    return next((str(element[key]) for key in ("type", "role") if key in element), "")


def _covers(loss: str, path: str) -> bool:
    """Whether a loss at one path tells of another: it is the same, or what that stands in."""
    return path.startswith(loss) and path[len(loss) : len(loss) + 1] in ("", ".", "[")


def _lost(losses: list[Loss]) -> frozenset[tuple[str, str]]:
    return frozenset((loss.path, loss.reason) for loss in losses)


def _request(case: OwnCase, target: str, by: Translator) -> Translate:
    def run(body: Any) -> Outcome:
        try:
            made = request_of(replace(case, body=body), target, by)
        except Rejected as refusal:
            said = f"{refusal.status} {refusal.path} {refusal.reason}"
            return Outcome(said, refused=True)
        return Outcome(json.dumps([made.body, made.path, made.headers]), _lost(made.losses))

    return run


def _response(case: OwnCase, target: str, by: Translator) -> Translate:
    planned = plan(case, target, by)

    def run(body: Any) -> Outcome:
        try:
            answer = by.response(body, case.format, target, plan=planned)
        except UpstreamError as error:
            return Outcome(f"{error.kind} {error.message}", refused=True)
        return Outcome(json.dumps([answer.body, answer.error]), _lost(answer.losses))

    return run


_TRANSLATE = {"request": _request, "response": _response}


@dataclass(frozen=True)
class Redundant:
    """One row of the table: values that mean nothing, by glob."""

    kind: str
    source: str
    target: str
    path: str
    how: str
    why: str

    def takes(self, silent: Silent) -> bool:
        """Whether the row tells of this value."""
        pairs = (
            (self.kind, silent.case.kind),
            (self.source, silent.case.format),
            (self.target, silent.target),
            (self.path, silent.path),
        )
        return (self.how == "told") is silent.how.startswith("told") and all(
            re.fullmatch(_pattern(glob), text) for glob, text in pairs
        )


def _pattern(glob: str) -> str:
    """`*` is any run of characters, `a | b` is one of them, the rest is literal."""
    each = (re.escape(word.strip()).replace(r"\*", ".*") for word in glob.split("|"))
    return "|".join(f"(?:{word})" for word in each)
