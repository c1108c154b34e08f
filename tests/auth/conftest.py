"""Issuers and the sources that stand on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from gwproxy.auth.issuers.get import tls_context
from gwproxy.auth.issuers.places import Place, SetAt
from gwproxy.auth.issuers.source import KeySource
from gwproxy.auth.issuers.times import Times
from tests.support.issuer import Issuer
from tests.support.issuing import ALL, jwk
from tests.support.leaks import Level


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def issuer(level: Level) -> AsyncIterator[Issuer]:
    """An issuer with one key, "a"."""
    service = Issuer()
    await service.start()
    service.publish(jwk("P-256", kid="a"))
    yield service
    await service.stop()
    assert service.faults == []


@pytest_asyncio.fixture
async def source(level: Level) -> AsyncIterator[Callable[..., KeySource]]:
    """Makes sources that are closed at the end: `source(SetAt(url), clock=clock, refresh_s=9)`."""
    made: list[KeySource] = []

    def make(
        place: Place | str, *, clock: Callable[[], float] | None = None, ca: str | None = None, **times: float
    ) -> KeySource:
        place = SetAt(place) if isinstance(place, str) else place
        one = KeySource(
            place, ALL, tls_context(ca), Times(**times), clock=clock or Clock(), chance=lambda: 0.5
        )
        made.append(one)
        return one

    yield make
    for one in made:
        await one.close()
