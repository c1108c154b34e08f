"""Where a service may be: addresses of either family, localhost, unix sockets."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from gwproxy.deadlines import Wheel
from gwproxy.drive import drive
from gwproxy.egress.connect import Connector
from gwproxy.egress.forward import attempt
from gwproxy.egress.pool import Pool
from gwproxy.egress.resolver import Resolver
from tests.support.attempts import made_exchange, made_request, made_times
from tests.support.authority import Elsewhere
from tests.support.origin import Origin
from tests.support.running import PLAIN

GET = b"GET /a/b?c HTTP/1.1\r\nHost: a\r\n\r\n"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on loopback here")


async def test_unix_socket(gateway, level, tmp_path: Path):
    service = Elsewhere(unix=str(tmp_path / "s"))
    await service.start()
    gw = await gateway(PLAIN, origin=service)
    caller = await gw.connect()
    for _ in range(2):
        assert (await caller.ask(GET)).status == 200
    assert (service.last.target, service.last.header("Host")) == (b"/a/b?c", "localhost")
    assert service.connections == 1
    await service.stop()


async def test_unix_socket_that_is_not_there_is_502(gateway, level, tmp_path: Path):
    gw = await gateway(PLAIN, ORIGIN=f"http+unix://{tmp_path}/none")
    assert (await gw.ask(GET)).status == 502


@ipv6
async def test_ipv6_address(gateway, level):
    service = Elsewhere("::1")
    await service.start()
    gw = await gateway(PLAIN, origin=service)
    assert (await gw.ask(GET)).status == 200
    assert service.last.header("Host") == f"[::1]:{service.port}"
    assert gw.records[-1].target == f"[::1]:{service.port}"
    await service.stop()


async def test_localhost_is_asked_of_the_system(gateway, level):
    service = Elsewhere()
    await service.start()
    gw = await gateway(PLAIN, ORIGIN=f"http://localhost:{service.port}")
    for _ in range(2):
        assert (await gw.ask(GET)).status == 200
    assert service.last.header("Host") == f"localhost:{service.port}"
    await service.stop()


class Both(Resolver):
    """A system whose localhost has both families, the other one first."""

    async def resolve(self, host: str) -> list[str]:
        return ["::1", "127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize("host", [pytest.param("::1", marks=ipv6), "127.0.0.1", "127.0.0.2"])
async def test_addresses_are_tried_in_turn_and_the_good_one_first_then(host: str, level):
    service = Elsewhere(host)
    await service.start()
    wheel = Wheel()
    pool = Pool("t", "s", b"", b"a", wheel, Connector("localhost", service.port, Both(wheel.clock)))
    for _ in range(2):
        answer = await drive(attempt(made_exchange(), pool, made_request(), made_times()))
        assert answer.status == 200
        for connection in list(pool.connections):
            connection.close()
    assert service.connections == 2
    pool.close()
    wheel.close()
    await service.stop()


async def test_name_that_nobody_has_is_502(gateway, level):
    gw = await gateway(
        PLAIN.replace("url =", 'connect_timeout = "5s"\nurl ='), ORIGIN="http://nobody.invalid"
    )
    answer = await gw.ask(GET)
    assert answer.status in (502, 504)
    assert b"nobody.invalid" not in answer.body


async def test_base_path_of_a_target_comes_before_the_callers(gateway, origin: Origin):
    gw = await gateway(PLAIN, ORIGIN=origin.url + "/base/")
    assert (await gw.ask(GET)).status == 200
    assert origin.last.target == b"/base/a/b?c"


async def test_targets_take_turns_by_weight(gateway, origin: Origin, level):
    other = Origin()
    await other.start()
    text = PLAIN.replace(
        'url = "${ORIGIN}"', 'targets = [{ url = "${ORIGIN}", weight = 2 }, { url = "${OTHER}" }]'
    )
    gw = await gateway(text, origin=origin, other=other.url)
    caller = await gw.connect()
    for _ in range(9):
        await caller.ask(GET)
    assert (len(origin.seen), len(other.seen)) == (6, 3)
    await asyncio.sleep(0)
    await other.stop()
