"""The bytes around one piece of text, for the pieces that follow it.

Most of a stream is one event over and over with another text in it. Where the rules that took it
are steady (engine/language/steady.py), where nothing on its way is held back and nothing was lost,
the next one gives the same bytes around its own text. A stencil holds these bytes, the upstream's
and the client's; an event that does not fit goes the long way.

Events may differ in more than their text: in numbers that count them, in padding. What no rule
reads may be anything of its kind; that it differs is seen from two events that follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.language.events import Looks, Path
from engine.translation.framing import Frame
from engine.translation.jsontext import JsonError, ascii_json, dumps, loads, read_list, read_scalar

Event = dict[str, Any]

# Stands for the text while the bytes around it are looked for. Where it comes up besides, no
# stencil is made.
PROBE = "\u2591 the text \u2591"
PROBED = PROBE.encode()

MAX_BYTES = 8192
"""Of one event; what there is to save is little beside the cost of a longer one."""
TRIES = 8
"""So many times in a row a stream tries to make one that is of use; then it makes no more."""
_MAX_HOLES = 4
_MAX_LEAVES = 64
_MAX_PLACES = 16


class Stencil:
    """What events of one kind become.

    ``holes``: the upstream's bytes before each value that differs, and the value's kind, None for
    the text; ``after`` is what follows the last. ``written``: the client's bytes before and after
    the text. Each of ``told`` is called with each text.
    """

    __slots__ = (
        "_after",
        "_alone",
        "_before",
        "_end",
        "_head",
        "_holes",
        "_name",
        "_start",
        "_tail",
        "_told",
        "event",
        "uses",
    )

    def __init__(
        self,
        event: Event,
        name: str | None,
        holes: list[tuple[bytes, type | None]],
        after: bytes,
        written: tuple[bytes, bytes],
        told: list[Callable[[str], None]],
    ) -> None:
        self.event = event
        self.uses = 0
        self._name = name
        self._before = holes[0][0]
        self._start, self._end = len(self._before), -len(after)
        self._holes = holes
        self._alone = len(holes) == 1
        self._after = after
        self._head, self._tail = written
        self._told = told

    def fill(self, frames: list[Frame], start: int, out: list[bytes]) -> int:
        """Write what the frames from ``start`` on become, as far as they fit; the position of the
        first that does not."""
        first, before, after = self._name, self._before, self._after
        begin, end = self._start, self._end
        holes: list[bytes] = []
        for position in range(start, len(frames)):
            name, data = frames[position]
            if name != first or not data.startswith(before) or not data.endswith(after):
                break
            hole = data[begin:end] if self._alone else self._among(data)
            if not hole:
                break
            holes.append(hole)
        spelled, texts = _spelled(holes)
        if spelled:
            out.append(self._head + (self._tail + self._head).join(spelled) + self._tail)
            self.uses += len(spelled)
            for tell in self._told:
                for text in texts:
                    tell(text)
        return start + len(spelled)

    def _among(self, data: bytes) -> bytes | None:
        """The text's bytes, where other values that differ stand beside it."""
        text = None
        start, stop = self._start, len(data) + self._end
        for position, (_, kind) in enumerate(self._holes, 1):
            between = self._holes[position][0] if position < len(self._holes) else b""
            end = data.find(between, start, stop) if between else stop
            if end < 0:
                return None
            if kind is None:
                text = data[start:end]
            elif type(read_scalar(data[start:end])) is not kind:
                return None
            start = end + len(between)
        return text


def _spelled(holes: list[bytes]) -> tuple[list[bytes], list[str]]:
    """The insides of JSON texts as they are written here, and the texts, up to the first that is
    none."""
    together = b'","'.join(holes)
    if b"\\" not in together:
        # nothing to be spelled otherwise, and a quote in one would show as another text
        texts = read_list(b'["%b"]' % together)
        if texts is not None and len(texts) == len(holes):
            return holes, texts
    spelled, texts = [], []
    for hole in holes:
        text = read_scalar(b'"%b"' % hole)
        if type(text) is not str:
            break
        texts.append(text)
        spelled.append(dumps(text)[1:-1])
    return spelled, texts


def stencil(
    event: Event,
    frame: Frame,
    holes: list[Path],
    event_name: str | None,
    written: tuple[bytes, bytes],
    told: list[Callable[[str], None]],
) -> Stencil | None:
    """The stencil of an event, with the text at the first of ``holes``; None where its bytes do not
    tell where they are. ``event_name``: the key that a frame's name is read to."""
    name, data = frame
    wanted = event
    tokens: dict[bytes, type | None] = {}  # the text's is what stands between its quotes
    for number, path in enumerate(holes):
        mark = f"{PROBE}{number}"
        value, token = _at(event, path), dumps(mark)
        wanted = put(wanted, path, mark)
        place = (data, token, wanted, (event_name, name))
        found = _replaced(dumps(value), *place) or _replaced(ascii_json(value), *place)
        if found is None:
            return None
        data = found
        tokens[token if number else token[1:-1]] = type(value) if number else None
    pieces: list[tuple[bytes, type | None]] = []
    for token in sorted(tokens, key=data.index):
        before, _, data = data.partition(token)
        pieces.append((before, tokens[token]))
    return Stencil(event, name, pieces, data, written, told)


def _replaced(
    raw: bytes, data: bytes, token: bytes, wanted: Event, name: tuple[str | None, str | None]
) -> bytes | None:
    """The bytes with a token in the place of a value, so that they are the document that is
    wanted."""
    at = data.find(raw)
    for _ in range(_MAX_PLACES):
        if at < 0:
            return None
        made = data[:at] + token + data[at + len(raw) :]
        try:
            document = loads(made)
        except JsonError:
            document = None
        if type(document) is dict:
            if name[0] is not None and name[1] is not None:
                document.setdefault(*name)
            if document == wanted:
                return made
        at = data.find(raw, at + 1)
    return None


def placed(event: Event, text: str, looks: Looks) -> Path | None:
    """Where in an event this very text stands, if it may be any other there."""
    found = [path for path, value in _leaves(event) if value is text]
    return found[0] if len(found) == 1 and looks.copies(found[0]) else None


def differing(one: Event, other: Event, text: Path, looks: Looks) -> list[Path]:
    """The paths, beside that of the text, at which two events differ in what no rule reads; none
    where they differ in more."""
    mine, others = dict(_leaves(one)), dict(_leaves(other))
    if mine.keys() != others.keys() or len(mine) > _MAX_LEAVES:
        return []
    found = [path for path in mine if path != text and mine[path] != others[path]]
    fine = all(
        looks.passes(path) and type(mine[path]) is type(others[path]) and _is_scalar(mine[path])
        for path in found
    )
    return found if fine and len(found) < _MAX_HOLES else []


def put(event: Event, path: Path, value: object) -> Event:
    """The event with another value at a path."""
    key, *rest = path
    made: Any = event.copy()
    made[key] = put(made[key], (*rest,), value) if rest else value
    changed: Event = made
    return changed


def _at(event: Any, path: Path) -> Any:
    for key in path:
        event = event[key]
    return event


def _is_scalar(value: object) -> bool:
    return type(value) in (str, int, float)


def _leaves(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values that hold no others, each with its path; empty objects are such."""
    if type(node) is dict and node:
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    elif type(node) is list and node:
        for position, value in enumerate(node):
            yield from _leaves(value, (*path, position))
    else:
        yield path, node
