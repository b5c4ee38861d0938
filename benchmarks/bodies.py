"""The documents that are measured: small ones as files in ``cases/``, the large request made here.

:func:`agent_request` is what a coding agent sends in the middle of its work: a long instruction,
twenty tools, and a conversation in which files were read, changed and tested; 75 KB of JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

Body = dict[str, Any]

CASES = Path(__file__).parent / "cases"

QUESTION = [{"role": "user", "content": "Does another chain fit my cassette?"}]

# What an agent's tools return, line by line.
_PROGRAM = (
    "    for booking in statement.bookings:",
    "        invoice = open_invoice(booking.reference, booking.currency)",
    '        if invoice is None or invoice.state == "paid":',
    "            unmatched.append(Unmatched(booking, reason=Reason.NO_INVOICE))",
    "            continue",
    "        settled = min(booking.cents, invoice.open_cents)",
    "        payments.append(Payment(invoice=invoice, booking=booking, cents=settled))",
    "",
)


def case(name: str) -> Any:
    """The JSON document ``cases/<name>.json``."""
    return json.loads((CASES / f"{name}.json").read_text())


def agent_request() -> Body:
    """A request of a coding agent in the chat format: 22 messages, 20 tools."""
    agent = yaml.safe_load((CASES / "agent.yaml").read_text())
    last = "Good. Then do the same for the invoices, and run everything."
    messages = [
        {"role": "system", "content": _instructions(agent["rules"])},
        {"role": "user", "content": agent["task"]},
    ]
    for number, step in enumerate(agent["steps"]):
        messages += _step(number, step["said"], step["calls"])
    messages += [
        {"role": "assistant", "content": "The import takes 1.9 s instead of 214 s."},
        {"role": "user", "content": last},
    ]
    return {
        "model": "claude-opus-5-5",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 32000,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "messages": messages,
        "tools": [_tool(*tool) for tool in agent["tools"]],
    }


def _instructions(rules: list[str]) -> str:
    head = (
        "You work on a bookkeeping service for small companies as one of its engineers. The code"
        " is Python with a PostgreSQL database; customers reach it through a web interface and"
        " through files they upload.\n\n"
    )
    listed = "\n".join(f"{number}. {rule}." for number, rule in enumerate(rules * 3, 1))
    folders = "\n".join(
        f"- `books/{name}/`: {name} as the accountant sees them; models, queries, and the views"
        f" on them, tested in `tests/{name}/` with fixtures of real size."
        for name in "accounts bookings invoices payments reports settlements statements".split()
    )
    return f"{head}# How we work\n\n{listed}\n\n# Where things are\n\n{folders}\n"


def _tool(name: str, about: str, fields: dict[str, list[str]]) -> Body:
    properties: Body = {}
    for field, (kind, words) in fields.items():
        schema: Body = {"type": kind, "description": f"{words}."}
        if kind == "list":
            schema |= {"type": "array", "items": {"type": "string"}}
        elif kind == "integer":
            schema["minimum"] = 0
        properties[field.rstrip("?")] = schema
    parameters: Body = {
        "type": "object",
        "properties": properties,
        "required": [field for field in fields if not field.endswith("?")],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": about, "parameters": parameters},
    }


def _step(number: int, said: str, calls: list[tuple[str, Body, Any]]) -> list[Body]:
    ids = [f"call_{number:02d}{position}Tq7Lm2VbX9sWn4Kd" for position in range(len(calls))]
    asked = [
        {
            "id": ident,
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(_texts(arguments))},
        }
        for ident, (name, arguments, _) in zip(ids, calls, strict=True)
    ]
    results = [
        {"role": "tool", "tool_call_id": ident, "content": _text(result)}
        for ident, (_, _, result) in zip(ids, calls, strict=True)
    ]
    return [{"role": "assistant", "content": said, "tool_calls": asked}, *results]


def _texts(arguments: Body) -> Body:
    return {
        key: _text(value) if isinstance(value, dict) else value for key, value in arguments.items()
    }


def _text(made: Any) -> str:
    """A text, or one made of ``{source, lines}``, ``{table: rows}`` or ``{plan: rows}``."""
    match made:
        case {"source": word, "lines": count}:
            return "\n".join(_program_line(word, number) for number in range(1, count + 1))
        case {"table": rows}:
            return "\n".join(map(_table_row, range(1, rows + 1)))
        case {"plan": rows}:
            return "\n".join(map(_plan_row, range(1, rows + 1)))
    return str(made)


def _program_line(word: str, number: int) -> str:
    if number % 9 == 1:
        return f"{number:>5}  def {word}_{number}(statement: Statement) -> list[Payment]:"
    return f"{number:>5}  {_PROGRAM[number % len(_PROGRAM)]}"


def _table_row(number: int) -> str:
    return (
        f"{number * 37 % 1000:>8} {number * 7.31:>10.3f} {number * 3.17:>10.3f} "
        f" books/statements/matching.py:{number * 13 % 400}(match_payments_{number})"
    )


def _plan_row(number: int) -> str:
    return (
        f"{'  ' * (number % 6)}-> Seq Scan on invoice_{number} (cost=0.00..{number * 913}.00"
        f" rows={number * 41} width=214) (actual time=0.0{number}..{number * 3}.2{number}"
        f" rows={number} loops=1)"
    )
