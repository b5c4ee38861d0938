"""The documents that are measured: small ones as files in ``cases/``, the large request composed here.

:func:`agent_request` is what a coding agent sends in the middle of its work: a long instruction, twenty tools, and a
conversation in which files were read, changed and tested. About 76 KB of JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Body = dict[str, Any]

CASES = Path(__file__).parent / "cases"


def case(name: str) -> Any:
    """The JSON document ``cases/<name>.json``."""
    return json.loads((CASES / f"{name}.json").read_text())


def agent_request() -> Body:
    """A request of a coding agent in the chat format: 22 messages, 20 tools."""
    return {
        "model": "claude-opus-5-5",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 32000,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "messages": [
            {"role": "system", "content": _instructions()},
            {"role": "user", "content": TASK},
            *_work(),
            {"role": "user", "content": "Good. Then do the same for the invoices, and run everything."},
        ],
        "tools": [_tool(name, about, fields) for name, about, fields in TOOLS],
    }


TASK = (
    "The import of bank statements takes minutes for customers with many invoices. Find out why, make it fast "
    "without changing what it does, and show me how you know. The tests must stay green."
)

RULES = (
    "Read a file before you change it, and change no more of it than the task needs",
    "Say in one sentence what you are about to do before you call a tool, and what came of it afterwards",
    "Never run a command that needs a password, leaves the folder of the project or touches the network",
    "Prefer the tools of the project (its make targets, its linters) to tools of your own choice",
    "A test that fails is a finding: tell it, do not make it pass by weakening it",
    "Commit nothing unless you are asked to; when you are, one commit a thought, its message says why",
    "Names in the code are those of the domain: statement, booking, invoice, payment, settlement",
    "Amounts are whole cents in the column's currency; there are no floating point numbers in this code base",
)


def _instructions() -> str:
    head = (
        "You work on a bookkeeping service for small companies as one of its engineers. The code is Python with a "
        "PostgreSQL database; customers reach it through a web interface and through files they upload.\n\n"
    )
    rules = "\n".join(f"{number}. {rule}." for number, rule in enumerate(RULES * 3, 1))
    folders = "\n".join(
        f"- `books/{name}/`: {name} as the accountant sees them; models, queries, and the views on them, tested in "
        f"`tests/{name}/` with fixtures of real size."
        for name in ("accounts", "bookings", "invoices", "payments", "reports", "settlements", "statements")
    )
    return f"{head}# How we work\n\n{rules}\n\n# Where things are\n\n{folders}\n"


Fields = dict[str, tuple[str, str]]

PATH = ("string", "Path from the root of the project")
TOOLS: list[tuple[str, str, Fields]] = [
    ("read_file", "Read a text file, or some lines of it. Lines are numbered from 1.",
     {"path": PATH, "first?": ("integer", "First line"), "last?": ("integer", "Last line")}),
    ("write_file", "Create a file or replace all of it.", {"path": PATH, "text": ("string", "The new text")}),
    ("edit_file", "Replace one passage of a file. The old text must stand in it exactly once.",
     {"path": PATH, "old": ("string", "What stands there"), "new": ("string", "What shall stand there")}),
    ("list_folder", "The entries of a folder, with sizes.", {"path": PATH, "deep?": ("boolean", "With all below")}),
    ("find_files", "Files whose path fits a pattern.", {"pattern": ("string", "A glob"), "most?": ("integer", "Limit")}),
    ("search_text", "Lines that match a regular expression, with their files.",
     {"pattern": ("string", "The expression"), "path?": PATH, "around?": ("integer", "Lines around each hit")}),
    ("run_tests", "Run tests of the project and return what failed.",
     {"select?": ("string", "Names or folders"), "stop?": ("boolean", "Stop at the first failure")}),
    ("run_command", "Run a command of the project in its folder; at most two minutes.",
     {"command": ("string", "The command line"), "seconds?": ("integer", "Time limit")}),
    ("profile", "Run a script under a profiler; the costliest functions come first.",
     {"script": PATH, "arguments?": ("list", "Arguments of the script"), "rows?": ("integer", "Rows of the table")}),
    ("query_database", "Run a query that reads on the copy of the database.",
     {"query": ("string", "One SELECT"), "rows?": ("integer", "Most rows to return")}),
    ("explain_query", "The plan of a query, with measured times.", {"query": ("string", "One SELECT")}),
    ("list_tables", "Tables of the database with their columns and indexes.", {"schema?": ("string", "Only this one")}),
    ("git_log", "Commits, the newest first.", {"path?": PATH, "most?": ("integer", "How many")}),
    ("git_diff", "What changed in the working copy.", {"path?": PATH, "staged?": ("boolean", "Only what is staged")}),
    ("git_blame", "Who wrote which line, and why.", {"path": PATH, "first": ("integer", "Line"), "last": ("integer", "Line")}),
    ("read_ticket", "A ticket with its comments.", {"number": ("integer", "Its number")}),
    ("comment_ticket", "Write a comment under a ticket.", {"number": ("integer", "Its number"), "text": ("string", "Markdown")}),
    ("read_log", "Lines of the service's log.", {"since": ("string", "Time"), "words?": ("list", "All must be in the line")}),
    ("note", "Keep a note for later in this task.", {"text": ("string", "The note"), "replaces?": ("integer", "Number")}),
    ("ask", "Ask the person a question when the task cannot be done without an answer.",
     {"question": ("string", "One question"), "choices?": ("list", "Answers to choose from")}),
]  # fmt: skip


def _tool(name: str, about: str, fields: Fields) -> Body:
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


def _work() -> list[Body]:
    steps: list[tuple[str, list[tuple[str, Body, str]]]] = [
        ("I look where the time goes first.", [
            ("profile", {"script": "scripts/import_statement.py", "arguments": ["tests/data/large.xml"], "rows": 40}, _table(62)),
        ]),
        ("Nearly all of it is in `match_payments`. I read it and what it calls.", [
            ("read_file", {"path": "books/statements/matching.py"}, _source("matching", 240)),
            ("read_file", {"path": "books/invoices/queries.py", "first": 1, "last": 120}, _source("queries", 190)),
        ]),
        ("It asks the database once a booking. The plan shows a scan of the whole table each time.", [
            ("explain_query", {"query": "SELECT * FROM invoice WHERE reference = 'R-1001' AND open_cents > 0"}, _plan(36)),
            ("list_tables", {"schema": "books"}, _table(48)),
        ]),
        ("I want to know who relies on the order of the results.", [
            ("search_text", {"pattern": "match_payments\\(", "around": 2}, _source("callers", 60)),
            ("git_log", {"path": "books/statements/matching.py", "most": 12}, _table(12)),
        ]),
        ("One query for all bookings, then a look-up by reference. I change it.", [
            ("edit_file", {"path": "books/statements/matching.py", "old": _source("matching", 12), "new": _source("matched", 18)},
             "The file was changed: 12 lines went, 18 came."),
        ]),
        ("Now the tests of both folders.", [
            ("run_tests", {"select": "tests/statements tests/invoices"}, _table(60)),
        ]),
        ("Green. The same profile again, to compare.", [
            ("profile", {"script": "scripts/import_statement.py", "arguments": ["tests/data/large.xml"], "rows": 40}, _table(62)),
            ("git_diff", {"path": "books/statements/matching.py"}, _source("diff", 80)),
        ]),
    ]  # fmt: skip
    messages: list[Body] = []
    for number, (said, calls) in enumerate(steps):
        ids = [f"call_{number:02d}{position}Tq7Lm2VbX9sWn4Kd" for position in range(len(calls))]
        messages.append(
            {
                "role": "assistant",
                "content": said,
                "tool_calls": [
                    {
                        "id": ident,
                        "type": "function",
                        "function": {"name": name, "arguments": json.dumps(arguments)},
                    }
                    for ident, (name, arguments, _) in zip(ids, calls, strict=True)
                ],
            }
        )
        messages += [
            {"role": "tool", "tool_call_id": ident, "content": result}
            for ident, (_, _, result) in zip(ids, calls, strict=True)
        ]
    summary = "The import takes 1.9 s instead of 214 s on the large file, all 312 tests pass."
    return [*messages, {"role": "assistant", "content": summary}]


def _source(name: str, lines: int) -> str:
    """Some lines of a program as a tool returns them."""
    body = (
        "    for booking in statement.bookings:",
        "        invoice = open_invoice(booking.reference, booking.currency)",
        '        if invoice is None or invoice.state == "paid":',
        "            unmatched.append(Unmatched(booking, reason=Reason.NO_INVOICE))",
        "            continue",
        "        settled = min(booking.cents, invoice.open_cents)",
        "        payments.append(Payment(invoice=invoice, booking=booking, cents=settled))",
        "",
    )
    return "\n".join(
        f"{number:>5}  def {name}_{number}(statement: Statement) -> list[Payment]:"
        if number % 9 == 1
        else f"{number:>5}  {body[number % len(body)]}"
        for number in range(1, lines + 1)
    )


def _table(rows: int) -> str:
    """What a tool prints as a table."""
    return "\n".join(
        f"{number * 37 % 1000:>8} {number * 7.31:>10.3f} {number * 3.17:>10.3f}  books/statements/matching.py:"
        f"{number * 13 % 400}(match_payments_{number})"
        for number in range(1, rows + 1)
    )


def _plan(rows: int) -> str:
    """The plan of a query."""
    return "\n".join(
        f"{'  ' * (number % 6)}-> Seq Scan on invoice_{number} (cost=0.00..{number * 913}.00 rows={number * 41} width=214) "
        f"(actual time=0.0{number}..{number * 3}.2{number} rows={number} loops=1)\\n"
        for number in range(1, rows + 1)
    )
