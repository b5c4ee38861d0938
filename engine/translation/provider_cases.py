"""Cases beside the providers: ``providers/<name>.test.yaml``, run by ``ai-proxy providers test``,
``ai-proxy check``, at every reload, and by the tests.

A case is what a client asks, and what the provider gets for it, and if it likes what the provider
answers, and what the client gets for that::

    cases:
      - name: effort is one of three words
        from: openai-chat           # the client's wire format
        to: openai-chat             # the provider's; default: the client's where it has that
        model: acme-think-1         # as the provider calls it
        request: { … }
        sends: { … }                # or rejected: part of the sentence
        losses: [seed]              # paths of the client's request; default: not looked at
        answer: { … }
        gives: { … }

Without ``sends``, ``rejected`` and ``gives`` the whole outcome is held against the file
``snapshots/<name>/<case>.json`` beside it, for people to review.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.language.envelope import check
from engine.language.source import plain, suggest
from engine.translation import jsontext
from engine.translation.case_files import gather, rows
from engine.translation.differing import difference
from engine.translation.translator import Translator

SUFFIX = ".test.yaml"
SCHEMA: dict[str, Any] = {
    "name": {"type": "string", "required": True},
    "from": {"type": "string", "required": True},
    "to": {"type": "string"},
    "model": {"type": "string"},
    "stream": {"type": "boolean"},
    "options": {"type": "dict"},
    "request": {"type": "dict", "required": True},
    "path": {"type": "string"},
    "sends": {"type": "dict"},
    "rejected": {"type": "string"},
    "losses": {"type": "list", "schema": {"type": "string"}},
    "answer": {"type": "dict"},
    "gives": {"type": "dict"},
}
# The time of all cases: answers may hold it.
NOW = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One case. ``place`` is ``file:line:column``; ``data`` its keys; ``snapshot`` the file of its
    outcome."""

    provider: str
    place: str
    name: str
    data: dict[str, Any]
    snapshot: Path

    @property
    def reviewed(self) -> bool:
        """Whether its outcome stands in the snapshot and not in the case."""
        return not self.data.keys() & {"sends", "rejected", "gives"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case, as its snapshot holds it. ``wrong`` is empty when it holds."""

    case: Case
    result: dict[str, Any]
    wrong: str

    def text(self) -> bytes:
        """The snapshot."""
        return (json.dumps(self.result, indent=2, ensure_ascii=False) + "\n").encode()


def load(folders: Iterable[Path], provider: str | None = None) -> list[Case]:
    """All cases of provider folders, or those of one provider, in the order of the files.

    Raises MappingError.
    """
    files = (path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}")))
    own = (path for path in files if provider in (None, path.name.removesuffix(SUFFIX)))
    return gather(own, _file)


def _file(path: Path) -> Iterator[Case]:
    name = path.name.removesuffix(SUFFIX)
    for item in rows(path):
        data = check(item, SCHEMA)
        raw = plain(item)
        slug = re.sub(r"[^a-z0-9]+", "-", data["name"].lower()).strip("-")
        snapshot = path.parent / "snapshots" / name / f"{slug}.json"
        yield Case(name, str(item.pos), data["name"], raw, snapshot)


def run(translator: Translator, case: Case) -> Outcome:
    """Run one case."""
    data = case.data
    who = translator.providers.get(case.provider)
    if who is None:
        known = suggest(case.provider, translator.providers)
        return Outcome(case, {}, f"there is no provider {case.provider}{known}")
    for side in (data["from"], data.get("to", who.format)):
        if side not in translator.formats:
            return Outcome(case, {}, f"there is no wire format {side}")
    fixed = translator.at(NOW)
    wire = data.get("to") or (data["from"] if data["from"] in who.wires else who.format)
    result: dict[str, Any] = {}
    try:
        made = fixed.request(
            data["request"],
            source=data["from"],
            target=wire,
            provider=case.provider,
            model=data.get("model"),
            stream=data.get("stream"),
            options=data.get("options"),
        )
    except Rejected as error:
        result["rejected"] = str(error)
        return Outcome(case, result, _wrong(case, result))
    result["request"] = {
        "path": made.path,
        "headers": made.headers,
        "body": made.body,
        "losses": [_told(loss) for loss in made.losses],
    }
    if "answer" in data:
        try:
            answer = fixed.response(data["answer"], wire, data["from"], plan=made.plan)
        except UpstreamError as error:
            result["answer"] = {"unusable": str(error)}
        else:
            losses = [_told(loss) for loss in answer.losses]
            result["answer"] = {"body": answer.body, "losses": losses}
    return Outcome(case, result, _wrong(case, result))


def _told(loss: Any) -> dict[str, str]:
    # places of rules move with every edit
    return {key: value for key, value in loss.as_dict().items() if key not in ("rule", "side")}


def _wrong(case: Case, result: dict[str, Any]) -> str:
    data = case.data
    if case.reviewed:
        return _differs(case, result)
    refusal = result.get("rejected")
    if "rejected" in data:
        if refusal is None:
            return "accepted what it should refuse"
        return "" if data["rejected"] in refusal else f"refused with other words: {refusal}"
    if refusal is not None:
        return f"refused: {refusal}"
    made, answer = result["request"], result.get("answer", {})
    lost = [loss["path"] for loss in made["losses"]]
    if "path" in data and data["path"] != made["path"]:
        return f"goes to {made['path']}"
    if "sends" in data and data["sends"] != made["body"]:
        return f"sends something else: {difference(made['body'], data['sends'])}"
    if "losses" in data and sorted(data["losses"]) != sorted(lost):
        return f"loses {lost}, not {data['losses']}"
    if "gives" in data and data["gives"] != answer.get("body"):
        if "body" not in answer:
            return f"has an answer that cannot be used: {answer.get('unusable')}"
        return f"gives something else: {difference(answer['body'], data['gives'])}"
    return ""


def _differs(case: Case, result: dict[str, Any]) -> str:
    try:
        known = jsontext.loads(case.snapshot.read_bytes())
    except FileNotFoundError:
        return f"has no snapshot {case.snapshot}"
    except (OSError, jsontext.JsonError) as error:
        return f"its snapshot {case.snapshot} cannot be read: {error}"
    if known == result:
        return ""
    return f"differs from its snapshot {case.snapshot}: {difference(result, known)}"
