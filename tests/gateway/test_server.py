"""The server as a process: it starts, reloads, drains and ends."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.errors import ConfigError
from engine.gateway.server import check_config, start_log
from tests.support.gateway import ROOT, serving

DEMO: dict[str, Any] = {"credentials": [{"provider": "demo"}]}
ASK = {"model": "demo", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}


def calling(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=30, trust_env=False)


def command(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "engine", "serve", "--config", str(config), *more]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_a_bad_configuration_stops_the_start_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("prot: 1\n")
    done = command(file)
    assert done.returncode != 0
    assert f"{file}:1:1: unknown key prot, did you mean port?" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_host_without_keys_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(DEMO))
    done = command(file, "--host", "0.0.0.0", "--port", "0")
    assert done.returncode != 0
    assert "api-keys" in done.stderr


def test_a_check_tells_problems_without_serving(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(DEMO))
    assert check_config(file)[1] == []
    file.write_text("credentials: [{ provider: cluade }]")
    (problem,) = check_config(file)[1]
    assert "did you mean claude?" in problem
    file.write_text("host: 0.0.0.0")
    assert "api-keys" in check_config(file)[1][0]


def test_an_unknown_log_level_is_an_error_of_the_operator() -> None:
    with pytest.raises(ConfigError):
        start_log("loud")


def test_https_is_served(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = (str(path) for path in certificate)
    tls = {"enable": True, "cert": cert, "key": key}
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({**DEMO, "tls": tls, "port": 0}))
    line = [sys.executable, "-m", "engine", "serve", "--config", str(file)]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = json.loads(process.stderr.readline())["message"].removeprefix("listening on ")
        trust = ssl.create_default_context(cafile=cert)
        with httpx.Client(verify=trust, trust_env=False) as client:
            assert client.get(f"{address}/health").status_code == 200
    finally:
        process.terminate()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()


def test_a_changed_file_is_live_in_the_running_server(tmp_path: Path) -> None:
    with (
        serving(DEMO, tmp_path) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30) as client,
    ):
        changed = {"credentials": [{"provider": "demo", "models": [{"id": "renamed"}]}]}
        (tmp_path / "config.yaml").write_text(json.dumps(changed))
        status = client.post("/admin/reload").json()
        assert status["reloads"] >= 1
        assert [m["id"] for m in client.get("/v1/models").json()["data"]] == ["renamed"]


def test_a_stop_lets_requests_under_way_finish(tmp_path: Path) -> None:
    """A stream that has begun is answered whole; new connections are refused."""
    text = "one two three four five six seven eight nine ten " * 4
    body = {**ASK, "stream": True, "messages": [{"role": "user", "content": text}]}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({**DEMO, "port": 0}))
    line = [sys.executable, "-m", "engine", "serve", "--config", str(config)]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    drained = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        url = json.loads(process.stderr.readline())["message"].removeprefix("listening on ")
        drained.start()
        received = ""
        with httpx.Client(base_url=url, trust_env=False) as client:
            with client.stream("POST", "/v1/messages", json=body) as answer:
                for piece in answer.iter_text():
                    if not received:
                        process.send_signal(signal.SIGTERM)
                    received += piece
        assert "event: message_stop" in received
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if drained.is_alive():
            drained.join(5)
        process.stderr.close()


def test_a_stop_waits_only_so_long_and_tells_those_it_gives_up(tmp_path: Path) -> None:
    """A stream ends with its format's error, who waits for an answer gets a status."""
    config = tmp_path / "config.yaml"
    # Connections are taken by the backlog; nobody ever answers them.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        rows = [{"provider": "claude", "api-key": "k", "base-url": url, "models": [{"id": "mute"}]}]
        config.write_text(json.dumps({"credentials": [*DEMO["credentials"], *rows], "port": 0}))
        # As the command does, with a shorter wait.
        code = (
            "import engine.gateway.server as s, engine.cli; s.DRAIN_SECONDS = 1; engine.cli.main()"
        )
        line = [sys.executable, "-c", code, "serve", "--config", str(config)]
        process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        logged: list[str] = []
        reading = threading.Thread(target=lambda: logged.extend(process.stderr or ()), daemon=True)
        given_up: list[httpx.Response] = []
        try:
            url = json.loads(process.stderr.readline())["message"].removeprefix("listening on ")
            reading.start()

            def wait() -> None:
                with calling(url) as client:
                    given_up.append(client.post("/v1/messages", json={**ASK, "model": "mute"}))

            waiting = threading.Thread(target=wait, daemon=True)
            waiting.start()
            silent.settimeout(20)
            taken, _ = silent.accept()
            long = [{"role": "user", "content": "one two three " * 2000}]
            received = ""
            with (
                taken,
                calling(url) as client,
                client.stream(
                    "POST", "/v1/messages", json={**ASK, "stream": True, "messages": long}
                ) as answer,
            ):
                for piece in answer.iter_text():
                    if not received:
                        process.send_signal(signal.SIGTERM)
                    received += piece
                waiting.join(20)
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            reading.join(5)
            process.stderr.close()
    *_, last = received.strip().split("\n\n")
    assert last.startswith("event: error\n") and "the gateway is stopping" in last
    (answer,) = given_up
    assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")
    assert "Traceback" not in "".join(logged)


def test_a_hangup_signal_looks_at_the_files_at_once(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({**DEMO, "port": 0}))
    line = [sys.executable, "-m", "engine", "serve", "--config", str(config)]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        url = json.loads(process.stderr.readline())["message"].removeprefix("listening on ")
        with calling(url) as client:
            assert client.get("/admin/reload").json()["reloads"] == 0
            # nothing changed: only the signal asks for it
            process.send_signal(signal.SIGHUP)
            told = next(each for each in process.stderr if '"reloaded"' in each)
            assert json.loads(told)["needs_restart"] == []
            assert client.get("/admin/reload").json()["reloads"] == 1
            assert client.post("/v1/messages", json=ASK).status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_connection_serves_one_call_after_another(tmp_path: Path) -> None:
    with serving(DEMO, tmp_path) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.connect()
        first = connection.sock
        for stream in (False, True, False):
            body = json.dumps({**ASK, "stream": stream})
            connection.request("POST", "/v1/messages", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            assert connection.sock is first
        connection.close()


def test_a_request_under_way_keeps_the_settings_it_began_with(tmp_path: Path) -> None:
    text = "one two three four five six seven eight nine ten " * 4
    body = {**ASK, "stream": True, "messages": [{"role": "user", "content": text}]}
    with (
        serving(DEMO, tmp_path) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30) as client,
    ):
        received = ""
        with client.stream("POST", "/v1/messages", json=body) as answer:
            for piece in answer.iter_text():
                if not received:
                    (tmp_path / "config.yaml").write_text("credentials: []\n")
                    with httpx.Client(base_url=gateway.url, timeout=30) as other:
                        other.post("/admin/reload")
                        assert other.post("/v1/messages", json=ASK).status_code == 404
                received += piece
        assert "event: message_stop" in received


def test_many_clients_at_once_are_answered(tmp_path: Path) -> None:
    with serving(DEMO, tmp_path) as gateway:
        statuses: list[int] = []

        def ask() -> None:
            with httpx.Client(base_url=gateway.url, timeout=30) as client:
                statuses.append(client.post("/v1/messages", json=ASK).status_code)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 20


def test_several_workers_share_the_port_and_their_counts_and_end_in_order(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({**DEMO, "port": 0}))
    line = [sys.executable, "-m", "engine", "serve", "--config", str(config), "--workers", "2"]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    drained = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        url = json.loads(process.stderr.readline())["message"].removeprefix("listening on ")
        drained.start()
        for _ in range(8):
            with calling(url) as client:
                assert client.post("/v1/messages", json=ASK).status_code == 200
        totals = set()
        for _ in range(4):
            with calling(url) as client:
                totals.add(client.get("/metrics").json()["total_requests"])
        assert totals == {8}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        drained.join(5)
        process.stderr.close()


def test_checking_a_configuration_runs_the_cases_of_its_own_folders(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text("name: mine\nextends: openai-compatible\n")
    (tmp_path / "own" / "mine.test.yaml").write_text(
        "cases: [{ name: one, from: claude, request: {}, rejected: no such words }]\n"
    )
    (tmp_path / "config.yaml").write_text("providers-dir: own\n")
    ran, (problem,) = check_config(tmp_path / "config.yaml")
    assert ran > 100
    assert problem.startswith(f"{tmp_path / 'own' / 'mine.test.yaml'}:1:9: one: ")
