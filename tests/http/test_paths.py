"""One view of the path: the service gets the caller's own bytes, or nobody gets them.

Each line of paths/*.txt is a verdict and what follows the route's prefix. `same`: the
service gets it byte for byte. `refused`: 400. `slash`: 400, unless the route says
`encoded_slashes = "pass"`, and then the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.client import Answer, Client
from tests.support.corpus import expand
from tests.support.origin import Origin
from tests.support.problems import assert_problem
from tests.support.running import Gateway

ROUTES = """
[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/plain/*"
service = "origin"

[[routes]]
path = "/strip/*"
strip_prefix = "/strip"
service = "origin"

[[routes]]
path = "/param/:x/end"
service_path = "/p/:x"
service = "origin"

[[routes]]
path = "/wild/*"
service_path = "/w/*"
service = "origin"

[[routes]]
path = "/pass/*"
encoded_slashes = "pass"
service = "origin"
"""


class Target(NamedTuple):
    """What follows a route's prefix, and whether it crosses."""

    verdict: str
    rest: bytes

    @property
    def path(self) -> bytes:
        return self.rest.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        _, mark, query = self.rest.partition(b"?")
        return mark + query


class Way(NamedTuple):
    """A route: what the caller asks for, and what the service must get."""

    asked: Callable[[Target], bytes]
    received: Callable[[Target], bytes]


WAYS = {
    "plain": Way(lambda t: b"/plain/" + t.rest, lambda t: b"/plain/" + t.rest),
    "strip": Way(lambda t: b"/strip/" + t.rest, lambda t: b"/" + t.rest),
    "param": Way(lambda t: b"/param/" + t.path + b"/end" + t.query, lambda t: b"/p/" + t.path + t.query),
    "wild": Way(lambda t: b"/wild/" + t.rest, lambda t: b"/w/" + t.rest),
    "pass": Way(lambda t: b"/pass/" + t.rest, lambda t: b"/pass/" + t.rest),
}


def read_targets(path: Path) -> list[Target]:
    targets = []
    for line in path.read_text("utf-8").splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("same", "refused", "slash"):
            targets.append(Target(verdict, expand(rest)))
        else:
            assert verdict in ("#", ""), line
    return targets


CLASSES = {path.stem: read_targets(path) for path in sorted((Path(__file__).parent / "paths").glob("*.txt"))}


def test_corpus_is_as_large_as_it_should_be():
    assert len(CLASSES) >= 12
    assert len({target for targets in CLASSES.values() for target in targets}) >= 200


@pytest.mark.parametrize("name", CLASSES)
async def test_service_gets_the_path_byte_for_byte_or_not_at_all(name: str, gateway, origin: Origin):
    caller = Caller(await gateway(ROUTES, origin=origin))
    wrong = []
    for target in CLASSES[name]:
        for way in WAYS:
            found = await crossing(caller, origin, WAYS[way].asked(target))
            if found not in expected(way, target):
                wrong.append(f"{way} {target.verdict} {target.rest[:60]!r}: {str(found)[:120]}")
    assert wrong == []


def expected(way: str, target: Target) -> list[bytes | int]:
    """What may come of it: the bytes at the service, or the refusal's status."""
    crosses = target.verdict == "same" or (target.verdict == "slash" and way == "pass")
    if not crosses:
        return [400]
    if way == "param" and b"/" in target.path:
        return [404]  # more than the one segment that :x stands for
    if way == "param" and not target.path:
        return [404, WAYS[way].received(target)]
    return [WAYS[way].received(target)]


class Caller:
    """Keeps one connection for as long as the gateway does."""

    def __init__(self, gw: Gateway) -> None:
        self.gw = gw
        self.client: Client | None = None

    async def ask(self, target: bytes) -> Answer:
        client = self.client or await self.gw.connect()
        answer = await client.ask(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        self.client = None if answer.will_close() else client
        if self.client is None:
            client.close()
        return answer


async def crossing(caller: Caller, origin: Origin, target: bytes) -> bytes | int:
    """The target as the service got it, or the status of the refusal."""
    before = len(origin.seen)
    answer = await caller.ask(target)
    if answer.status == 200:
        assert len(origin.seen) == before + 1
        return origin.last.target
    assert len(origin.seen) == before, "refused, and sent all the same"
    assert_problem(answer)
    return answer.status


EDGES = {
    b"/plain": b"/plain",
    b"/plain?x": b"/plain?x",
    b"/strip": b"/",
    b"/strip?x": b"/?x",
    b"/strip/": b"/",
    b"/wild": b"/w",
    b"/wild/": b"/w/",
    b"/wild?x": b"/w?x",
    b"/%70lain/a": b"/%70lain/a",
    b"/%73trip/a": b"/a",
    b"/param/a/%65nd": b"/p/a",
    b"/wil%64/a": b"/w/a",
}


@pytest.mark.parametrize(("asked", "received"), EDGES.items(), ids=lambda target: target.decode())
async def test_prefix_alone_or_spelt_otherwise_is_the_same_route(asked, received, gateway, origin: Origin):
    caller = Caller(await gateway(ROUTES, origin=origin))
    assert await crossing(caller, origin, asked) == received


@pytest.mark.parametrize(
    "asked", [b"/plainx", b"/stripx/a", b"/PLAIN/a", b"/param/a", b"/param/a/end/", b"//plain/a"]
)
async def test_path_that_only_resembles_a_route_is_not_found(asked, gateway, origin: Origin):
    caller = Caller(await gateway(ROUTES, origin=origin))
    assert await crossing(caller, origin, asked) == 404
