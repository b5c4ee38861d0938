"""Limits of models as data: rows by a part of the model's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """Rows in order; the first whose ``match`` is a part of the normalised name lies over
    ``default``."""

    default: Row
    rows: tuple[Row, ...]
    lower: bool = True
    replace: tuple[tuple[str, str], ...] = ((".", "-"),)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Limits:
        """From the data of a ``models.yaml``: normalise, default, models."""
        normal = dict(data.get("normalise") or {"lower": True, ".": "-"})
        lower = bool(normal.pop("lower", False))
        rows = tuple(data.get("models") or ())
        return cls(dict(data.get("default") or {}), rows, lower, tuple(normal.items()))

    def keys(self) -> set[str]:
        """Every key that a row says."""
        return {*self.default, *(key for row in self.rows for key in row)} - {"match"}

    def row(self, model: str | None) -> Row:
        """The limits of a model; those of ``default`` for a name no row knows."""
        name = model or ""
        if self.lower:
            name = name.lower()
        for before, after in self.replace:
            name = name.replace(before, after)
        for row in self.rows:
            if str(row.get("match", "")) in name:
                return {**self.default, **{key: row[key] for key in row if key != "match"}}
        return self.default
