"""The translator: documents and bytes of one wire format in, of another one out. Sans I/O.

A request is read into the canonical form by its source's mapping and written from it by its
target's. Explanations run the same mappings once more, traced; so do losses, when somebody asks
for them and the mappings alone cannot tell where they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import engine.translation.functions  # noqa: F401  (registers the functions of this storey)
from engine.errors import Rejected, UpstreamError
from engine.language.cache import Cache, user_folder
from engine.language.runtime import Refusal
from engine.language.sections import Served
from engine.language.source import Node
from engine.resources import shipped
from engine.translation.bridges import Gathering, Replay
from engine.translation.capabilities import Capabilities
from engine.translation.faults import ErrorAnswer, Faults, load_kinds
from engine.translation.fitting import fit_answer
from engine.translation.folders import load as load_formats
from engine.translation.formats import Format
from engine.translation.listings import Listings
from engine.translation.plan import Plan
from engine.translation.planning import Planner, writing
from engine.translation.provider_files import ProviderFiles
from engine.translation.providers import Provider
from engine.translation.quirks import Quirks
from engine.translation.refusals import run, unusable
from engine.translation.requirements import Requirements
from engine.translation.runs import Moved
from engine.translation.scopes import Vendor, estrange
from engine.translation.streams import Stream
from engine.translation.translated import Answer, Half, Translated
from engine.translation.ways import Way

Body = dict[str, Any]


class Translator:
    """All wire formats and providers, compiled. Immutable: reloading makes another one.

    Beside requests, answers and streams: ``faults`` has errors that no upstream made,
    ``listings`` lists of models, ``requirements`` what a request needs of a model.
    """

    def __init__(
        self,
        known: dict[str, Format],
        who: dict[str, Provider],
        kinds: dict[str, int],
        now: Callable[[], float] = time.time,
        capabilities: Capabilities | None = None,
        files: ProviderFiles | None = None,
    ) -> None:
        self.formats = known
        self.providers = who
        self._now = now
        self.planner = Planner(known, who, now)
        self.faults = Faults(known, kinds, now)
        self.listings = Listings(self.planner)
        self.kinds = kinds
        self._capabilities = capabilities or Capabilities()
        self.requirements = Requirements(self.planner, self._capabilities)
        self._files = files

    @classmethod
    def load(
        cls,
        mappings: Iterable[Path | str] = (),
        providers: Iterable[Path | str] = (),
        now: Callable[[], float] = time.time,
        settings: Node | None = None,
        trusting: bool = False,
    ) -> Translator:
        """Load the shipped mappings and providers, with those of further folders over them.

        ``settings``: what a configuration says of providers, by their names, over all files.
        ``trusting``: what is shipped is compiled when it is needed.
        Raises MappingError with every mistake of every file.
        """
        map_folders = [shipped("mappings"), *map(Path, mappings)]
        provider_folders = [shipped("providers"), *map(Path, providers)]
        cache = Cache(user_folder(), Path(__file__).parent.glob("*.py"))
        known = load_formats(map_folders, cache, map_folders[0] if trusting else None)
        quirks, capabilities = Quirks.load(map_folders), Capabilities.load(map_folders, cache)
        files = ProviderFiles(provider_folders, known, quirks, capabilities, cache)
        kinds: dict[str, int] = {}
        for folder in map_folders:
            if (folder / "kinds.yaml").is_file():
                kinds |= load_kinds(folder / "kinds.yaml", cache)
        return cls(known, files.under(settings), kinds, now, capabilities, files)

    def at(self, moment: float) -> Translator:
        """The same at a fixed time, in seconds since 1970."""
        return self._with(self.providers, lambda: moment)

    def with_settings(self, settings: Node | None) -> Translator:
        """The same with these settings over its provider files. Raises MappingError."""
        if self._files is None:
            raise ValueError("a translator of nothing but formats has no provider files")
        return self._with(self._files.under(settings), self._now)

    def _with(self, who: dict[str, Provider], now: Callable[[], float]) -> Translator:
        return Translator(self.formats, who, self.kinds, now, self._capabilities, self._files)

    # ---------------------------------------------------------------- requests

    def request(
        self,
        body: Body,
        source: str,
        target: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        stream: bool | None = None,
        headers: dict[str, str] | None = None,
        options: dict[str, Any] | None = None,
        edit: Callable[[Body], Body] | None = None,
        moved: Moved | None = None,
        client_model: str | None = None,
        scope: str | None = None,
    ) -> Translated:
        """The client's request as one for the upstream. Raises Rejected.

        ``provider`` defaults to the target format's own; ``model`` is the upstream's name for it,
        ``client_model`` the client's where its body does not hold it (a format with the model in
        the path);
        ``headers`` are the client's, for what they say about the body (an API version); ``edit``
        makes another canonical request of the one that was read, in which lists are ``moved``;
        ``scope`` is that of the account, where accounts of a vendor are told apart.
        """
        if not isinstance(body, dict):
            raise Rejected("the body must be a JSON object")
        way, plan, reading = self.planner.planned(
            body, source, target, provider, model, client_model, stream, options, headers
        )
        if scope is not None:
            plan.scope = scope
            plan.vendor = Vendor(plan.vendor, scope) if scope else plan.vendor
            reading.then = lambda result, moved: estrange(result, scope)
        plan.read.put(run(reading, None))
        return self._sent(way, plan, reading, edit, moved or {})

    def _sent(
        self,
        way: Way,
        plan: Plan,
        reading: Half,
        edit: Callable[[Body], Body] | None,
        moved: Moved,
    ) -> Translated:
        """The write half of a request."""
        canonical = plan.canonical
        if plan.scope is not None:
            estrange(canonical, plan.scope)
        if edit is not None:
            canonical = edit(canonical)
        half = writing(way, plan, canonical)
        out = run(half, reading, moved)
        if type(out) is not dict:
            raise Rejected("there is nothing to send")
        if way.renamed:
            out = {way.renamed.get(key, key): value for key, value in out.items()}
        again = partial(self._sent, way, plan, reading, edit, moved)
        path, headers = way.paths[plan.stream], dict(way.headers)
        return Translated(out, path, headers, plan, reading, half, again, moved, way.renamed)

    def release(self, plan: Plan, again: Callable[[], Body]) -> None:
        """Let go of all of a request that its answer will not ask for, while the upstream works;
        ``again`` gives the client's body once more to an answer of another kind."""
        client, upstream = self.formats[plan.source], self.formats[plan.target]
        halves: tuple[Served | None, Served | None]
        if plan.stream:
            halves = upstream.events_in, client.events_out
        else:
            halves = upstream.read["response"], client.write["response"]
        keys: frozenset[str] = frozenset()
        for half in halves:
            asked = half.asks("client") if half is not None else None
            if asked is None:
                return
            keys |= asked
        plan.read.release()
        plan.asked.release(lambda: client.spelling.read(again()), keys)

    # ---------------------------------------------------------------- answers

    def response(
        self,
        body: Body,
        source: str,
        target: str,
        plan: Plan | None = None,
        request: Body | None = None,
        provider: str | None = None,
    ) -> Answer:
        """The upstream's whole answer as one for the client. Raises UpstreamError for what cannot
        be used."""
        upstream, client, plan = self.planner.between(source, target, plan, request, provider)
        if not isinstance(body, dict):
            raise UpstreamError("the upstream's answer is no JSON object")
        read, write = upstream.read["response"], client.write["response"]
        ctx = plan.ctx(upstream, plan.vendor)
        half = reading = Half(read, body, plan.client(read), plan.data, ctx)
        try:
            canonical = reading.run()
            fit_answer(canonical)
            ctx = plan.ctx(client, client.vendor)
            half = Half(write, canonical, plan.client(write), plan.data, ctx)
            return Answer(half.run(), plan, reading, half)
        except Refusal as refusal:
            raise unusable(half, refusal) from None

    def observing(
        self, request: Body, format: str, provider: str | None = None, stream: bool | None = None
    ) -> Plan:
        """The plan for an answer that goes to its client as it is, as the request does."""
        return self.planner.planned(request, format, format, provider, stream=stream)[1]

    def passing(self, body: Body, format: str, plan: Plan) -> tuple[Body | None, Body | None]:
        """The canonical error and usage of a whole answer that goes to its client as it is.

        Nothing else is read or written. Raises UpstreamError.
        """
        side = self.planner.formats[format]
        section = side.read["response"]
        ctx = plan.ctx(side, plan.vendor)
        half = Half(section, body, plan.client(section), plan.data, ctx)
        try:
            answer = half.run()
        except Refusal as refusal:
            raise unusable(half, refusal) from None
        return answer.get("error"), answer.get("usage")

    def stream(
        self,
        source: str,
        target: str,
        plan: Plan | None = None,
        request: Body | None = None,
        provider: str | None = None,
        explain: bool = False,
    ) -> Stream:
        """A translator for one stream: ``feed(bytes) -> bytes``, ``close() -> bytes``."""
        upstream, client, made = self.planner.between(source, target, plan, request, provider)
        return Stream(upstream, client, made, explain)

    def gather(
        self,
        source: str,
        target: str,
        max_bytes: int,
        plan: Plan | None = None,
        request: Body | None = None,
        provider: str | None = None,
    ) -> Gathering:
        """The upstream's stream as a whole answer: ``feed``, ``close``, then ``answer()``."""
        upstream, client, made = self.planner.between(source, target, plan, request, provider)
        return Gathering(upstream, client, made, max_bytes)

    def replay(
        self,
        source: str,
        target: str,
        max_bytes: int,
        plan: Plan | None = None,
        request: Body | None = None,
        provider: str | None = None,
    ) -> Replay:
        """The upstream's whole answer as a stream: all of it comes with ``close``."""
        upstream, client, made = self.planner.between(source, target, plan, request, provider)
        return Replay(upstream, client, made, max_bytes)

    # ---------------------------------------------------------------- errors

    def error(
        self,
        status: int,
        body: Any,
        source: str,
        target: str,
        headers: dict[str, str] | None = None,
        request_id: str | None = None,
        provider: str | None = None,
        model: str | None = None,
    ) -> ErrorAnswer:
        """The upstream's error in the client's own envelope; ``request_id`` where it has none.

        ``provider`` (the format's own by default) sent it, for the upstream's ``model``.
        """
        who, upstream = self.planner.target(source, provider)
        client = self.planner.formats[target]
        return self.faults.translate(
            status, body, upstream, client, headers, request_id, who, model
        )
