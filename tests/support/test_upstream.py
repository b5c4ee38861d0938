"""The upstream of the tests says what was written down, and nothing else."""

import http.client

import pytest

from tests.support import upstream as upstreams
from tests.support.upstream import Answer, Upstream, stream


def ask(upstream: Upstream) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(upstream.url.removeprefix("http://"))
    try:
        connection.request("POST", "/v1/x?y=1", b'{"a": 1}', {"X-Name": "value"})
        response = connection.getresponse()
        return response.status, response.getheader("retry-after"), response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("piece", [None, 1, 7, 4096])
def test_bytes_status_and_headers_arrive_as_written(upstream: Upstream, piece: int | None) -> None:
    body = 'data: {"é": 1}\r\n\r\ndata: x\n\n'.encode()
    upstream.answers(Answer(body, 429, {"retry-after": "7"}, piece))
    assert ask(upstream) == (429, "7", body)


@pytest.mark.parametrize("piece", [None, 3])
def test_a_cut_answer_breaks_off(upstream: Upstream, piece: int | None) -> None:
    upstream.answers(Answer(b"data: x\n\n", piece=piece, cut=True))
    with pytest.raises(http.client.IncompleteRead):
        ask(upstream)


def test_answers_come_in_turn_and_the_last_one_stays(upstream: Upstream) -> None:
    upstream.answers(stream(b"one"), stream(b"two"))
    assert [ask(upstream)[2] for _ in range(3)] == [b"one", b"two", b"two"]


def test_requests_are_kept_as_they_came() -> None:
    with upstreams.running() as upstream:
        upstream.answers(stream(b""))
        ask(upstream)
        (received,) = upstream.received
    assert (received.method, received.path) == ("POST", "/v1/x?y=1")
    assert received.headers["x-name"] == "value"
    assert received.document == {"a": 1}
