"""Signed requests: what is signed is what is sent, and whose keys sign."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError
from engine.gateway import config
from engine.gateway.credentials import Credential, build
from engine.gateway.settings import SigningKeys
from engine.gateway.signing import AwsSigV4
from engine.gateway.upstream import Limits, Request, prepare
from engine.translation.providers import Provider
from tests.gateway.harness import translator
from tests.support.sigv4 import verified

KEYS = {"AKID": "s3cret"}
SIGNS = Provider(
    name="acme",
    format="claude",
    wires=("claude",),
    base_url="https://acme.{region}.example",
    key_env="ACME_KEY",
    signing={"method": "aws-sigv4", "service": "acme-service"},
    region="home-1",
)
ROW: dict[str, Any] = {"provider": "acme", "signing": {"key-id": "AKID", "secret": "s3cret"}}


def _request(url: str = "https://acme.example/model/a%3Ab%2Fc/call?x=1") -> Request:
    headers = {"content-type": "application/json", "user-agent": "ai-proxy", "x-request-id": "1"}
    return prepare(url, headers, '{"a":"é"}'.encode(), Limits(1, 1))


def _verified(request: Request, body: bytes | None = None) -> tuple[str, str, str] | None:
    path = request.url.raw_path.decode()
    headers = {name.lower(): value for name, value in request.headers.items()}
    return verified(request.method, path, headers, body or request.content, KEYS)


def test_the_signature_is_the_one_that_the_service_computes() -> None:
    request = _request()
    AwsSigV4(SigningKeys("AKID", "s3cret"), "acme-service", "home-1").sign(request)
    assert _verified(request) == ("AKID", "home-1", "acme-service")


@pytest.mark.parametrize("changed", ["body", "path", "query", "host", "type", "time"])
def test_the_signature_covers_everything_that_counts(changed: str) -> None:
    request = _request()
    AwsSigV4(SigningKeys("AKID", "s3cret"), "acme-service", "home-1").sign(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    path, body = request.url.raw_path.decode(), request.content
    match changed:
        case "body":
            body += b" "
        case "path":
            path = path.replace("%3A", ":")
        case "query":
            path = path.replace("x=1", "x=2")
        case "host":
            headers["host"] = "other.example"
        case "type":
            headers["content-type"] = "text/plain"
        case "time":
            headers["x-amz-date"] = "20200101T000000Z"
    assert verified("POST", path, headers, body, KEYS) is None


def test_a_token_goes_along_and_is_signed() -> None:
    request = _request()
    AwsSigV4(SigningKeys("AKID", "s3cret", "t0ken"), "acme-service", "home-1").sign(request)
    assert request.headers["x-amz-security-token"] == "t0ken"
    assert "x-amz-security-token" in request.headers["authorization"]
    assert _verified(request) == ("AKID", "home-1", "acme-service")


def test_the_same_request_signed_again_has_one_signature() -> None:
    request = _request()
    signer = AwsSigV4(SigningKeys("AKID", "s3cret"), "acme-service", "home-1")
    signer.sign(request)
    signer.sign(request)
    assert len(request.headers.get_list("authorization")) == 1
    assert _verified(request) is not None


def _built(
    row: dict[str, Any], provider: Provider = SIGNS, environ: dict[str, str] | None = None
) -> tuple[list[Credential], list[str]]:
    settings = config.parse(json.dumps({"credentials": [row]}), environ or {})
    return build(settings, {"acme": provider}, translator().formats, environ or {})


def test_a_credential_signs_for_its_own_region_at_its_address() -> None:
    (found,), _ = _built({**ROW, "region": "far-2"})
    assert found.base_urls == {"claude": "https://acme.far-2.example"}
    assert found.signer is not None
    request = _request(found.url("/v1/x", "claude"))
    found.signer.sign(request)
    assert _verified(request) == ("AKID", "far-2", "acme-service")


def test_the_region_of_the_providers_file_is_the_usual_one() -> None:
    (found,), _ = _built(ROW)
    assert found.base_urls == {"claude": "https://acme.home-1.example"}


def test_a_key_takes_the_place_of_a_signature() -> None:
    (found,), _ = _built({"provider": "acme"}, environ={"ACME_KEY": "bearer"})
    assert found.signer is None
    assert found.headers["claude"]["x-api-key"] == "bearer"


def test_secrets_stay_out_of_reprs_and_are_taken_out_of_errors() -> None:
    row = {"provider": "acme", "signing": {**ROW["signing"], "token": "t0ken"}}
    (found,), _ = _built(row)
    assert found.secrets == ("s3cret", "t0ken")
    settings = config.parse(json.dumps({"credentials": [row]}), {})
    shown = repr(found) + repr(settings) + json.dumps(settings.document)
    assert "s3cret" not in shown and "t0ken" not in shown


def test_an_unset_variable_switches_the_credential_off_and_says_so() -> None:
    row = {"provider": "acme", "signing": {"key-id": "${ID}", "secret": "${SECRET}"}}
    found, notes = _built(row, environ={"ID": "AKID"})
    assert found == []
    assert notes == ["credential acme is off: the variable SECRET is not set"]


def test_a_token_may_be_absent_in_an_environment_that_has_none() -> None:
    row = {"provider": "acme", "signing": {**ROW["signing"], "token": "${TOKEN:-}"}}
    (found,), _ = _built(row)
    assert found.secrets == ("s3cret",)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    row = {"provider": "acme", "signing": {"key-id": "AKID", "secret": f"file:{tmp_path}/secret"}}
    (found,), _ = _built(row)
    assert found.secrets == ("s3cret",)


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no signing there": (
        ROW,
        {"signing": None},
        "credential acme: provider acme takes no signed requests, only an api-key",
    ),
    "both": (
        {**ROW, "api-key": "k"},
        {},
        "credential acme: it has an api-key and signing; leave one of them out",
    ),
    "unknown method": (
        ROW,
        {"signing": {"method": "wax", "service": "s"}},
        "credential acme: provider acme signs by wax, which is none of: aws-sigv4",
    ),
    "no region to sign for": (
        ROW,
        {"region": None, "base_url": "https://acme.example"},
        "credential acme: a signature is for a region; name one",
    ),
    "no region in the address": (
        {"provider": "acme", "api-key": "k"},
        {"region": None},
        "credential acme: https://acme.{region}.example wants a region; name one",
    ),
}


@pytest.mark.parametrize(("row", "facts", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_signed_is_an_error_of_the_configuration(
    row: dict[str, Any], facts: dict[str, Any], said: str
) -> None:
    known = {name: getattr(SIGNS, name) for name in SIGNS.__slots__ if name != "facts"}
    with pytest.raises(ConfigError) as error:
        _built(row, Provider(**{**known, **facts}))
    assert str(error.value) == said


def test_a_region_is_a_word_that_a_host_name_may_hold() -> None:
    with pytest.raises(ConfigError, match="region: holds characters that have no place here"):
        _built({**ROW, "region": "evil.example/"})


def test_without_its_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.credentials", None)
    with pytest.raises(ConfigError) as error:
        _built(ROW)
    assert str(error.value) == (
        "credential acme: the signing aws-sigv4 needs the package botocore:"
        " pip install 'ai-proxy[aws]'"
    )
