"""Reading a configuration file: variables, validation, and the place of each problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cerberus

from engine.gateway.schema import SCHEMA
from engine.gateway.settings import UNSET
from engine.gateway.wording import SAY
from engine.language.source import Map, Node, Pos, Seq, suggest

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class ConfigFile:
    """One reading of one file; collects problems instead of stopping at the first.

    ``folder`` is where relative paths start, ``read`` the files that its secrets came from.
    """

    def __init__(self, tree: Node, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.problems: list[tuple[Pos, str]] = []
        self.read: list[Path] = []
        self._tree = tree
        self._environ = environ

    def problem(self, path: tuple[Any, ...], message: str, at_key: bool = False) -> None:
        """Something at this path, or its key, does not hold."""
        pos = _locate(self._tree, path, at_key)
        self.problems.append((pos, pos.problem(message)))

    def in_order(self) -> list[str]:
        """All problems, as they stand in the file."""
        ordered = sorted(self.problems, key=lambda found: (found[0].line, found[0].column))
        return [text for _, text in ordered]

    def validated(self) -> dict[str, Any] | None:
        """The data with variables expanded and defaults filled in; None when it does not hold."""
        if not isinstance(self._tree, Map):
            self.problem((), "the configuration must be a map of keys")
            return None
        data = self._expand(self._tree, ())
        validator = cerberus.Validator(SCHEMA)
        if not validator.validate(data):
            for error in validator._errors:
                self._report(error)
        return None if self.problems else dict(validator.document)

    def _expand(self, node: Node, path: tuple[Any, ...]) -> Any:
        if isinstance(node, Map):
            return {
                key.value: self._expand(value, (*path, key.value)) for key, value in node.entries
            }
        if isinstance(node, Seq):
            return [self._expand(item, (*path, index)) for index, item in enumerate(node.items)]
        value = node.value
        if not isinstance(value, str):
            return value
        switch = _switches_off(path)
        unset = [
            name
            for name, default in _VARIABLE.findall(value)
            if name not in self._environ and f"${{{name}:-" not in value
        ]
        if unset and switch:
            return UNSET + unset[0]
        for name in unset:
            self.problem(
                path, f"the variable {name} is not set; set it or write ${{{name}:-default}}"
            )
        expanded = _VARIABLE.sub(lambda found: self._environ.get(found[1], found[2] or ""), value)
        if switch and not expanded and value and path[-1] != "token":
            return UNSET + ", ".join(name for name, _ in _VARIABLE.findall(value))
        return expanded

    def providers(self, data: Mapping[str, Any]) -> Map | None:
        """What is said of providers, with its places; the texts as they came out of variables."""
        node = self._tree.get("providers") if isinstance(self._tree, Map) else None
        if not isinstance(node, Map):
            return None
        made = _filled(node, data)
        assert isinstance(made, Map)
        return made

    def _report(self, error: Any) -> None:
        """One Cerberus error, in our words, at its place."""
        path: tuple[Any, ...] = error.document_path
        key = path[-1] if path else ""
        if error.child_errors and error.rule != "anyof":
            for child in error.child_errors:
                self._report(child)
            return
        if error.code == 3:  # unknown field
            known = _keys_at(path[:-1])
            self.problem(path, f"unknown key {key}{suggest(str(key), known)}", at_key=True)
            return
        say = SAY.get(error.rule, lambda _: "does not hold")
        self.problem(path, f"{key}: {say(error)}" if isinstance(key, str) else say(error))

    def secret(self, text: str, path: tuple[Any, ...]) -> str:
        """A secret as written, or the content of the file that ``file:PATH`` names."""
        if not text.startswith("file:"):
            return text
        file = self.folder / text.removeprefix("file:")
        self.read.append(file)
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            self.problem(path, f"the file {file} cannot be read")
            return ""
        if not secret:
            self.problem(path, f"the file {file} is empty")
        return secret


def _switches_off(path: tuple[Any, ...]) -> bool:
    """Whether an unset variable at this place only switches its credential off."""
    if len(path) < 3 or path[0] != "credentials":
        return False
    return path[2:] == ("api-key",) or (len(path) == 4 and path[2] == "signing")


def _filled(node: Node, data: Any) -> Node:
    """The tree with the values of ``data``, which has its shape."""
    if isinstance(node, Map):
        return Map(node.pos, tuple((key, _filled(n, data[key.value])) for key, n in node.entries))
    if isinstance(node, Seq):
        return Seq(node.pos, tuple(map(_filled, node.items, data)))
    return replace(node, value=data)


def _keys_at(path: tuple[Any, ...]) -> list[str]:
    """The keys that the schema knows at a place."""
    rules: Any = SCHEMA
    for step in path:
        if isinstance(step, int):
            continue
        rule = rules.get(step, {})
        rules = rule.get("schema", {})
        if rule.get("type") == "list":
            rules = rules.get("schema", {})
    return list(rules)


def _locate(node: Node, path: tuple[Any, ...], at_key: bool = False) -> Pos:
    """The place of a value, or of its key; of the deepest part of the path that the file holds."""
    for index, step in enumerate(path):
        below: Node | None = None
        if isinstance(node, Map):
            key = next((key for key, _ in node.entries if key.value == step), None)
            if key is not None and at_key and index == len(path) - 1:
                return key.pos
            below = node.get(str(step))
        elif isinstance(node, Seq) and isinstance(step, int) and step < len(node.items):
            below = node.items[step]
        if below is None:
            break
        node = below
    return node.pos
