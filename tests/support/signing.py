"""Callers who sign their requests (RFC 9421): keys, signature bases and fields, made without a line of gwproxy's.

A signer of the tests, so it writes what it is told to, right or wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRIVATE = bytes | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Call:
    """A request that a caller is about to send. Its Host is the URL's, its Content-Length the body's."""

    method: str = "GET"
    url: str = "http://example.com/"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def target(self) -> str:
        """Path and query, as in the request line: with an empty query, if that is what the URL has."""
        rest = self.url.split("://", 1)[1]
        cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        return rest[cut:] if rest[cut:].startswith("/") else "/" + rest[cut:]

    def lines(self) -> list[tuple[str, str]]:
        """All fields, those of the framing too."""
        length = [("Content-Length", str(len(self.body)))] if self.body else []
        return [("Host", urlsplit(self.url).netloc), *self.fields, *length]

    def values(self, name: str) -> list[str]:
        return [value.strip(" \t") for known, value in self.lines() if known.lower() == name]

    def raw(self) -> bytes:
        """The request as it goes over a connection."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.lines())
        return f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + self.body

    def told(self, *fields: tuple[str, str]) -> Call:
        """The same with more fields."""
        return replace(self, fields=(*self.fields, *fields))


@dataclass(frozen=True)
class Signer:
    """Somebody with a key. `config_text` is what the gateway's file says of it."""

    keyid: str
    algorithm: str
    private: PRIVATE = field(repr=False)

    @property
    def config_text(self) -> str:
        if isinstance(self.private, bytes):
            return "base64:" + base64.b64encode(self.private).decode()
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(
        self, call: Call, covered: Iterable[str], *, label: str = "sig1", params: str | None = None,
        **told: int | str,
    ) -> Call:  # fmt: skip
        """The call with Signature-Input and Signature.

        `covered` are names of components, or whole identifiers such as '"@query-param";name="a"'. `told` are the
        parameters behind keyid, created= and so on; `params` replaces them all by a text.
        """
        if params is None:
            params = "".join(f';{name}={_written(value)}' for name, value in {**told, "keyid": self.keyid}.items())
        told_input = f"({' '.join(identifier(one) for one in covered)}){params}"
        made = base64.b64encode(self.bytes_for(base_of(call, covered, told_input))).decode()
        return call.told(("Signature-Input", f"{label}={told_input}"), ("Signature", f"{label}=:{made}:"))

    def bytes_for(self, base: bytes) -> bytes:
        """The signature of these bytes."""
        if isinstance(self.private, bytes):
            return hmac.new(self.private, base, hashlib.sha256).digest()
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(base)
        r, s = decode_dss_signature(self.private.sign(base, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def hmac_signer(keyid: str = "shared", secret: bytes = b"a secret of more than 32 bytes, for tests") -> Signer:
    return Signer(keyid, "hmac-sha256", secret)


def ed25519_signer(keyid: str = "ed", seed: bytes = b"e" * 32) -> Signer:
    return Signer(keyid, "ed25519", ed25519.Ed25519PrivateKey.from_private_bytes(seed))


def p256_signer(keyid: str = "p256", number: int = 0x1234567890ABCDEF) -> Signer:
    return Signer(keyid, "ecdsa-p256-sha256", ec.derive_private_key(number, ec.SECP256R1()))


def identifier(component: str) -> str:
    """A component as Signature-Input names it."""
    return component if component.startswith('"') else f'"{component}"'


def base_of(call: Call, covered: Iterable[str], told_input: str) -> bytes:
    """The signature base (RFC 9421 section 2.5); KeyError or IndexError where a component is not in the call."""
    lines = [f"{identifier(one)}: {component_value(call, identifier(one))}" for one in covered]
    return "\n".join([*lines, f'"@signature-params": {told_input}']).encode("latin-1")


def component_value(call: Call, written: str) -> str:
    name, _, param = written[1:].partition('"')
    url = urlsplit(call.url)
    port = {"http": ":80", "https": ":443"}[url.scheme]
    authority = url.netloc.lower().removesuffix(port).removesuffix(":")
    path, _, query = call.target.partition("?")
    if name == "@query-param":
        return _query_param(query, param)
    derived = {
        "@method": call.method,
        "@authority": authority,
        "@scheme": url.scheme,
        "@path": path,
        "@query": "?" + query,
        "@request-target": call.target,
        "@target-uri": f"{url.scheme}://{authority}{call.target}",
    }
    if name in derived:
        return derived[name]
    values = call.values(name)
    if param == ";bs":
        values = [f":{base64.b64encode(value.encode('latin-1')).decode()}:" for value in values]
    if not values:
        raise KeyError(name)
    return ", ".join(values)


def _query_param(query: str, param: str) -> str:
    wanted = re.fullmatch(r';name="(.*)"', param)
    assert wanted is not None, param
    pairs = [(_form(name), _form(value)) for name, value in parse_qsl(query, keep_blank_values=True)]
    (value,) = [value for name, value in pairs if name == wanted[1]]
    return value


def _form(text: str) -> str:
    return quote(text, safe="*").replace("~", "%7E")


def _written(value: int | str) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


def content_digest(body: bytes, algorithms: Sequence[str] = ("sha-256",)) -> str:
    """The value of Content-Digest (RFC 9530)."""
    made = {name: hashlib.new(name.replace("-", ""), body).digest() for name in algorithms}
    return ", ".join(f"{name}=:{base64.b64encode(digest).decode()}:" for name, digest in made.items())
