"""`python -m bench.exchange`: what one exchange costs in Python alone, without sockets and the kernel.

A real worker's connections on both sides are fed bytes by hand, and write into the void. The figures are good for
comparing two states of the code on one machine within minutes, and for nothing else; `python -m bench` is what counts.
The deterministic guard (tests/guard) counts calls and bytecodes on the same road.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import uvloop

from bench import tokens
from gwproxy.config.load import loads
from gwproxy.egress.connection import Connection
from gwproxy.runtime.collector import THRESHOLDS
from gwproxy.runtime.worker import Worker
from gwproxy.telemetry.ids import RequestIds

PEERS: Final = Path(__file__).parent / "peers"
PROXY: Final = (PEERS / "gwproxy.toml").read_text()
"""The configuration that the bench measures with the kernel, too."""
AUTH: Final = (PEERS / "gwproxy-auth.toml").read_text()
"""The same for callers who prove who they are."""
OWN: Final = """
[gateway]
listen = ["127.0.0.1:@PORT@"]
[log]
access = false
[[routes]]
path = "/fixed"
respond = { status = 200, headers = { Content-Type = "application/json" }, body = '{"status": "ok"}' }
"""

BROWSER: Final = (
    b"Host: shop.example.com\r\nConnection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"\r\n'
    b'sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/130.0.0.0 Safari/537.36\r\n"
    b"Accept: application/json, text/plain, */*\r\nAuthorization: Bearer " + b"e" * 300 + b"\r\n"
    b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"
    b"Referer: https://shop.example.com/account/orders\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
)
SERVER: Final = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 19:33:04 GMT\r\n"
JSON: Final = SERVER + b"Content-Type: application/json\r\nConnection: keep-alive\r\n"
SMALL: Final = JSON + b"Content-Length: 214\r\n\r\n" + b"x" * 214
PAGE: Final = (
    JSON
    + b'ETag: "abc"\r\nVary: Accept-Encoding\r\nCache-Control: private, max-age=0\r\nX-Frame-Options: DENY\r\n'
    b"X-Content-Type-Options: nosniff\r\nStrict-Transport-Security: max-age=63072000\r\n"
    b"Referrer-Policy: same-origin\r\nContent-Length: 214\r\n\r\n" + b"x" * 214
)
KIB_64: Final = 64 * 1024
READ: Final = 64 * 1024
"""The most that one read brings (wire/flow.HIGH)."""
POST: Final = (
    b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of exchange: the nth request of a caller, and what the service answers to it (nothing: not asked)."""

    name: str
    request: Callable[[int], bytes]
    answer: Callable[[int], bytes] | None = None
    status: int = 200
    config: str = PROXY


def _always(message: bytes) -> Callable[[int], bytes]:
    return lambda number: message


def _varied(number: int) -> bytes:
    return b'GET /varied/%d?item=%d HTTP/1.1\r\n%bX-Trace: %d\r\nIf-None-Match: "%d"\r\nCookie: sid=%016x\r\n\r\n' % (
        number, number * 7919, BROWSER, number * 104729, number * 31, number,
    )  # fmt: skip


def _small(line: str) -> bytes:
    return b"GET /small HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n%b\r\n\r\n" % line.encode()


_TURNS: Final = [_small(tokens.line(tokens.token(number))) for number in range(100)]


def _in_turn(number: int) -> bytes:
    """A hundred callers on one connection, as behind another proxy: each is known from before, none from just now."""
    return _TURNS[number % len(_TURNS)]


def _varied_page(number: int) -> bytes:
    body = b"x" * (200 + number % 100)
    fields = b'ETag: "%016x"\r\nSet-Cookie: session=%016x; Path=/; HttpOnly' % (number * 31, number * 37)
    head = PAGE.partition(b"\r\n\r\n")[0].replace(b'ETag: "abc"', fields)
    return head.replace(b"Content-Length: 214", b"Content-Length: %d" % len(body)) + b"\r\n\r\n" + body


ROUTES: Final = (
    Route("small", _always(b"GET /small HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), _always(SMALL)),
    Route(
        "browser",
        _always(b'GET /page HTTP/1.1\r\n%bCookie: theme=dark\r\nIf-None-Match: W/"a"\r\n\r\n' % BROWSER),
        _always(PAGE),
    ),
    Route("varied", _varied, _varied_page),
    Route("auth", _always(_small(tokens.line(tokens.KNOWN))), _always(SMALL), config=AUTH),
    Route("auth_in_turn", _in_turn, _always(SMALL), config=AUTH),
    Route("fixed", _always(b"GET /fixed HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), config=OWN),
    Route(
        "not_found", _always(b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), status=404, config=OWN
    ),
    Route(
        "download_64k",
        _always(b"GET /64k HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"),
        _always(SERVER + b"Content-Length: %d\r\n\r\n" % KIB_64 + b"x" * KIB_64),
    ),
    Route("upload_64k", _always(POST % KIB_64 + b"x" * KIB_64), _always(SMALL)),
)


class Void:
    """A transport that keeps the last piece written. `write` is C's, as uvloop's is, so that counts are alike."""

    def __init__(self) -> None:
        self.pieces: deque[bytes] = deque(maxlen=1)
        self.write: Callable[[bytes], None] = self.pieces.append
        # The pool asks the socket of an idle connection whether its service has gone.
        self.ends = socket.socketpair()

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        return

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "socket": self.ends[0]}.get(name, default)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        raise AssertionError("nothing here is slow")

    def close(self) -> None:
        for end in self.ends:
            end.close()

    abort = close


Step = tuple[Callable[[int], None], memoryview, bytes]


def pieces(data: bytes) -> list[bytes]:
    """As reads would bring it."""
    return [data[at : at + READ] for at in range(0, len(data), READ)]


class Road:
    """One caller's connection (`caller`), a worker, and one connection to its service, all in memory.

    `fixed_time`: the clocks go on by a fixed step a look, so that every run does exactly the same.
    """

    def __init__(self, route: Route, *, fixed_time: bool = False) -> None:
        self.route = route
        self._fixed_time = fixed_time
        self._number = 0
        self._service: Any = None
        self.caller: Any = None
        self._transports: list[Void] = []
        self._cut: dict[bool, tuple[bytes, list[bytes]]] = {}

    async def __aenter__(self) -> Self:
        text = self.route.config.replace("@PORT@", "0").replace("@ORIGIN@", "9")
        self.worker = worker = Worker(loads(text, environ={}))
        await worker.start()
        if self._fixed_time:
            nanoseconds = itertools.count(1_790_000_000_000_000_000, 25_000).__next__
            worker.server.ids = RequestIds(lambda: nanoseconds() // 1_000_000)
            worker.server.wheel.clock = itertools.count(worker.server.wheel.now, 1e-5).__next__
        if self.route.answer:
            pool = worker.live.all_pools[0]
            self._service = Connection(pool)
            self._service.connection_made(self._void())
            pool.connections.add(self._service)
            pool.release(self._service)
        self.connect()
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.caller.connection_lost(None)
        for transport in self._transports:
            transport.close()
        await self.worker.stop(drain_s=0)

    def connect(self) -> None:
        """A new connection of the caller: none takes more than 10,000 requests. Any before it ends."""
        if self.caller is not None:
            self.caller.connection_lost(None)
        self.caller = self.worker.server()
        self.caller.connection_made(self._void())
        self._room = self.caller.get_buffer(-1)

    def _void(self) -> Void:
        self._transports.append(Void())
        return self._transports[-1]

    def asked(self, count: int) -> list[list[Step]]:
        """The reads that `count` exchanges are made of, prepared, so that serving them is all that is measured."""
        return [self._reads() for _ in range(count)]

    def _reads(self) -> list[Step]:
        self._number += 1
        caller, service = self.caller, self._service
        route = self.route
        asked = self._pieces(True, route.request(self._number))
        steps: list[Step] = [(caller.buffer_updated, self._room, piece) for piece in asked]
        if route.answer is None:
            return steps
        answered = self._pieces(False, route.answer(self._number))
        return steps + [(service.buffer_updated, service.get_buffer(-1), piece) for piece in answered]

    def _pieces(self, asked: bool, data: bytes) -> list[bytes]:
        """Most are one and the same object: 64 KiB need not be cut anew for each."""
        cut = self._cut.get(asked)
        if cut is None or cut[0] is not data:
            cut = self._cut[asked] = data, pieces(data)
        return cut[1]

    @staticmethod
    def serve(exchanges: list[list[Step]]) -> None:
        """Bring every read, in order."""
        for steps in exchanges:
            for updated, room, data in steps:
                size = len(data)
                room[:size] = data
                updated(size)

    async def prime(self, exchanges: list[list[Step]]) -> None:
        """The same, each in a turn of the loop: no more callers than one prove who they are in a turn."""
        for steps in exchanges:
            self.serve([steps])
            await asyncio.sleep(0)

    def check(self, count: int) -> None:
        """All `count` exchanges so far have been answered as they should."""
        counters = self.worker.counters
        found = (counters.exchanges, counters.by_status[self.route.status])
        if found != (count, count):
            raise AssertionError(
                f"{self.route.name}: of {count} exchanges {found} ended, and with its status"
            )


async def best_us(route: Route, rounds: int, count: int) -> float:
    """Microseconds an exchange, of the best round. A round is a caller's connection, which ends at 10,000 requests."""
    best = float("inf")
    for _ in range(rounds):
        async with Road(route) as road:
            await road.prime(road.asked(len(_TURNS)))
            exchanges = road.asked(count)
            gc.collect()
            gc.freeze()
            gc.set_threshold(*THRESHOLDS)
            started = time.process_time()
            road.serve(exchanges)
            best = min(best, time.process_time() - started)
            road.check(count + len(_TURNS))
    return best / count * 1e6


async def _print(names: list[str], rounds: int, count: int) -> None:
    for route in ROUTES:
        if not names or route.name in names:
            print(f"{route.name:<14}{await best_us(route, rounds, count):8.2f} µs", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.exchange", description=__doc__)
    parser.add_argument("routes", nargs="*", help=", ".join(route.name for route in ROUTES))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--count", type=int, default=3000)
    args = parser.parse_args()
    uvloop.run(_print(args.routes, args.rounds, min(args.count, 9_000)))


if __name__ == "__main__":
    main()
