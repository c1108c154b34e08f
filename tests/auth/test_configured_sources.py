"""Keys that a file names by their issuer alone, and authorities that it believes; how long passwords are believed, what
realm callers hear of, and where the gateway's own secrets come from.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gwproxy.auth.passwords import hashed
from tests.auth.attacking import ROUTES, Now, Start, api_keys, bearer, get, issued, jwt, status
from tests.auth.test_passwords import counting
from tests.support.authority import Authority
from tests.support.issuer import Issuer
from tests.support.issuing import jwk
from tests.support.origin import Origin
from tests.support.tokens import NOW

PASSWORD = hashed("geheim", p=1).written()
GRETA = "Authorization: Basic " + base64.b64encode(b"greta:geheim").decode()


def basic(more: str = "") -> str:
    user = f'[[auth.staff.users]]\nname = "greta"\npassword = "{PASSWORD}"\nid = "u-17"\n'
    return f'[auth.staff]\ntype = "basic"\n{more}\n{user}'


@pytest.mark.parametrize("path", ["", "/tenants/a"])
async def test_an_issuer_alone_is_enough(path: str, gateway: Start, origin: Origin, issuer: Issuer) -> None:
    """It says itself where its keys are (OpenID Connect Discovery 1.0 section 4)."""
    name = issuer.discover(path)
    gw = await gateway(jwt(algorithms='"ES256"', key=f'issuer = "{name}"') + ROUTES, origin=origin)
    assert await status(gw, bearer(issued(kid="a", claims={"iss": name}))) == 200
    assert origin.last.header("x-user-id") == "u-1"
    assert await status(gw, bearer(issued(kid="a", claims={"iss": f"{name}/"}))) == 401
    assert await status(gw, bearer(issued(kid="a"))) == 401


@pytest.mark.parametrize(("ca", "expected"), [(True, 200), (False, 503)])
async def test_an_issuer_s_certificate_is_believed_by_the_authority_of_the_file(
    ca: bool, expected: int, gateway: Start, origin: Origin, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    issuer = Issuer(authority.server_context("127.0.0.1"))
    await issuer.start()
    issuer.publish(jwk("P-256", kid="a"))
    more = f'ca = "{authority.ca}"' if ca else ""
    gw = await gateway(jwt(more, algorithms='"ES256"', key=f'jwks = "{issuer.keys_url}"') + ROUTES, origin=origin)
    assert await status(gw, bearer(issued(kid="a"))) == expected
    await gw.stop()
    await issuer.stop()


async def test_a_password_is_believed_as_long_as_the_file_says(
    gateway: Start, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counting(monkeypatch)
    gw = await gateway(basic('remember = "20s"') + ROUTES, origin=origin)
    clock = Now(gw, NOW)
    caller = await gw.connect()
    for later, hashes in ((0.0, 1), (19.9, 1), (20.0, 2), (39.9, 2), (40.1, 3)):
        clock.now = NOW + later
        assert await status(gw, GRETA) == 200
        assert (await caller.ask(get("/known", GRETA))).status == 200
        assert len(counted) == hashes, later


async def test_every_challenge_has_the_realm_of_the_file(gateway: Start, origin: Origin) -> None:
    methods = '[auth]\nrealm = "my house"\n' + jwt() + api_keys() + basic()
    gw = await gateway(methods + '[auth.portal]\ntype = "forward"\nurl = "http://127.0.0.1:1"\nsend = ["X-P"]\n'
        'scheme = "Portal"\n' + ROUTES, origin=origin)  # fmt: skip
    told = (await gw.ask(get("/known"))).headers.named("WWW-Authenticate")
    assert [each.partition(" ")[0] for each in told] == ["Bearer", "ApiKey", "Basic", "Portal"]
    assert all(' realm="my house"' in each for each in told)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize(
    ("written", "content", "name", "value"),
    [
        ('header = {{ name = "X-Api-Key", value_file = "{}" }}', "own secret", "x-api-key", "own secret"),
        ('basic = {{ user = "gw", password_file = "{}" }}', "pä:ss", "authorization",
            "Basic " + base64.b64encode("gw:pä:ss".encode()).decode()),
        ('bearer_file = "{}"', "abc.def==", "authorization", "Bearer abc.def=="),
    ],
    ids=["header", "basic", "bearer"],
)  # fmt: skip
async def test_a_service_is_shown_the_secret_of_a_file(
    written: str, content: str, name: str, value: str, end: str, gateway: Start, origin: Origin, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_bytes((content + end).encode())
    route = '[[routes]]\npath = "/*"\nservice = "origin"\n'
    text = f'[services.origin]\nurl = "${{ORIGIN}}"\n[services.origin.credentials]\n{written.format(file)}\n{route}'
    gw = await gateway(text, origin=origin)
    assert (await gw.ask(get("/"))).status == 200
    assert origin.last.headers.named(name) == [value]
