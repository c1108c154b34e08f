"""Which connection a request gets: a kept one, a new one, or the next that comes free."""

from __future__ import annotations

import asyncio

import pytest

from gwproxy.egress.pool import LONG_IDLE_S
from gwproxy.errors import Blame, GatewayError, Phase
from tests.egress.units.fakes import World, settle


async def idle_world(count: int, **bounds: float) -> World:
    """A world with `count` kept connections, the last one released last."""
    world = World(**bounds)
    takings = [world.take() for _ in range(count)]
    for taking in takings:
        world.release(taking)
    return world


async def test_last_one_used_is_taken_first():
    world = await idle_world(3)
    assert [world.take().connection for _ in range(3)] == world.opened[::-1]


async def test_each_taker_gets_its_own():
    world = World()
    takings = [world.take() for _ in range(4)]
    assert len({id(taking.connection) for taking in takings}) == 4
    assert (world.pool.idle, len(world.pool.connections)) == (0, 4)


async def test_checked_taker_gets_none_that_has_ended():
    world = await idle_world(3)
    world.opened[2].has_ended = True
    assert world.take(checked=True).connection is world.opened[1]
    assert world.opened[2].is_closed
    assert world.opened[0].asked == 0


async def test_unchecked_taker_asks_nothing():
    world = await idle_world(1)
    world.opened[0].has_ended = True
    assert world.take().connection is world.opened[0]
    assert world.opened[0].asked == 0


async def test_checked_taker_gets_none_that_has_long_been_idle_but_leaves_it_to_others():
    world = await idle_world(1)
    world.later(LONG_IDLE_S + 0.1)
    assert world.take(checked=True).connection is world.opened[1]
    assert world.take().connection is world.opened[0]


async def test_connection_past_its_age_is_not_taken_nor_kept():
    world = await idle_world(2, max_age_s=10.0, idle_timeout_s=100.0)
    old = world.opened[0]
    world.later(10.5)
    taking = world.take()
    assert taking.connection is world.opened[2]
    assert old.is_closed
    world.later(10.5)
    world.release(taking)
    assert world.opened[2].is_closed
    assert len(world.pool.connections) == world.pool.idle == 0


async def test_kept_connection_is_given_up_after_its_idle_time():
    world = await idle_world(1, idle_timeout_s=5.0)
    world.later(4.9)
    assert world.pool.idle == 1
    world.later(0.2)
    assert world.opened[0].is_closed
    assert world.pool.idle == 0


async def test_taken_connection_is_not_given_up():
    world = await idle_world(1, idle_timeout_s=5.0)
    taking = world.take()
    world.later(6.0)
    assert not taking.connection.is_closed


async def test_at_the_bound_takers_wait_in_their_order():
    world = World(max_connections=1)
    first, second, third = (world.take() for _ in range(3))
    assert (first.waits, second.waits, third.waits) == (False, True, True)
    world.release(first)
    await settle()
    assert second.connection is first.connection
    assert third.waits
    world.release(second)
    await settle()
    assert third.connection is first.connection
    assert len(world.opened) == 1


async def test_connection_that_closes_gives_its_place_to_who_waits():
    world = World(max_connections=1)
    first, second = world.take(), world.take()
    first.connection.close()
    await settle()
    assert second.connection is world.opened[1]


async def test_connecting_counts_towards_the_bound():
    world = World(max_connections=1)
    world.slow = True
    first, second = world.take(), world.take()
    assert (world.pool.opening, len(world.connecting)) == (1, 1)
    world.connecting[0].set()
    world.release(first)
    await settle()
    assert second.connection is first.connection


async def test_failed_connecting_passes_its_place_on_and_tells_why():
    world = World(max_connections=1)
    world.slow = True
    fault = GatewayError("bad_gateway", "refused", unsent=True)
    first, second = world.take(), world.take()
    world.connecting[0].fail(fault)
    await settle()
    assert first.error is fault
    assert len(world.connecting) == 2
    world.connecting[1].set()
    await settle()
    assert second.connection is world.opened[0]


async def test_cancelled_connecting_passes_its_place_on():
    world = World(max_connections=1)
    world.slow = True
    first, second = world.take(), world.take()
    first.drive.cancel()
    await settle()
    world.connecting[1].set()
    assert isinstance(first.error, asyncio.CancelledError)
    assert second.connection is world.opened[0]
    assert world.pool.opening == 0


async def test_who_waits_too_long_is_told_that_the_service_is_busy():
    world = World(max_connections=1)
    world.take()
    second = world.take(connect_s=1.0)
    world.later(0.9)
    assert second.waits
    world.later(0.2)
    error = second.error
    assert isinstance(error, GatewayError)
    assert (error.code, error.status, error.blame, error.phase) == (
        "overloaded",
        503,
        Blame.GATEWAY,
        Phase.CONNECT,
    )
    assert error.unsent
    assert error.retry_after_s > 0
    assert second.exchange.waited_s == pytest.approx(1.1)


async def test_who_gave_up_waiting_gets_nothing():
    world = World(max_connections=1)
    first, second, third = (world.take() for _ in range(3))
    second.drive.cancel()
    world.release(first)
    await settle()
    assert third.connection is first.connection
    assert second.connection is None


@pytest.mark.parametrize("leave", ["cancel", "expire"])
async def test_who_leaves_between_release_and_its_turn_passes_the_connection_on(leave):
    world = World(max_connections=1)
    first, second, third = world.take(), world.take(connect_s=1.0), world.take(connect_s=9.0)
    world.release(first)
    if leave == "cancel":
        second.drive.cancel()
    else:
        world.later(1.1)
    await settle()
    assert second.connection is None
    assert third.connection is first.connection


@pytest.mark.parametrize("leave", ["cancel", "expire"])
async def test_who_leaves_between_a_close_and_its_turn_passes_the_place_on(leave):
    world = World(max_connections=1)
    first, second, third = world.take(), world.take(connect_s=1.0), world.take(connect_s=9.0)
    first.connection.close()
    if leave == "cancel":
        second.drive.cancel()
    else:
        world.later(1.1)
    await settle()
    assert second.connection is None
    assert third.connection is world.opened[1]


async def test_connection_that_dies_between_release_and_its_turn_is_given_to_nobody():
    world = World(max_connections=1)
    first, second = world.take(), world.take()
    world.release(first)
    first.connection.close()
    await settle()
    assert second.connection is not None
    assert not second.connection.is_closed
    assert second.connection is world.opened[1]


async def test_dead_connection_of_a_waiter_who_left_is_not_kept():
    world = World(max_connections=1)
    first, second = world.take(), world.take()
    world.release(first)
    first.connection.close()
    second.drive.cancel()
    await settle()
    assert world.pool.idle == 0
    assert world.take().connection is world.opened[1]


async def test_newcomer_does_not_overtake_who_waits():
    world = World(max_connections=1)
    first, second = world.take(), world.take()
    first.connection.close()
    newcomer = world.take()
    await settle()
    assert second.connection is world.opened[1]
    assert newcomer.waits


async def test_retired_pool_keeps_nothing():
    world = await idle_world(2)
    used = world.take()
    world.pool.retire()
    assert world.opened[0].is_closed
    assert not used.connection.is_closed
    world.release(used)
    assert used.connection.is_closed
    assert len(world.pool.connections) == 0


async def test_closed_pool_closes_what_is_used_too():
    world = await idle_world(2)
    used = world.take()
    world.pool.close()
    assert used.connection.is_closed
    assert all(connection.is_closed for connection in world.opened)


async def test_time_of_connecting_and_waiting_is_told_apart():
    world = World(max_connections=1)
    world.slow = True
    first, second = world.take(), world.take()
    world.later(0.5)
    world.connecting[0].set()
    world.later(0.25)
    world.release(first)
    await settle()
    assert (first.exchange.connect_s, first.exchange.waited_s) == (0.5, 0.0)
    assert (second.exchange.connect_s, second.exchange.waited_s) == (0.0, 0.75)


async def test_pool_shows_its_state():
    world = await idle_world(2)
    world.take()
    assert repr(world.pool) == "<Pool of t:80: 2 open, 1 idle, 0 opening>"
