"""TLS to services: who they are is verified, and each key of [services.NAME.tls] does what it says."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.authority import Authority, Elsewhere
from tests.support.bulk import MIB
from tests.support.problems import assert_problem
from tests.support.scripted import close, hold, send, take

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


def routes(**tls: object) -> str:
    keys = ", ".join(
        f"{key} = {str(v).lower() if isinstance(v, bool) else repr(str(v))}" for key, v in tls.items()
    )
    written = f"tls = {{ {keys} }}\n" if keys else ""
    return f'[services.origin]\nurl = "${{ORIGIN}}"\n{written}\n[[routes]]\npath = "/*"\nservice = "origin"\n'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.asynccontextmanager
async def speaking(authority: Authority, name: str = "127.0.0.1", **how: object) -> AsyncIterator[Elsewhere]:
    """A service with a certificate for `name`."""
    service = Elsewhere(tls=authority.server_context(name, **how))  # type: ignore[arg-type]
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
        assert service.faults == []


async def assert_refused(gw, service: Elsewhere, cause: str) -> None:
    answer = await gw.ask(GET)
    assert answer.status == 502
    assert_problem(answer, "bad_gateway")
    assert answer.json()["detail"] == "Request to origin failed"
    assert service.seen == []
    assert cause in gw.records[-1].cause.lower(), gw.records[-1].cause


async def test_known_service_is_asked(authority, gateway, level):
    async with speaking(authority) as service:
        gw = await gateway(routes(ca=authority.ca), origin=service)
        caller = await gw.connect()
        for _ in range(3):
            assert (await caller.ask(GET)).status == 200
        assert (service.connections, len(service.seen)) == (1, 3)


async def test_authority_that_is_not_ours_is_refused(authority, tmp_path, gateway, level):
    other = Authority(tmp_path, "another")
    async with speaking(authority) as service:
        gw = await gateway(routes(ca=other.ca), origin=service)
        await assert_refused(gw, service, "certificate verify failed")


async def test_systems_authorities_are_the_default(authority, gateway, level):
    async with speaking(authority) as service:
        gw = await gateway(routes(), origin=service)
        await assert_refused(gw, service, "certificate verify failed")


async def test_another_name_is_refused(authority, gateway, level):
    async with speaking(authority, "other.test") as service:
        gw = await gateway(routes(ca=authority.ca), origin=service)
        await assert_refused(gw, service, "mismatch")


async def test_expired_certificate_is_refused(authority, gateway, level):
    async with speaking(authority, days=-1) as service:
        gw = await gateway(routes(ca=authority.ca), origin=service)
        await assert_refused(gw, service, "expired")


async def test_server_name_is_asked_for_and_verified(authority, gateway, level):
    async with speaking(authority, "users.test") as service:
        gw = await gateway(routes(ca=authority.ca, server_name="users.test"), origin=service)
        assert (await gw.ask(GET)).status == 200
        assert service.asked_for == ["users.test"]
        assert service.last.header("Host") == f"127.0.0.1:{service.port}"


async def test_server_name_that_the_service_has_not_is_refused(authority, gateway, level):
    async with speaking(authority) as service:
        gw = await gateway(routes(ca=authority.ca, server_name="users.test"), origin=service)
        await assert_refused(gw, service, "mismatch")


async def test_own_certificate_is_shown_where_one_is_asked_for(authority, gateway, level):
    cert, key = authority.sign("gateway.test")
    async with speaking(authority, clients=True) as service:
        gw = await gateway(routes(ca=authority.ca, cert=cert, key=key), origin=service)
        assert (await gw.ask(GET)).status == 200


async def test_without_own_certificate_such_a_service_is_502(authority, gateway, level):
    async with speaking(authority, clients=True) as service:
        gw = await gateway(routes(ca=authority.ca), origin=service)
        answer = await gw.ask(GET)
        assert answer.status == 502
        assert service.seen == []


async def test_verify_false_asks_anybody_and_says_so_loudly(authority, gateway, level, caplog):
    async with speaking(authority, "other.test") as service:
        with caplog.at_level(logging.WARNING, logger="gwproxy"):
            gw = await gateway(routes(verify=False), origin=service)
        assert (await gw.ask(GET)).status == 200
        loud = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert any("NOT verified" in said and f"127.0.0.1:{service.port}" in said for said in loud)


async def test_plain_service_behind_https_is_502(authority, gateway, scripted):
    refusing = send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    plain = await scripted([take(1), refusing, close()])
    gw = await gateway(routes(ca=authority.ca), ORIGIN=plain.url.replace("http:", "https:"))
    assert (await gw.ask(GET)).status == 502


async def test_tls_service_behind_http_is_502(authority, gateway, level):
    async with speaking(authority) as service:
        gw = await gateway(routes(), ORIGIN=service.url.replace("https:", "http:"))
        assert (await gw.ask(GET)).status == 502


async def test_handshake_is_part_of_connecting(authority, gateway, scripted):
    silent = await scripted([hold()])
    text = routes(ca=authority.ca).replace("tls =", 'connect_timeout = "0.3s"\ntls =')
    gw = await gateway(text, ORIGIN=silent.url.replace("http:", "https:"))
    answer = await gw.ask(GET)
    assert answer.status == 504
    assert answer.json()["detail"] == "Request to origin timed out after 300ms"


async def test_large_bodies_cross_whole_both_ways(authority, gateway, level):
    body = bytes(range(256)) * 16384
    async with speaking(authority) as service:
        service.answer(
            lambda request: (
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body
            )
        )
        gw = await gateway(routes(ca=authority.ca), origin=service)
        caller = await gw.connect()
        answer = await caller.ask(
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert len(body) == 4 * MIB
        assert answer.body == body


@pytest.mark.parametrize("key", ["ca", "cert"])
async def test_file_that_is_not_there_stops_the_start(key: str, authority, gateway, origin):
    wrong = authority.folder / "nowhere.pem"
    tls = {"ca": wrong} if key == "ca" else {"ca": authority.ca, "cert": wrong, "key": wrong}
    with pytest.raises(Exception, match="nowhere|No such file"):
        await gateway(routes(**tls), ORIGIN=origin.url.replace("http:", "https:"))
