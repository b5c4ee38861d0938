"""What a call becomes for one candidate: the upstream request, and its answer on the way back.

Nothing here waits or calls: the gateway and its dry run do the same things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import Rejected
from engine.gateway import payload
from engine.gateway.call import Call, Prepared
from engine.gateway.cloak import Cloak
from engine.gateway.credentials import Credential
from engine.gateway.lanes import Key, Lane, lane, words
from engine.gateway.passthrough import PassThrough, asking, renamed
from engine.gateway.patterns import matches
from engine.gateway.routing import Candidate
from engine.gateway.snapshot import Snapshot
from engine.translation import jsontext
from engine.translation.bridges import Gathering, Replay
from engine.translation.formats import UsageOnRequest
from engine.translation.losses import Loss
from engine.translation.streams import Stream
from engine.translation.translated import Answer, Translated

# Finding a text of a few bytes takes half as long again without a pattern.
CARRIED = re.compile(rb"gw1\.")
MAX_LOSSES_TOLD = 10
NOTHING_LOST = (
    "nothing may be lost here: leave these fields out, name another model, or have the operator"
    " allow losses (on-loss: report, by-capability: false)"
)

NOTHING: Mapping[str, str] = {}


@dataclass(slots=True)
class _Draft:
    """A request before what the client lost is put back; None when its bytes go as they are."""

    request: Translated | None
    cloak: Cloak | None
    rules: list[payload.Rule]


class Preparing:
    """The upstream requests of one client call, and what becomes of their answers.

    ``explaining``: they can be explained, for which the translated documents are held beside the
    bytes.
    """

    def __init__(self, call: Call, snapshot: Snapshot, explaining: bool = False) -> None:
        self._call = call
        self._snapshot = snapshot
        self._explaining = explaining
        self._asked = (call.format.name, call.stream)
        self._options = snapshot.options(call.model, call.format.name, call.context.key or "")
        on_loss = self._options.get("on-loss")
        self._strict = snapshot.settings.by_capability or on_loss == "reject"
        # A request goes only where it gets what it asks for.
        self.choosy = self._strict or on_loss == "avoid"
        self._drafts: dict[Key, _Draft | Rejected] = {}
        self._prepared: dict[Key, Prepared | Rejected] = {}

    def lane(self, candidate: Candidate) -> Lane:
        """How this candidate is called for the client."""
        found = candidate.lanes.get(self._asked)
        if found is None:
            call, formats = self._call, self._snapshot.translator.formats
            found = candidate.lanes[self._asked] = lane(
                candidate, call.format, call.stream, formats
            )
        return found

    def wanted(self, candidate: Candidate) -> list[str]:
        """The keys of what the client may have lost and this upstream wants. Raises Rejected."""
        lane = self.lane(candidate)
        if lane.key in self._prepared:
            return []
        draft = self._draft(candidate, lane)
        return [] if draft.request is None else draft.request.wanted

    def prepare(self, candidate: Candidate, found: Mapping[str, str] = NOTHING) -> Prepared:
        """The upstream request, made once per provider, cloak, wire and model. Raises Rejected.

        ``found``: texts by the keys that were wanted.
        """
        lane = self.lane(candidate)
        key = lane.key
        prepared = self._prepared.get(key)
        if prepared is None:
            try:
                prepared = self._prepare(candidate, lane, found)
            except Rejected as refusal:
                prepared = refusal
            self._prepared[key] = prepared
            self._drafts.pop(key, None)
        if isinstance(prepared, Rejected):
            raise prepared
        return prepared

    def fitting(
        self, candidates: Sequence[Candidate]
    ) -> tuple[Sequence[Candidate], list[Rejected]]:
        """Those that can take the request, and why the others cannot.

        Where losses are to be avoided, those at which something is lost are none while there are
        others; where they are refused, those refuse.
        """
        if not self.choosy:
            return candidates, []
        found: list[tuple[Candidate, bool]] = []
        refusals: list[Rejected] = []
        for candidate in candidates:
            try:
                found.append((candidate, not self.prepare(candidate).losses))
            except Rejected as refusal:
                refusals.append(refusal)
        whole = [candidate for candidate, whole in found if whole]
        return whole or [candidate for candidate, _ in found], refusals

    def _draft(self, candidate: Candidate, lane: Lane) -> _Draft:
        draft = self._drafts.get(lane.key)
        if draft is None:
            try:
                draft = self._translated(candidate, lane)
            except Rejected as refusal:
                draft = refusal
            self._drafts[lane.key] = draft
        if isinstance(draft, Rejected):
            raise draft
        return draft

    def _translated(self, candidate: Candidate, lane: Lane) -> _Draft:
        call, provider, wire = self._call, candidate.credential.provider, lane.wire.name
        if self.choosy:
            self._snapshot.translator.requirements.check(
                call.body,
                source=call.format.name,
                target=wire,
                provider=provider.name,
                model=candidate.model,
                stream=call.stream,
                headers=dict(call.headers),
            )
        rules = self._snapshot.payload.applying(candidate.model, wire)
        cloak = self._cloak(candidate.credential, wire)
        if not rules and cloak is None and self._passes(lane):
            return _Draft(None, None, rules)
        request = self._snapshot.translator.request(
            call.body,
            source=call.format.name,
            target=wire,
            provider=provider.name,
            model=candidate.model,
            stream=lane.streams,
            headers=dict(call.headers),
            options=self._options,
            edit=None if cloak is None else cloak.edit,
            moved=None if cloak is None else cloak.moved,
            client_model=call.model,
            scope=candidate.credential.scope,
        )
        return _Draft(request, cloak, rules)

    def _prepare(self, candidate: Candidate, lane: Lane, found: Mapping[str, str]) -> Prepared:
        call, provider = self._call, candidate.credential.provider
        wire, streams = lane.wire.name, lane.streams
        draft = self._draft(candidate, lane)
        request = draft.request
        if request is None:
            version = call.format.api_versions
            headers = dict(provider.headers)
            if version.header and lane.version:
                headers[version.header] = lane.version
            body = call.raw
            if call.format.model_in == "body.model":
                body = renamed(call.raw, call.body, candidate.model)
            plan = self._snapshot.translator.observing(
                call.body, call.format.name, provider.name, streams
            )
            asks = self._asks_usage(candidate)
            asked: list[dict[str, Any]] = []
            if asks is not None:
                body = asking(body, asks)
                out = ".".join(asks.field)
                asked.append({"out": out, "in": [], "rule": "usage-on-request", "how": "supply"})
            return Prepared(
                wire,
                lane.path,
                headers,
                body,
                plan,
                (),
                True,
                streams,
                explain=lambda: asked,
                usage_asked=asks is not None,
            )
        if found:
            request = request.recalled(found)
        if request.losses and self._strict:
            raise _refused(request.losses, provider.name)
        changed, rows = payload.apply(draft.rules, request.body)
        return Prepared(
            wire,
            lane.path,
            request.headers,
            jsontext.dumps(changed),
            request.plan,
            request.losses,
            False,
            streams,
            draft.cloak,
            (lambda: [*request.explain(), *rows]) if self._explaining else list,
        )

    def _asks_usage(self, candidate: Candidate) -> UsageOnRequest | None:
        """How to ask for the counts of a stream that passes through, when the client does not."""
        call, asks = self._call, self._call.format.usage_on_request
        if asks is None or not call.stream or asks.asked(call.body):
            return None
        facts = candidate.credential.provider.facts_for(candidate.model)
        return asks if facts.get(asks.quirk) else None

    def _cloak(self, credential: Credential, wire: str) -> Cloak | None:
        call, provider = self._call, credential.provider
        if not credential.cloak.active(wire != call.format.name):
            return None
        client = self._snapshot.keyring.digest(call.context.key)
        return Cloak(credential.cloak, "".join(credential.secrets), client, provider.name)

    def _passes(self, lane: Lane) -> bool:
        """Whether the client's bytes can go to this upstream as they are."""
        if not lane.passes or CARRIED.search(self._call.raw):
            return False
        header = self._call.format.api_versions.header
        return header is None or self._call.headers.get(header, lane.usual) == lane.version

    def headers(self, candidate: Candidate, prepared: Prepared) -> dict[str, str]:
        """All headers of the upstream request, its secret among them."""
        lane, request_id = self.lane(candidate), self._call.context.id
        features = _features(self._call, candidate.credential, lane)
        return {
            **lane.headers,
            "x-request-id": request_id,
            **prepared.headers,
            **lane.own,
            **features,
        }

    def release(self) -> None:
        """Let go of the documents while the upstream works: the client's bytes and those that were
        sent are all that another attempt needs."""
        document = self._call.document
        document.release()
        for prepared in self._prepared.values():
            if isinstance(prepared, Prepared):
                self._snapshot.translator.release(prepared.plan, document.get)

    # -- the way back

    def stream(
        self, candidate: Candidate, prepared: Prepared, explain: bool = False
    ) -> Stream | PassThrough:
        """What the upstream's stream goes through on its way to the client."""
        call, translator = self._call, self._snapshot.translator
        stream = translator.stream(
            source=prepared.wire,
            target=call.format.name,
            plan=prepared.plan,
            explain=explain and not prepared.same,
        )
        if prepared.same:
            hidden = call.format.usage_on_request if prepared.usage_asked else None
            names = (candidate.model, call.model)
            told = call.format.model_told
            return PassThrough(stream, call.format.framing, names, hidden, told)
        if prepared.cloak is not None and prepared.cloak.restores:
            stream.through(prepared.cloak.stage())
        return stream

    def replay(self, prepared: Prepared) -> Replay:
        """What a whole answer goes through on its way to a client that wants a stream."""
        stream = self._snapshot.translator.replay(
            prepared.wire,
            self._call.format.name,
            self._snapshot.settings.max_answer,
            plan=prepared.plan,
        )
        if prepared.cloak is not None and prepared.cloak.restores:
            stream.through(prepared.cloak.stage())
        return stream

    def gather(self, prepared: Prepared) -> Gathering:
        """What a stream goes through on its way to a client that wants a whole answer."""
        return self._snapshot.translator.gather(
            prepared.wire,
            self._call.format.name,
            self._snapshot.settings.max_answer,
            plan=prepared.plan,
        )

    def answer(self, prepared: Prepared, document: dict[str, Any]) -> Answer:
        """The upstream's whole answer, read. Raises UpstreamError."""
        return self._snapshot.translator.response(
            document,
            source=prepared.wire,
            target=self._call.format.name,
            plan=prepared.plan,
        )

    def written(
        self,
        candidate: Candidate,
        prepared: Prepared,
        answer: Answer,
        raw: bytes,
        document: dict[str, Any],
    ) -> bytes:
        """The whole answer as the client gets it; ``raw`` is the upstream's ``document``."""
        if prepared.same:
            return self.passed(candidate, raw, document)
        return self.encoded(prepared, answer.body)

    def passing(
        self, prepared: Prepared, document: dict[str, Any]
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The error and the usage in an answer that goes on as it is. Raises UpstreamError."""
        name = self._call.format.name
        return self._snapshot.translator.passing(document, name, prepared.plan)

    def passed(self, candidate: Candidate, raw: bytes, document: dict[str, Any]) -> bytes:
        """The upstream's bytes with the model's name as the client says it."""
        key = self._call.format.model_told
        if document.get(key) == candidate.model != self._call.model:
            return renamed(raw, document, self._call.model, key)
        return raw

    def encoded(self, prepared: Prepared, body: dict[str, Any]) -> bytes:
        """The client's answer as bytes, with its own words in place of their masks."""
        data = jsontext.dumps(body)
        return data if prepared.cloak is None else prepared.cloak.restored(data)


def _refused(losses: Sequence[Loss], provider: str) -> Rejected:
    """Why a request does not go where this would be lost: every field, up to a bound."""
    words = [f"{loss.path}: {loss.reason}" for loss in losses[:MAX_LOSSES_TOLD]]
    if len(losses) > len(words):
        words.append(f"and {len(losses) - len(words)} more")
    first = losses[0]
    reason = "; ".join([first.reason, *words[1:]])
    return Rejected(f"{reason} (lost at {provider})", first.path, hint=NOTHING_LOST)


def _features(call: Call, credential: Credential, lane: Lane) -> dict[str, str]:
    """The optional features that the operator set, and those that the client asks for and may."""
    name = call.format.headers.get("betas")
    if name is None or lane.wire is not call.format:
        return {}
    known = lane.features
    if name in call.headers:
        asked = [
            word
            for word in words(call.headers[name])
            if any(matches(pattern, word) for pattern in credential.betas)
        ]
        known = tuple(dict.fromkeys([*known, *asked]))
    return {name: ",".join(known)} if known else {}
