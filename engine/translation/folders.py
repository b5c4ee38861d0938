"""Loading wire formats: a folder of mappings each, compiled once and kept.

The files are read as bytes. Where these, and the program, are the same as at a start before, what
came of them then is taken from the cache: nothing is parsed or checked, and a section's program is
fetched when it is first needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import MappingError
from engine.language.cache import Cache
from engine.language.events import EventHalf
from engine.language.programs import Program
from engine.language.schemas import Profiles
from engine.language.sections import Forms, Section
from engine.resources import file_name
from engine.translation.formats import Format, format_of
from engine.translation.limits import Limits

if TYPE_CHECKING:
    from engine.translation.mapping_files import Files

PROFILES = "schema-profiles.yaml"


def load(
    folders: Iterable[Path], cache: Cache | None = None, sound: Path | None = None
) -> dict[str, Format]:
    """All wire formats of the folders; files of later folders replace those of earlier ones.

    Raises MappingError with every mistake of every file. A format whose files all lie in ``sound``
    is taken to hold: its sections are compiled when they are first needed.
    """
    cache = cache or Cache(None)
    files: dict[str, dict[str, Path]] = {}
    shared: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            shared[path.name] = path
        for sub in sorted(each for each in folder.iterdir() if each.is_dir()):
            own = files.setdefault(sub.name, {})
            own.update({path.name: path for path in sorted(sub.glob("*.yaml"))})
    rules = _Rules(shared.get(PROFILES), cache)
    formats: dict[str, Format] = {}
    problems: list[str] = []
    for name, own in files.items():
        if "format.yaml" not in own:
            continue
        texts = {
            file: (file_name(path), path.read_bytes())
            for file, path in own.items()
            if not file.endswith(".test.yaml")
        }
        try:
            holds = sound is not None and all(path.is_relative_to(sound) for path in own.values())
            formats[name] = _Folder(name, texts, rules, cache).format(holds)
        except MappingError as error:
            problems += error.problems
    if problems:
        raise MappingError(problems)
    return formats


class _Rules:
    """The profiles of JSON Schema, with the bytes that they come from. Raises MappingError."""

    def __init__(self, path: Path | None, cache: Cache) -> None:
        self.data = path.read_bytes() if path else b"profiles: {}"
        name = str(path)
        key = cache.key("profiles", self.data)
        self.profiles = Profiles.later(self.data, name)
        if not cache.get(key):
            len(self.profiles)
            cache.put(key, True)


class _Folder:
    """One folder of mappings being loaded, and what its programs are had from later."""

    def __init__(
        self, name: str, texts: dict[str, tuple[str, bytes]], rules: _Rules, cache: Cache
    ) -> None:
        self._name = name
        self._texts = texts
        self._profiles = rules.profiles
        self._cache = cache
        pairs = [part for file, text in texts.items() for part in (file, *text)]
        self._key = cache.key("format", name, rules.data, *pairs)
        self._made: dict[str, Program] = {}

    def format(self, holds: bool) -> Format:
        """The format with its sections. Raises MappingError with all mistakes of the folder."""
        kept = self._cache.get(self._key)
        if kept is None:
            facts, limits = self._files.facts()
            # of new files all sections are compiled, so that their mistakes are all told
            kept = facts, limits, self._files.labels() if holds else list(self._compiled(facts))
            self._cache.put(self._key, kept)
        facts, limits, labels = kept
        made = format_of(self._name, facts, Limits.of(limits))
        made.files = lambda: self._files.nodes
        for section in labels:
            self._put(made, section)
        return made

    def _compiled(self, facts: dict[str, Any]) -> dict[str, Program]:
        self._made = self._files.programs(facts)
        for label, program in self._made.items():
            self._keep(label, "plain", program)
        return self._made

    def _put(self, made: Format, label: str) -> None:
        kind, _, word = label.partition(".")
        name, make = f"{self._name}/{label}", self._forms(label)
        if kind == "stream":
            setattr(made, "events_in" if word == "read" else "events_out", EventHalf(name, make))
        elif kind == "plan":
            setattr(made, f"plan_{word}", Section(name, make))
        elif kind == "models-list":
            made.lists[word] = Section(name, make)
        else:
            (made.read if word == "read" else made.write)[kind] = Section(name, make)

    def _forms(self, label: str) -> Forms:
        """The programs of a section: those just made, those that were kept, or new ones."""
        return Forms(
            partial(self._plain, label),
            partial(self._traced, label),
            partial(self._quick, label),
            lambda form: self._cache.has(self._entry(label, form)),
        )

    def _plain(self, label: str) -> Program:
        if label in self._made:
            return self._made.pop(label)
        return self._kept(label, "plain") or self._keep(
            label, "plain", self._files.program(label, traced=False)
        )

    def _traced(self, label: str) -> Program:
        return self._kept(label, "traced") or self._keep(
            label, "traced", self._files.program(label, traced=True)
        )

    def _quick(self, label: str, general: Program | None) -> Program | None:
        if general is None:
            return self._kept(label, "quick")
        made = general.quick(self._profiles)
        if made is None:
            # nothing to be made is kept, too: the next start need not look
            self._cache.put(self._entry(label, "quick"), ())
            return None
        return self._keep(label, "quick", made)

    def _kept(self, label: str, form: str) -> Program | None:
        kept = self._cache.get(self._entry(label, form))
        return Program.of(kept, self._profiles) if kept else None

    def _keep(self, label: str, form: str, program: Program) -> Program:
        self._cache.put(self._entry(label, form), program.data())
        return program

    def _entry(self, label: str, form: str) -> str:
        return self._cache.key(self._key, label, form)

    @cached_property
    def _files(self) -> Files:
        # what compiles is slow to import, and needed for new files only
        from engine.translation.mapping_files import Files

        return Files(self._name, self._texts, self._profiles)
