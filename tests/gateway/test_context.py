"""Who the client is, and what the log says of it."""

from __future__ import annotations

import ipaddress
import json
import logging
from pathlib import Path

import pytest

from engine.gateway.context import Context, JsonLines, Lines, client_address

IPV4 = ipaddress.ip_address("10.0.0.1")
PROXIES = [ipaddress.ip_network("10.0.0.0/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "wanted"),
    [
        ("8.8.8.8", "1.2.3.4", "8.8.8.8"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
        ("10.0.0.1", "not an address", "10.0.0.1"),
    ],
)
def test_only_a_trusted_proxy_may_name_the_client(
    peer: str, forwarded: str | None, wanted: str
) -> None:
    assert client_address((peer, 1), forwarded, PROXIES) == wanted


def test_a_log_line_is_one_json_object_whatever_it_holds() -> None:
    context = Context("POST", "/v1/x\n{}", model='"\n')
    record = logging.LogRecord("x", logging.INFO, "", 0, "request", (), None)
    record.__dict__["fields"] = context.record()
    line = JsonLines().format(record)
    assert "\n" not in line
    read = json.loads(line)
    assert (read["path"], read["model"], read["message"]) == ("/v1/x\n{}", '"\n', "request")


def test_a_log_line_holds_what_is_no_json_as_text() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "said \ud800", (), None)
    record.__dict__["fields"] = {"key": IPV4}
    assert "10.0.0.1" in json.loads(JsonLines().format(record))["key"]


def test_a_line_is_out_at_once_where_the_stream_hands_on_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w", buffering=1) as stream:
        handler = Lines(stream)
        handler.setFormatter(JsonLines())
        handler.handle(logging.makeLogRecord({"msg": "request", "levelname": "INFO"}))
        assert json.loads(path.read_text())["message"] == "request"
