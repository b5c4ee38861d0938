"""An upstream on loopback that answers what a test wrote down, byte for byte."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EVENT_STREAM = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Answer:
    """What the upstream says to one request.

    `piece`: send the body in chunks of that many bytes, as streams come; None: at once, with its
    length. `cut`: break the connection after the body instead of ending it.
    """

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    piece: int | None = None
    cut: bool = False


def document(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of one JSON document."""
    headers = {"content-type": "application/json", **(headers or {})}
    return Answer(json.dumps(body).encode(), status, headers)


def stream(body: bytes, piece: int = 61, cut: bool = False) -> Answer:
    """An event stream, in pieces that keep to no event's boundary."""
    return Answer(body, 200, EVENT_STREAM, piece, cut)


@dataclass(frozen=True)
class Received:
    """A request as it reached the upstream. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


class Upstream:
    """The running upstream: its `url` without a version segment, and what it `received`."""

    def __init__(self, port: int, by: Callable[[Received], Answer] | None = None) -> None:
        self._by = by
        self.url = f"http://127.0.0.1:{port}"
        self.received: list[Received] = []
        self._answers: list[Answer] = []
        self._lock = threading.Lock()

    def answers(self, *answers: Answer) -> None:
        """From now on answer these, in turn; the last one again and again."""
        with self._lock:
            self._answers = list(answers)
            self.received = []

    def _take(self, request: Received) -> Answer:
        with self._lock:
            self.received.append(request)
            if self._by is not None:
                return self._by(request)
            if not self._answers:
                return document({"error": {"message": "the test wrote no answer down"}}, 500)
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    upstream: Upstream

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A gateway that leaves in mid-answer is what some tests are about: no traceback for it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "transfer-encoding" in headers:  # vendors' front ends refuse such calls
            self.send_error(411)
            return
        body = self.rfile.read(int(headers.get("content-length", "0")))
        answer = self.server.upstream._take(Received(self.command, self.path, headers, body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.piece is None:
            length = len(answer.body) + (1 if answer.cut else 0)
            self.send_header("content-length", str(length))
            self.end_headers()
            self.wfile.write(answer.body)
        else:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for start in range(0, len(answer.body), answer.piece):
                piece = answer.body[start : start + answer.piece]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not answer.cut:
                self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.close_connection or answer.cut

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what came in stands in `received`."""


@contextmanager
def running(by: Callable[[Received], Answer] | None = None) -> Iterator[Upstream]:
    """An upstream on a free port of 127.0.0.1, for as long as the block; ``by`` answers what comes,
    in place of what a test writes down."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.upstream = Upstream(server.server_address[1], by)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.upstream
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
