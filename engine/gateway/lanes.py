"""How a candidate is called for clients of one format: what holds for each call, found out once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.gateway.credentials import Credential
from engine.gateway.routing import Candidate
from engine.gateway.version import VERSION
from engine.translation.formats import Format
from engine.translation.providers import Provider

USER_AGENT = f"ai-proxy/{VERSION}"
MAX_FEATURES_LENGTH = 4096
_FEATURE = re.compile(r"[A-Za-z0-9._-]+")

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Lane:
    """The way to one upstream for the calls of one client format.

    ``key``: calls of lanes that have the same one are prepared alike. ``streams``: what the
    upstream is asked for. ``headers`` of every call, and ``own`` ones of the credential with its
    secret. ``passes``: whether a client's bytes may go as they are when it names this ``version``
    of the API, if any, or none where that is the ``usual`` one. ``features``: the optional ones
    that the operator set, each once.
    """

    key: Key
    wire: Format
    streams: bool
    path: str
    url: str = field(repr=False)
    headers: Mapping[str, str]
    own: Mapping[str, str] = field(repr=False)
    passes: bool
    version: str | None
    usual: str | None
    features: tuple[str, ...]
    request_ids: tuple[bytes, ...]


def lane(candidate: Candidate, client: Format, stream: bool, formats: Mapping[str, Format]) -> Lane:
    """The lane of a candidate for clients of a format that want a stream or not."""
    credential, provider = candidate.credential, candidate.credential.provider
    wire = formats[credential.wire(client.name)]
    streams = provider.streams(candidate.model, stream)
    # A path of its own is one of the provider's usual format.
    path = provider.path if wire.name == provider.format else None
    path = path or wire.upstream_path(candidate.model, streams)
    versions = client.api_versions
    betas = client.headers.get("betas")
    same = wire.name == client.name
    own = credential.headers[wire.name]
    return Lane(
        key=(_owner(credential), wire.name, candidate.model),
        wire=wire,
        streams=streams,
        path=path,
        url=credential.asked(path, wire.name),
        headers={
            "content-type": "application/json",
            "accept": wire.content_type if streams else "application/json",
            "accept-encoding": "identity",
            "user-agent": USER_AGENT,
        },
        own=own,
        passes=same and streams == stream and _is_own(provider, client),
        version=provider.api_version or versions.default,
        usual=versions.default,
        features=tuple(dict.fromkeys(words(own.get(betas, "")))) if betas and same else (),
        request_ids=(
            (wire.request_id_header or "").lower().encode(),
            b"x-request-id",
            b"request-id",
        ),
    )


def _owner(credential: Credential) -> str:
    # A cloak and a scope belong to their credential; all else is the same for a provider's.
    own = credential.cloak.mode != "never" or credential.scope
    return credential.id if own else credential.provider.name


def _is_own(provider: Provider, client: Format) -> bool:
    """Whether the provider's server is as the client's format is.

    Quirks say where a server differs; those of the format's own vendor say what the format is,
    unless an operator says otherwise.
    """
    if provider.name == client.default_provider and not provider.changed:
        return True
    return not (provider.quirks or provider.changed or provider.rename)


def words(text: str) -> list[str]:
    """The features that a header names."""
    named = (word.strip() for word in text[:MAX_FEATURES_LENGTH].split(","))
    return [word for word in named if _FEATURE.fullmatch(word)]
