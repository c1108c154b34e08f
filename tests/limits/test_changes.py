"""What a store has counted under another limit: after a reload, or by a gateway that has another file still."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gwproxy.config.load import loads
from gwproxy.limits.memory import KINDS
from gwproxy.limits.places import around, word_of
from gwproxy.limits.script import SCRIPT
from gwproxy.limits.spec import Kind, LimitSpec
from tests.support.origin import Origin
from tests.support.running import Gateway, with_listener
from tests.support.store import StoreServer

Start = Callable[..., Awaitable[Gateway]]
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
KINDS_OF: tuple[Kind, ...] = ("exact", "hard", "bucket", "day", "month")
FILE = """
[state]
url = "{url}"
timeout = "5s"
[services.origin]
url = "${{ORIGIN}}"
[services.origin.rate_limits]
default = {{ {limit} }}
[[routes]]
path = "/*"
service = "origin"
"""


class Place:
    """Of the keys of one schedule."""

    spread = False

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix


def key_of(place: Place, spec: LimitSpec) -> str:
    return around(spec, place)[0] + "a"


async def asked(store: StoreServer, place: Place, spec: LimitSpec, now: int) -> list[int]:
    answer = await store.ask("EVAL", SCRIPT, 1, key_of(place, spec), 0, now, word_of(spec))
    return list(answer[2:])


def some(chance: random.Random, before: LimitSpec | None = None) -> LimitSpec:
    kind = chance.choice(KINDS_OF) if before is None or chance.random() < 0.2 else before.kind
    window = chance.choice((100, 120, 1_000_000)) if before is None or chance.random() < 0.3 else before.window_us
    if kind == "bucket":
        # One that becomes faster is full when it would have been; this process may have forgotten it by then.
        window = 1_000_000
    # As a configuration names them: a burst and a quota have keys of their own.
    key = {"bucket": "k:burst", "day": "k:day", "month": "k:month"}.get(kind, "k")
    return LimitSpec(key, "n", kind, chance.randint(1, 12), window, "principal", told=True)


def gone_on(here: Any, spec: LimitSpec) -> Any:
    """As a reload does it in memory."""
    other = KINDS[spec.kind](spec)
    if type(other) is type(here) and other.spec.key == here.spec.key:
        other.follow(here)
    return other


@pytest.mark.parametrize("schedules", [120, pytest.param(5000, marks=pytest.mark.full)])
async def test_script_goes_on_from_what_was_counted_as_this_process_does(store: StoreServer, schedules: int):
    for seed in range(schedules):
        chance = random.Random(seed)
        place, spec, now = Place(f"k{seed}"), some(chance), 1_790_000_000_000_000 + chance.randint(0, 10**14)
        here: Any = KINDS[spec.kind](spec)
        for _ in range(40):
            if chance.random() < 0.1:
                before, spec = spec, some(chance, spec)
                here = gone_on(here, spec)
                if key_of(place, spec) != key_of(place, before):
                    # What another form has counted before is known to the store still, and not to this process.
                    await store.ask("DEL", key_of(place, spec))
            gaps = (0, 0, 1, 3, chance.randint(0, 30), spec.window_us, chance.randint(0, 2 * spec.window_us))
            now += chance.choice(gaps)
            there = await asked(store, place, spec, now)
            left = here.enter("a", now)
            assert there == [int(left < 0), max(-left, 0), here.left(), here.renews(now)], (seed, spec)


async def test_who_waits_as_long_as_a_changed_bucket_says_is_let_in(store: StoreServer):
    place, now = Place("b"), 1_790_000_000_000_000
    slow, fast = (LimitSpec("k:burst", "n", "bucket", 10, window, told=True) for window in (100_000_000, 1_000_000))
    for _ in range(10):
        assert (await asked(store, place, slow, now))[0] == 0
    assert (await asked(store, place, fast, now))[:2] == [1, 100_000]
    assert (await asked(store, place, fast, now + 100_000))[0] == 0


@pytest.mark.parametrize("kind", ["exact", "hard"])
async def test_two_gateways_of_which_one_allows_less_let_no_more_in_than_the_larger(store: StoreServer, kind: Kind):
    chance = random.Random(7)
    place, window = Place("two"), 1_000_000
    large, small = (LimitSpec("k", "n", kind, most, window, "principal", told=True) for most in (12, 3))
    now, allowed = 1_790_000_000_000_000, []
    for _ in range(600):
        now += chance.choice((0, 10, 1000, 20_000, 100_000))
        spec = chance.choice((large, small))
        inside = sum(now - at < window for at in allowed)
        refusing = (await asked(store, place, spec, now))[0]
        assert refusing or inside < spec.requests
        if kind == "exact":
            assert not refusing or inside >= spec.requests
        if not refusing:
            allowed.append(now)


LIMITS = [
    'requests = 5, window = "600s"',
    'requests = 5, window = "600s", precision = "hard"',
    'requests = 5, window = "1200s", precision = "hard"',
    'requests = 500, window = "600s", lease = 5, precision = "hard"',
    'requests = 5, window = "60s", burst = 2',
    'requests = 4000, window = "60s", burst = 5',
    'requests = 5000, window = "60s", burst = 9',
    'requests = 5, window = "60s", quota = { requests = 9, period = "day" }',
]


async def test_no_reload_leaves_what_another_kind_of_limit_cannot_read(
    store: StoreServer, origin: Origin, gateway: Start
):
    gw = await gateway(FILE.format(url=store.url, limit=LIMITS[0]), origin)
    chance = random.Random(5)
    for limit in [chance.choice(LIMITS) for _ in range(40)]:
        text = re.sub(r'"\$\{ORIGIN\}"', f'"http://127.0.0.1:{origin.port}"', FILE.format(url=store.url, limit=limit))
        await gw.worker.reload(loads(with_listener(text), environ={}))
        for _ in range(3):
            answer = await gw.ask(GET)
            assert answer.status in (200, 429)
            assert int(answer.header("x-ratelimit-remaining")) <= 5000
    assert (gw.worker.live.limits.failures, gw.worker.live.limits.trouble) == (0, "")
