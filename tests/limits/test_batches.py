"""Checks that travel together: how many calls they make, who leaves while one is on its way, and what is cut off."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from gwproxy.limits.call import Call as CallOut
from gwproxy.limits.script import SCRIPT
from tests.limits.test_liar import LONG_S, Asked
from tests.support.client import Client
from tests.support.leaks import Level
from tests.support.liar import END, Call, Connection, Liar, Lie, Step, array
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.store import StoreServer
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
CALLERS = 20
LEAVE = 10


class Reader(Liar):
    """A liar that writes down what it was sent: of each call for callers its number, and the keys of its checks."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []
        self.checks: list[int] = []
        self.keys: Counter[bytes] = Counter()

    def steps(self, words: list[bytes], connection: Connection) -> list[Step]:
        if words[0].upper() == b"EVALSHA" and not words[3].endswith(b":probe"):
            keys = words[3 : 3 + int(words[2])]
            number, _, *plans = words[3 + len(keys) :]
            self.numbers.append(int(number))
            self.checks.append(len(plans))
            self.keys.update(key for key in keys if b":a:" in key)
        return super().steps(words, connection)


@pytest_asyncio.fixture
async def read(level: Level, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asked]:
    """A store, and a server that writes down what that sends."""
    monkeypatch.setattr("gwproxy.limits.server.AGAIN_S", 0.002)
    liar = Reader()
    await liar.start()
    one = Asked(liar, "local", LONG_S)
    await one.start()
    yield one
    await one.store.close()
    await liar.stop()


def seen_by(one: Asked) -> Reader:
    assert isinstance(one.liar, Reader)
    return one.liar


async def test_checks_of_one_turn_travel_in_as_few_calls_as_they_fit_into(read: Asked) -> None:
    assert await read.ask(256) == {"truth": 256}
    assert seen_by(read).checks == [32] * 8
    assert await read.ask(33) == {"truth": 33}
    assert seen_by(read).checks[8:] == [32, 1]


async def test_checks_of_another_turn_wait_for_nobody(read: Asked) -> None:
    for _ in range(5):
        assert await read.ask(1) == {"truth": 1}
    assert seen_by(read).checks == [1] * 5


async def test_call_that_does_not_know_the_script_keeps_its_number(read: Asked) -> None:
    read.liar.tell_next = lambda _: [b"-NOSCRIPT No matching script.\r\n"]
    assert await read.ask(1) == {"truth": 1}
    assert await read.ask(1) == {"truth": 1}
    assert len(set(seen_by(read).numbers)) == len(seen_by(read).numbers) == 2


def unheard(_: Call) -> list[Step]:
    return [END]


def half(call: Call) -> list[Step]:
    return [call.answer[:9], END]


def answered(call: Call) -> list[Step]:
    return [call.answer, END]


def out_of_turn(call: Call) -> list[Step]:
    return [array([call.numbers[0] + 1, *call.numbers[1:]]), END]


@pytest.mark.parametrize("cut", [unheard, half, answered, out_of_turn])
async def test_call_that_was_cut_off_is_never_sent_again(cut: Lie, read: Asked) -> None:
    seen = seen_by(read)
    for _ in range(30):
        read.liar.tell_next = cut
        await read.ask(100)
        await read.well()
    assert await read.ask(100) == {"truth": 100}
    assert read.liar.told == 30
    assert read.liar.made > 30
    assert max(Counter(seen.numbers).values()) == 1
    # Nor under another number: no caller of these asks twice.
    assert max(seen.keys.values()) == 1


# -- who leaves

FILE = """
[state]
url = "{url}"
timeout = "20s"
on_failure = "deny"
[services.origin]
url = "${{ORIGIN}}"
[services.origin.rate_limits]
default = {{ requests = 100, window = "600s"{by} }}
[[routes]]
path = "/*"
service = "origin"
"""


def get(number: int) -> bytes:
    return f"GET /{number} HTTP/1.1\r\nHost: a\r\nX-Key: k{number}\r\n\r\n".encode()


def on_their_way(gw: Gateway) -> list[int]:
    """Calls that the store has been sent and has not answered: how many checks are in each."""
    link: Any = gw.worker.live.limits._server._link
    calls = [taker.__self__ for taker in link._takers if isinstance(getattr(taker, "__self__", None), CallOut)]
    return [len(call._checks) for call in calls]


async def left_in(store: StoreServer, key: str) -> int:
    answer = await store.ask("EVAL", SCRIPT, 1, key, 0, 0, "e 100 600000000 -1")
    return int(answer[4])


async def ten_of_twenty_leave(gw: Gateway, store: StoreServer) -> dict[int, Any]:
    """Twenty ask a store that stands still, and each other one leaves before it goes on: the answers of the rest."""
    clients: list[Client] = [await gw.connect() for _ in range(CALLERS)]
    ended = len(gw.records)
    store.signal(signal.SIGSTOP)
    try:
        # All in one turn, so that their checks travel together.
        await asyncio.gather(*(client.send(get(number)) for number, client in enumerate(clients)))
        await until(lambda: sum(on_their_way(gw)) == CALLERS)
        assert max(on_their_way(gw)) > 1
        for number in range(0, CALLERS, 2):
            if number % 4:
                clients[number].reset()
            else:
                clients[number].close()
        await until(lambda: len(gw.records) == ended + LEAVE)
    finally:
        store.signal(signal.SIGCONT)
    return {number: await clients[number].read_answer() for number in range(1, CALLERS, 2)}


async def test_who_leaves_while_the_store_is_asked_takes_no_answer_from_who_stays(
    store: StoreServer, origin: Origin, gateway: Start
) -> None:
    gw = await gateway(FILE.format(url=store.url, by=""), origin)
    answers = await ten_of_twenty_leave(gw, store)
    assert {number: answer.json()["target"] for number, answer in answers.items()} == {n: f"/{n}" for n in answers}
    left = [int(answer.header("x-ratelimit-remaining")) for answer in answers.values()]
    assert len(set(left)) == LEAVE
    assert all(100 - CALLERS <= one < 100 for one in left)
    # Nobody is counted twice; who left may be counted, since the store had been asked.
    assert 100 - CALLERS <= await left_in(store, "gw:{l}:limit:origin.default:a:127.0.0.1") <= 100 - LEAVE
    # Of those who left the service has heard nothing.
    assert sorted(request.target for request in origin.seen) == sorted(f"/{n}".encode() for n in answers)
    assert gw.worker.live.limits.failures == 0


async def test_each_who_stays_is_told_its_own(store: StoreServer, origin: Origin, gateway: Start) -> None:
    gw = await gateway(FILE.format(url=store.url, by=', by = "header:X-Key"'), origin)
    client = await gw.connect()
    for number in range(CALLERS):
        for _ in range(number):
            assert (await client.ask(get(number))).status == 200
    answers = await ten_of_twenty_leave(gw, store)
    told = {number: answer.header("x-ratelimit-remaining") for number, answer in answers.items()}
    assert told == {number: str(99 - number) for number in answers}
    for number in range(CALLERS):
        left = await left_in(store, f"gw:{{l}}:limit:origin.default:h:x-key:k{number}")
        assert left in ((99 - number,) if number % 2 else (99 - number, 100 - number))
