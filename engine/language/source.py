"""YAML 1.2 core with positions.

``read(path)`` and ``parse(text, name)`` give a tree of :class:`Scalar`, :class:`Seq` and
:class:`Map`, each with the place it stands at; ``plain(node)`` the bare Python data. Duplicate
keys, tags, and what YAML 1.1 alone would have read otherwise (``on: `` as true, ``010`` as eight)
are dealt with here and nowhere else.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from engine.errors import MappingError


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One file: the name that messages show and the text they quote. Equal to itself only."""

    name: str
    lines: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pos:
    """A place in a file; line and column count from 1."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def problem(self, message: str) -> str:
        """The complete message: place, text, source line, caret."""
        lines = self.source.lines
        text = lines[self.line - 1] if 0 < self.line <= len(lines) else ""
        indent = len(text) - len(text.lstrip())
        caret = " " * max(0, self.column - 1 - indent) + "^"
        return f"{self}: {message}\n    {text.strip()}\n    {caret}"

    def error(self, message: str) -> NoReturn:
        """Raise a MappingError that points here."""
        raise MappingError([self.problem(message)])


@dataclass(frozen=True, slots=True)
class Scalar:
    """A YAML scalar. ``value`` as the 1.2 core schema reads it; ``plain`` when it was not
    quoted."""

    pos: Pos
    value: Any
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Seq:
    """A YAML list."""

    pos: Pos
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A YAML map, in the order of the file; keys are strings."""

    pos: Pos
    entries: tuple[tuple[Scalar, Node], ...]

    def get(self, key: str) -> Node | None:
        """The node under ``key``, or None."""
        for name, node in self.entries:
            if name.value == key:
                return node
        return None

    def keys(self) -> Iterator[str]:
        """The keys in the order of the file."""
        return (str(name.value) for name, _ in self.entries)


Node = Scalar | Seq | Map

# Longer integers are no numbers anywhere.
DIGITS = 400


# How deep maps and lists may lie in each other: more than any document needs, less than Python
# takes.
DEPTH = 48


class _Composing(yaml.composer.Composer):
    """Composes without aliases and without end."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node; what would grow without bound is refused."""
        event = self.peek_event()  # type: ignore[attr-defined]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None, None, "anchors and aliases are not part of this language", event.start_mark
            )
        if self.depth > DEPTH:
            raise yaml.composer.ComposerError(
                None, None, f"more than {DEPTH} levels of maps and lists", event.start_mark
            )
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Loader(_Composing, yaml.SafeLoader):
    """SafeLoader with the resolvers of YAML 1.2 core instead of those of 1.1."""


class _Quick(_Composing, yaml.CSafeLoader):
    """The same over libyaml's parser, several times faster; its messages are other ones."""

    def __init__(self, stream: str) -> None:
        yaml.CSafeLoader.__init__(self, stream)
        yaml.composer.Composer.__init__(self)


_RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", ("t", "T", "f", "F")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", tuple("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        tuple("-+0123456789."),
    ),
    ("null", r"null|Null|NULL|~|", ("n", "N", "~", "")),
):
    for _letter in _first:
        _RESOLVERS.setdefault(_letter, []).append(
            (f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"))
        )
_Loader.yaml_implicit_resolvers = _RESOLVERS
_Quick.yaml_implicit_resolvers = _RESOLVERS


def _composed(text: str) -> yaml.Node | None:
    """The nodes of a text. Raises yaml.YAMLError in the words of the Python parser."""
    try:
        return yaml.compose(text, Loader=_Quick)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=_Loader)


def read(path: Path, name: str | None = None) -> Node:
    """The tree of a file. Raises MappingError with every problem of it."""
    return tree(path.read_bytes(), name or str(path))


def tree(data: bytes, name: str) -> Node:
    """The tree of a file's bytes. Raises MappingError with every problem of it."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MappingError([f"{name}:1:1: not UTF-8 text ({error.reason})"]) from None
    return parse(text.replace("\r\n", "\n").replace("\r", "\n"), name)


def parse(text: str, name: str) -> Node:
    """The tree of a YAML text. Raises MappingError with every problem of it."""
    source = Source(name, tuple(text.splitlines()))
    try:
        composed = _composed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        pos = Pos(source, mark.line + 1, mark.column + 1) if mark else Pos(source, 1, 1)
        raise MappingError([pos.problem(_yaml_message(error, pos))]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line = before.count("\n") + 1
        pos = Pos(source, line, error.position - before.rfind("\n"))
        raise MappingError(
            [pos.problem(f"the character U+{ord(text[error.position]):04X} may not stand in YAML")]
        ) from None
    except RecursionError:
        raise MappingError([f"{name}:1:1: more than {DEPTH} levels of maps and lists"]) from None
    if composed is None:
        return Map(Pos(source, 1, 1), ())
    problems: list[str] = []
    node = _convert(composed, source, problems)
    if problems:
        raise MappingError(problems)
    return node


def plain(node: Node) -> Any:
    """The bare data of a tree: dicts, lists, strings, numbers, booleans, None."""
    if isinstance(node, Map):
        return {key.value: plain(value) for key, value in node.entries}
    if isinstance(node, Seq):
        return [plain(item) for item in node.items]
    return node.value


def suggest(word: str, known: Iterable[str]) -> str:
    """``, did you mean X?`` for the nearest known word, else the list of known ones when it is
    short."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f", did you mean {near[0]}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def _yaml_message(error: yaml.MarkedYAMLError, pos: Pos) -> str:
    """YAML's own words, and the usual cause when a formula or template broke the syntax."""
    words = (error.problem or "not YAML").strip()
    line = pos.source.lines[pos.line - 1] if pos.line <= len(pos.source.lines) else ""
    if "'\\t'" in words:
        return f"{words}; indent with blanks"
    if "aliases" in words:
        return f"{words}; write it out, or name it as a fragment or table"
    if "{{" in line:
        return f'{words}; quote the template: key: "{{{{ … }}}}"'
    if "mapping values are not allowed" in words or "= " in line:
        return f"{words}; put the expression on a line of its own (key: >-) or quote it"
    return words


def _convert(node: yaml.Node, source: Source, problems: list[str]) -> Node:
    pos = Pos(source, node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        entries: list[tuple[Scalar, Node]] = []
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = _convert(key_node, source, problems)
            value = _convert(value_node, source, problems)
            if not isinstance(key, Scalar):
                line = source.lines[key.pos.line - 1]
                what = 'the template: key: "{{ … }}"' if "{{" in line else "it"
                problems.append(key.pos.problem(f"a key must be a word; quote {what}"))
                continue
            name = "null" if key.value is None else str(key_node.value)
            if name in seen:
                problems.append(key.pos.problem(f"the key {name} stands here twice; remove one"))
                continue
            seen.add(name)
            if node.flow_style and name.endswith((")", "]")) and _nothing(value_node):
                problems.append(
                    key.pos.problem("a comma in a formula ends it in { … }; quote the formula")
                )
            entries.append((Scalar(key.pos, name, key.plain), value))
        return Map(pos, tuple(entries))
    if isinstance(node, yaml.SequenceNode):
        return Seq(pos, tuple(_convert(item, source, problems) for item in node.value))
    return _scalar(node, pos, problems)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # .inf and .nan
        return math.inf


def _nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style


def _scalar(node: Any, pos: Pos, problems: list[str]) -> Scalar:
    kind = node.tag.rpartition(":")[2]
    text = node.value
    unquoted = not node.style
    if kind == "str":
        return Scalar(pos, text, unquoted)
    if kind == "null":
        return Scalar(pos, None)
    if kind == "bool":
        return Scalar(pos, text.lower() == "true")
    if kind == "int" and len(text) <= DIGITS:
        return Scalar(pos, int(text, 0 if text[:2] in ("0o", "0x") else 10))
    if kind == "float" and math.isfinite(number := _float(text)):
        return Scalar(pos, number)
    if kind in ("int", "float"):
        problems.append(pos.problem("JSON has no such number; quote it if it is a text"))
        return Scalar(pos, 0)
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    problems.append(pos.problem(f"the tag {tag} is not part of this language; remove it"))
    return Scalar(pos, text)
