"""Signature Version 4 as a service checks it: from the request as it arrived, by the library."""

import re
from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_SAID = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def verified(
    method: str, path: str, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str]
) -> tuple[str, str, str] | None:
    """Key id, region and service of a request whose signature holds; None when it does not.

    Header names are lower case; ``secrets`` are by key id.
    """
    said = _SAID.fullmatch(headers.get("authorization", ""))
    if said is None or said[1] not in secrets:
        return None
    key_id, _, region, service, names, signature = said.groups()
    request = AWSRequest(
        method=method,
        url=f"http://{headers['host']}{path}",
        data=body,
        headers={name: headers[name] for name in names.split(";")},
    )
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(key_id, secrets[key_id]), service, region)
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return (key_id, region, service) if wanted == signature else None
