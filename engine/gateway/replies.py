"""What the client gets: answers and errors in its own format, with the gateway's headers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from engine.errors import Rejected
from engine.gateway.array import ArrayStream
from engine.gateway.call import Call
from engine.gateway.exchange import Exchange, Headers
from engine.gateway.failures import Failure
from engine.gateway.upstream import Response
from engine.translation import jsontext
from engine.translation.faults import ErrorAnswer
from engine.translation.formats import Format
from engine.translation.losses import Loss
from engine.translation.translator import Translator

JSON = b"application/json"
MAX_LOSS_HEADER_BYTES = 512
MAX_LOSS_PATHS = 10
# SDKs retry these by themselves; after the gateway's own retries that would only triple the load.
_SDK_RETRIES = frozenset((408, 409, 429))
NO_RETRY = (b"x-should-retry", b"false")


class Replies:
    """Writes the one answer of a request; what is asked for ``knows`` tells once it was read.

    ``as_array``: the client reads an array, of an error, too.
    """

    def __init__(
        self,
        translator: Translator,
        format: Format,
        exchange: Exchange,
        as_array: bool,
    ) -> None:
        self._translator = translator
        self._format = format
        self._exchange = exchange
        self._context = exchange.context
        self._call: Call | None = None
        self._as_array = as_array

    def knows(self, call: Call) -> None:
        """The request has been read."""
        self._call, self._as_array = call, call.as_array

    async def whole(self, body: bytes, headers: Headers) -> None:
        """A complete answer."""
        await self._exchange.answer(200, body, headers, JSON)

    async def begin_stream(self, headers: Headers) -> None:
        """The head of a streamed answer, sent with its first event."""
        self._context.first_event = self._context.elapsed
        call = self._call
        content_type = call.stream_type if call else self._format.content_type.encode()
        await self._exchange.commit(200, [(b"cache-control", b"no-cache"), *headers], content_type)

    async def failure(self, failure: Failure) -> None:
        """An upstream's error, in the client's own envelope, with its status and words."""
        await self.error(failure.answer, final=True)

    async def fault(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        final: bool = False,
    ) -> None:
        """An error that the gateway itself makes."""
        answer = self._translator.faults.own(
            kind,
            message,
            target=self._format.name,
            status=status,
            retry_after=retry_after,
            param=param,
            request_id=self._context.id,
        )
        await self.error(answer, final=final)

    async def refusal(self, refusals: Sequence[Rejected]) -> None:
        """Nobody could take the request: each candidate's reason, once, and what would help."""
        reasons = list(dict.fromkeys(str(refusal) for refusal in refusals))
        reasons += dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint)
        first = refusals[0]
        await self.fault(first.kind, "; ".join(reasons), status=first.status, param=first.path)

    async def error(self, answer: ErrorAnswer, final: bool = False) -> None:
        """An error; inside a stream that a keepalive has begun, the format's terminal error."""
        call, name = self._call, self._format.name
        self._context.error = answer.kind
        if self._exchange.committed and call is not None and call.stream:
            stream = self._translator.stream(source=name, target=name, request=call.body)
            shown = ArrayStream(stream) if call.as_array else stream
            message = str(answer.error["message"])
            await self._exchange.write(shown.fail(answer.kind, message, answer.status), more=False)
            return
        headers = [
            (name.lower().encode(), value.encode("latin-1", "replace"))
            for name, value in answer.headers.items()
        ]
        if final and (answer.status in _SDK_RETRIES or answer.status >= 500):
            headers.append(NO_RETRY)
        headers += self._debug()
        body = jsontext.dumps([answer.body] if self._as_array else answer.body)
        await self._exchange.answer(answer.status, body, headers, JSON)

    def headers(
        self, response: Response, losses: Sequence[Loss], passed: frozenset[str]
    ) -> Headers:
        """The gateway's own headers of an answer, and the upstream's that are passed on."""
        headers: Headers = []
        if passed:
            raw = response.headers.raw
            headers += [field for field in raw if field[0].decode("latin-1").lower() in passed]
        if losses:
            headers.append((b"x-ai-proxy-losses", loss_header(losses)))
        return headers + self._debug()

    def _debug(self) -> Headers:
        """Who answered, for a client that sent ``x-debug: true``."""
        if self._call is None or not self._call.debug:
            return []
        context = self._context
        fields = {
            b"x-ai-proxy-provider": context.provider,
            b"x-ai-proxy-credential": context.credential,
            b"x-ai-proxy-model": context.upstream_model,
            b"x-ai-proxy-attempts": str(context.attempts),
            b"x-ai-proxy-upstream-request-id": context.upstream_request_id,
        }
        return [(name, header_value(value)) for name, value in fields.items() if value is not None]


def loss_header(losses: Sequence[Loss]) -> bytes:
    """``<n>; <up to 10 paths>``, within its bound; paths hold a client's own keys: cleaned."""
    value = b"%d" % len(losses)
    for number, loss in enumerate(losses[:MAX_LOSS_PATHS]):
        piece = (b"; " if number == 0 else b", ") + header_value(loss.path)
        if len(value) + len(piece) > MAX_LOSS_HEADER_BYTES:
            break
        value += piece
    return value


def header_value(text: str) -> bytes:
    """The text as a header may hold it."""
    return bytes(byte if 32 <= byte < 127 else 63 for byte in text.encode("ascii", "replace"))


def envelope_headers(format: Format, request_id: str) -> Headers:
    """The request id under the name that everybody knows and under the format's own."""
    value = request_id.encode()
    return [(name, value) for name in _id_names(format.request_id_header)]


@cache
def _id_names(own: str | None) -> tuple[bytes, ...]:
    return tuple(name.encode() for name in dict.fromkeys(("x-request-id", own or "x-request-id")))
