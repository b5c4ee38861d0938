"""Every error the project raises, sorted by who can do something about it.

EngineError
├── MappingError     the author of a mapping or provider file: file, line, column, what to write
instead
├── ConfigError      the operator: the configuration does not hold
├── Rejected         the client: asked for what cannot be done (400 in its own envelope)
├── UpstreamError    the upstream: answered what cannot be used
└── Defect           us: a rule of our own did not hold
"""

from __future__ import annotations

from collections.abc import Sequence


class EngineError(Exception):
    """Base of all errors of this project."""


class MappingError(EngineError):
    """A mapping or provider file does not hold.

    ``problems`` are the complete messages, one each, in the order of the file:
    ``file:line:column: what is wrong, what to write instead``, the source line and a caret.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class ConfigError(EngineError):
    """The configuration does not hold. ``problems`` as in :class:`MappingError`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Rejected(EngineError):
    """The client asked for what cannot be done.

    ``path`` is the field in the client's own document (``messages[2].content``) where known,
    ``kind`` one of the kinds of errors (``invalid`` unless told otherwise), ``status`` the HTTP
    status,
    ``rule`` the ``file:line:column`` of the mapping rule that refused, ``hint`` what would help.
    """

    def __init__(
        self,
        reason: str,
        path: str | None = None,
        status: int = 400,
        kind: str = "invalid",
        rule: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.reason = reason
        self.path = path
        self.status = status
        self.kind = kind
        self.rule = rule
        self.hint = hint
        super().__init__(f"{path}: {reason}" if path else reason)


class UpstreamError(EngineError):
    """The upstream's answer cannot be used. ``kind`` and ``status`` are what the client is told."""

    def __init__(self, message: str, kind: str = "upstream", status: int = 502) -> None:
        self.message = message
        self.kind = kind
        self.status = status
        super().__init__(message)


class Defect(EngineError):
    """A rule of this project did not hold: a bug here, never the caller's mistake."""
