"""Failed authentications of an address: counted when they fail, and refused before anything is verified."""

from __future__ import annotations

from typing import Any

import pytest

from gwproxy.config.load import loads
from gwproxy.drive import Drive, Waiter
from gwproxy.exchange import Exchange, Sender
from gwproxy.limits.store import store_of
from gwproxy.snapshot.limits import failures_of
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.support.until import until

FILE = """
[limits]
auth_failures = { requests = 3, window = "600s" }
[[routes]]
path = "/"
respond = { status = 204 }
"""
HEAD = RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), keep=True)


def of(address: str) -> Exchange:
    exchange = Exchange(HEAD, Sender(address), 0.0)
    exchange.request_id = b"id"
    return exchange


async def failed(plan: Any, address: str) -> int:
    """Tells of a failure: 0, or the status of the refusal."""
    found = plan.check(of(address))
    if isinstance(found, Waiter):
        results: list[Any] = []

        async def wait(waiter: Waiter) -> Any:
            return await waiter

        Drive(wait(found), lambda value, error: results.append((value, error))).start()
        await until(lambda: bool(results))
        [(found, error)] = results
        assert error is None
    return 0 if found is None else found.status


@pytest.fixture(params=["memory", "store", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue(request.param).url)


async def test_who_has_failed_too_often_is_refused_before_it_is_verified(url: str):
    config = loads(FILE, environ={}).config
    store = store_of(url, config.state, 1)
    await store.start()
    try:
        plan = store.plan(failures_of(config), 64)
        store.settle_in()
        for _ in range(3):
            assert plan.used_up(of("192.0.2.1")) is None
            assert await failed(plan, "192.0.2.1") == 0
        # To be told that one was too much is what the next are refused by, where a store is asked.
        assert await failed(plan, "192.0.2.1") == 429
        for _ in range(3):
            refused = plan.used_up(of("192.0.2.1"))
            assert refused is not None
            assert (refused.status, b"Retry-After: 600" in refused.lines) == (429, True)
        assert plan.used_up(of("192.0.2.2")) is None
        assert await failed(plan, "192.0.2.2") == 0
    finally:
        await store.close()
