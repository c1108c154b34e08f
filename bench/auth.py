"""What it costs to know who is calling: `python -m bench.auth [ROUNDS]`. Adjacent rounds, medians of ratios.

On the wire: a caller known by a token, one without any, one with a forged token, and one whom `auth_failures` refuses,
each beside the plain route. Then in one process, without sockets and the kernel (as bench.exchange): what a request
costs whose token or key was seen before, and for how long the loop is held by a token that was not.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import http.client
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Final

import uvloop

from bench import tokens, wrk
from bench.auth_keys import KINDS, Kind
from bench.course import Contender, Course, Limits
from bench.exchange import AUTH, PROXY, SMALL, Road, Route, Step, best_us
from bench.peers import KNOWN, ROOT
from gwproxy.runtime.collector import THRESHOLDS

CALLERS: Final = 64
API_KEY: Final = "gwk_bench_partner_1"
_SESSION, _SERVICE = AUTH.index("[auth.session]"), AUTH.index("[services.origin]")
API_KEYS: Final = f"""{AUTH[:_SESSION]}[auth.partners]
type = "api_key"
[[auth.partners.keys]]
hash = "sha256:{hashlib.sha256(API_KEY.encode()).hexdigest()}"
id = "partner-1"
permissions = ["{tokens.PERMISSION}"]

{AUTH[_SERVICE:]}"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of round on the wire: who is asked, with which field, and what all but the first answers must be."""

    name: str
    peer: str
    line: str = ""
    status: int = 200

    @property
    def headers(self) -> tuple[str, ...]:
        return (self.line,) if self.line else ()


ROUNDS: Final = (
    Asked("plain", "gwproxy"),
    Asked("known", "gwproxy-auth", tokens.line(tokens.KNOWN)),
    Asked("nobody", "gwproxy-auth", status=401),
    Asked("forged", "gwproxy-auth", tokens.line(tokens.FORGED), 401),
    Asked("auth_failures", "gwproxy-flooded", tokens.line(tokens.FORGED), 429),
)


def on_the_wire(rounds: int, seconds: float = 1.0) -> None:
    """Print the ratios of throughput. Raises AssertionError where others answer than should."""
    contenders = [Contender(n, KNOWN[n], sys.executable, ROOT) for n in dict.fromkeys(a.peer for a in ROUNDS)]
    with Course(contenders, Limits(rounds, seconds, 2.0), print) as course, ExitStack() as stack:
        ports = {running.name: running.port for running in course.proven(stack)}
        for asked in ROUNDS:
            check(asked, ports[asked.peer])
        found: dict[str, list[float]] = {asked.name: [] for asked in ROUNDS}
        # The first round of each is the warm-up.
        for _ in range(rounds + 1):
            for asked in ROUNDS:
                load = wrk.Load("/small", CALLERS, headers=asked.headers)
                found[asked.name].append(wrk.run(load, ports[asked.peer], seconds).rate)
    for asked in ROUNDS[1:]:
        ratios = [a / b for a, b in zip(found[asked.name][1:], found["plain"][1:], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        rate = statistics.median(found[asked.name][1:])
        print(f"{asked.name:14} {rate:8,.0f}/s  {middle:.2f} x plain ({low:.2f} to {high:.2f})", flush=True)


def check(asked: Asked, port: int) -> None:
    """Ask twice on one connection: who fails for the first time is told so, whatever he is told afterwards."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        for _ in range(2):
            fields = dict(line.split(": ", 1) for line in asked.headers)
            connection.request("GET", "/small", headers=fields)
            answer = connection.getresponse()
            answer.read()
    if answer.status != asked.status:
        raise AssertionError(f"{asked.name}: {asked.status} was expected, {answer.status} came")


def _seen(name: str, line: str, config: str) -> Route:
    request = f"GET /small HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n{line}\r\n\r\n".encode()
    return Route(name, lambda number: request, lambda number: SMALL, config=config)


# Each way beside the plain route that is asked in the same words.
SEEN: Final = tuple(
    (_seen(f"plain for {name}", line, PROXY), _seen(name, line, config))
    for name, line, config in (
        ("a token", tokens.line(tokens.KNOWN), AUTH), ("an API key", f"X-API-Key: {API_KEY}", API_KEYS),
    )
)  # fmt: skip


async def kept_us(pair: tuple[Route, Route], rounds: int, count: int) -> tuple[float, float]:
    """Microseconds of an exchange on a kept connection, without and with proof; each of its best round."""
    found = [[await best_us(route, 1, count) for route in pair] for _ in range(rounds)]
    plain, proved = (min(times) for times in zip(*found, strict=True))
    return plain, proved


async def first_us(pair: tuple[Route, Route], rounds: int, count: int) -> tuple[float, float]:
    """The same of the first exchange on a new connection, whose credential was seen on another."""
    found = [[await _first_us(route, count) for route in pair] for _ in range(rounds)]
    plain, proved = (min(times) for times in zip(*found, strict=True))
    return plain, proved


async def _first_us(route: Route, count: int) -> float:
    took = []
    async with Road(route) as road:
        road.serve(road.asked(1))
        with _quiet():
            for _ in range(count):
                road.connect()
                [steps] = road.asked(1)
                took.append(_held(road.serve, [steps]))
        road.check(count + 1)
    return statistics.median(took) * 1e6


async def unseen(kind: Kind, count: int) -> list[float]:
    """Seconds that the loop is held by each of `count` requests whose token is new, in the longest of its turns until
    the service is asked.
    """
    with kind.config(AUTH) as config:
        lines = [f"GET /small HTTP/1.1\r\nHost: a\r\n{tokens.line(kind.token(n))}\r\n\r\n" for n in range(count)]
        route = Route(kind.name, lambda number: lines[number - 1].encode(), lambda number: SMALL, config=config)
        took = []
        async with Road(route) as road:
            exchanges = road.asked(count)
            with _quiet():
                pool = road.worker.live.all_pools[0]
                for steps in exchanges:
                    longest = _held(road.serve, [steps[:1]])
                    while pool.idle:
                        # The next of several keys. What else the loop does in that turn counts too.
                        began = time.process_time()
                        await asyncio.sleep(0)
                        longest = max(longest, time.process_time() - began)
                    took.append(longest)
                    road.serve([steps[1:]])
            road.check(count)
    # The first makes what is made once.
    return took[1:]


def _held(serve: Callable[[list[list[Step]]], None], exchanges: list[list[Step]]) -> float:
    started = time.process_time()
    serve(exchanges)
    return time.process_time() - started


@contextmanager
def _quiet() -> Iterator[None]:
    """Python's collector as a worker has it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    yield


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of each is measured in one process."""

    exchanges: int = 3_000
    connections: int = 200
    tokens: int = 1_000


async def in_one_process(rounds: int, counts: Counts = Counts(), say: Callable[[str], None] = print) -> None:
    """Tell microseconds of processor time. Raises AssertionError where a request is not let in."""
    say(f"{'seen before, µs a request':<42}{'plain':>8}{'proved':>8}{'more':>8}")
    for pair in SEEN:
        for where, measure, many in (("kept", kept_us, counts.exchanges), ("new", first_us, counts.connections)):
            plain, proved = await measure(pair, rounds, many)
            name = f"{pair[1].name}, {where} connection"
            say(f"{name:<42}{plain:8.2f}{proved:8.2f}{proved - plain:8.2f}")
    say(f"{'never seen, µs that the loop is held':<42}{'median':>8}{'longest':>8}{'a second':>10}")
    for kind in KINDS:
        took = await unseen(kind, counts.tokens)
        middle = statistics.median(took)
        say(f"{kind.name:<42}{middle * 1e6:8.1f}{max(took) * 1e6:8.1f}{1 / middle:10,.0f}")


def main() -> None:
    """Print everything."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 9
    on_the_wire(rounds)
    uvloop.run(in_one_process(rounds))


if __name__ == "__main__":
    main()
