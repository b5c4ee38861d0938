"""The way of a request: plan the candidates, try them in turn, say what came of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from engine.errors import Rejected
from engine.gateway.affinity import opening
from engine.gateway.attempt import Attempts
from engine.gateway.call import Call, Prepared
from engine.gateway.exchange import Exchange
from engine.gateway.failures import MAX_REST_SECONDS, Failure, Verdict
from engine.gateway.gates import Busy, Gates
from engine.gateway.memory import Memory
from engine.gateway.replies import Replies
from engine.gateway.routing import Candidate
from engine.gateway.snapshot import Snapshot
from engine.gateway.state import Cooldown, State

# A wait for one of these is the client's to make; any other means that nobody can serve it now.
WAITING_KINDS = ("rate-limit", "quota")


@dataclass(slots=True)
class _Outcome:
    """What has come of one call so far."""

    calls: int = 0
    failure: Failure | None = None
    verdict: Verdict | None = None
    refusals: list[Rejected] = field(default_factory=list)
    resting: dict[str, Cooldown] = field(default_factory=dict)
    rested: list[Candidate] = field(default_factory=list)
    busy: bool = False


class Dispatcher:
    """Answers generations, with what outlives them in ``state``."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.gates = Gates()

    async def run(
        self, call: Call, snapshot: Snapshot, exchange: Exchange, replies: Replies
    ) -> None:
        """Answer a call; every outcome but a client that leaves is an answer."""
        run = _Run(self._state, self.gates, call, snapshot, exchange, replies)
        models = snapshot.router.chain(call.model)
        for name in call.alternatives:
            models += snapshot.router.chain(name)
        for model in dict.fromkeys(models):
            if await run.model(model):
                return
        await run.give_up()


class _Run:
    """One call on its way through its candidates."""

    def __init__(
        self,
        state: State,
        gates: Gates,
        call: Call,
        snapshot: Snapshot,
        exchange: Exchange,
        replies: Replies,
    ) -> None:
        self._state = state
        self._gates = gates
        self._keepers: dict[str, str] = {}  # by provider: under what to remember who answered
        self._call = call
        self._snapshot = snapshot
        self._outcome = _Outcome()
        self._replies = replies
        memory = Memory(state, snapshot.keyring, call.context.key)
        self._attempts = Attempts(call, snapshot, exchange, replies, memory)
        settings = snapshot.settings
        self._deadline = call.context.started + settings.budget
        self._limit = 1 + (settings.bootstrap_retries if call.stream else settings.max_retries)

    async def model(self, model: str) -> bool:
        """Try the candidates of a model in rounds, each with one credential of every provider.

        True when nothing more is to be tried: the client has its answer, or its mistake is certain.
        """
        for number, candidates in enumerate(await self._rounds(model)):
            for candidate in candidates:
                try:
                    prepared = await self._attempts.prepare(candidate)
                except Rejected as refusal:
                    self._outcome.refusals.append(refusal)
                    continue
                if self._outcome.calls >= self._limit or not await self._backoff(number):
                    return await self._over()
                number = 0  # one wait a round
                credential = candidate.credential
                patience = max(0.0, self._deadline - time.perf_counter())
                try:
                    await self._gates.enter(credential, patience)
                except Busy:
                    self._outcome.busy = True
                    continue
                try:
                    if await self._try(candidate, prepared):
                        return True
                finally:
                    self._gates.leave(credential)
        return False

    async def _over(self) -> bool:
        await self.give_up()
        return True

    async def _backoff(self, round_number: int) -> bool:
        """Wait before another round, with full jitter; False when the budget does not allow it."""
        if not self._outcome.calls:
            return True
        wait = 0.0
        if round_number:
            longest = min(2.0 ** (round_number - 1), self._snapshot.settings.max_backoff)
            wait = random.uniform(0, longest)
        if time.perf_counter() + wait >= self._deadline:
            return False
        if wait:
            await asyncio.sleep(wait)
        return True

    async def _try(self, candidate: Candidate, prepared: Prepared) -> bool:
        """Call the upstream, twice when the rules say so. True when the call is over."""
        outcome, classes = self._outcome, self._snapshot.classes
        provider = candidate.credential.provider.name
        outcome.calls += 1
        failure = await self._attempts.make(candidate, prepared)
        if failure is None:
            return await self._answered(candidate)
        verdict = classes.verdict(failure, provider)
        if verdict.do == "again":
            failure = await self._attempts.make(candidate, prepared)
            if failure is None:
                return await self._answered(candidate)
            verdict = classes.verdict(failure, provider, repeated=True)
        outcome.failure, outcome.verdict = failure, verdict
        if verdict.do == "cool":
            await self._cool(candidate, failure, verdict)
        return await self._over() if verdict.do == "stop" else False

    async def _answered(self, candidate: Candidate) -> bool:
        key = self._keepers.get(candidate.credential.provider.name)
        if key is not None:
            await self._state.remember({key: candidate.credential.id})
        return True

    # -- whose turn it is

    async def _rounds(self, model: str) -> list[list[Candidate]]:
        candidates = self._snapshot.router.candidates(model)
        fitting, refusals = await self._attempts.fitting(candidates)
        self._outcome.refusals += refusals
        free = await self._free(fitting)
        if len(free) < 2:
            return [free] if free else []
        groups: dict[str, list[Candidate]] = {}
        for candidate in free:
            groups.setdefault(candidate.credential.provider.name, []).append(candidate)
        queues = [
            sorted(await self._ordered(group, model), key=self._is_full)
            for group in groups.values()
        ]
        rounds = [[c for c in round_ if c is not None] for round_ in zip_longest(*queues)]
        return [sorted(round_, key=self._is_full) for round_ in rounds]

    def _is_full(self, candidate: Candidate) -> bool:
        return self._gates.full(candidate.credential)

    async def _free(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those that do not rest; the rests are noted."""
        resting = await self._state.cooling(key for c in candidates for key in _keys(c))
        if not resting:
            return list(candidates)
        self._outcome.resting.update(resting)
        free = [c for c in candidates if not any(key in resting for key in _keys(c))]
        self._outcome.rested += [c for c in candidates if c not in free]
        return free

    async def _ordered(self, group: list[Candidate], model: str) -> list[Candidate]:
        """The credentials of one provider, the one whose turn it is first."""
        if len(group) == 1:
            return group
        scope = f"{group[0].credential.provider.name}|{model}"
        chosen = await self._keeper(group[0].credential.provider.name, scope)
        ids = [candidate.credential.id for candidate in group]
        if chosen not in ids:
            if self._snapshot.settings.strategy == "fill-first":
                return group
            weights = {candidate.credential.id: candidate.credential.weight for candidate in group}
            chosen = await self._state.turn(scope, weights)
        at = ids.index(chosen)
        return group[at:] + group[:at]

    async def _keeper(self, provider: str, scope: str) -> str | None:
        """Who answered the beginning of this conversation."""
        if not self._snapshot.settings.affinity:
            return None
        found = opening(self._call.body, self._call.format.affinity)
        if found is None:
            return None
        digest, continued = found
        key = self._keepers[provider] = f"{scope}|{self._call.context.key}|{digest}"
        return (await self._state.recall([key])).get(key) if continued else None

    async def _cool(self, candidate: Candidate, failure: Failure, verdict: Verdict) -> None:
        seconds = failure.retry_after
        if seconds is None:
            seconds = self._snapshot.settings.cooldowns[verdict.rest or "5xx"]
        if seconds > 0:
            key = _keys(candidate)[0 if verdict.scope == "credential" else 1]
            until = time.time() + min(seconds, MAX_REST_SECONDS)
            await self._state.cool(key, Cooldown(until, failure.kind))

    # -- when nobody answered

    async def give_up(self) -> None:
        """Tell the client why there is no answer."""
        outcome, replies, name = self._outcome, self._replies, self._call.model
        if outcome.failure is not None and not (outcome.verdict and outcome.verdict.hide):
            await replies.failure(outcome.failure)
        elif outcome.failure is not None:
            await replies.fault("overloaded", f"no usable credential for {name}", final=True)
        elif outcome.busy:
            words = f"every credential for {name} is busy; try again"
            await replies.fault("overloaded", words, retry_after=1, final=True)
        elif outcome.resting and not await self._refused_by_all():
            await self._all_resting()
        elif outcome.refusals:
            await replies.refusal(outcome.refusals)
        elif self._snapshot.router.lacks_prefix(name):
            words = f"{name} must be written with its prefix: prefix/{name}"
            await replies.fault("invalid", words, param="model")
        else:
            words = f"model not found: {name}; GET /v1/models lists what there is"
            await replies.fault("not-found", words, param="model")

    async def _refused_by_all(self) -> bool:
        """Whether those that rest would refuse the request, too, as the others did."""
        outcome = self._outcome
        if not outcome.refusals:
            return False
        return not any([await self._takes(candidate) for candidate in outcome.rested])

    async def _takes(self, candidate: Candidate) -> bool:
        try:
            await self._attempts.prepare(candidate)
        except Rejected:
            return False
        return True

    async def _all_resting(self) -> None:
        earliest = min(self._outcome.resting.values(), key=lambda cooldown: cooldown.until)
        seconds = max(1, round(earliest.until - time.time() + 0.5))
        await self._replies.fault(
            "rate-limit" if earliest.kind in WAITING_KINDS else "overloaded",
            f"every credential for {self._call.model} rests; try again in {seconds} s",
            retry_after=seconds,
            final=True,
        )


def _keys(candidate: Candidate) -> tuple[str, str]:
    """Under what a candidate rests: its credential as a whole, and for this model."""
    identity = candidate.credential.id
    return identity, f"{identity}|{candidate.model}"
