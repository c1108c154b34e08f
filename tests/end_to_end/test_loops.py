"""Requests that come round again: known by the gateway's own word in Via."""

from __future__ import annotations

import pytest

from tests.support.origin import Origin
from tests.support.problems import assert_problem
from tests.support.running import PLAIN, Gateway
from tests.support.serving import Served

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
NAMED = PLAIN.replace("[services.origin]", '[gateway]\ninstance = "%s"\n\n[services.origin]', 1)


class At(Served):
    """A gateway as a service."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    @property
    def port(self) -> int:
        return self._port


async def ring(gateway, count: int) -> list[Gateway]:
    """Gateways that each point to the one before, and the first to the last, so that no service ever answers."""
    import socket

    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        last_port = int(reserved.getsockname()[1])
    found: list[Gateway] = [await gateway(PLAIN, origin=At(last_port))]
    for _ in range(count - 2):
        found.append(await gateway(PLAIN, origin=At(found[-1].port)))
    if count > 1:
        text = f'[gateway]\nlisten = ["127.0.0.1:{last_port}"]\n{PLAIN}'
        found.append(await gateway(text, origin=At(found[-1].port)))
    return found


@pytest.mark.parametrize("count", [2, 3, 4])
async def test_ring_of_gateways_is_508_after_one_round(count: int, gateway):
    gateways = await ring(gateway, count)
    answer = await gateways[0].ask(GET)
    assert answer.status == 508
    assert [len(gw.records) for gw in gateways] == [2, *[1] * (count - 1)]
    assert [record.code for record in gateways[0].records] == ["loop_detected", None]


async def test_gateway_that_points_to_itself_is_508(gateway):
    import socket

    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = int(reserved.getsockname()[1])
    gw = await gateway(f'[gateway]\nlisten = ["127.0.0.1:{port}"]\n{PLAIN}', origin=At(port))
    answer = await gw.ask(GET)
    assert answer.status == 508
    assert answer.json()["code"] == "loop_detected"
    assert len(gw.records) == 2


VIA = {
    "alone": "1.1 gwproxy-me",
    "behind another": "1.1 other, 1.1 gwproxy-me",
    "before another": "1.1 gwproxy-me, 1.1 other",
    "without a blank": "1.1 other,1.1 gwproxy-me,1.1 third",
    "with a comment": "1.1 gwproxy-me (a, b)",
    "of an older version": "1.0 gwproxy-me",
}


@pytest.mark.parametrize("via", VIA.values(), ids=VIA.keys())
async def test_own_instance_in_via_is_a_loop(via: str, gateway, origin: Origin):
    gw = await gateway(NAMED % "me", origin=origin)
    answer = await gw.ask(GET[:-2] + f"Via: {via}\r\n\r\n".encode())
    assert answer.status == 508
    assert_problem(answer, "loop_detected")
    assert origin.seen == []


async def test_own_instance_in_the_second_via_is_a_loop(gateway, origin: Origin):
    gw = await gateway(NAMED % "me", origin=origin)
    assert (await gw.ask(GET[:-2] + b"Via: 1.1 a\r\nVia: 1.1 gwproxy-me\r\n\r\n")).status == 508


@pytest.mark.parametrize(
    "via", ["1.1 gwproxy-you", "1.1 gwproxy-me2", "1.1 xgwproxy-me", "1.1 b (gwproxy-me)", "1.1 me"]
)
async def test_others_in_via_are_no_loop(via: str, gateway, origin: Origin):
    gw = await gateway(NAMED % "me", origin=origin)
    assert (await gw.ask(GET[:-2] + f"Via: {via}\r\n\r\n".encode())).status == 200
    assert origin.last.header("Via") == f"{via}, 1.1 gwproxy-me"


async def test_two_gateways_have_two_names(gateway, origin: Origin):
    inner = await gateway(PLAIN, origin=origin)
    outer = await gateway(PLAIN, origin=At(inner.port))
    assert (await outer.ask(GET)).status == 200
    hops = [hop.split()[1] for hop in (origin.last.header("Via") or "").split(",")]
    assert len(set(hops)) == 2
