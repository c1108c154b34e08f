"""What a file says of the token that services get: who made it, whom it is for, with which key, and what it tells."""

from __future__ import annotations

from pathlib import Path

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.auth.attacking import Start, bearer, get, jwt
from tests.support.origin import Origin, Request
from tests.support.tokens import token

P256 = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
SECRET = "an internal secret of thirty-two bytes"
HS = f'form = "jwt"\nalgorithm = "HS256"\nkey = "{SECRET}"\n'
HEADER = "x-gwproxy-identity"


def config(identity: str, of_two: str = "") -> str:
    """A file with two services; `of_two` is what the second says of itself."""
    route = '[[routes]]\npath = "/{0}"\nservice = "{0}"\nrequires_auth = true\n'
    routes = route.format("one") + route.format("two")
    services = f'[services.one]\nurl = "${{ORIGIN}}"\n[services.two]\nurl = "${{ORIGIN}}"\n{of_two}\n'
    return f"[identity]\n{identity}\n{jwt()}{services}{routes}"


def claims(sent: Request, key: object = SECRET, algorithm: str = "HS256") -> dict[str, object]:
    """What a token says, which is signed with `key`; whom it is for is the test's to look at."""
    return pyjwt.decode(sent.header(HEADER), key, [algorithm], options={"verify_aud": False})


async def test_issuer_and_audience_are_those_of_the_file(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config(HS + 'issuer = "gw.example"\naudience = "everybody"'), origin=origin)
    for path in ("/one", "/two"):
        assert (await gw.ask(get(path, bearer(token())))).status == 200
        told = claims(origin.last)
        assert (told["iss"], told["aud"]) == ("gw.example", "everybody")


async def test_a_token_is_for_the_service_that_gets_it(gateway: Start, origin: Origin) -> None:
    """On one connection, and for one caller: no service could show its token to the other."""
    gw = await gateway(config(HS), origin=origin)
    caller = await gw.connect()
    for path in ("one", "two", "one", "two"):
        assert (await caller.ask(get(f"/{path}", bearer(token())))).status == 200
        told = claims(origin.last)
        assert (told["iss"], told["aud"]) == ("gwproxy", path)


@pytest.mark.parametrize("written", ['key_id = "k-1"', ""])
async def test_a_key_may_have_a_name_and_stand_in_a_file(
    written: str, gateway: Start, origin: Origin, tmp_path: Path
) -> None:
    file = tmp_path / "p256.pem"
    file.write_bytes(P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    text = f'form = "jwt"\nalgorithm = "ES256"\nkey_file = "{file}"\n{written}'
    gw = await gateway(config(text), origin=origin)
    assert (await gw.ask(get("/one", bearer(token())))).status == 200
    assert claims(origin.last, P256.public_key(), "ES256")["sub"] == "u-1"
    kid = pyjwt.get_unverified_header(origin.last.header(HEADER))["kid"]
    assert kid == "k-1" if written else len(kid) == 43


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
async def test_a_secret_of_a_file_ends_with_its_line(end: str, gateway: Start, origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes((SECRET + end).encode())
    gw = await gateway(config(f'form = "jwt"\nalgorithm = "HS256"\nkey_file = "{file}"'), origin=origin)
    assert (await gw.ask(get("/one", bearer(token())))).status == 200
    assert claims(origin.last)["sub"] == "u-1"


async def test_the_token_tells_the_tier(gateway: Start, origin: Origin) -> None:
    tiers = '[tiers.pro]\nrequests = 1000\nwindow = "60s"\n[auth]\ndefault_tier = "pro"\n'
    gw = await gateway(tiers + config(HS), origin=origin)
    assert (await gw.ask(get("/one", bearer(token())))).status == 200
    assert claims(origin.last)["tier"] == "pro"
    assert origin.last.header("x-user-tier") is None


@pytest.mark.parametrize("form", ["headers", "none"])
async def test_one_service_may_have_the_token_where_others_have_not(
    form: str, gateway: Start, origin: Origin
) -> None:
    """Whatever the form of all others is."""
    gw = await gateway(config(HS.replace("jwt", form), of_two='identity = "jwt"'), origin=origin)
    caller = await gw.connect()
    for _ in range(2):
        for path, plain in (("/one", "u-1" if form == "headers" else None), ("/two", None)):
            assert (await caller.ask(get(path, bearer(token()), f"{HEADER}: forged"))).status == 200
            assert origin.last.header("x-user-id") == plain
            assert (origin.last.header(HEADER) is not None) == (path == "/two")
    assert claims(origin.last)["aud"] == "two"
