"""Every section of the tables has its rules in every format, and a case that shows it.

The tables say, section by section, how the wire formats convert into each other. A rule is marked
with its section in a comment, `# § request 12`; what a format deliberately leaves out has a line
in docs/fidelity-notes.md that begins `- <format> request 12:`.
"""

import re
from pathlib import Path

import pytest

from engine.resources import shipped
from tests.support.translations import clients, own_cases

SECTIONS: dict[str, tuple[str, ...]] = {
    "request": (
        "Transport, authentication, model",
        "System and developer instructions",
        "Turns, roles, order",
        "Images in",
        "Documents and files in",
        "Audio and video in",
        "Function tools",
        "Free-text (custom) tools",
        "Server and vendor tools",
        "Tool choice and parallel calls",
        "Tool calls and results in history",
        "Thinking in history",
        "Reasoning controls",
        "Output length",
        "Stop sequences, n, seed, penalties, logprobs",
        "Sampling",
        "Structured output",
        "Prompt caching",
        "Identity, metadata, tier",
        "Output modalities",
        "Safety settings",
        "Streaming options",
        "Server-side state",
        "Remaining chat and responses fields",
        "Fields that must not cross",
        "Claude model limits",
        "JSON Schema clean-up",
        "Neighbouring endpoints",
    ),
    "response": (
        "Envelope",
        "Content",
        "Citations",
        "Stop reasons",
        "Refusals and blocked prompts",
        "Usage",
        "Errors",
        "Headers",
    ),
    "stream": (
        "Framing",
        "chat",
        "claude",
        "responses",
        "gemini",
        "Canonical events",
        "Usage across formats in a stream",
        "Errors and disconnects in a stream",
        "Non-streaming clients on streaming upstreams and back",
    ),
}
# Sections that are about one format only; the others have nothing to say to them.
OF_ONE_FORMAT = {
    "request 26": "claude",
    "stream 2": "openai-chat",
    "stream 3": "claude",
    "stream 4": "openai-responses",
    "stream 5": "gemini",
}
# What no document shows, and the place that proves it.
PROVED_ELSEWHERE = {
    "request 25": "tests/gateway",
    "request 28": "tests/gateway",
    "stream 9": "tests/translation/test_wholes.py",
}
# What a format has no words for.
UNSAID = {
    ("claude", "request 6"),
    ("claude", "request 8"),
    ("claude", "request 20"),
    ("claude", "request 21"),
}

NOTES = Path(__file__).parents[2] / "docs" / "fidelity-notes.md"
ALL = [
    (f"{table} {number}", title)
    for table, titles in SECTIONS.items()
    for number, title in enumerate(titles, 1)
]
# The tables tell of the formats that clients speak.
FORMATS = clients()
_MARK = re.compile(r"§ (request|response|stream) (\d+)")


def _marked(format: str) -> set[str]:
    """The sections that the comments of a format's mapping files name."""
    marks: set[str] = set()
    for path in (shipped("mappings") / format).glob("*.yaml"):
        if path.name.endswith(".test.yaml"):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            _, _, comment = line.partition("#")
            marks |= {" ".join(found.groups()) for found in _MARK.finditer(comment)}
    return marks


def _concerns(section: str, format: str) -> bool:
    return OF_ONE_FORMAT.get(section, format) == format


@pytest.mark.parametrize("format", FORMATS)
def test_every_section_has_rules_or_a_reason(format: str) -> None:
    notes = NOTES.read_text(encoding="utf-8")
    marked = _marked(format)
    missing = [
        f"{section} ({title})"
        for section, title in ALL
        if _concerns(section, format)
        and section not in marked
        and not re.search(rf"^- {re.escape(format)} {section}: \S", notes, re.M)
    ]
    assert not missing


@pytest.mark.parametrize("format", FORMATS)
def test_every_mark_names_a_section_of_the_tables(format: str) -> None:
    assert _marked(format) <= {section for section, _ in ALL}


@pytest.mark.parametrize("format", FORMATS)
def test_every_section_has_a_case_in_every_format_that_it_concerns(format: str) -> None:
    covered = {section for case in own_cases() if case.format == format for section in case.covers}
    assert covered <= {section for section, _ in ALL}
    missing = [
        f"{section} ({title})"
        for section, title in ALL
        if _concerns(section, format)
        and section not in covered
        and section not in PROVED_ELSEWHERE
        and (format, section) not in UNSAID
    ]
    assert not missing
