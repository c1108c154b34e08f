"""A pool under any order of events: bounded, nobody forgotten, and no connection handed to two."""

from __future__ import annotations

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gwproxy.errors import GatewayError
from tests.egress.units.fakes import Taking, World, settle

MOST = 3


class PoolMachine(RuleBasedStateMachine):
    """Callers come, wait, are served, leave; connections come slowly, break, end and age."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = self._run(self._make())
        self.takings: list[Taking] = []

    async def _make(self) -> World:
        return World(max_connections=MOST, idle_timeout_s=3.0, max_age_s=8.0)

    def _run(self, coro):
        return self.runner.run(coro)

    def _do(self, act) -> None:
        async def go() -> None:
            act()

        self._run(go())

    def holders(self) -> list[Taking]:
        return [one for one in self.takings if one.connection is not None]

    def pick(self, data, among):
        return data.draw(st.sampled_from(list(among)))

    @rule(checked=st.booleans(), connect_s=st.sampled_from([0.5, 2.0]))
    def come(self, checked, connect_s):
        self._do(lambda: self.takings.append(self.world.take(checked=checked, connect_s=connect_s)))

    @precondition(lambda self: any(not one.connection.is_closed for one in self.holders()))
    @rule(data=st.data())
    def release(self, data):
        one = self.pick(data, [one for one in self.holders() if not one.connection.is_closed])
        self.takings.remove(one)
        self._do(lambda: self.world.release(one))

    @precondition(lambda self: self.holders())
    @rule(data=st.data())
    def close_used(self, data):
        one = self.pick(data, self.holders())
        self.takings.remove(one)
        self._do(one.connection.close)

    @precondition(lambda self: self.world.pool.idle)
    @rule(data=st.data())
    def close_kept(self, data):
        connection = self.pick(data, self.world.pool._idle)
        self._do(connection.close)

    @precondition(lambda self: any(one.waits for one in self.takings))
    @rule(data=st.data())
    def leave(self, data):
        one = self.pick(data, [one for one in self.takings if one.waits])
        self._do(one.drive.cancel)
        assert isinstance(one.error, asyncio.CancelledError)

    @rule(slow=st.booleans())
    def connecting_is(self, slow):
        self.world.slow = slow

    @precondition(lambda self: any(not one.ready for one in self.world.connecting))
    @rule(data=st.data(), well=st.booleans())
    def connected(self, data, well):
        one = self.pick(data, [one for one in self.world.connecting if not one.ready])
        self._do(one.set if well else lambda: one.fail(GatewayError("bad_gateway", "refused")))

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0]))
    def time_passes(self, seconds):
        self._do(lambda: self.world.later(seconds))

    @rule()
    def loop_turns(self):
        self._run(settle())

    @rule(data=st.data())
    def service_ends_one(self, data):
        if self.world.opened:
            self.pick(data, self.world.opened).has_ended = True

    @invariant()
    def bounded(self):
        pool = self.world.pool
        assert len(pool.connections) + pool.opening <= MOST
        assert sum(not one.is_closed for one in self.world.opened) <= MOST

    @invariant()
    def handed_to_one_only(self):
        held = [id(one.connection) for one in self.holders()]
        assert len(set(held)) == len(held)
        assert not set(held) & {id(one) for one in self.world.pool._idle}

    @invariant()
    def nothing_closed_is_kept(self):
        assert not any(one.is_closed for one in self.world.pool._idle)
        assert not any(one.is_closed for one in self.world.pool.connections)

    @invariant()
    def nobody_waits_beside_a_free_connection(self):
        self._run(settle())
        if self.world.pool._waiting:
            assert self.world.pool.idle == 0

    def teardown(self):
        """Everybody who waits is served as soon as the others let go, or told that it took too long."""
        for _ in range(300):
            if not self.takings:
                break
            for waiter in self.world.connecting:
                if not waiter.ready:
                    self._do(waiter.set)
            for one in list(self.takings):
                if one.connection is not None:
                    self.takings.remove(one)
                    self._do(one.connection.close)
                elif one.error is not None:
                    self.takings.remove(one)
            self._run(settle())
        left = list(self.takings)
        self._do(self.world.pool.close)
        self._do(self.world.wheel.close)
        self.runner.close()
        assert left == []
        assert self.world.pool.opening == 0


TestPoolStates = PoolMachine.TestCase
TestPoolStates.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
