"""What a signal asks for is done, and its failure makes nobody deaf."""

from __future__ import annotations

import asyncio

from gwproxy.runtime.signals import whenever


async def test_what_fails_once_is_done_the_next_time(caplog):
    event, done = asyncio.Event(), asyncio.Event()
    tries = 0

    async def act() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("no such program")
        done.set()

    listening = asyncio.create_task(whenever(event, act))
    event.set()
    while not caplog.records:  # noqa: ASYNC110 (a log has no event)
        await asyncio.sleep(0)
    event.set()
    await asyncio.wait_for(done.wait(), 5)
    listening.cancel()
    assert tries == 2
    assert "no such program" in caplog.text
