"""No two limits have one key, whatever they are called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gwproxy.limits.places import around
from gwproxy.limits.spec import LimitSpec
from tests.support.origin import Origin
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]
FILE = """
[services.a]
url = "${ORIGIN}"
[services.a.rate_limits."b.c"]
requests = 1
window = "600s"
[services."a.b"]
url = "${ORIGIN}"
[services."a.b".rate_limits.c]
requests = 1
window = "600s"
[[routes]]
path = "/one"
service = "a"
rate_limit = "b.c"
[[routes]]
path = "/two"
service = "a.b"
rate_limit = "c"
[[routes]]
path = "/x"
service = "a"
limit = { requests = 10, window = "600s", burst = 2 }
[[routes]]
path = "/x:burst"
service = "a"
limit = { requests = 3, window = "600s", quota = { requests = 4, period = "day" } }
"""


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


async def test_names_with_dots_and_paths_with_colons_share_no_counter(origin: Origin, gateway: Start):
    gw = await gateway(FILE, origin)
    assert [(await gw.ask(get(path))).status for path in ("/one", "/two", "/one", "/two")] == [200, 200, 429, 429]
    assert [(await gw.ask(get("/x"))).status for _ in range(3)] == [200, 200, 429]
    assert [(await gw.ask(get("/x:burst"))).status for _ in range(4)] == [200, 200, 200, 429]
    keys = list(gw.worker.live.limits._levels)
    assert len(keys) == len(set(keys)) == 6


class Place:
    """Of keys."""

    prefix, spread = "gw", False


def test_no_path_ends_as_what_stands_beside_a_limit():
    hard = LimitSpec("route:GET /a", "route", "hard", 9, 60_000_000)
    exact = LimitSpec("route:GET /a:hard-60s", "route", "exact", 9, 60_000_000)
    assert around(hard, Place()) != around(exact, Place())
