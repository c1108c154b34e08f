"""What an issuer may answer, where its keys are, and how long it is listened to."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gwproxy.auth.issuers.get import MOST_BYTES, PIECE
from gwproxy.auth.issuers.places import SetOf
from gwproxy.auth.issuers.source import KeySource
from tests.support.authority import Authority
from tests.support.issuer import CHUNKED, DISCOVERY, KEYS, Issuer, answered, endless
from tests.support.issuing import jwk, key_set, oct_jwk

MakeSource = Callable[..., KeySource]


async def trouble(source: KeySource) -> str:
    source.start()
    await source.refreshed("a")
    return source.state().trouble


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answered(b"<html>Sign in</html>", "200 OK", "Content-Type: text/html"), "it is not JSON"),
        (answered(b""), "it is not JSON"),
        (answered(b"{}"), "it is not a key set: an object whose member keys is a list"),
        (answered(key_set()), "the set has no usable key"),
        (answered(key_set(oct_jwk())), "the set has no usable key: keys[0]: it is a shared secret (kty oct), which"),
        (answered(key_set(jwk("P-256", private=True))), "the set has no usable key: keys[0]: it is a private key"),
        (answered(key_set(jwk("P-256")), "500 Internal Server Error"), "it answered 500"),
        (answered(key_set(jwk("P-256")), "201 Created"), "it answered 201"),
        (answered(b"", "204 No Content"), "it answered 204"),
        (answered(key_set(jwk("P-256")), "404 Not Found"), "it answered 404"),
        (answered(key_set(jwk("P-256")), "302 Found", "Location: /jwks.json"), "it answered 302, and redirects are"),
        (answered(b"", "301 Moved", "Location: https://elsewhere/"), "it answered 301, and redirects are not"),
        (answered(gzip.compress(b" " * 10_000_000), "200 OK", "Content-Encoding: gzip"), "it answered with a compr"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n{}", "it gave no answer that can be read"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "it gave no answer that can be read"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "it gave no answer that can be read"),
    ],
)  # fmt: skip
async def test_what_is_no_key_set_is_a_failure(issuer: Issuer, source: MakeSource, answer: bytes, why: str) -> None:
    issuer.answer(answer, then="close")
    made = source(issuer.keys_url)
    assert (await trouble(made)).startswith(why)
    assert made.keys is None
    assert len(issuer.seen) == 1


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_answer_that_breaks_off_is_a_failure(issuer: Issuer, source: MakeSource, then: str) -> None:
    issuer.answer(answered(key_set(jwk("P-256", kid="a")))[:-40], then=then)
    assert (await trouble(source(issuer.keys_url))).startswith("it gave no answer that can be read")


async def test_lie_takes_no_key_away(issuer: Issuer, source: MakeSource) -> None:
    made = source(issuer.keys_url, min_interval_s=0)
    made.start()
    await made.refreshed("a")
    first = made.keys
    issuer.publish()
    await made.refreshed("unknown")
    assert made.state().trouble == "the set has no usable key"
    assert made.keys is first is not None
    assert made.generation == 1


async def test_endless_answer_is_not_read_to_its_end(issuer: Issuer, source: MakeSource) -> None:
    issuer.answer(CHUNKED, cut=endless)
    made = source(issuer.keys_url, timeout_s=60)
    assert await trouble(made) == "it answered with more than 262144 bytes"


async def test_set_of_the_largest_size_is_read(issuer: Issuer, source: MakeSource) -> None:
    text = key_set(jwk("P-256", kid="a"))
    issuer.answer(answered(text.ljust(MOST_BYTES)))
    assert await trouble(source(issuer.keys_url)) == ""
    issuer.answer(answered(text.ljust(MOST_BYTES + 1)))
    assert "more than" in await trouble(source(issuer.keys_url))
    assert MOST_BYTES % PIECE == 0


@pytest.mark.parametrize("held", ["head", "body"])
async def test_slow_issuer_is_not_waited_for(issuer: Issuer, source: MakeSource, held: str) -> None:
    if held == "head":
        issuer.hold()
    else:
        issuer.answer(answered(key_set(jwk("P-256", kid="a")))[:-1])
    assert await trouble(source(issuer.keys_url, timeout_s=0.05)) == "it gave no whole answer within 0.05 s"


async def test_time_is_for_discovery_and_keys_together(issuer: Issuer, source: MakeSource) -> None:
    name = issuer.discover()
    never = asyncio.Event()

    async def slow(request: object) -> bytes:
        await never.wait()
        return b""

    issuer.pages[KEYS] = slow
    assert await trouble(source(SetOf(name), timeout_s=0.1)) == "it gave no whole answer within 0.1 s"
    assert len(issuer.seen) == 2


async def test_request_is_bare(issuer: Issuer, source: MakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cookie that was set before, no proxy, no wish for compression; one connection each."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    issuer.answer(answered(key_set(jwk("P-256", kid="a")), "200 OK", "Set-Cookie: a=b; Path=/"))
    made = source(issuer.keys_url, min_interval_s=0)
    made.start()
    await made.refreshed("a")
    await made.refreshed("unknown")
    first, second = issuer.seen
    assert first.connection != second.connection
    assert second.header("Cookie") is None
    assert second.header("Accept-Encoding") == "identity"
    assert second.method == b"GET"


async def test_name_is_looked_up(issuer: Issuer, source: MakeSource) -> None:
    assert await trouble(source(issuer.keys_url.replace("127.0.0.1", "localhost"))) == ""
    assert issuer.last.header("Host") == f"localhost:{issuer.port}"


async def test_name_that_does_not_exist_is_a_failure(issuer: Issuer, source: MakeSource) -> None:
    made = source("http://no-such-issuer.invalid/")
    told = await trouble(made)
    # In whatever words the system's resolver has for it.
    assert told.startswith("it cannot be reached: ")
    assert "OSError" not in told


# -- discovery


@pytest.mark.parametrize("path", ["", "/", "/realms/one", "/realms/one/"])
async def test_issuer_says_where_its_keys_are(issuer: Issuer, source: MakeSource, path: str) -> None:
    made = source(SetOf(issuer.discover(path)))
    assert await trouble(made) == ""
    assert made.state().kids == ("a",)
    assert [request.target.decode() for request in issuer.seen] == [path.rstrip("/") + DISCOVERY, KEYS]


async def test_keys_that_have_moved_are_found(issuer: Issuer, source: MakeSource) -> None:
    made = source(SetOf(issuer.discover()), min_interval_s=0)
    assert await trouble(made) == ""
    issuer.pages["/new"] = answered(key_set(jwk("P-256", 1, kid="b")))
    issuer.discover(jwks_uri=issuer.url + "/new")
    await made.refreshed("b")
    assert made.state().kids == ("b",)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"issuer": "https://other"}, "it has a discovery document of another issuer: https://other"),
        ({"issuer": "https://other/" + "a" * 300}, "it has a discovery document of another issuer"),
        ({"issuer": "https://user:password@other/"}, "it has a discovery document of another issuer"),
        ({"issuer": "words of its own\nand lines"}, "it has a discovery document of another issuer"),
        ({"issuer": None}, "it has a discovery document of another issuer"),
        ({"jwks_uri": None}, "whose jwks_uri is no address of a key set"),
        ({"jwks_uri": ["http://127.0.0.1/"]}, "whose jwks_uri is no address of a key set"),
        ({"jwks_uri": "/jwks.json"}, "whose jwks_uri is no address of a key set"),
        ({"jwks_uri": "file:///etc/passwd"}, "whose jwks_uri is no address of a key set"),
        ({"jwks_uri": "http://user:password@127.0.0.1/"}, "whose jwks_uri is no address of a key set"),
        ({"jwks_uri": "http://127.0.0.1/a b"}, "whose jwks_uri is no address of a key set"),
        ({"jwks_uri": "http://127.0.0.1/" + "a" * 2048}, "whose jwks_uri is no address of a key set"),
    ],
)
async def test_discovery_that_lies_is_a_failure(
    issuer: Issuer, source: MakeSource, members: dict[str, Any], why: str
) -> None:
    made = source(SetOf(issuer.discover(**members)))
    assert (await trouble(made)).endswith(why)
    assert len(issuer.seen) == 1


async def test_issuer_is_compared_to_the_letter(issuer: Issuer, source: MakeSource) -> None:
    name = issuer.discover("/one")
    made = source(SetOf(name + "/"))
    assert await trouble(made) == f"it has a discovery document of another issuer: {name}"


@pytest.mark.parametrize("text", [b"<html>", b"[]", b'{"issuer":1,"issuer":2}', b"[" * 100_000])
async def test_discovery_that_cannot_be_read_is_a_failure(issuer: Issuer, source: MakeSource, text: bytes) -> None:
    issuer.pages[DISCOVERY] = answered(text)
    assert (await trouble(source(SetOf(issuer.url)))).startswith("it has a discovery document ")
    assert len(issuer.seen) == 1


# -- TLS


@pytest.mark.parametrize(("ca", "why"), [(True, ""), (False, "it has a certificate that is not believed")])
async def test_certificates_are_looked_at(
    source: MakeSource, level: object, tmp_path: Path, ca: bool, why: str
) -> None:
    authority = Authority(tmp_path)
    issuer = Issuer(authority.server_context("127.0.0.1"))
    await issuer.start()
    issuer.publish(jwk("P-256", kid="a"))
    made = source(SetOf(issuer.discover()), ca=str(authority.ca) if ca else None)
    assert await trouble(made) == why
    assert len(issuer.seen) == (2 if ca else 0)
    await made.close()
    await issuer.stop()


@pytest.mark.parametrize(("name", "days"), [("localhost", 1), ("127.0.0.1", -1)])
async def test_certificate_of_another_name_or_time_is_not_believed(
    source: MakeSource, level: object, tmp_path: Path, name: str, days: int
) -> None:
    authority = Authority(tmp_path)
    issuer = Issuer(authority.server_context(name, days))
    await issuer.start()
    made = source(issuer.keys_url, ca=str(authority.ca))
    assert await trouble(made) == "it has a certificate that is not believed"
    await made.close()
    await issuer.stop()


async def test_issuer_with_https_does_not_send_to_http(
    source: MakeSource, issuer: Issuer, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    secure = Issuer(authority.server_context("127.0.0.1"))
    await secure.start()
    made = source(SetOf(secure.discover(jwks_uri=issuer.keys_url)), ca=str(authority.ca))
    assert await trouble(made) == "it has a discovery document whose jwks_uri is not https"
    assert issuer.seen == []
    await made.close()
    await secure.stop()


async def test_what_an_issuer_says_is_one_line_of_the_log(
    issuer: Issuer, source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwproxy")
    bad = [jwk("P-256", kid=f"x\n{n}\u2028", use="enc\r\n") for n in range(50)]
    issuer.pages[KEYS] = answered(json.dumps({"keys": [jwk("P-256", kid="a"), *bad]}).encode())
    assert await trouble(source(issuer.keys_url)) == ""
    lines = [record.getMessage() for record in caplog.records if record.name == "gwproxy"]
    assert any("and 47 more" in line for line in lines)
    assert all(len(line.splitlines()) == 1 and len(line) < 600 for line in lines)
