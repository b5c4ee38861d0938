"""The outer form of YAML files: Cerberus schemas, with the place of every mistake.

Only for envelopes (file keys, facts, settings). The trees of mappings are checked by the compiler:
a recursive schema ends in RecursionError in Cerberus 1.3.8.
"""

from __future__ import annotations

from typing import Any

from engine.errors import MappingError
from engine.language.source import Map, Node, Pos, Seq, plain, suggest

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "float": "a number",
    "number": "a number",
    "boolean": "true or false",
    "dict": "a map",
    "list": "a list",
}


def check(node: Node, schema: dict[str, Any]) -> dict[str, Any]:
    """The data of a file, defaults filled in. Raises MappingError with every mistake and its
    place."""
    if not isinstance(node, Map):
        node.pos.error("a map of keys is wanted here")
    # slow to import, and needed for new files only
    import cerberus

    validator = cerberus.Validator(schema, require_all=False)
    if validator.validate(plain(node)):
        return dict(validator.document)
    problems: list[tuple[int, int, str]] = []
    _collect(node, schema, validator._errors, problems)
    raise MappingError([text for *_, text in sorted(problems)])


def _collect(
    node: Map, schema: dict[str, Any], errors: list[Any], problems: list[tuple[int, int, str]]
) -> None:
    for error in errors:
        children = error.child_errors
        if children and error.code not in (0x91, 0x92, 0x93, 0x94):
            _collect(node, schema, children, problems)
            continue
        pos, key = _place(node, error.document_path)
        problems.append((pos.line, pos.column, pos.problem(_words(error, key, schema))))


def _words(error: Any, key: str, schema: dict[str, Any]) -> str:
    if error.code == 0x03:
        return f"unknown key {key}{suggest(key, _known(schema, error.schema_path))}"
    if error.code == 0x02:
        return f"the key {key} is missing"
    if error.code == 0x24:
        wanted = error.constraint
        wanted = wanted if isinstance(wanted, list | tuple) else [wanted]
        return f"{key} must be {' or '.join(_TYPES.get(str(word), str(word)) for word in wanted)}"
    if error.code in (0x42, 0x43):
        return f"{key} must be at {'least' if error.code == 0x42 else 'most'} {error.constraint}"
    if error.code in (0x44, 0x45, 0x46, 0x47):
        allowed = ", ".join(str(word) for word in error.constraint)
        return f"{key} must be one of: {allowed}"
    return f"{key} does not hold: {error.rule} {error.constraint}"


def _known(schema: dict[str, Any], path: tuple[Any, ...]) -> list[str]:
    at: Any = schema
    for key in path[:-1]:
        at = at.get(key, {}) if isinstance(at, dict) else {}
    return [str(key) for key in at] if isinstance(at, dict) else []


def _place(node: Node, path: tuple[Any, ...]) -> tuple[Pos, str]:
    """The place of a path, as near as it exists, and its last key."""
    pos = node.pos
    at: Node | None = node
    for key in path:
        if isinstance(at, Map):
            found = next(((name, value) for name, value in at.entries if name.value == key), None)
            if found is None:
                break
            pos, at = found[0].pos, found[1]
        elif isinstance(at, Seq) and isinstance(key, int) and key < len(at.items):
            at = at.items[key]
            pos = at.pos
        else:
            break
    return pos, _name(path)


def _name(path: tuple[Any, ...]) -> str:
    """What stands at the end of a path: a key, or of a list one element."""
    if not path:
        return "the file"
    end = next((at for at in range(len(path) - 1, -1, -1) if not isinstance(path[at], int)), 0)
    return str(path[end]) + "".join(f"[{number}]" for number in path[end + 1 :])
