"""A configuration holds or is refused, with every problem, its place and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.gateway import config
from engine.gateway.settings import Settings


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, environ or {})
    return caught.value.problems


def first_lines(text: str, environ: dict[str, str] | None = None) -> list[str]:
    return [problem.split("\n")[0] for problem in problems(text, environ)]


def test_an_empty_file_is_the_defaults() -> None:
    settings = config.parse("", {})
    assert (settings.host, settings.port, settings.api_keys) == ("127.0.0.1", 8317, ())
    assert settings.body_limit == 20 * 1024 * 1024
    assert settings.cooldowns == {"429": 60, "5xx": 15, "network": 10, "auth": 300}


def test_an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() -> None:
    assert problems("host: 127.0.0.1\nretry: { max-retires: 3 }\n") == [
        "configuration:2:10: unknown key max-retires, did you mean max-retries?\n"
        "    retry: { max-retires: 3 }\n"
        "             ^"
    ]


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    assert first_lines(
        "port: many\n"
        "routing: { strategy: robin }\n"
        "api-keys: ['']\n"
        "proxy-url: ftp://proxy\n"
        "credentials:\n"
        "  - name: nobody\n"
        "  - { provider: demo, weight: 0 }\n"
    ) == [
        "configuration:1:7: port: must be a whole number, not a text",
        "configuration:2:22: strategy: robin is not known, did you mean round-robin?",
        "configuration:3:12: must be a text, or a map with key and name",
        "configuration:6:5: provider: is missing",
        "configuration:7:31: weight: must be at least 1",
    ]


def test_what_only_building_finds_is_told_with_its_place_too() -> None:
    assert first_lines(
        "proxy-url: ftp://proxy\n"
        "tls: { enable: true }\n"
        "trusted-proxies: [10.0.0.0/33]\n"
        "providers-dir: nowhere\n"
        "passthrough-headers: [x-a, Content-Length]\n"
        "credentials:\n"
        "  - { provider: demo, name: one, base-url: 'https://u:p@host' }\n"
        "  - { provider: demo, name: one }\n"
    ) == [
        "configuration:1:12: a proxy is one of http, https, socks5, socks5h with ://host:port",
        "configuration:2:6: tls.cert is missing; name a PEM file or set enable: false",
        "configuration:2:6: tls.key is missing; name a PEM file or set enable: false",
        "configuration:3:19: 10.0.0.0/33 is no address or network",
        "configuration:4:16: providers-dir: there is no folder nowhere",
        "configuration:5:28: Content-Length belongs to each connection by itself; leave it out",
        "configuration:7:44: base-url must hold no user and password; use api-key or headers",
        "configuration:8:29: two credentials are named one; names must be unique",
    ]


def test_duplicate_keys_are_an_error() -> None:
    (problem,) = problems("port: 1\nport: 2\n")
    assert problem.startswith("configuration:2:1: the key port stands here twice")


def test_a_file_that_is_not_there_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        config.load(tmp_path / "none.yaml", {})


def test_a_variable_is_put_in_and_may_be_a_number() -> None:
    settings = config.parse("port: ${PORT}\nhost: ${HOST:-::1}\n", {"PORT": "9000"})
    assert (settings.port, settings.host) == (9000, "::1")


def test_an_unset_variable_is_an_error() -> None:
    assert first_lines("host: ${NOWHERE}\n") == [
        "configuration:1:7: the variable NOWHERE is not set; set it or write ${NOWHERE:-default}"
    ]


def test_an_unset_variable_in_a_credentials_key_switches_it_off_and_says_so() -> None:
    settings = config.parse("credentials: [{ provider: x, api-key: '${KEY}' }]", {})
    (credential,) = settings.credentials
    assert credential.disabled
    assert settings.notes == ("credential x is off: the variable KEY is not set",)


def test_an_empty_variable_in_a_credentials_key_switches_it_off_too() -> None:
    settings = config.parse("credentials: [{ provider: x, api-key: '${KEY}' }]", {"KEY": ""})
    assert settings.credentials[0].disabled


def test_an_unset_variable_in_a_client_key_stops_the_start() -> None:
    # Left out, the server would be open to everybody.
    assert "NOWHERE" in first_lines("api-keys: ['${NOWHERE}']\n")[0]
    assert first_lines("api-keys: ['${EMPTY}']\n", {"EMPTY": ""}) == [
        "configuration:1:12: must be a text, or a map with key and name"
    ]


def test_client_keys_are_plain_from_a_file_or_a_digest(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    digest = "AB" * 32
    settings = config.parse(
        f"api-keys: [plain, file:key, 'sha256:{digest}', {{ key: named, name: ci }}]",
        {},
        tmp_path,
    )
    assert [(key.name, key.text, key.digest) for key in settings.api_keys] == [
        ("key-1", "plain", None),
        ("key-2", "from-file", None),
        ("key-3", None, digest.lower()),
        ("ci", "named", None),
    ]


def test_a_secret_file_that_is_not_there_stops_the_start() -> None:
    assert first_lines("api-keys: [file:nowhere]") == [
        "configuration:1:12: the file nowhere cannot be read"
    ]


def test_the_same_key_may_serve_several_addresses_and_names_are_made_unique() -> None:
    settings = config.parse(
        "credentials:\n"
        "  - { provider: x, api-key: k, base-url: 'https://one.example/v1/' }\n"
        "  - { provider: x, api-key: k, base-url: 'https://two.example' }\n",
        {},
    )
    assert [(c.name, c.base_url) for c in settings.credentials] == [
        ("x", "https://one.example/v1"),
        ("x-2", "https://two.example"),
    ]


def test_no_secret_shows_in_a_repr() -> None:
    settings: Settings = config.parse(
        "proxy-url: http://u:hush-proxy@p\n"
        "api-keys: [hush-client]\n"
        "credentials: [{ provider: x, api-key: hush-key, headers: { a: hush-header } }]\n",
        {},
    )
    assert "hush" not in repr(settings)
