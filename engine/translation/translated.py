"""What a translation gives: a request for an upstream, an answer for a client, and why they are so.

Explanations, and losses that the code which served cannot tell, run the halves once more, traced,
and only when somebody asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from engine.language.lost import Said
from engine.language.sections import Section
from engine.translation import memory
from engine.translation.losses import Copied, Loss, explained, told, told_at_once
from engine.translation.plan import Ctx, Plan
from engine.translation.runs import Moved, Run, Side
from engine.translation.spelling import Spelling

Body = dict[str, Any]


class Half:
    """One section applied to one document: everything needed to run it again, traced. ``given``:
    the document, the client's body, the plan's data and ``ctx``."""

    # a path of the document as its sender spells it: the spelling, and what it was read of
    spelling: tuple[Spelling, Body] | None = None
    # what is done to the result in place
    then: Callable[[Any, memory.Moved], None] | None = None
    # what the last run lost
    lost: Sequence[Said] = ()

    def __init__(self, section: Section, document: Any, client: Body, plan: Body, ctx: Ctx) -> None:
        self.section = section
        self.given = (document, client, plan, ctx)

    @property
    def document(self) -> Any:
        """What is read."""
        return self.given[0]

    def run(self) -> Any:
        """The result. Raises Refusal and Defect."""
        result, self.lost = self.section.run(*self.given)
        return result

    def spelt(self, path: str) -> str:
        """A path of the document as its sender spells it."""
        if self.spelling is None:
            return path
        spelling, said = self.spelling
        return spelling.told(path, said)

    def sure(self) -> Side | None:
        """What the last run lost, as it was told at once; None where tracing has to tell."""
        found = self.section.told(self.lost, self.document)
        return None if found is None else Side(found, self.section.program.rules)

    def trace(self) -> Run:
        result, trace = self.section.trace(*self.given)
        if self.then is not None:
            self.then(result, trace.placed)
        return Run(self.section.traced.rules, result, trace)


def losses(read: Half, write: Half | None, side: str, moved: Moved | None = None) -> list[Loss]:
    """What the last runs lost, by paths of the document that was read. Only what the code that
    served cannot tell is found by tracing."""
    if not read.lost and (write is None or not write.lost):
        return []
    first, second = read.sure(), Side([], ()) if write is None else write.sure()
    if first is not None and second is not None and not moved:
        canonical = None if write is None else write.document
        copied = Copied(read.section.sources, read.document, canonical)
        found = told_at_once(first, second, copied, side)
        if found is not None:
            return found
    if write is None:
        return told(read.trace(), None, side)
    # where the canonical document came from has to be traced; what was lost of it is often known
    return told(read.trace(), second or write.trace().side, side, moved)


@dataclass
class Translated:
    """A request for the upstream. ``losses`` and ``explain()`` are found when they are asked
    for."""

    body: Body
    path: str
    headers: dict[str, str]
    plan: Plan
    _read: Half
    _write: Half
    _again: Callable[[], Translated]
    _moved: Moved
    _renamed: Mapping[str, str]
    _losses: list[Loss] | None = None

    @property
    def wanted(self) -> list[str]:
        """The keys of what the client may have lost since an answer: of texts that its ``keep``
        held."""
        return memory.wanted(self.plan.canonical, self.plan.vendor) if self.plan.signs else []

    def recalled(self, found: Mapping[str, str]) -> Translated:
        """The same request with what was kept put back; this one is used up. Raises Rejected."""
        then = partial(memory.restore, vendor=self.plan.vendor, found=found)
        then(self.plan.canonical, moved=lambda before, after: None)
        after = self._read.then

        def done(result: Any, moved: memory.Moved) -> None:
            then(result, moved=moved)
            if after is not None:
                after(result, moved)

        self._read.then = done
        return self._again()

    @property
    def losses(self) -> list[Loss]:
        """What did not get across, by the client's own paths."""
        if self._losses is None:
            found = losses(self._read, self._write, "request", self._moved)
            self._losses = [replace(loss, path=self._read.spelt(loss.path)) for loss in found]
        return self._losses

    def explain(self) -> list[dict[str, Any]]:
        """Every field of the body: ``{out, in: [paths], rule, how}``."""
        rows = explained(self._read.trace(), self._write.trace(), moved=self._moved)
        named = self._renamed
        return [
            {
                **row,
                "out": re.sub(r"^\w+", lambda key: named.get(key[0], key[0]), row["out"]),
                "in": [self._read.spelt(path) for path in row["in"]],
            }
            for row in rows
        ]


@dataclass
class Answer:
    """A whole answer for the client. ``losses`` and ``explain()`` are found when they are asked
    for."""

    body: Body
    plan: Plan
    _read: Half
    _write: Half
    _losses: list[Loss] | None = None

    @property
    def error(self) -> Body | None:
        """The canonical error, when a 200 answer held one."""
        found: Body | None = self._write.document.get("error")
        return found

    @property
    def usage(self) -> Body | None:
        """The canonical counts, as far as the upstream told them."""
        found: Body | None = self._write.document.get("usage")
        return found

    @property
    def keep(self) -> dict[str, str]:
        """What the next request may want and the client may lose: texts by their keys."""
        plan, choices = self.plan, self._write.document.get("choices") or ()
        if not plan.signs:
            return {}
        return memory.keep(plan.read, plan.vendor, [each["parts"] for each in choices])

    @property
    def losses(self) -> list[Loss]:
        """What did not get across, by the upstream's paths."""
        if self._losses is None:
            self._losses = losses(self._read, self._write, "response")
        return self._losses

    def explain(self) -> list[dict[str, Any]]:
        """Every field of the body: ``{out, in: [paths], rule, how}``."""
        return explained(self._read.trace(), self._write.trace())
