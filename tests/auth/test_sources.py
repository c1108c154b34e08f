"""Keys of an issuer: had at the start, kept while it is down, and asked for anew when a token names another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from gwproxy.auth.issuers.places import SetAt
from gwproxy.auth.issuers.source import KeySource
from gwproxy.auth.issuers.times import Times
from gwproxy.drive import drive
from tests.auth.conftest import Clock
from tests.support.issuer import Issuer, answered
from tests.support.issuing import jwk
from tests.support.leaks import open_tasks
from tests.support.until import settled, until
from tests.support.wire import TIMEOUT_S

MakeSource = Callable[..., KeySource]


def kids(source: KeySource) -> tuple[str | None, ...]:
    return source.state().kids


async def started(source: KeySource) -> KeySource:
    source.start()
    await source.refreshed(None)
    return source


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gwproxy"]


# -- beginning


async def test_keys_are_had_at_the_start(issuer: Issuer, source: MakeSource) -> None:
    made = source(issuer.keys_url)
    assert made.keys is None
    assert made.generation == 0
    made.start()
    keys = await made.refreshed("a")
    assert keys is made.keys is not None
    assert keys.find("a", "ES256")
    assert made.generation == issuer.asked == 1


async def test_who_comes_before_the_first_keys_waits_for_them(issuer: Issuer, source: MakeSource) -> None:
    gate = issuer.hold()
    made = source(issuer.keys_url)
    made.start()
    made.start()
    waiting = [asyncio.ensure_future(made.refreshed("a")) for _ in range(20)]
    await issuer.saw(1)
    gate.set()
    assert {*await asyncio.gather(*waiting)} == {made.keys}
    assert made.keys is not None
    assert issuer.asked == made.state().fetches == 1


async def test_source_that_was_not_started_asks_nobody(issuer: Issuer, source: MakeSource) -> None:
    made = source(issuer.keys_url)
    assert await made.refreshed("a") is None
    assert issuer.connections == 0


# -- refreshing


async def test_keys_are_looked_at_again_and_again(issuer: Issuer, source: MakeSource) -> None:
    made = await started(source(issuer.keys_url, refresh_s=0.02))
    first = made.keys
    await until(lambda: issuer.asked >= 4)
    assert made.keys is first
    assert made.generation == 1
    issuer.publish(jwk("P-256", 1, kid="b"))
    await until(lambda: kids(made) == ("b",))
    assert made.generation == 2


@pytest.mark.parametrize(
    ("keys", "changed"),
    [
        ([jwk("P-256", kid="a")], False),
        ([jwk("P-256", kid="a", use="sig")], False),
        ([jwk("P-256", kid="a"), jwk("RSA", use="enc")], False),
        ([jwk("P-256", 1, kid="a")], True),
        ([jwk("P-256", kid="a"), jwk("RSA", kid="b")], True),
        ([jwk("P-256", kid="b")], True),
    ],
)
async def test_generation_counts_changes_of_what_is_believed(
    issuer: Issuer, source: MakeSource, keys: list[object], changed: bool
) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    issuer.publish(*keys)
    clock.now += 30
    await made.refreshed("unknown")
    assert issuer.asked == 2
    assert made.generation == (2 if changed else 1)


async def test_reasons_of_the_last_answer_are_told(issuer: Issuer, source: MakeSource) -> None:
    made = await started(source(issuer.keys_url, min_interval_s=0))
    assert made.state().refused == ()
    issuer.publish(jwk("P-256", kid="a"), jwk("RSA", use="enc"))
    await made.refreshed("unknown")
    assert made.state().refused == ("keys[1]: its use is 'enc' and not sig",)
    assert made.generation == 1
    issuer.publish(jwk("P-256", kid="a"))
    await made.refreshed("unknown")
    assert made.state().refused == ()


# -- a kid that is not known


async def test_rotation_is_followed_by_the_first_token_with_the_new_key(issuer: Issuer, source: MakeSource) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    issuer.publish(jwk("P-256", kid="a"), jwk("P-256", 1, kid="b"))
    clock.now += 30
    keys = await made.refreshed("b")
    assert keys is not None
    assert keys.find("b", "ES256")
    assert issuer.asked == 2


async def test_kid_that_is_known_causes_no_fetch(issuer: Issuer, source: MakeSource) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    clock.now += 3000
    assert await made.refreshed("a") is made.keys
    assert await made.refreshed(None) is made.keys
    assert issuer.asked == 1


async def test_storm_of_unknown_kids_makes_one_fetch_in_half_a_minute(issuer: Issuer, source: MakeSource) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    for second in range(1, 61):
        clock.now += 1
        await asyncio.gather(*(made.refreshed(f"{second}-{n}") for n in range(50)))
        assert issuer.asked == 1 + second // 30
    assert made.state().fetches == 3


async def test_storm_at_once_shares_one_fetch(issuer: Issuer, source: MakeSource) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    clock.now += 30
    gate = issuer.hold()
    waiting = [asyncio.ensure_future(made.refreshed(str(n))) for n in range(1000)]
    await issuer.saw(2)
    clock.now += 1
    gate.set()
    assert {*await asyncio.gather(*waiting)} == {made.keys}
    assert issuer.asked == 2


async def test_fetch_that_failed_counts_too(issuer: Issuer, source: MakeSource) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    issuer.answer(answered(b"", "500 Internal Server Error"))
    clock.now += 30
    for n in range(100):
        assert await made.refreshed(str(n)) is made.keys
    assert issuer.asked == 2


async def test_who_may_not_cause_a_fetch_does_not_wait(issuer: Issuer, source: MakeSource) -> None:
    made = await started(source(issuer.keys_url))
    coro = made.refreshed("unknown")
    with pytest.raises(StopIteration):
        coro.send(None)


# -- down


async def test_keys_go_on_while_the_issuer_is_down(
    issuer: Issuer, source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwproxy")
    made = await started(source(issuer.keys_url, refresh_s=0.01))
    first = made.keys
    await issuer.down()
    await until(lambda: made.state().failures >= 5)
    assert made.keys is first
    assert made.generation == 1
    state = made.state()
    assert state.trouble == "it cannot be reached: Connection refused"
    assert (state.kids, state.fetched_ago_s, state.url) == (("a",), 0.0, issuer.keys_url)
    issuer.publish(jwk("P-256", 1, kid="b"))
    await issuer.up()
    await until(lambda: kids(made) == ("b",))
    assert (made.state().trouble, made.state().failures) == ("", 0)
    lines = [line.removeprefix(f"keys of {issuer.keys_url}: ") for line in told(caplog)]
    assert lines[:2] == [
        "1, generation 1",
        "it cannot be reached: Connection refused; those that it gave before go on",
    ]
    assert lines[2].startswith("had again, after ")
    assert lines[3:] == ["1, generation 2"]


async def test_issuer_that_is_down_at_the_start_is_tried_soon_again(
    issuer: Issuer, source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    await issuer.down()
    made = source(issuer.keys_url, again_s=0.01)
    made.start()
    assert await made.refreshed("a") is None
    await until(lambda: made.state().failures >= 3)
    assert len(told(caplog)) == 1
    assert told(caplog)[0].endswith("Connection refused; there are none")
    await issuer.up()
    await until(lambda: made.keys is not None)


async def test_tokens_do_not_hurry_an_issuer_that_never_gave_keys(issuer: Issuer, source: MakeSource) -> None:
    issuer.answer(answered(b"", "503 Service Unavailable"))
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    for n in range(100):
        clock.now += 100
        assert await made.refreshed(str(n)) is None
    assert issuer.asked == 1


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_pauses(chance: float) -> None:
    spread = {0.0: 0.9, 0.5: 1.0, 1.0: 1.1}[chance]
    times = Times()

    def pause(failures: int, has_keys: bool) -> float:
        return round(times.pause_s(failures, has_keys, chance) / spread, 6)

    assert pause(0, True) == 600
    assert [pause(n, False) for n in (1, 2, 3, 6, 7, 8, 10_000)] == [1, 2, 4, 32, 60, 60, 60]
    assert [pause(n, True) for n in (1, 2, 10_000)] == [60, 60, 60]
    assert Times(refresh_s=10).pause_s(1, True, 0.5) == 10
    assert Times(min_interval_s=90).pause_s(1, True, 0.5) == 90


# -- leaving


async def test_one_who_leaves_takes_nothing_from_the_others(issuer: Issuer, source: MakeSource) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock))
    issuer.publish(jwk("P-256", 1, kid="b"))
    clock.now += 30
    gate = issuer.hold()
    # The first has begun the fetch; it and one more leave, one as a task and one as a driven request.
    leaving = [asyncio.ensure_future(made.refreshed("b")), drive(made.refreshed("b"))]
    staying = [asyncio.ensure_future(made.refreshed("b")), drive(made.refreshed("b"))]
    await issuer.saw(2)
    for one in leaving:
        one.cancel()
    await asyncio.wait(leaving)
    assert all(one.cancelled() for one in leaving)
    gate.set()
    for keys in await asyncio.gather(*staying):
        assert keys is made.keys is not None
        assert keys.find("b", "ES256")
    assert issuer.asked == 2


async def test_close_during_a_fetch_leaves_nothing_and_nobody_waiting(issuer: Issuer, source: MakeSource) -> None:
    before = open_tasks()
    issuer.hold()
    made = source(issuer.keys_url, timeout_s=60, refresh_s=0.001)
    made.start()
    waiting = [asyncio.ensure_future(made.refreshed("a")), drive(made.refreshed("a"))]
    await issuer.saw(1)
    async with asyncio.timeout(TIMEOUT_S):
        await made.close()
    assert await asyncio.gather(*waiting) == [None, None]
    assert not any("KeySource" in repr(task) for task in open_tasks() - before)
    made.start()
    assert await made.refreshed("a") is None
    assert await settled(lambda: made.state().fetches, still_s=0.05) == 1


async def test_closed_source_asks_no_more(issuer: Issuer, source: MakeSource) -> None:
    clock = Clock()
    made = await started(source(issuer.keys_url, clock=clock, refresh_s=0.01))
    await made.close()
    fetches = made.state().fetches
    clock.now += 100
    assert await made.refreshed("unknown") is made.keys
    assert await settled(lambda: made.state().fetches, still_s=0.05) == fetches
    await made.close()


async def test_fault_of_ours_is_told_and_keeps_nobody_waiting(
    issuer: Issuer, source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(SetAt):
        async def ask(self, get: object) -> bytes:
            raise RuntimeError("broken")

    made = source(Broken(issuer.keys_url), again_s=0.01)
    made.start()
    assert await made.refreshed("a") is None
    assert "the fetch broke" in told(caplog)[0]
    await until(lambda: made.state().fetches >= 3)


async def test_state_does_not_show_the_query(issuer: Issuer, source: MakeSource) -> None:
    assert source(issuer.keys_url + "?key=secret").state().url == issuer.keys_url
