"""Names and passwords over real sockets: who is let in, what is kept of a password, and what guessing costs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.passwords import PasswordHash, hashed, nobodys
from gwproxy.auth.principal import Overloaded
from gwproxy.auth.threads import Threads
from gwproxy.cli import main
from gwproxy.cli.explanation import explanation
from gwproxy.cli.typed_request import typed_request
from gwproxy.config.load import load, loads
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.methods import BasicSpec
from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]

CHEAP = hashed("geheim: ü", p=1).written()
CONFIG = f"""
[auth.staff]
type = "basic"
[[auth.staff.users]]
name = "josé"
password = "{CHEAP}"
id = "jose"
role = "clerk"
tenant = "acme"

[roles]
clerk = ["orders:read"]

[services.origin]
url = "${{ORIGIN}}"

[[routes]]
path = "/known"
service = "origin"
permissions = ["orders:read"]

[[routes]]
path = "/open"
service = "origin"
requires_auth = false
"""


def get(path: str, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


def basic(credential: str | bytes, scheme: str = "Basic") -> str:
    told = credential if isinstance(credential, bytes) else credential.encode()
    return f"Authorization: {scheme} {base64.b64encode(told).decode()}"


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["code"]


@pytest.mark.asyncio
async def test_a_password_lets_its_user_in_and_reaches_no_service(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    assert (await gw.ask(get("/known", basic("josé:geheim: ü")))).status == 200
    sent = origin.seen[0]
    told = [sent.header(name) for name in ("x-user-id", "x-user-role", "x-tenant-id", "authorization")]
    assert told == ["jose", "clerk", "acme", None]


@pytest.mark.asyncio
async def test_whatever_is_not_name_and_password_is_refused_alike(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    for credential in (
        "josé:geheim", "josé:", "josé", ":geheim: ü", "Josè:geheim: ü", "maria:geheim: ü", b"jos\xe9:geheim: \xfc",
        "josé:geheim: ü\n", "josé:" + "x" * 2000,
    ):  # fmt: skip
        answer = await gw.ask(get("/known", basic(credential)))
        assert code(answer) == (401, "unauthenticated"), credential
        assert answer.headers.named("WWW-Authenticate") == ['Basic realm="gwproxy", charset="UTF-8"']
    assert code(await gw.ask(get("/known", "Authorization: Basic !!!"))) == (401, "unauthenticated")
    assert origin.seen == []
    assert not any("geheim" in str(record.cause) for record in gw.records)


@pytest.mark.asyncio
async def test_two_spellings_of_one_letter_are_one(gateway: Start, origin: Origin) -> None:
    """A Mac types é as e and an accent (RFC 7617 section 2.1)."""
    gw = await gateway(CONFIG, origin=origin)
    assert (await gw.ask(get("/known", basic("jose\u0301:geheim: u\u0308"), "A: b"))).status == 200


@pytest.mark.asyncio
async def test_a_verified_password_is_not_hashed_again(
    gateway: Start, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counting(monkeypatch)
    gw = await gateway(CONFIG, origin=origin)
    for _ in range(3):
        assert (await gw.ask(get("/known", basic("josé:geheim: ü")))).status == 200
    assert len(counted) == 1


@pytest.mark.asyncio
async def test_many_who_send_the_same_at_once_are_verified_once(
    gateway: Start, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counting(monkeypatch)
    gw = await gateway(CONFIG, origin=origin)
    asked = [gw.ask(get("/known", basic("josé:geheim: ü"))) for _ in range(40)]
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}
    assert len(counted) == 1


@pytest.mark.asyncio
async def test_a_name_that_nobody_has_is_hashed_too(
    gateway: Start, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counting(monkeypatch)
    gw = await gateway(CONFIG, origin=origin)
    await gw.ask(get("/known", basic("nobody:x")))
    await gw.ask(get("/known", basic("josé:x")))
    assert counted[0] == counted[1]


@pytest.mark.asyncio
async def test_a_flood_of_passwords_is_refused_and_others_are_served_meanwhile(
    gateway: Start, origin: Origin
) -> None:
    gw = await gateway(CONFIG, origin=origin)
    assert (await gw.ask(get("/known", basic("josé:geheim: ü")))).status == 200
    flood = [asyncio.create_task(gw.ask(get("/known", basic(f"josé:{guess}")))) for guess in range(60)]
    # Who was verified before is known all the same, and who needs no password is not kept waiting.
    assert (await gw.ask(get("/known", basic("josé:geheim: ü"), "A: b"))).status == 200
    assert (await gw.ask(get("/open"))).status == 200
    told = [code(answer) for answer in await asyncio.gather(*flood)]
    assert set(told) == {(401, "unauthenticated"), (503, "overloaded")}


@pytest.mark.asyncio
async def test_on_a_public_route_a_wrong_password_is_anonymous(gateway: Start, origin: Origin) -> None:
    gw = await gateway(CONFIG, origin=origin)
    assert (await gw.ask(get("/open", basic("josé:x")))).status == 200
    assert (origin.seen[0].header("x-user-id"), origin.seen[0].header("authorization")) == (None, None)


@pytest.mark.asyncio
async def test_what_waits_for_threads_is_bounded() -> None:
    threads = Threads(at_once=1, waiting=1)
    held = [threads.run(lambda: time.sleep(0.05)) for _ in range(2)]
    with pytest.raises(Overloaded):
        threads.run(lambda: None)
    await asyncio.gather(*held)
    assert await threads.run(lambda: 7) == 7
    threads.close()


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_hash_fits_its_password_only(password: str, other: str) -> None:
    mine, theirs = password.encode("utf-8", "replace"), other.encode("utf-8", "replace")
    digest = hashlib.scrypt(mine, salt=b"s" * 16, n=2, r=8, p=1, dklen=32)
    made = PasswordHash(1, 8, 1, b"s" * 16, digest)
    assert made.fits(mine)
    assert made.fits(theirs) is (theirs == mine)


def test_a_hash_reads_as_it_is_written() -> None:
    made = hashed("x", p=1)
    assert PasswordHash.read(made.written()) == made
    assert hashed("x", p=1).salt != made.salt
    assert (nobodys(made).ln, nobodys(made).p) == (made.ln, made.p)
    for text in (made.written() + "A", made.written().replace(":14:", ":13:"), made.written().replace(":8:", ":9:")):
        with pytest.raises(ValueError):
            PasswordHash.read(text)


def test_users_of_a_file_stand_behind_those_of_the_configuration(tmp_path: Path) -> None:
    users = f'[[users]]\nname = "b"\npassword = "{CHEAP}"\nid = "two"\n'
    (tmp_path / "users.toml").write_text(users)
    text = '[auth.staff]\ntype = "basic"\nusers_file = "users.toml"\n[[auth.staff.users]]\nname = "a"\n'
    (tmp_path / "gw.toml").write_text(text + f'password = "{CHEAP}"\nid = "one"\n')
    auth = compile(load(tmp_path / "gw.toml", {})).auth
    assert auth is not None
    spec = auth.methods["staff"]
    assert isinstance(spec, BasicSpec)
    assert [user.principal.id for user in spec.users.values()] == ["one", "two"]
    assert "salt" not in repr(auth)


def test_explain_hashes_nothing_and_says_so() -> None:
    loaded = loads(CONFIG, environ={"ORIGIN": "http://o:1"})
    told = explanation(loaded, compile(loaded), typed_request("GET", "/known", (basic("josé:geheim: ü"),)))
    assert told.why == "only a running gateway can verify this credential: what it proves is not known here"


def test_the_verb_prints_a_hash_of_what_it_is_given() -> None:
    result = CliRunner().invoke(main, ["password"], input="pass word\n")
    assert result.exit_code == 0
    assert PasswordHash.read(result.stdout.strip()).fits(b"pass word")
    for bad in ("\n", "a\x07b\n", "x" * 600):
        refused = CliRunner().invoke(main, ["password"], input=bad)
        assert (refused.exit_code, refused.stdout) == (1, "")


def counting(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """The cost of each hash that is made from now on. What is counted is the library's call, not one of ours."""
    costs: list[tuple[int, int, int]] = []
    real = hashlib.scrypt

    def scrypt(password: bytes, **how: int) -> bytes:
        costs.append((how["n"], how["r"], how["p"]))
        return real(password, **how)

    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    return costs
