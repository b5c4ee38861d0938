"""The translator: documents and bytes of one wire format in, of another one out. Sans I/O.

A request is read into the canonical form by its source's mapping and written from it by its
target's. Explanations run the same mappings once more, traced; so do losses, when somebody asks
for them and the mappings alone cannot tell where they were.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import engine.translation.functions  # noqa: F401  (registers the functions of this storey)
from engine.errors import Rejected, UpstreamError
from engine.language.cache import Cache, user_folder
from engine.language.runtime import Refusal
from engine.language.sections import Section, Served
from engine.language.source import Node, suggest
from engine.resources import shipped
from engine.translation.bridges import Gathering, Replay
from engine.translation.capabilities import Capabilities
from engine.translation.faults import ErrorAnswer, Faults, load_kinds
from engine.translation.fitting import fit_answer
from engine.translation.folders import load as load_formats
from engine.translation.formats import Format
from engine.translation.held import Held
from engine.translation.plan import Ctx, Plan, decide, rejected
from engine.translation.provider_files import ProviderFiles
from engine.translation.providers import Provider
from engine.translation.quirks import Quirks
from engine.translation.runs import Moved, Origins
from engine.translation.scopes import Vendor, estrange
from engine.translation.streams import Encoder, Stream
from engine.translation.translated import Answer, Half, Translated
from engine.translation.ways import Way

Body = dict[str, Any]

# Ways that are remembered: names of models come from clients.
_WAYS = 1024
# For the name of a provider: there is none.
_NOBODY = ""


class Translator:
    """All wire formats and providers, compiled. Immutable: reloading makes another one."""

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
        self._ways: dict[tuple[str | None, ...], Way] = {}
        self.faults = Faults(known, kinds, now)
        self.kinds = kinds
        self._capabilities = capabilities or Capabilities()
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
        made = copy.copy(self)
        made._now = lambda: moment
        return made

    def with_settings(self, settings: Node | None) -> Translator:
        """The same with these settings over its provider files. Raises MappingError."""
        if self._files is None:
            raise ValueError("a translator of nothing but formats has no provider files")
        who = self._files.under(settings)
        return Translator(self.formats, who, self.kinds, self._now, self._capabilities, self._files)

    def warm(self, pause: float = 0.02) -> None:
        """Compile now what translations, losses and explanations will need, with pauses of seconds
        between.

        Without it the first request that needs it waits for it. For a thread of its own.
        """
        for side in self.formats.values():
            for half in side.halves():
                half.ready()
                time.sleep(pause)
        self.quicken(pause)
        for section in self._sections():
            section.prepare()
            time.sleep(pause)

    def quicken(self, pause: float = 0.0) -> None:
        """Compile now the quick forms of all mappings, where no earlier start has."""
        for section in self._sections():
            section.quicken()
            time.sleep(pause)

    def _sections(self) -> list[Section]:
        return [
            section
            for side in self.formats.values()
            for section in (side.plan_write, *side.read.values(), *side.write.values())
            if section is not None
        ]

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
        way, plan, reading = self._planned(
            body, source, target, provider, model, client_model, stream, options, headers
        )
        if scope is not None:
            plan.scope = scope
            plan.vendor = Vendor(plan.vendor, scope) if scope else plan.vendor
            reading.then = lambda result, moved: estrange(result, scope)
        plan.read.put(self._run(reading, None))
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
        writing = self._writing(way, plan, canonical)
        out = self._run(writing, reading, moved)
        if type(out) is not dict:
            raise Rejected("there is nothing to send")
        if way.renamed:
            out = {way.renamed.get(key, key): value for key, value in out.items()}
        again = partial(self._sent, way, plan, reading, edit, moved)
        path, headers = way.paths[plan.stream], dict(way.headers)
        return Translated(out, path, headers, plan, reading, writing, again, moved, way.renamed)

    def require(
        self,
        body: Body,
        source: str,
        target: str,
        provider: str,
        model: str,
        stream: bool | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Raise Rejected when the client's request asks for what this model of the provider
        lacks by what is known of it, and when it cannot be read."""
        way = self._way(source, target, provider, model, None)
        streams = way.who is None or way.who.streams(model, True)
        if streams and not self._capabilities.lacking(way.limits):
            return
        given = (model, None, stream, None, headers)
        way, plan, reading = self._planned(body, source, target, provider, *given)
        canonical = self._run(reading, None)
        ctx = plan.ctx(way.upstream, way.upstream.vendor)
        ctx["limits"], ctx["provider"] = way.limits, {**ctx["provider"], "streams": streams}
        rules = self._capabilities.rules
        self._run(Half(rules, canonical, plan.body, plan.data, ctx), reading)

    def _planned(
        self,
        body: Body,
        source: str,
        target: str | None,
        provider: str | None,
        model: str | None = None,
        client_model: str | None = None,
        stream: bool | None = None,
        options: Body | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[Way, Plan, Half]:
        """The way of a request, its plan, and the half that reads it."""
        client = self._format(source)
        read = client.spelling.read(body)
        asked = read.get("model")
        way = self._way(
            source, target, provider, model, asked if isinstance(asked, str) else client_model
        )
        if stream is None:
            stream = bool(read.get("stream"))
        plan = way.plan(read, stream, options or {}, int(self._now()))
        ctx, versions = plan.ctx(client, client.vendor), client.api_versions
        ctx["api_version"] = versions.default
        if headers:
            said = headers
            if not all(map(str.islower, said)):
                said = {key.lower(): value for key, value in said.items()}
            ctx["headers"] = said
            ctx["api_version"] = said.get(versions.header or "") or versions.default
        decide(plan, client.plan_read, read, ctx)
        section = client.read["request"]
        reading = Half(section, read, read, plan.data, ctx)
        plan.read.again = partial(_read_again, section, plan.asked, plan.data, ctx)
        if read is not body:
            reading.spelling = client.spelling, body
        return way, plan, reading

    def _writing(self, way: Way, plan: Plan, canonical: Any) -> Half:
        """The half that writes the request, with what the plan takes from the canonical one."""
        ctx = way.writing(plan)
        decide(plan, way.upstream.plan_write, canonical, ctx)
        return Half(way.upstream.write["request"], canonical, plan.body, plan.data, ctx)

    def _way(
        self,
        source: str,
        target: str | None,
        provider: str | None,
        model: str | None,
        client_model: str | None,
    ) -> Way:
        """The way to a model; made once, as its name comes from clients for some time."""
        key = (source, target, provider, model, client_model)
        way = self._ways.get(key)
        if way is None:
            if len(self._ways) >= _WAYS:
                self._ways.clear()
            who, upstream = self._target(target, provider)
            way = Way.of(self._format(source), upstream, who, model, client_model)
            self._ways[key] = way
        return way

    def _run(self, half: Half, reading: Half | None, moved: Moved | None = None) -> Any:
        """Run a section; a refusal is told with the client's path, found by running once more,
        traced."""
        try:
            return half.run()
        except Refusal as refusal:
            raise self._refusal(half, reading, refusal, moved) from None

    def _refusal(
        self, half: Half, reading: Half | None, refusal: Refusal, moved: Moved | None = None
    ) -> Rejected:
        try:
            half.trace()
        except Refusal as traced:
            path = traced.path
            if reading is not None and path:
                path = Origins(reading.trace(), moved).near(path)
            path = path and (reading or half).spelt(path)
            return rejected(traced, path, half.section, traced=True)
        return rejected(refusal, None, half.section, traced=False)

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
        upstream, client, plan = self._between(source, target, plan, request, provider)
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
            raise self._unusable(half, refusal) from None

    def observing(
        self, request: Body, format: str, provider: str | None = None, stream: bool | None = None
    ) -> Plan:
        """The plan for an answer that goes to its client as it is, as the request does."""
        return self._planned(request, format, format, provider, stream=stream)[1]

    def passing(self, body: Body, format: str, plan: Plan) -> tuple[Body | None, Body | None]:
        """The canonical error and usage of a whole answer that goes to its client as it is.

        Nothing else is read or written. Raises UpstreamError.
        """
        side = self._format(format)
        section = side.read["response"]
        ctx = plan.ctx(side, plan.vendor)
        half = Half(section, body, plan.client(section), plan.data, ctx)
        try:
            answer = half.run()
        except Refusal as refusal:
            raise self._unusable(half, refusal) from None
        return answer.get("error"), answer.get("usage")

    def _unusable(self, half: Half, refusal: Refusal) -> UpstreamError:
        told_path = self._refusal(half, None, refusal)
        return UpstreamError(f"the upstream's answer cannot be used: {told_path}")

    def _between(
        self,
        source: str,
        target: str,
        plan: Plan | None,
        request: Body | None,
        provider: str | None,
    ) -> tuple[Format, Format, Plan]:
        """The formats of an upstream's answer and of its client, and the plan it answers to."""
        upstream, client = self._format(source), self._format(target)
        return upstream, client, plan or self._plan_of(target, source, request, provider)

    def _plan_of(
        self, client: str, upstream: str, request: Body | None, provider: str | None
    ) -> Plan:
        body = request if isinstance(request, dict) else {}
        way, plan, reading = self._planned(body, client, upstream, provider)
        try:
            plan.read.put(reading.run())
        except Refusal:
            # an answer may come without a request that could be sent
            plan.read.put({})
        self._writing(way, plan, plan.canonical)
        return plan

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
        upstream, client, made = self._between(source, target, plan, request, provider)
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
        upstream, client, made = self._between(source, target, plan, request, provider)

        def write(canonical: Body) -> Half:
            section, ctx = client.write["response"], made.ctx(client, client.vendor)
            return Half(section, canonical, made.client(section), made.data, ctx)

        return Gathering(upstream, client, made, max_bytes, write)

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
        upstream, client, made = self._between(source, target, plan, request, provider)

        def read(body: Body) -> Half:
            section, ctx = upstream.read["response"], made.ctx(upstream, made.vendor)
            return Half(section, body, made.client(section), made.data, ctx)

        return Replay(upstream, client, made, max_bytes, read)

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
        who, upstream = self._target(source, provider)
        client = self._format(target)
        return self.faults.translate(
            status, body, upstream, client, headers, request_id, who, model
        )

    def fault(
        self,
        kind: str,
        message: str,
        target: str,
        status: int | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        request_id: str | None = None,
    ) -> ErrorAnswer:
        """An error of the gateway itself in the client's own envelope."""
        error: Body = {"kind": kind, "message": message}
        more = {
            "status": status,
            "retry_after": retry_after,
            "param": param,
            "request_id": request_id,
        }
        error |= {key: value for key, value in more.items() if value is not None}
        return self.faults.write(error, self._format(target))

    # ---------------------------------------------------------------- halves, for demo and tests

    def read_request(self, body: Body, source: str) -> Body:
        """A request of this format in the canonical form. Raises Rejected."""
        _, _, reading = self._planned(body, source, source, _NOBODY)
        return dict(self._run(reading, None))

    def write_response(self, answer: Body, target: str, request: Body) -> Body:
        """A canonical answer in this format, for the client that sent ``request``."""
        client = self._format(target)
        plan = self._plan_of(target, target, request, None)
        ctx = plan.ctx(client, client.vendor)
        return dict(Half(client.write["response"], answer, request, plan.data, ctx).run())

    def write_stream(self, events: Iterable[Body], target: str, request: Body) -> Iterator[bytes]:
        """Canonical events in this format, for the client that sent ``request``; bytes for each
        event."""
        client = self._format(target)
        encoder = Encoder(client, self._plan_of(target, target, request, None))
        for event in events:
            yield encoder.write(event)

    def models_list(self, models: list[Body], target: str) -> Body:
        """A list of models in the shape of this format."""
        return self._listed("list", models, target)

    def model_entry(self, model: Body, target: str) -> Body:
        """One model in the shape of this format."""
        return self._listed("one", model, target)

    def listed_models(self, document: Any, source: str) -> list[str]:
        """The names in an upstream's list of its models; none when it is no such list."""
        section = self._format(source).lists.get("read")
        if section is None:
            return []
        try:
            found, _ = section.run(document, {}, {}, {})
        except Refusal:
            return []
        return [str(model["id"]) for model in found or ()]

    def _listed(self, word: str, document: Any, target: str) -> Body:
        side = self._format(target)
        _, plan, _ = self._planned({}, target, target, _NOBODY)
        result, _ = side.lists[word].run(document, {}, {}, plan.ctx(side, side.vendor))
        return dict(result)

    # ---------------------------------------------------------------- names

    def _format(self, name: str) -> Format:
        try:
            return self.formats[name]
        except KeyError:
            told = f"unknown wire format {name}{suggest(name, self.formats)}"
            raise ValueError(told) from None

    def _target(self, target: str | None, provider: str | None) -> tuple[Provider | None, Format]:
        if provider and provider not in self.providers:
            raise ValueError(f"unknown provider {provider}{suggest(provider, self.providers)}")
        who = self.providers.get(provider) if provider else None
        if target is None:
            if who is None:
                raise ValueError("a translation needs a target format or a provider")
            target = who.format
        upstream = self._format(target)
        if provider is None:
            who = self.providers.get(upstream.default_provider)
        return who, upstream


def _read_again(section: Section, asked: Held, data: Body, ctx: Ctx) -> Body:
    """The canonical form of what a client asked, which was read before."""
    body = asked.get()
    canonical: Body = section.run(body, body, data, ctx)[0]
    return canonical
