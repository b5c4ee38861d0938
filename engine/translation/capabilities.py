"""What requests may ask of a model, as data: ``mappings/capabilities.yaml``.

Each is a key of ``limits``; a request that asks for what they say is not there is refused with the
place in it that asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from engine.language.cache import Cache
from engine.language.programs import Program
from engine.language.sections import Forms, Roots, Section
from engine.language.source import Map, tree
from engine.resources import file_name

FILE = "capabilities.yaml"

SCHEMA: dict[str, Any] = {
    "capabilities": {"type": "dict", "required": True, "valuesrules": {"type": "string"}},
    "refuse": {"type": "dict", "required": True},
    "fragments": {"type": "dict"},
}
_NAME = "capabilities"


class Capabilities(Mapping[str, str]):
    """What each capability is, by its name. ``name`` and ``data`` are those of the file; without
    it nothing is known.

    ``rules``, a section over canonical requests, refuses those that ask for what ``ctx.limits``
    says false of. Raises MappingError.
    """

    def __init__(self, name: str = "", data: bytes = b"", cache: Cache | None = None) -> None:
        self._name = name
        self._data = data
        self._cache = cache or Cache(None)
        plain, traced = partial(self._program, False), partial(self._program, True)
        self.rules = Section(_NAME, Forms(plain, traced, lambda _: None))
        key = self._cache.key(_NAME, name, data)
        kept: dict[str, str] | None = self._cache.get(key) if data else {}
        if kept is None:
            kept = self._checked()
            _ = self.rules.program
            self._cache.put(key, kept)
        self._meanings = kept

    @classmethod
    def load(cls, folders: Iterable[Path], cache: Cache | None = None) -> Capabilities:
        """The file of the last folder that has one. Raises MappingError."""
        found = [folder / FILE for folder in folders if (folder / FILE).is_file()]
        if not found:
            return cls()
        return cls(file_name(found[-1]), found[-1].read_bytes(), cache)

    def lacking(self, limits: Mapping[str, Any]) -> bool:
        """Whether these limits lack anything that could be asked for."""
        return any(limits.get(name) is False for name in self._meanings)

    def __getitem__(self, name: str) -> str:
        return self._meanings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._meanings)

    def __len__(self) -> int:
        return len(self._meanings)

    def _checked(self) -> dict[str, str]:
        # slow to import, and needed for a new file only
        from engine.language.envelope import check

        meanings: dict[str, str] = check(tree(self._data, self._name), SCHEMA)["capabilities"]
        return meanings

    def _program(self, traced: bool) -> Program:
        key = self._cache.key(_NAME, self._name, self._data, "traced" if traced else "plain")
        kept = self._cache.get(key)
        if kept is not None:
            return Program.of(kept, None)
        made = self._compiled(traced)
        self._cache.put(key, made.data())
        return made

    def _compiled(self, traced: bool) -> Program:
        from engine.language.assembling import section_program
        from engine.language.results import Library
        from engine.translation.mapping_files import CTX

        node = tree(self._data, self._name)
        fragments = node.get("fragments") if isinstance(node, Map) else None
        refuse = node.get("refuse") if isinstance(node, Map) else None
        assert refuse is not None
        library = Library(_NAME)
        if isinstance(fragments, Map):
            library.fragments |= {str(name.value): each for name, each in fragments.entries}
        roots = Roots("request", ("client", "plan"), (("ctx", CTX),))
        return section_program(_NAME, refuse, library, roots, whole=False, traced=traced)
