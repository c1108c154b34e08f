"""Names to addresses, against a name server of the test's own on a real socket."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator

import aiodns
import pytest
import pytest_asyncio

from gwproxy.egress.resolver import MAX_ADDRESSES, Resolver
from tests.support.name_server import FAILED, NO_SUCH_NAME, REFUSED, NameServer

NAME = "users.test"


# c-ares keeps answers for their TTL as well, by its own clock: so these tests wait for a real second.
TTL_S = 1
EXPIRED_S = 1.2


@pytest_asyncio.fixture
async def dns(level) -> AsyncIterator[NameServer]:
    server = NameServer()
    await server.start()
    server.addresses[NAME] = ["127.0.0.2"]
    yield server
    server.stop()


@pytest_asyncio.fixture
async def resolver(dns: NameServer) -> AsyncIterator[Resolver]:
    asked = aiodns.DNSResolver(nameservers=[dns.where], timeout=0.3, tries=1)
    resolver = Resolver(time.monotonic, asked)
    yield resolver
    await resolver.close()


async def test_answer_is_kept_for_its_ttl(resolver, dns):
    dns.ttl_s = TTL_S
    for _ in range(50):
        assert await resolver.resolve(NAME) == ["127.0.0.2"]
    assert dns.queries[NAME] == 1
    dns.addresses[NAME] = ["127.0.0.3"]
    await asyncio.sleep(EXPIRED_S)
    assert await resolver.resolve(NAME) == ["127.0.0.3"]
    assert dns.queries[NAME] == 2


async def test_name_without_ttl_is_asked_at_most_once_a_second(resolver, dns):
    dns.ttl_s = 0
    for _ in range(20):
        await resolver.resolve(NAME)
        await asyncio.sleep(0.02)
    assert dns.queries[NAME] == 1


@pytest.mark.parametrize("trouble", [FAILED, REFUSED, NO_SUCH_NAME, "silent"])
async def test_last_good_answer_is_kept_when_the_name_server_fails(trouble, resolver, dns):
    dns.ttl_s = TTL_S
    await resolver.resolve(NAME)
    dns.silent = trouble == "silent"
    dns.code = 0 if trouble == "silent" else trouble
    await asyncio.sleep(EXPIRED_S)
    assert await resolver.resolve(NAME) == ["127.0.0.2"]
    assert await resolver.resolve(NAME) == ["127.0.0.2"]
    dns.silent, dns.code = False, 0
    dns.addresses[NAME] = ["127.0.0.3"]
    await asyncio.sleep(EXPIRED_S)
    assert await resolver.resolve(NAME) == ["127.0.0.3"], "asked again soon after"


@pytest.mark.parametrize("trouble", [FAILED, NO_SUCH_NAME, "silent"])
async def test_name_never_known_is_an_error_of_the_system(trouble, resolver, dns):
    dns.silent = trouble == "silent"
    dns.code = 0 if trouble == "silent" else trouble
    with pytest.raises(OSError, match=NAME):
        await resolver.resolve(NAME)


async def test_name_without_addresses_is_an_error(resolver, dns):
    dns.addresses[NAME] = []
    with pytest.raises(OSError):
        await resolver.resolve(NAME)


async def test_many_askers_are_one_query(resolver, dns):
    dns.delay_s = 0.05
    found = await asyncio.gather(*(resolver.resolve(NAME) for _ in range(200)))
    assert found == [["127.0.0.2"]] * 200
    assert dns.queries[NAME] == 1


async def test_asker_who_leaves_spoils_nothing_for_the_others(resolver, dns):
    dns.delay_s = 0.05
    first, second = (asyncio.ensure_future(resolver.resolve(NAME)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == ["127.0.0.2"]


async def test_failure_that_nobody_waits_for_is_not_complained_of(resolver, dns, level):
    dns.delay_s, dns.code = 0.05, FAILED
    asked = asyncio.ensure_future(resolver.resolve(NAME))
    await asyncio.sleep(0.01)
    asked.cancel()
    await asyncio.sleep(0.2)
    gc.collect()
    assert level.complaints == []


async def test_hundreds_of_addresses_are_bounded(resolver, dns):
    dns.addresses[NAME] = [f"127.0.1.{number}" for number in range(1, 29)]
    assert len(await resolver.resolve(NAME)) == MAX_ADDRESSES


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3"])
async def test_addresses_are_not_asked_for(address: str, resolver, dns):
    assert await resolver.resolve(address) == [address]
    assert sum(dns.queries.values()) == 0


@pytest.mark.parametrize("name", ["localhost", "api.localhost", "acme.api.localhost"])
async def test_localhost_and_names_below_it_are_never_asked_of_the_dns(name: str, resolver, dns):
    found = await resolver.resolve(name)
    assert found
    assert set(found) <= {"127.0.0.1", "::1"}
    assert sum(dns.queries.values()) == 0


async def test_closing_ends_what_is_asked(resolver, dns):
    dns.silent = True
    asked = asyncio.ensure_future(resolver.resolve(NAME))
    await asyncio.sleep(0.02)
    await resolver.close()
    with pytest.raises((asyncio.CancelledError, OSError)):
        await asked
