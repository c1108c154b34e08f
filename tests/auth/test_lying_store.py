"""A store of keys that lies: nobody is let in as another, and once it tells the truth everybody is let in again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest
import pytest_asyncio

from gwproxy.limits.record import SCRIPT
from gwproxy.state.records import LONGEST
from tests.support.leaks import Level
from tests.support.liar import END, Connection, Liar, Step
from tests.support.origin import Origin
from tests.support.recorded import name_of
from tests.support.running import Gateway
from tests.support.until import until

Start = Callable[..., Awaitable[Gateway]]
RecordLie = Callable[["RecordLiar", bytes, bytes], list[Step]]

KEYS: Final = [f"gwk_{number}" for number in range(8)]
CONFIG = """
[state]
url = "redis://127.0.0.1:${PORT}"
timeout = "100ms"
prefix = "p"

[auth.partners]
type = "api_key"
store = true
cache = "1ms"

[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/a"
service = "origin"
requires_auth = true
"""


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def record(key: bytes, value: bytes) -> bytes:
    return b"*2\r\n" + bulk(key) + bulk(value)


class RecordLiar(Liar):
    """Knows KEYS, each of which stands for itself; one lie at a time, or the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.lie: RecordLie | None = None
        self.records = {
            b"p:{key:partners:%b}" % name_of(key).encode(): b'{"id": "%b"}' % key.encode() for key in KEYS
        }

    def steps(self, words: list[bytes], connection: Connection) -> list[Step]:
        if words[0] != b"EVAL" or words[1] != SCRIPT:
            return super().steps(words, connection)
        key = words[3]
        true = record(key, self.records.get(key, b""))
        return [true] if self.lie is None else self.lie(self, key, true)

    def other(self, key: bytes) -> bytes:
        """Another key, and what stands under it."""
        return next(each for each in self.records if each != key)


def shifted(liar: RecordLiar, key: bytes, true: bytes) -> list[Step]:
    """The answers of a connection come one too late, as after one that was left unread."""
    other = liar.other(key)
    return [record(other, liar.records[other]), true]


LIES: Final[dict[str, RecordLie]] = {
    "another's": lambda liar, key, true: [record(liar.other(key), liar.records[liar.other(key)])],
    "another's value alone": lambda liar, key, true: [bulk(liar.records[liar.other(key)])],
    "shifted": shifted,
    "twice": lambda liar, key, true: [true, true],
    "nothing": lambda liar, key, true: [b"$-1\r\n"],
    "null value": lambda liar, key, true: [b"*2\r\n" + bulk(key) + b"$-1\r\n"],
    "a number": lambda liar, key, true: [b":1\r\n"],
    "numbers": lambda liar, key, true: [b"*2\r\n:1\r\n:2\r\n"],
    "one more": lambda liar, key, true: [b"*3\r\n" + true[4:] + b":1\r\n"],
    "nested": lambda liar, key, true: [b"*1\r\n" + true],
    "ok": lambda liar, key, true: [b"+OK\r\n"],
    "too long": lambda liar, key, true: [record(key, b"x" * (LONGEST + 2))],
    "absurdly long": lambda liar, key, true: [b"*2\r\n" + bulk(key) + b"$99999999999\r\n"],
    "garbage": lambda liar, key, true: [b"\x00\xffHTTP/1.1 200 OK\r\n\r\n"],
    "loading": lambda liar, key, true: [b"-LOADING Redis is loading the dataset in memory\r\n"],
    "elsewhere": lambda liar, key, true: [b"-MOVED 1 127.0.0.1:1\r\n"],
    "too late": lambda liar, key, true: [0.3, true],
    "never": lambda liar, key, true: [],
    "cut off": lambda liar, key, true: [true[:-9], END],
}


@pytest_asyncio.fixture
async def liar(level: Level) -> AsyncIterator[RecordLiar]:
    made = RecordLiar()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_nobody_is_let_in_as_another(lie: RecordLie, liar: RecordLiar, gateway: Start, origin: Origin):
    gw = await gateway(CONFIG, origin=origin, port=liar.port)

    async def ask(key: str) -> tuple[int, str | None]:
        answer = await gw.ask(f"GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nX-Mine: {key}\r\n\r\n".encode())
        return answer.status, answer.json()["code"] if answer.status != 200 else None

    liar.lie = lie
    found = await asyncio.gather(*(ask(key) for key in [*KEYS, "unknown"]))
    assert set(found[:-1]) <= {(200, None), (503, "state_unavailable")}
    assert found[-1] in {(401, "unauthenticated"), (503, "state_unavailable")}
    if lie is not LIES["twice"]:
        assert (200, None) not in found
    liar.lie = None
    await until(lambda: gw.worker.live.limits.trouble == "", 10)
    # What was asked for before, and is answered now, is over.
    assert await asyncio.gather(*(ask(key) for key in [*KEYS, "unknown"])) == [(200, None)] * 8 + [
        (401, "unauthenticated")
    ]
    assert origin.seen
    for request in origin.seen:
        assert request.header("x-user-id") == request.header("x-mine")
