"""Tools of chat requests, and the choice among them."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.chat_content import MARKS, mark
from benchmarks.handwritten.common import (
    CHAT,
    Body,
    Losses,
    Refused,
    expect,
    inside,
    keep,
    keys,
    listed,
    looked_at,
    more,
    tree,
)

_CHOICES = {"auto": "auto", "required": "required", "any": "required", "none": "none"}
_TOOL = keys("type function")
_FUNCTION = keys("name description parameters strict")
_TOOL_TREE = tree(["type"], function=looked_at(**tree(_FUNCTION)), **MARKS)
_OLD_FUNCTION_TREE = tree(_FUNCTION, **MARKS)
_CUSTOM_TREE = tree(
    ["type"],
    custom=tree(
        ["name", "description"],
        format=tree(["type"], grammar=looked_at(syntax=None, definition=None)),
    ),
    **MARKS,
)
_ALLOWED = keys("type function custom")


def read_tools(wire: Body, ctx: Body) -> list[Body] | None:
    given, functions = wire.get("tools"), wire.get("functions")
    searching = wire.get("web_search_options")
    if given is None and functions is None and not searching:
        return None
    tools = [_tool(tool, ctx) for tool in listed(given)]
    for function in listed(functions):
        tool = _function(function)
        if not _FUNCTION.issuperset(function):
            mark(tool, function)
            keep(tool, function, _OLD_FUNCTION_TREE, CHAT)
        tools.append(tool)
    if searching:
        native = {CHAT: {"web_search_options": searching}}
        tools.append({"type": "hosted", "name": "web_search", "native": native})
    return tools


def _tool(tool: Any, ctx: Body) -> Body:
    kind = inside(tool, "type")
    if kind == "function" or kind is None:
        function = inside(tool, "function")
        made = _function(function)
        if not _TOOL.issuperset(tool) or not _FUNCTION.issuperset(function):
            mark(made, tool)
            keep(made, tool, _TOOL_TREE, CHAT)
        return made
    if kind == "custom":
        return _custom(tool, ctx)
    return {"type": "hosted", "name": kind, "native": {CHAT: tool}}


def _function(function: Any) -> Body:
    name = inside(function, "name")
    if name is None:
        raise Refused("is missing")
    tool: Body = {"type": "function", "name": expect(name, str, "string")}
    if (about := function.get("description")) is not None:
        tool["description"] = about
    if (schema := function.get("parameters")) is not None:
        tool["schema"] = schema
    if (strict := function.get("strict")) is not None:
        tool["strict"] = expect(strict, bool, "boolean")
    return tool


def _custom(tool: Body, ctx: Body) -> Body:
    made: Body = {"type": "custom"}
    custom = tool.get("custom")
    if type(custom) is dict:
        for key in ("name", "description"):
            if (value := custom.get(key)) is not None:
                made[key] = value
        form = custom.get("format")
        if grammar := inside(form, "grammar"):
            found = {key: inside(grammar, key) for key in ("syntax", "definition")}
            made["grammar"] = {key: value for key, value in found.items() if value is not None}
        own = inside(form, "type")
        if own is not None and ctx["client_format"] == ctx["upstream_format"]:
            made["native"] = {CHAT: {"custom": {"format": {"type": own}}}}
    mark(made, tool)
    keep(made, tool, _CUSTOM_TREE, CHAT)
    return made


def read_choice(choice: Any, lost: Losses) -> Body:
    if type(choice) is str:
        if choice not in _CHOICES:
            lost.append("tool_choice")
        return {"mode": _CHOICES.get(choice, "auto")}
    kind = inside(choice, "type")
    if kind == "function" or kind == "custom":
        made: Body = {"mode": "tool", "kind": kind}
        if (name := inside(choice.get(kind), "name")) is not None:
            made["name"] = name
        return made
    if kind == "allowed_tools":
        return _allowed(choice.get("allowed_tools"), lost)
    if name := inside(choice, "name"):
        return {"mode": "tool", "kind": "function", "name": name}
    made = {"mode": "tool", "kind": "hosted", "native": {CHAT: choice}}
    if kind is not None:
        made["name"] = kind
    return made


def _allowed(given: Any, lost: Losses) -> Body:
    names = []
    for tool in listed(inside(given, "tools")):
        function, custom = inside(tool, "function"), inside(tool, "custom")
        name = inside(function, "name")
        if name is None:
            name = inside(custom, "name")
        if name is not None:
            names.append(name)
        if (
            type(tool) is not dict
            or more(tool, _ALLOWED)
            or any(type(each) is dict and more(each, keys("name")) for each in (function, custom))
        ):
            lost.append("tool_choice")
    mode = inside(given, "mode")
    return {"mode": "allowed", "subset_mode": "auto" if mode is None else mode, "names": names}
