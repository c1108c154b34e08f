"""docs/authenticators.md: the signed request that it shows is let in, and so is what its script sends.

Whoever changes that request makes a new key for the page, and throws the private half away.
"""

from __future__ import annotations

import asyncio
import base64
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from gwproxy.auth.signatures.components import DERIVED
from gwproxy.config.authenticators import AnsweredIdentity
from tests.auth.attacking import Now
from tests.docs.pages import ROOT, blocks, text_of
from tests.support.origin import Origin
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]

PAGE = ROOT / "docs" / "authenticators.md"
[PARTNERS] = [block for block in blocks(PAGE, "toml") if block.startswith("# partners.toml\n")]
[REQUEST] = blocks(PAGE, "http")
[BASE] = blocks(PAGE, "text")
[SCRIPT] = blocks(PAGE, "python")
[KEY] = re.findall(r"-----BEGIN.*?KEY-----\n(?=\"\"\")", PARTNERS, re.DOTALL)


def file(key: str, origin: Origin) -> str:
    """The page's file, with another key, and a service that there is."""
    return PARTNERS.replace(KEY, key).replace("http://orders:3000", origin.url)


def shown() -> bytes:
    """The request of the page, as it is sent."""
    head, _, body = REQUEST.partition("\n\n")
    return f"{head}\n\n".replace("\n", "\r\n").encode() + body.rstrip("\n").encode()


async def test_request_of_the_page_is_let_in_while_it_is_good(gateway: Start, origin: Origin):
    gw = await gateway(file(KEY, origin), origin=origin)
    [created] = re.findall(r"created=(\d+)", REQUEST)
    clock = Now(gw, int(created))
    for later, status in ((-31, 401), (-30, 200), (330, 200), (331, 401)):
        clock.now = int(created) + later
        assert (await gw.ask(shown())).status == status, later
    assert origin.last.header("x-user-id") == "acme"
    assert origin.last.body == b'{"item": 7}'


async def test_each_covered_part_of_it_is(gateway: Start, origin: Origin):
    gw = await gateway(file(KEY, origin), origin=origin)
    Now(gw, 1767225600)
    for part, other in (
        (b"api.", b"app."), (b"/orders", b"/orders?a"), (b"7}", b"8}"), (b"=1767", b"=1768"), (b"=:K", b"=:L"),
        (b' "content-digest"', b""),
    ):  # fmt: skip
        assert (await gw.ask(shown().replace(part, other, 1))).status == 401, part
    assert origin.seen == []


def test_text_that_it_says_is_signed_is_signed():
    key = load_pem_public_key(KEY.encode())
    assert isinstance(key, Ed25519PublicKey)
    [made] = re.findall(r"^Signature: sig1=:(.*):$", REQUEST, re.MULTILINE)
    key.verify(base64.b64decode(made), BASE.removesuffix("\n").encode())


async def test_script_of_the_page_signs_what_is_let_in(gateway: Start, origin: Origin, tmp_path: Path):
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    (tmp_path / "acme.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "order.py").write_text(SCRIPT)
    gw = await gateway(file(public, origin), origin=origin)
    script = await asyncio.create_subprocess_exec(
        sys.executable, "order.py", f"127.0.0.1:{gw.port}", cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(script.communicate(), 30)
    assert (out, err) == (b"200\n", b"")
    assert (origin.last.body, origin.last.header("x-user-id")) == (b'{"item": 7}', "acme")


def test_every_component_is_in_the_table():
    listed = re.findall(r"^\| `(@[a-z-]+)` \|", text_of(PAGE), re.MULTILINE)
    assert sorted(listed) == sorted(DERIVED)


def test_headers_of_an_answer_that_are_left_out_are_those_of_the_table():
    listed = dict(re.findall(r"^\| `([a-z]+)` \| `(X-Auth-[A-Za-z]+)` \|", text_of(PAGE), re.MULTILINE))
    usual = AnsweredIdentity()
    assert listed == {name: getattr(usual, name) for name in AnsweredIdentity.__struct_fields__}
