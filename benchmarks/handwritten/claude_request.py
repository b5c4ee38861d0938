"""Canonical requests as Claude ones: everything but the conversation itself."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.claude_blocks import (
    Marks,
    extras,
    instruction,
    mark,
    messages,
)
from benchmarks.handwritten.claude_thinking import effort_of, mode_of, own_effort, thought
from benchmarks.handwritten.common import CLAUDE, Body, Losses, Refused, inside, keys, more
from engine.language.saying import is_a, wrong
from engine.language.schemas import Profiles
from engine.translation.functions import alias_names

_OLD = "2023-06-01"
_CHOICES = {"auto": "auto", "required": "any", "tool": "tool"}
_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"}
# What other formats ask for and Claude does not know.
_UNKNOWN = keys(
    "seed frequency_penalty presence_penalty logit_bias logprobs top_logprobs metadata verbosity"
)
_KNOWN = _UNKNOWN | keys(
    "turns max_output thinking effort budget show_thinking tools tool_choice instructions cache"
    " model cache_key parallel output warm stop n temperature top_p top_k user tier modalities"
    " stream store"
)
_CHOICE = keys("mode subset_mode names name kind")
_OUTPUT = keys("name strict type schema description")
_FUNCTION = keys("type name description schema strict")
_ANY_FUNCTION = _FUNCTION | keys("cache examples deferred")
_CUSTOM = keys("type name description grammar cache")
_HOSTED = keys("type name native cache")
_ANY_JSON = {"type": "text", "text": "Answer with one JSON object and nothing else."}


class Requests:
    """Writes requests; ``profiles`` rewrite JSON Schemas."""

    def __init__(self, profiles: Profiles) -> None:
        self._loose = profiles[CLAUDE].rewrite
        self._strict = profiles["claude-strict"].rewrite

    def plan(self, request: Body, ctx: Body) -> Body:
        """What the answer must know of the request that was written."""
        plan: Body = {}
        tools = request.get("tools")
        if tools:
            names = alias_names(
                [tool["name"] for tool in tools if tool["type"] != "hosted" and "name" in tool],
                "^[A-Za-z0-9_-]+$",
                128,
            )
            if names:
                plan["names"] = names
                plan["names_back"] = {alias: name for name, alias in names.items()}
            if custom := {tool["name"]: True for tool in tools if tool["type"] == "custom"}:
                plan["custom"] = custom
        output = request.get("output")
        if output is not None and output["type"] == "schema" and not ctx["limits"]["structured"]:
            plan["structured"] = output.get("name") or "response"
        return plan

    def write(self, request: Body, client: Body, plan: Body, ctx: Body) -> tuple[Body, Losses]:
        """The Claude request, and what was lost on the way. Raises Refused."""
        lost: Losses = []
        limits = ctx["limits"]
        own = client if ctx["client_format"] == ctx["format"] else None
        turns = request.get("turns") or []
        spoken = [turn for turn in turns if turn["role"] != "instruction"]
        marks = Marks.of(request, ctx["options"].get("cache-ttl"))
        most = _most(request, limits, lost)
        theirs = own_effort(request, own)
        mode = mode_of(request, limits, ctx["vendor"], spoken, most, theirs)
        out: Body = {"max_tokens": 0 if request.get("warm") else most}
        _put(out, "model", ctx["model"])
        if spoken:
            system = self._system(request, turns, limits, marks, lost)
            if system:
                out["system"] = system
        said = messages(request, turns, spoken, plan, ctx, marks, lost)
        if said is not None:
            out["messages"] = said
        tools = request.get("tools")
        if tools or plan:
            written = self._tools(request, plan, ctx, own, marks, lost)
            if written:
                out["tools"] = written
        self._choice(request, out, plan, ctx, own, mode, lost)
        self._thinking(request, out, limits, mode, most, theirs, lost)
        output = request.get("output")
        if output is not None:
            self._format(output, out, limits, lost)
        _sampling(request, out, limits, mode, ctx, lost)
        if (cache := request.get("cache")) is not None:
            out["cache_control"] = mark(cache, True, marks, lost)
        elif ctx["options"].get("auto-cache") and not marks.count:
            out["cache_control"] = {"type": "ephemeral"}
        if (stop := request.get("stop")) is not None:
            kept = [text for text in stop if text.strip()]
            if len(kept) < len(stop):
                lost.append("stop")
            if kept:
                out["stop_sequences"] = kept
        if (user := request.get("user")) is not None:
            out["metadata"] = {"user_id": user}
        if (stream := request.get("stream")) is not None:
            out["stream"] = stream
        _others(request, out, own, lost)
        if not _KNOWN.issuperset(request):
            extras(out, request, _KNOWN, lost)
        return out, lost

    # ------------------------------------------------------------------------ instructions

    def _system(
        self, request: Body, turns: list[Body], limits: Body, marks: Marks, lost: Losses
    ) -> list[Body]:
        system: list[Body] = []
        rank = marks.tools
        for block in request.get("instructions") or ():
            written = instruction(block, rank >= marks.surplus, marks, lost)
            if written is not None:
                system.append(written)
            rank += "cache" in block
        if not limits["late_system"]:
            for turn in turns:
                if turn["role"] != "instruction":
                    continue
                lost.append("turns")
                for block in turn["parts"]:
                    written = instruction(block, True, marks, lost)
                    if written is not None:
                        system.append(written)
        output = request.get("output")
        if output is not None and output["type"] == "json":
            lost.append("output")
            system.append(_ANY_JSON)
        return system

    # ------------------------------------------------------------------------ tools

    def _tools(
        self,
        request: Body,
        plan: Body,
        ctx: Body,
        own: Body | None,
        marks: Marks,
        lost: Losses,
    ) -> list[Body]:
        tools: list[Body] = []
        choice = request.get("tool_choice")
        chosen = None
        if choice is not None and choice["mode"] == "allowed":
            chosen = choice.get("names") or ()
        theirs = own.get("tools") if own else None
        rank = 0
        for position, tool in enumerate(request.get("tools") or ()):
            if chosen is not None and tool.get("name") not in chosen:
                lost.append("tools")
                continue
            word = None
            if type(theirs) is list and position < len(theirs):
                word = inside(theirs[position], "type")
            written = self._tool(tool, word, plan, ctx, rank >= marks.surplus, marks, lost)
            if written is not None:
                tools.append(written)
            rank += "cache" in tool
        if name := plan.get("structured"):
            output = request["output"]
            lost.append("output")
            about = output.get("description")
            made: Body = {
                "name": name,
                "description": "Call this tool to give the answer." if about is None else about,
            }
            if (schema := output.get("schema")) is not None:
                made["input_schema"] = self._schema(schema, False, lost)
            tools.append(made)
        return tools

    def _tool(
        self,
        tool: Body,
        word: str | None,
        plan: Body,
        ctx: Body,
        kept: bool,
        marks: Marks,
        lost: Losses,
    ) -> Any:
        kind = tool["type"]
        if kind == "hosted":
            return _hosted(tool, ctx, lost)
        name = tool.get("name")
        if names := plan.get("names"):
            name = names.get(name, name)
        made: Body = {"name": name}
        if kind == "custom":
            return self._custom(tool, made, kept, marks, lost)
        if word is not None:
            made["type"] = word
        if (about := tool.get("description")) is not None:
            made["description"] = about
        strict, structured = tool.get("strict"), ctx["limits"]["structured"]
        schema = tool.get("schema")
        if schema is None:
            made["input_schema"] = {"type": "object", "properties": {}}
        else:
            made["input_schema"] = self._schema(schema, strict and structured, lost)
        if strict is not None:
            if structured:
                made["strict"] = strict
            elif strict:
                lost.append("strict")
        if not _FUNCTION.issuperset(tool):
            if (cache := tool.get("cache")) is not None:
                _put(made, "cache_control", mark(cache, kept, marks, lost))
            _put(made, "input_examples", tool.get("examples"))
            _put(made, "defer_loading", tool.get("deferred"))
            extras(made, tool, _ANY_FUNCTION, lost)
        return made

    def _custom(self, tool: Body, made: Body, kept: bool, marks: Marks, lost: Losses) -> Body:
        """A free-text tool as a function with one text argument."""
        lost.append("custom")
        about, grammar = tool.get("description"), tool.get("grammar")
        if grammar:
            about = (
                f"{about or ''}\n\nThe input follows this {grammar.get('syntax', '')} grammar:\n"
                f"{grammar.get('definition', '')}"
            )
        _put(made, "description", about)
        made["input_schema"] = {
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
            "additionalProperties": False,
        }
        if (cache := tool.get("cache")) is not None:
            _put(made, "cache_control", mark(cache, kept, marks, lost))
        return made

    def _schema(self, schema: Any, strict: Any, lost: Losses) -> Any:
        if type(schema) is not dict and type(schema) is not bool:
            return schema
        rewritten, changes = (self._strict if strict else self._loose)(schema)
        if changes:
            lost.append("schema")
        return rewritten

    def _choice(
        self,
        request: Body,
        out: Body,
        plan: Body,
        ctx: Body,
        own: Body | None,
        mode: str | None,
        lost: Losses,
    ) -> None:
        choice, single = request.get("tool_choice"), request.get("parallel") is False
        if choice is not None and more(choice, _CHOICE):
            lost.append("tool_choice")
        if name := plan.get("structured"):
            if request.get("tools"):
                out["tool_choice"] = {"type": "any"}
            else:
                out["tool_choice"] = {"type": "tool", "name": name}
            return
        native = inside(request.get("native"), CLAUDE)
        if not request.get("tools") and not inside(native, "mcp_servers"):
            if choice is not None or request.get("parallel") is not None:
                lost.append("tool_choice")
            return
        if choice is None and not single:
            return
        made: Body | None = None
        if choice is not None:
            wanted = choice["mode"]
            forced = (
                wanted == "required" or wanted == "tool" or choice.get("subset_mode") == "required"
            )
            if forced and (not ctx["limits"]["forced"] or mode == "enabled"):
                if ctx["options"].get("forced-tool-choice") != "auto":
                    raise Refused(
                        "this model, or thinking with a budget, refuses a forced tool_choice"
                    )
                if wanted != "auto":
                    lost.append("tool_choice")
                made = {"type": "auto"}
            elif wanted == "none":
                made = {"type": "none"}
                single = False
            elif wanted == "allowed":
                lost.append("tool_choice")
                made = {"type": "any" if choice.get("subset_mode") == "required" else "auto"}
            else:
                made = {"type": _CHOICES[wanted]}
                named = choice.get("name")
                if named is not None:
                    names = plan.get("names")
                    made["name"] = names.get(named, named) if names else named
                if not single and own is not None:
                    theirs = inside(own.get("tool_choice"), "disable_parallel_tool_use")
                    _put(made, "disable_parallel_tool_use", theirs)
        else:
            made = {"type": "auto"}
        if single:
            made["disable_parallel_tool_use"] = True
        out["tool_choice"] = made

    # ------------------------------------------------------------------------ thinking

    def _thinking(
        self,
        request: Body,
        out: Body,
        limits: Body,
        mode: str | None,
        most: int,
        theirs: str | None,
        lost: Losses,
    ) -> None:
        asked = request.get("thinking")
        if mode:
            if asked and mode != asked:
                lost.append("thinking")
            out["thinking"] = thought(request, mode, most, lost)
        else:
            if asked is not None:
                lost.append("thinking")
            if request.get("effort") != "none" and not limits["adaptive"] and not theirs:
                for key in ("effort", "budget"):
                    if key in request:
                        lost.append(key)
        effort = effort_of(request, limits, mode, theirs, lost)
        if effort is not None:
            out["output_config"] = {"effort": effort}

    def _format(self, output: Body, out: Body, limits: Body, lost: Losses) -> None:
        if more(output, _OUTPUT):
            lost.append("output")
        if output["type"] != "schema" or not limits["structured"]:
            return
        made: Body = {"type": "json_schema"}
        if (schema := output.get("schema")) is not None:
            made["schema"] = self._schema(schema, True, lost)
        if "description" in output:
            lost.append("description")
        out.setdefault("output_config", {})["format"] = made


def _hosted(tool: Body, ctx: Body, lost: Losses) -> Any:
    native = tool.get("native")
    kept = inside(native, CLAUDE)
    if kept is None and native is not None:
        if ctx["options"].get("hosted-tools") == "reject":
            raise Refused("a tool of another vendor")
        lost.append("hosted")
    return kept


def _put(out: Body, key: str, value: Any) -> None:
    if value is not None:
        out[key] = value


def _most(request: Body, limits: Body, lost: Losses) -> Any:
    """Most tokens of the answer, which Claude always wants to be told."""
    most, limit = request.get("max_output"), limits.get("max_output")
    if most is None:
        return 32000 if limit is None else limit
    if not is_a(most, "number"):
        raise Refused(wrong(most, "number"))
    if limit is not None and most > limit:
        if not request.get("warm"):
            lost.append("max_output")
        return limit
    return most


# ---------------------------------------------------------------------------- the rest


def _sampling(
    request: Body, out: Body, limits: Body, mode: str | None, ctx: Body, lost: Losses
) -> None:
    temperature, top_p = request.get("temperature"), request.get("top_p")
    top_k = request.get("top_k")
    if temperature is None and top_p is None and top_k is None:
        return
    if ctx["api_version"] != _OLD or not limits["sampling"]:
        lost.append("sampling")
    elif mode in ("enabled", "adaptive"):
        if top_p is not None and top_p >= 0.95:
            out["top_p"] = top_p
        elif top_p is not None:
            lost.append("top_p")
        if temperature is not None or top_k is not None:
            lost.append("sampling")
    else:
        if temperature is not None:
            out["temperature"] = kept = min(max(temperature, 0), 1)
            if kept != temperature:
                lost.append("temperature")
        if top_p is not None:
            if limits["one_sampler"] and temperature is not None:
                lost.append("top_p")
            else:
                out["top_p"] = top_p
        _put(out, "top_k", top_k)


def _others(request: Body, out: Body, own: Body | None, lost: Losses) -> None:
    if not _UNKNOWN.isdisjoint(request):
        lost.append("unknown")
    if request.get("store"):
        lost.append("store")
    if (count := request.get("n")) is not None and count > 1:
        raise Refused("Claude gives one answer")
    if any(kind != "text" for kind in request.get("modalities") or ()):
        raise Refused("Claude answers with text only")
    tier = request.get("tier")
    if tier == "fast":
        out["speed"] = "fast"
        if own is not None:
            _put(out, "service_tier", own.get("service_tier"))
        return
    if own is not None:
        _put(out, "speed", own.get("speed"))
    if tier is not None:
        if (word := _TIERS.get(tier)) is not None:
            out["service_tier"] = word
            if tier == "priority":
                lost.append("tier")
        else:
            lost.append("tier")
