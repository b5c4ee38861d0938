"""Lists of models in the shape of each format."""

from __future__ import annotations

from typing import Any

from engine.language.runtime import Refusal
from engine.translation.planning import NOBODY, Planner

Body = dict[str, Any]


class Listings:
    """Writes and reads lists of models with the mappings of all formats."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def whole(self, models: list[Body], target: str) -> Body:
        """A list of models in the shape of this format."""
        return self._written("list", models, target)

    def entry(self, model: Body, target: str) -> Body:
        """One model in the shape of this format."""
        return self._written("one", model, target)

    def names(self, document: Any, source: str) -> list[str]:
        """The names in an upstream's list of its models; none when it is no such list."""
        section = self._planner.formats[source].lists.get("read")
        if section is None:
            return []
        try:
            found, _ = section.run(document, {}, {}, {})
        except Refusal:
            return []
        return [str(model["id"]) for model in found or ()]

    def _written(self, word: str, document: Any, target: str) -> Body:
        side = self._planner.formats[target]
        _, plan, _ = self._planner.planned({}, target, target, NOBODY)
        result, _ = side.lists[word].run(document, {}, {}, plan.ctx(side, side.vendor))
        return dict(result)
