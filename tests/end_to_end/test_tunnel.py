"""A connection can be taken over by another protocol: the room that WebSocket will need."""

from __future__ import annotations

import asyncio
from typing import Any

from gwproxy.exchange import Exchange, Reply

UPGRADE = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"


class Shout(asyncio.Protocol):
    """Says everything again, louder."""

    transport: Any

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())


def take_over(exchange: Exchange) -> Reply:
    shout = Shout()
    transport, held = exchange.caller.take_over(shout)
    shout.transport = transport
    transport.write(ACCEPTED)
    if held:
        shout.data_received(held)
    return Reply(101, b"", b"", b"", -2)


async def test_connection_taken_over_speaks_another_protocol_from_the_next_byte(gateway, origin):
    gw = await gateway(origin=origin)
    gw.worker.server.bound.routes[0].respond = take_over
    caller = await gw.connect()
    await caller.send(UPGRADE + b"early ")
    await caller.send(b"bird")
    caller.finish()
    assert await caller.read_all() == ACCEPTED + b"EARLY BIRD"
    assert [(record.status, record.code) for record in gw.records] == [(101, None)]
    assert not gw.worker.server.connections


async def test_next_connection_is_served_as_ever(gateway, origin):
    gw = await gateway(origin=origin)
    route = gw.worker.server.bound.routes[0]
    route.respond, forward = take_over, route.respond
    caller = await gw.connect()
    await caller.send(UPGRADE)
    await caller.send(b"x")
    caller.finish()
    assert await caller.read_all() == ACCEPTED + b"X"
    route.respond = forward
    assert (await gw.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status == 200
