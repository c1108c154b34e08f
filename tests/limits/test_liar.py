"""A Redis that lies: whatever it answers, and when, nobody is told what is another's, and the truth is found again."""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.redis import RedisStore
from gwproxy.limits.spec import LimitSpec
from gwproxy.state.address import Address
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.support import liar as lies
from tests.support.leaks import Level
from tests.support.liar import Liar, address_of, refused_by
from tests.support.until import until

REQUESTS = 1 << 25
WINDOW_US = 40_000_000_000_000
EVERY = LimitSpec("global", "global", "hard", 10**9, WINDOW_US)
SERVICE = LimitSpec("service:x", "x", "hard", 10**9, WINDOW_US)
OWN = LimitSpec("limit:x.default", "default", "bucket", REQUESTS, WINDOW_US, "principal", told=True)
# Four, so that calls of 8 and of 32 checks are alike: only then could an answer be taken for another.
SHAPES = ((OWN,), (EVERY, OWN), (SERVICE, OWN), (EVERY, SERVICE, OWN))
HEAD = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)
SHORT_S = 0.2
LONG_S = 5.0
"""A time-out that nothing here is to wait for."""
CROWDS = 32
CROWD = 8
AT_ONCE = 256
MIB = 1 << 20
_TOLD = re.compile(rb';r=(\d+);t=(\d+)\r\n')
_AFTER = re.compile(rb"Retry-After: (\d+)\r\n")

Start = Callable[..., Awaitable["Asked"]]


class Check:
    """One check of one caller, whom nobody else is."""

    def __init__(self, number: int, done: Callable[[], None]) -> None:
        self.number = number
        self.shape = number % len(SHAPES)
        self.exchange = Exchange(HEAD, Sender(address_of(number)), 0.0)
        self.found: list[tuple[Any, BaseException | None]] = []
        self._done = done

    def begin(self, plan: Any) -> None:
        try:
            found = plan.check(self.exchange)
        except GatewayError as error:
            self.resume(None, error)
            return
        if isinstance(found, Waiter):
            found.attach(self)
        else:
            self.resume(found, None)

    def resume(self, value: Any, error: BaseException | None) -> None:
        self.found.append((value, error))
        self._done()

    def outcome(self) -> tuple[Any, ...]:
        """What the caller is told: left, seconds, and where it is refused, by which limit and for how long."""
        [(reply, error)] = self.found
        if error is not None:
            return (getattr(error, "code", repr(error)),)
        told = _TOLD.search(self.exchange.limits)
        after = _AFTER.search(reply.lines) if reply is not None else None
        return (
            *(map(int, told.groups()) if told else (None, None)),
            self.exchange.refused_by if reply is not None else "",
            int(after[1]) if after else 0,
        )

    def truth(self) -> tuple[Any, ...]:
        """What the liar tells of this caller when it does not lie."""
        specs, seconds = SHAPES[self.shape], self.number + 1
        refused = refused_by(self.number, len(specs))
        if not refused:
            return (self.number, seconds, "", 0)
        key = specs[refused - 1].key
        return (0 if refused == len(specs) else self.number, seconds, key, seconds)


FALLBACK: dict[str, Callable[[tuple[Any, ...]], bool]] = {
    "local": lambda outcome: outcome[0] == REQUESTS - 1 and outcome[2:] == ("", 0),
    "allow": lambda outcome: outcome == (None, None, "", 0),
    "deny": lambda outcome: outcome == ("state_unavailable",),
}


class Asked:
    """A liar, and a store that asks it."""

    def __init__(self, liar: Liar, policy: Any, timeout_s: float) -> None:
        self.liar = liar
        address = Address("127.0.0.1", liar.port)
        self.store = RedisStore(address, prefix="p", timeout_s=timeout_s, on_failure=policy)
        self.outcomes: Counter[str] = Counter()
        self._policy = policy
        self._numbers: Iterator[int] = itertools.count(1)

    async def start(self) -> None:
        await self.store.start()
        self._plans = [self.store.plan(specs, 64) for specs in SHAPES]
        self.store.settle_in()

    async def well(self) -> None:
        await until(lambda: not self.store.trouble, what="the store has recovered")

    async def ask(self, count: int) -> Counter[str]:
        """`count` checks at once: how many were told the truth, and how many what holds in its absence."""
        settled = asyncio.get_running_loop().create_future()
        left = count

        def done() -> None:
            nonlocal left
            left -= 1
            if not left:
                settled.set_result(None)

        checks = [Check(number, done) for number in itertools.islice(self._numbers, count)]
        for check in checks:
            check.begin(self._plans[check.shape])
        # Longer than any time-out: who is never told anything fails the test.
        async with asyncio.timeout(2 * LONG_S):
            await settled
        found = Counter(self._judged(check) for check in checks)
        self.outcomes += found
        return found

    def _judged(self, check: Check) -> str:
        outcome = check.outcome()
        if outcome == check.truth():
            return "truth"
        assert FALLBACK[self._policy](outcome), f"caller {check.number}: {outcome} is not {check.truth()}"
        return "fallback"

    async def many(self, count: int) -> None:
        """`count` checks by some crowds, each of which asks as soon as all of it have been answered."""
        rounds = iter(range(count // CROWD))

        async def crowd() -> None:
            for _ in rounds:
                await self.well()
                await self.ask(CROWD)

        async with asyncio.TaskGroup() as group:
            for _ in range(CROWDS):
                group.create_task(crowd())
        assert self.outcomes.total() == count // CROWD * CROWD


@pytest_asyncio.fixture
async def asked(level: Level, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts a liar and a store that asks it: `one = await asked("allow", SHORT_S, lies=…, often=0.1, seed=1)`."""
    monkeypatch.setattr("gwproxy.limits.server.AGAIN_S", 0.002)
    started: list[Asked] = []

    async def start(policy: str = "local", timeout_s: float = LONG_S, **told: Any) -> Asked:
        liar = Liar(**told)
        await liar.start()
        one = Asked(liar, policy, timeout_s)
        started.append(one)
        await one.start()
        return one

    yield start
    for one in started:
        await one.store.close()
        await one.liar.stop()


async def test_truth_comes_to_each_caller(asked: Start):
    one = await asked()
    assert await one.ask(500) == {"truth": 500}
    assert (one.liar.made, one.store.failures) == (1, 0)


async def lied(one: Asked, lie: lies.Lie) -> Counter[str]:
    """The lie is told of the second of several calls. Then the truth must come again."""
    one.liar.tell_next = lambda call: [call.answer, *_arm(one.liar, lie)]
    found = await one.ask(AT_ONCE)
    assert one.liar.told == 2
    await one.well()
    assert await one.ask(AT_ONCE) == {"truth": AT_ONCE}
    return found


def _arm(liar: Liar, lie: lies.Lie) -> list[lies.Step]:
    liar.tell_next = lie
    return []


@pytest.mark.parametrize("name", lies.HONEST)
async def test_what_is_no_lie_is_not_noticed(name: str, asked: Start):
    one = await asked()
    assert await lied(one, lies.HONEST[name]) == {"truth": AT_ONCE}
    assert (one.liar.made, one.store.failures) == (1, 0)


@pytest.mark.parametrize("name", lies.DROPPED)
async def test_lie_ends_the_connection(name: str, asked: Start):
    one = await asked()
    began = asyncio.get_running_loop().time()
    found = await lied(one, lies.DROPPED[name])
    assert found["fallback"] > 0
    assert one.liar.made > 1
    assert one.store.failures > 0
    # Not since it was late.
    assert asyncio.get_running_loop().time() - began < LONG_S / 2


@pytest.mark.parametrize("name", lies.INSIDE)
async def test_every_number_of_an_answer_has_to_be_one(name: str, asked: Start):
    for place in lies.PLACES:
        one = await asked()
        await lied(one, lies.among(lies.INSIDE[name], place))
        assert one.liar.made > 1, place


@pytest.mark.parametrize("name", lies.SLOW | lies.ERRORS)
async def test_answer_that_does_not_help_costs_what_on_failure_says(name: str, asked: Start):
    one = await asked(timeout_s=SHORT_S)
    found = await lied(one, (lies.SLOW | lies.ERRORS)[name])
    assert found["fallback"] > 0
    assert one.store.failures > 0


@pytest.mark.parametrize("name", lies.ABSURD)
async def test_absurd_size_leaves_nothing_behind(name: str, asked: Start):
    one = await asked()
    one.liar.tell_next = lies.ABSURD[name]
    began = asyncio.get_running_loop().time()
    assert await one.ask(1) == {"fallback": 1}
    assert asyncio.get_running_loop().time() - began < LONG_S / 2
    # What hiredis makes of such a head has as many places as were told: the collector would walk them all.
    assert not [one for one in gc.get_objects() if type(one) is list and len(one) > MIB]


@pytest.mark.parametrize("policy", FALLBACK)
async def test_each_policy_holds_while_the_server_lies(policy: str, asked: Start):
    one = await asked(policy, SHORT_S)
    for lie in (lies.swapped, lies.twice, lies.among(lies.INSIDE["null"], 4), lies.ERRORS["ERR no"], lies.late):
        one.liar.told = 0
        await lied(one, lie)


@pytest.mark.parametrize("name", lies.DROPPED | lies.ERRORS)
async def test_lie_to_who_looks_whether_it_is_back_is_no_truth(name: str, asked: Start):
    one = await asked()
    one.liar.probes_too = True
    one.liar.tell_next = lambda call: [b"-ERR no\r\n", *_arm(one.liar, lies.ALL[name])]
    assert (await one.ask(1)) == {"fallback": 1}
    await until(lambda: one.liar.told == 2)
    await one.well()
    assert await one.ask(AT_ONCE) == {"truth": AT_ONCE}


UNASKED = [b":1\r\n", b"+OK\r\n", b"-ERR\r\n", b"*0\r\n", b">1\r\n+a\r\n", lies.array([1, 2, 0, 0])]


@pytest.mark.parametrize("raw", UNASKED)
async def test_answer_that_nobody_asked_for_ends_an_idle_connection(raw: bytes, asked: Start):
    one = await asked()
    await one.ask(1)
    one.liar.say(raw)
    await until(lambda: one.liar.made == 2)
    await one.well()
    assert await one.ask(AT_ONCE) == {"truth": AT_ONCE}


@pytest.mark.parametrize("number", range(12))
async def test_truth_is_told_whatever_the_answer_is_cut_into(number: int, asked: Start):
    one = await asked(lies=[lies.in_pieces], often=1.0, seed=number)
    assert await one.ask(AT_ONCE) == {"truth": AT_ONCE}
    assert one.store.failures == 0


ENDLESS = {
    "bulk": (b"$999999999\r\n", b"x" * 65536),
    "small bulk": (b"$8388608\r\n", b"x" * 65536),
    "word": (b"+", b"x" * 65536),
    "error": (b"-", b"x" * 65536),
    "numbers": (b"*9999999\r\n", b":1\r\n" * 16384),
    "bulks": (b"*99999\r\n", b"$32759\r\n%b\r\n" % (b"x" * 32759) * 2),
}


def resident() -> int:
    """This process's memory, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


@pytest.mark.parametrize("name", ENDLESS)
async def test_answer_without_an_end_fills_no_memory(name: str, asked: Start):
    head, piece = ENDLESS[name]
    one = await asked()
    await one.ask(AT_ONCE)
    gc.collect()
    before, sent = resident(), one.liar.sent
    most = 0

    def flood(call: lies.Call) -> list[lies.Step]:
        return [head, *[piece] * 2048]

    one.liar.tell_next = flood
    dropped = asyncio.create_task(until(lambda: one.liar.made > 1))
    await one.ask(1)
    while not dropped.done():
        most = max(most, resident())
        await asyncio.sleep(0)
    await dropped
    # A megabyte is read, a few are in the sockets: of 128 that were to come.
    assert one.liar.sent - sent < 24 * MIB
    assert most - before < 24 * MIB
    await one.well()
    assert await one.ask(AT_ONCE) == {"truth": AT_ONCE}


@pytest.mark.parametrize("seed", range(3))
async def test_no_lie_of_many_comes_to_another_caller(seed: int, asked: Start):
    policy = list(FALLBACK)[seed % len(FALLBACK)]
    one = await asked(policy, SHORT_S, lies=lies.ALL.values(), often=0.1, seed=seed)
    await one.many(30_000)
    assert one.liar.told > len(lies.ALL)
    assert one.outcomes["truth"] > one.outcomes["fallback"]
    one.liar.often = 0.0
    await one.well()
    assert await one.ask(AT_ONCE) == {"truth": AT_ONCE}


@pytest.mark.full
async def test_no_lie_of_a_million_checks_comes_to_another_caller(asked: Start):
    one = await asked("local", SHORT_S, lies=lies.ALL.values(), often=0.02, seed=20261127)
    await one.many(1_000_000)
    assert one.liar.told > 5 * len(lies.ALL)
    assert one.outcomes["truth"] > one.outcomes["fallback"]
