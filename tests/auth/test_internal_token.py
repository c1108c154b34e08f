"""What services are told of a caller: a token that the gateway signs, nothing at all, and never a forged one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gwproxy.auth.internal import Teller, TokenSigner
from gwproxy.auth.keys.thumbprint import thumbprint
from gwproxy.auth.permissions import Grants
from gwproxy.auth.principal import Principal
from gwproxy.cli.explanation import explanation
from gwproxy.cli.typed_request import typed_request
from gwproxy.config.load import loads
from gwproxy.snapshot.compile import compile
from tests.support.origin import Origin, Request
from tests.support.running import Gateway
from tests.support.tokens import SECRET, token

Start = Callable[..., Awaitable[Gateway]]

INTERNAL = "an internal secret of thirty-two bytes"
HEADER = "x-gwproxy-identity"


def pem(key: object) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"e" * 32)
P256 = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def config(identity: str = f'form = "jwt"\nalgorithm = "HS256"\nkey = "{INTERNAL}"', plain: str = "headers") -> str:
    return f"""
[identity]
{identity}

[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"

[services.origin]
url = "${{ORIGIN}}"
[services.plain]
url = "${{ORIGIN}}"
identity = "{plain}"

[[routes]]
path = "/known"
service = "origin"
requires_auth = true
[[routes]]
path = "/open"
service = "origin"
requires_auth = false
[[routes]]
path = "/forwarded"
service = "origin"
requires_auth = true
forward_credentials = true
[[routes]]
path = "/plain"
service = "plain"
requires_auth = true
"""


def get(path: str, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


def bearer(**claims: object) -> str:
    return f"Authorization: Bearer {token(claims)}"


def read(sent: Request, key: object = INTERNAL, algorithm: str = "HS256", header: str = HEADER) -> dict[str, object]:
    told = sent.header(header)
    assert told is not None
    return jwt.decode(told, key, [algorithm], audience="origin", issuer="gwproxy")


@pytest.mark.asyncio
async def test_a_service_gets_one_signed_token_and_no_plain_headers(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config(), origin=origin)
    said = {"sub": "u-7", "role": ["a", "b"], "permissions": "x:read y:*", "tenant": "acme"}
    assert (await gw.ask(get("/known", bearer(**said)))).status == 200
    sent, now = origin.last, time.time()
    assert [sent.header(name) for name in ("x-user-id", "x-user-role", "x-tenant-id", "authorization")] == [None] * 4
    claims = read(sent)
    assert now - 3 < claims.pop("iat") <= now
    assert now + 56 < claims.pop("exp") < now + 63
    assert claims == {
        "iss": "gwproxy", "sub": "u-7", "aud": "origin", "roles": ["a", "b"], "permissions": ["x:read", "y:*"],
        "tenant": "acme",
    }  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(("key", "algorithm"), [(ED, "EdDSA"), (P256, "ES256"), (RSA, "RS256")])
async def test_a_service_verifies_it_with_the_public_key(
    gateway: Start, origin: Origin, key: object, algorithm: str
) -> None:
    gw = await gateway(config(f"form = 'jwt'\nalgorithm = '{algorithm}'\nkey = '''{pem(key)}'''"), origin=origin)
    await gw.ask(get("/known", bearer()))
    assert read(origin.last, key.public_key(), algorithm)["sub"] == "u-1"
    assert jwt.get_unverified_header(origin.last.header(HEADER))["kid"] == thumbprint(key.public_key())


@pytest.mark.asyncio
async def test_each_service_is_told_as_it_wants(gateway: Start, origin: Origin) -> None:
    for plain, expected in (("headers", "u-1"), ("none", None)):
        gw = await gateway(config(plain=plain), origin=origin)
        caller = await gw.connect()
        for _ in range(2):
            await caller.ask(get("/known", bearer()))
            await caller.ask(get("/plain", bearer()))
            one, other = origin.seen[-2:]
            assert (one.header("x-user-id"), read(one)["sub"]) == (None, "u-1")
            assert (other.header("x-user-id"), other.header(HEADER)) == (expected, None)


@pytest.mark.asyncio
@pytest.mark.parametrize("header", ["X-Gwproxy-Identity", "X-Internal"])
async def test_a_forged_token_is_removed_in_every_spelling(gateway: Start, origin: Origin, header: str) -> None:
    text = config(f'form = "jwt"\nalgorithm = "HS256"\nkey = "{INTERNAL}"\nheader = "{header}"')
    gw = await gateway(text, origin=origin)
    spellings = (header, header.lower(), header.replace("-", "_"), header.replace("-", "."))
    forged = [f"{name}: forged" for name in spellings]
    known = (bearer(),)
    for path, credential in (("/open", ()), ("/open", known), ("/known", known), ("/forwarded", known)):
        caller = await gw.connect()
        for _ in range(2):
            assert (await caller.ask(get(path, *forged, *credential, "X-Other: 1"))).status == 200
            assert b"forged" not in origin.last.raw_head
            assert origin.last.header("x-other") == "1"
            assert len(origin.last.headers.named(header)) == len(credential)


@pytest.mark.asyncio
async def test_the_token_can_stand_in_authorization(gateway: Start, origin: Origin) -> None:
    text = config(f'form = "jwt"\nalgorithm = "HS256"\nkey = "{INTERNAL}"\nheader = "Authorization"')
    gw = await gateway(text, origin=origin)
    for path in ("/known", "/forwarded"):
        await gw.ask(get(path, bearer()))
        (told,) = origin.last.headers.named("authorization")
        assert jwt.decode(told.removeprefix("Bearer "), INTERNAL, ["HS256"], audience="origin")["sub"] == "u-1"
    await gw.ask(get("/open", "Authorization: Other x"))
    assert origin.last.header("authorization") is None


@pytest.mark.asyncio
async def test_a_caller_is_told_of_by_the_same_token_for_a_while(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config(), origin=origin)
    for fields in (("A: 1",), ("A: 2",), ("A: 2",)):
        await gw.ask(get("/known", bearer(), *fields))
    assert len({sent.header(HEADER) for sent in origin.seen}) == 1


@pytest.mark.asyncio
async def test_no_connection_goes_on_with_a_token_that_is_half_over(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config(f'form = "jwt"\nalgorithm = "HS256"\nkey = "{INTERNAL}"\nttl = "1s"'), origin=origin)
    caller = await gw.connect()
    async with asyncio.timeout(5):
        while len({sent.header(HEADER) for sent in origin.seen}) < 3:
            asked = time.time()
            await caller.ask(get("/known", bearer()))
            assert read(origin.last)["exp"] > asked + 0.4


def principal(id_: str = "u") -> Principal:
    return Principal(id_, "session", grants=Grants(()))


def test_a_token_is_signed_anew_when_half_of_its_time_is_over() -> None:
    teller = Teller(TokenSigner.read("HS256", INTERNAL.encode()), "X-Id", "gw", "a", 60.0)
    who = principal()
    first, until = teller(who, 1000.0)
    assert until == 1030.0
    assert teller(who, 1029.9)[0] == first
    again, until = teller(who, 1030.0)
    assert (again != first, until) == (True, 1060.0)
    assert teller(principal(), 1030.0)[0] == again
    assert teller(principal("v"), 1030.0)[0] != again


@pytest.mark.parametrize(
    ("algorithm", "text"),
    [
        ("HS256", "short"), ("HS256", pem(ED)), ("EdDSA", pem(P256)), ("ES256", pem(ED)), ("RS256", pem(ED)),
        ("EdDSA", "no key"), ("ES256", pem(ec.generate_private_key(ec.SECP384R1()))),
        ("RS256", pem(rsa.generate_private_key(65537, 1024))),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_key_of_another_kind_is_told_without_showing_it(algorithm: str, text: str) -> None:
    with pytest.raises(ValueError) as refused:
        TokenSigner.read(algorithm, text.encode())
    assert text not in str(refused.value)


def test_a_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 8037 appendix A.3."""
    raw = jwt.utils.base64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_explain_tells_how_the_service_is_told() -> None:
    for plain, said in (("none", "of whom the service is told nothing"), ("headers", "by auth.session")):
        loaded = loads(config(plain=plain), environ={"ORIGIN": "http://o:1"})
        told = explanation(loaded, compile(loaded), typed_request("GET", "/plain", (bearer(),)))
        assert told.who.endswith(said)
        told = explanation(loaded, compile(loaded), typed_request("GET", "/known", (bearer(),)))
        assert told.who.endswith("told by a token in X-Gwproxy-Identity")
