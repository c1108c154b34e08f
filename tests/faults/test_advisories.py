"""Mistakes that other servers were warned of, where no other test is about them.

tests/architecture/advisories.toml lists all of them, and the tests of each.
"""

from __future__ import annotations

import gc
import gzip
import logging
import time
from statistics import median

import pytest

from gwproxy.wire.framing import ChunkDecoder
from tests.faults.test_resources import MIB, resident
from tests.support.client import Client
from tests.support.origin import Origin
from tests.support.running import PLAIN

FIXED_PLACE = """
[gateway]
trailing_slash = "ignore"

[[routes]]
path = "/old/*"
redirect = { to = "/new", status = 308 }

[[routes]]
path = "/new/"
respond = { body = "new" }
"""
FOREIGN = (
    "//evil.example/",
    "//evil.example/%2e%2e",
    "/%5cevil.example/",
    "/old//evil.example/",
    "/new//evil.example/",
)


@pytest.mark.parametrize("target", FOREIGN)
async def test_location_is_never_made_of_what_was_asked(target, gateway, level):
    answer = await (await gateway(FIXED_PLACE)).ask(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert answer.header("Location") == ("/new" if target.startswith("/old/") else None)
    assert b"evil" not in answer.raw_head + answer.body


async def test_compressed_bodies_cross_as_they_are(gateway, origin: Origin):
    """Ten megabytes of nothing are ten kilobytes packed; whoever unpacks them, it is not the gateway."""
    packed = gzip.compress(bytes(10 * MIB))
    framing = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    origin.answer(b"HTTP/1.1 200 OK\r\n" + framing + packed)
    gw = await gateway(f'[gateway]\nmax_request_body = "64KiB"\n{PLAIN}', origin=origin)
    answer = await gw.ask(b"POST /a HTTP/1.1\r\nHost: a\r\n" + framing + packed)
    assert (answer.status, answer.body, answer.header("Content-Encoding")) == (200, packed, "gzip")
    assert origin.last.body == packed


async def test_malformed_cookies_are_one_record_and_no_complaint(gateway, origin: Origin, caplog):
    gw = await gateway(PLAIN, origin=origin)
    cookies = (b'a="\\x', b"=;;=", b"__Host-a=1; ==; \xff=\xfe", b"x" * 4000)
    lines = b"".join(b"Cookie: %b\r\n" % cookie for cookie in cookies)
    with caplog.at_level(logging.DEBUG):
        assert (await gw.ask(b"GET /a HTTP/1.1\r\nHost: a\r\n%b\r\n" % lines)).status == 200
    assert len(gw.records) == 1
    assert [record for record in caplog.records if record.name != "asyncio"] == []
    assert len(origin.last.headers.named("Cookie")) == len(cookies)


async def not_found(caller: Client, first: int, count: int) -> None:
    """`count` pipelined requests for paths that nobody has, each another."""
    for start in range(first, first + count, 50):
        batch = range(start, min(start + 50, first + count))
        await caller.send(b"".join(b"GET /nowhere/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in batch))
        for _ in batch:
            answer = await caller.read_answer()
            assert answer is not None
            assert answer.status == 404


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.full)])
async def test_memory_does_not_grow_with_paths_that_nobody_has(count, gateway, level):
    gw = await gateway(FIXED_PLACE)
    gw.worker._recorder._take = None
    await not_found(await gw.connect(), 0, 5_000)
    gc.collect()
    before = resident()
    for start in range(0, count, 5_000):
        caller = await gw.connect()
        await not_found(caller, 1_000_000 + start, 5_000)
        caller.close()
    gc.collect()
    assert resident() - before < 4 * MIB


@pytest.mark.parametrize("size", [MIB // 2, pytest.param(10 * MIB, marks=pytest.mark.full)])
def test_no_read_of_chunks_of_one_byte_holds_the_loop(size):
    """What one read brings, 64 KiB at most, is decoded in one turn of the loop, and that in less than 50 ms.

    In processor time and by the median, since others work on this machine too.
    """
    raw = b"1\r\nx\r\n" * size + b"0\r\n\r\n"
    decoder, got, turns = ChunkDecoder(), 0, list[float]()
    for at in range(0, len(raw), 64 * 1024):
        begun = time.thread_time()
        payload, _ = decoder.feed(raw[at : at + 64 * 1024])
        turns.append(time.thread_time() - begun)
        got += len(payload)
    assert (got, decoder.done) == (size, True)
    assert median(turns) < 0.05
