"""What the gateway reads of a call that a test signed: the bytes of its head go through the wire's own parser."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import urlsplit

import pytest

from gwproxy.auth.signatures.key import SignatureKey
from gwproxy.auth.signatures.nonces import SeenNonces
from gwproxy.auth.signatures.policy import Policy
from gwproxy.auth.signatures.request import SignedRequest, signed_request
from gwproxy.auth.signatures.unverified import Unverified
from gwproxy.auth.signatures.verifier import Verifier
from gwproxy.wire.request import FieldsOfRequest, RequestHead, request_head
from tests.support.signing import Call, Signer

NOW = 1_800_000_000


def head_of(raw: bytes) -> RequestHead:
    line, _, fields = raw.partition(b"\r\n\r\n")[0].partition(b"\r\n")
    return request_head(line, FieldsOfRequest(fields))


def seen(call: Call) -> SignedRequest:
    head = head_of(call.raw())
    return signed_request(head, urlsplit(call.url).scheme.encode(), head.authority)


def key_of(signer: Signer) -> SignatureKey:
    return SignatureKey.read(signer.keyid, signer.algorithm, signer.config_text)


def verifier_for(*signers: Signer, nonces: SeenNonces | None = None, **policy: object) -> Verifier:
    """A verifier that wants the method covered, and believes a signature for a minute, unless told otherwise."""
    told = {"required": ("@method",), "max_age_s": 60.0, "leeway_s": 5.0, **policy}
    return Verifier([key_of(signer) for signer in signers], Policy(**told), nonces)


def refusal(verifier: Verifier, call: Call, now: float = NOW) -> str:
    """Why a call is not believed."""
    with pytest.raises(Unverified) as refused:
        verifier.verify(seen(call), now)
    assert "secret" not in refused.value.reason
    return refused.value.reason


def with_signature(call: Call, told: str, signature: bytes) -> Call:
    """The call with an input as it is written, and any bytes as its signature."""
    made = b64encode(signature).decode()
    return call.told(("Signature-Input", f"sig1={told}"), ("Signature", f"sig1=:{made}:"))
