"""A Redis that lies. It answers the limits' script truthfully in a way that can be verified, until it is told not to.

What is left for a caller is the number in its address (10.1.2.3 is 66051), and how long it has to wait is that number
of seconds and one more: an answer that came to another caller is told by its numbers. One caller of sixteen is refused
by its own limit, one by the first limit of its request.

A lie is a function of a call that gives steps: bytes to send, seconds to pause, or END. It cannot be told from the
truth where it has the call's number, its form, and numbers that its limits may have: no lie here is of that sort.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable, Iterable
from hashlib import sha1
from typing import Any, Final

import hiredis

SECOND_US: Final = 1_000_000
NOW: Final = 1_790_000_000 * SECOND_US
LATE_S: Final = 0.3
"""Later than the time-out of who is to be told too late."""
END: Final = None
Step = bytes | float | None
_NUMBER: Final = re.compile(rb"10\.(\d+)\.(\d+)\.(\d+)$")


BEAT_KEY = b"p:{processes}:"


def address_of(number: int) -> str:
    """The address of caller `number`, below 2**24."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def refused_by(number: int, limits: int) -> int:
    """Which of its limits refuses caller `number`, the last being its own; 0 for none."""
    return {5: limits, 6: 1}.get(number % 16, 0)


def _number_of(keys: list[bytes]) -> int:
    found = next(filter(None, map(_NUMBER.search, keys)), None)
    return int(found[1]) << 16 | int(found[2]) << 8 | int(found[3]) if found else 0


def array(numbers: Iterable[int]) -> bytes:
    """An array of integers, as Redis writes it."""
    lines = [b":%d\r\n" % number for number in numbers]
    return b"*%d\r\n%b" % (len(lines), b"".join(lines))


class Call:
    """One call of the script, with its true answer. `chance` is the liar's."""

    def __init__(self, words: list[bytes], connection: Connection) -> None:
        self.connection = connection
        self.chance = connection.liar.chance
        count = int(words[2])
        keys, (call, _, *plans) = words[3 : 3 + count], words[3 + count :]
        self.callers = 0
        self.numbers = [int(call), NOW]
        for plan in plans:
            limits = [plan.split()[at : at + 4] for at in range(0, len(plan.split()), 4)]
            own, keys = keys[: len(limits)], keys[len(limits) :]
            number = _number_of(own)
            self.callers += number > 0
            refused = refused_by(number, len(limits)) if number else 0
            self.numbers += [refused, (number + 1) * SECOND_US if refused else 0]
            for _, requests, _, lease in limits:
                self.numbers += [number or int(requests) - 1, (number + 1) * SECOND_US, *[1] * (int(lease) > 0)]
        self.answer = array(self.numbers)


Lie = Callable[[Call], list[Step]]


class Liar:
    """A server on a port of its own. Lies go to calls of callers; whoever probes it is told the truth.

    `often` of all calls, by the seed, it tells one of `lies`. `tell_next` is told once, before all these.
    """

    def __init__(self, lies: Iterable[Lie] = (), often: float = 0.0, seed: int = 0) -> None:
        self.chance = random.Random(seed)
        self.lies = list(lies)
        # So that each is told before any is told again.
        self._deck: list[Lie] = []
        self.often = often
        self.tell_next: Lie | None = None
        self.probes_too = False
        self.told = 0
        self.made = 0
        self.sent = 0
        self.connections: set[Connection] = set()
        self._server: asyncio.Server

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await self._server.wait_closed()

    def say(self, raw: bytes) -> None:
        """Send `raw` to everybody, unasked."""
        for connection in self.connections:
            connection.play([raw])

    def steps(self, words: list[bytes], connection: Connection) -> list[Step]:
        """What a command is answered with."""
        name = words[0].upper()
        if name == b"SCRIPT":
            digest = sha1(words[2], usedforsecurity=False).hexdigest().encode()
            return [b"$%d\r\n%b\r\n" % (len(digest), digest)]
        if words[3:4] == [BEAT_KEY]:
            return [b":1\r\n"]
        if name not in (b"EVALSHA", b"EVAL"):
            return [b"+OK\r\n"]
        call = Call(words, connection)
        lie = self._chosen() if call.callers or self.probes_too else None
        if lie is None:
            return [call.answer]
        self.told += 1
        return lie(call)

    def _chosen(self) -> Lie | None:
        lie, self.tell_next = self.tell_next, None
        if lie is None and self.often and self.chance.random() < self.often:
            if not self._deck:
                self._deck = self.chance.sample(self.lies, len(self.lies))
            lie = self._deck.pop()
        return lie


class Connection(asyncio.Protocol):
    """One connection to a liar: steps are played one after another, a pause holds back all behind it.

    `held`: an answer that comes after the next. `silent`: nothing is answered any more.
    """

    def __init__(self, liar: Liar) -> None:
        self.liar = liar
        self.held = b""
        self.silent = False
        self._reader = hiredis.Reader(notEnoughData=END)
        self._steps: deque[Step] = deque()
        self._pause: asyncio.TimerHandle | None = None
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.liar.connections.add(self)
        self.liar.made += 1

    def connection_lost(self, reason: Exception | None) -> None:
        self.liar.connections.discard(self)
        self._steps.clear()
        if self._pause is not None:
            self._pause.cancel()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (words := self._reader.gets()) is not END:
            before, self.held = self.held, b""
            steps = [] if self.silent else self.liar.steps(words, self)
            self._steps += [*steps, before] if before and not self.silent else steps
        self.play()

    def play(self, steps: Iterable[Step] = ()) -> None:
        self._steps += steps
        ready: list[bytes] = []
        while self._steps and self._pause is None and not self._full:
            step = self._steps.popleft()
            if isinstance(step, float):
                self._pause = asyncio.get_running_loop().call_later(step, self._go_on)
            elif step is END:
                self._write(ready)
                self.transport.close()
                return
            else:
                ready.append(step)
                if len(step) > 4096:
                    self._write(ready)
        self._write(ready)

    def _write(self, ready: list[bytes]) -> None:
        if ready and not self.transport.is_closing():
            self.liar.sent += sum(map(len, ready))
            self.transport.write(b"".join(ready))
        ready.clear()

    def _go_on(self) -> None:
        self._pause = None
        self.play()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self.play()


# -- lies


def in_pieces(call: Call) -> list[Step]:
    cuts = sorted(call.chance.randrange(len(call.answer)) for _ in range(3))
    steps: list[Step] = []
    for start, end in zip([0, *cuts], [*cuts, len(call.answer)], strict=True):
        steps += [call.answer[start:end], 0.001]
    return steps


def unknown_script(call: Call) -> list[Step]:
    return [b"-NOSCRIPT No matching script. Please use EVAL.\r\n"]


def late(call: Call) -> list[Step]:
    return [LATE_S, call.answer]


def cut_off(call: Call) -> list[Step]:
    return [call.answer[: call.chance.randrange(len(call.answer))], END]


def swapped(call: Call) -> list[Step]:
    call.connection.held = call.answer
    return []


def left_out(call: Call) -> list[Step]:
    return []


def silent(call: Call) -> list[Step]:
    call.connection.silent = True
    return []


def twice(call: Call) -> list[Step]:
    return [call.answer, call.answer]


def other_number(call: Call) -> list[Step]:
    # Not the one before: where that was left out, this would be its answer as far as anybody can see.
    other = call.chance.choice((1, 1000, 1 << 32, -1000))
    return [array([call.numbers[0] + other, *call.numbers[1:]])]


def unasked_first(call: Call) -> list[Step]:
    return [*other_number(call), call.answer]


def unasked_after(call: Call) -> list[Step]:
    return [call.answer, array([call.numbers[0] + 1000, *call.numbers[1:]])]


def shorter(call: Call) -> list[Step]:
    return [array(call.numbers[:-1])]


def longer(call: Call) -> list[Step]:
    return [array([*call.numbers, 0])]


def nested(call: Call) -> list[Step]:
    return [b"*1\r\n" + call.answer]


def pushed(call: Call) -> list[Step]:
    """As RESP3 tells what nobody asked for. Its numbers are of the right form, but not the call's."""
    return [b">" + array([call.numbers[0] + 1, *call.numbers[1:]])[1:], call.answer]


def garbage(call: Call) -> list[Step]:
    return [call.chance.randbytes(call.chance.randint(1, 200)), call.answer]


def instead(raw: bytes) -> Lie:
    return lambda call: [raw]


def among(raw: bytes, *places: int) -> Lie:
    """`raw` in place of one of the true numbers: 0 is the call's, 2 who refuses, 3 the wait, 4 what is left."""

    def lie(call: Call) -> list[Step]:
        lines = [b":%d\r\n" % number for number in call.numbers]
        lines[call.chance.choice(places)] = raw
        return [b"*%d\r\n%b" % (len(lines), b"".join(lines))]

    return lie


def refused(by: int, wait_us: int) -> Lie:
    """That the first request of the call is refused."""
    return lambda call: [array([*call.numbers[:2], by, wait_us, *call.numbers[4:]])]


PLACES: Final = (0, 2, 3, 4, 5)
"""All but the time, which may be any."""
INSIDE: Final = {
    "null": b"_\r\n",
    "old null": b"$-1\r\n",
    "string": b"$1\r\n1\r\n",
    "word": b"+1\r\n",
    "float": b",1.5\r\n",
    "nan": b",nan\r\n",
    "true": b"#t\r\n",
    "false": b"#f\r\n",
    "error": b"-ERR no\r\n",
    "array": b"*1\r\n:1\r\n",
    "empty array": b"*0\r\n",
    "below zero": b":-1\r\n",
    "far below zero": b":-9223372036854775808\r\n",
    "too large": b":9223372036854775807\r\n",
    "no integer": b":9223372036854775808\r\n",
}
"""What is no number that may stand there."""
ERRORS: Final[dict[str, Lie]] = {
    text: instead(b"-%b\r\n" % text.encode())
    for text in (
        "ERR no", "BUSY Redis is busy", "LOADING", "OOM command not allowed", "MOVED 99999 ::nowhere:0", "ASK x y", "",
    )
}  # fmt: skip
HONEST: Final[dict[str, Lie]] = {"in pieces": in_pieces, "unknown script": unknown_script}
"""Nobody may notice."""
SLOW: Final[dict[str, Lie]] = {"late": late, "silent": silent, "left out": left_out, "half a line": instead(b":1")}
ABSURD: Final[dict[str, Lie]] = {
    text: instead(text.encode() + b"\r\n")
    for text in ("$999999999999", "$99999999", "*99999999999", "*4294967295", "*2147483647", "*9999999", ">9999999")
} | {
    "*2147483647 in two": lambda _: [b"*21474", 0.001, b"83647\r\n"],
    "*9999999 inside": among(b"*9999999\r\n", *PLACES),
}
DROPPED: Final[dict[str, Lie]] = ABSURD | {
    "cut off": cut_off,
    "swapped": swapped,
    "twice": twice,
    "other number": other_number,
    "unasked first": unasked_first,
    "unasked after": unasked_after,
    "shorter": shorter,
    "longer": longer,
    "nested": nested,
    "nested deep": instead(b"*1\r\n" * 5000),
    "pushed": pushed,
    "pushed words": instead(b">2\r\n+message\r\n:1\r\n"),
    "garbage": garbage,
    "refused for ever": refused(1, (1 << 63) - 1),
    "refused by nobody": refused(4, SECOND_US),
    "refused by one before": refused(-1, SECOND_US),
    "refused for no time": refused(1, 0),
    "nothing": instead(b"$-1\r\n"),
    "no array": instead(b"*-1\r\n"),
    "empty array": instead(b"*0\r\n"),
    "a word": instead(b"+OK\r\n"),
    "a number": instead(b":1\r\n"),
    "a map by array": instead(b"%1\r\n*1\r\n:1\r\n:2\r\n"),
} | {f"{name} inside": among(raw, *PLACES) for name, raw in INSIDE.items()}
ALL: Final = HONEST | SLOW | DROPPED | ERRORS
