"""Compiling is pure: what was written in, what is decided out, and nothing of the world."""

from __future__ import annotations

import sys

import pytest

from gwproxy.config.load import loads
from gwproxy.deadlines import NEVER
from gwproxy.snapshot.compile import compile, compile_slices
from gwproxy.snapshot.targets import target_of

TEXT = """
[services.users]
url = "http://127.0.0.1:3001/base/"
timeout = "7s"
connect_timeout = "250ms"
[services.others]
targets = [{ url = "https://[::1]", weight = 3 }, { url = "http://localhost:81" }]
preserve_host = true
maintenance = true
[[routes]]
path = "/users/:id"
methods = ["get", "PUT"]
service = "users"
service_path = "/u/:id"
timeout = "1s"
total_timeout = "9s"
max_request_body = "1KiB"
[[routes]]
path = "/others/*"
host = "o.example.com"
service = "others"
strip_prefix = "/others"
encoded_slashes = "pass"
[[routes]]
path = "/others/mine"
service = "others"
preserve_host = false
[[routes]]
path = "/closed"
service = "users"
permissions = ["x"]
[[routes]]
path = "/fixed"
respond = { status = 418, headers = { X-Tea = "pot" }, body = "short" }
[[routes]]
path = "/moved"
redirect = { to = "/fixed", status = 308 }
[[aggregations]]
path = "/all"
parts = [{ as = "u", service = "users", path = "/u/me" }]
"""


@pytest.fixture(scope="module")
def compiled():
    return compile(loads(TEXT))


def by(compiled, template):
    return next(route for route in compiled.routes if route.template == template)


def facts(route) -> dict[str, object]:
    """All of a route that can be compared; times and paths by what they say."""
    told = {name: getattr(route, name) for name in route.__slots__ if name not in ("times", "make_path")}
    times = route.times
    told["times"] = times and tuple(getattr(times, name) for name in times.__slots__)
    raw = [b"a", b"b", b"c"]
    told["path"] = route.make_path(b"/a/b/c", raw)
    return told


def test_same_file_compiles_to_the_same_decisions(compiled):
    again = compile(loads(TEXT))
    assert [facts(route) for route in again.routes] == [facts(route) for route in compiled.routes]
    assert again.services == compiled.services
    assert again.gateway == compiled.gateway


def test_compiling_leaves_the_configuration_as_it_is():
    loaded = loads(TEXT)
    compile(loaded)
    assert loaded.config == loads(TEXT).config
    assert [facts(route) for route in compile(loaded).routes] == [
        facts(route) for route in compile(loaded).routes
    ]


TOUCHING = ("open", "os.", "socket.", "subprocess.", "urllib.", "ctypes.", "shutil.", "glob.")


def test_compiling_touches_neither_disk_nor_network():
    loaded = loads(TEXT)
    watching, touched = [True], []

    def audit(event: str, args: tuple[object, ...]) -> None:
        if watching and event.startswith(TOUCHING):
            touched.append((event, args))

    # An audit hook can never be removed; this one goes quiet.
    sys.addaudithook(audit)
    try:
        compile(loaded)
    finally:
        watching.clear()
    assert touched == []


def test_compiling_does_not_ask_the_environment(monkeypatch):
    class Forbidden(dict):
        def __getitem__(self, key):
            raise AssertionError(f"asked for {key}")

        get = __contains__ = __getitem__

    loaded = loads(TEXT)
    monkeypatch.setattr("os.environ", Forbidden())
    compile(loaded)


def test_draining_the_slices_gives_the_snapshot():
    def drained():
        return (yield from compile_slices(loads(TEXT)))

    slices = drained()
    assert list(iter(lambda: next(slices, None), None)) == []
    assert len(compile(loads(TEXT)).routes) == 7


def test_route_knows_its_place_and_its_index(compiled):
    assert [route.index for route in compiled.routes] == list(range(7))
    assert [route.key for route in compiled.routes[5:]] == ["routes[5]", "aggregations[0]"]


def test_times_are_the_routes_before_the_services(compiled):
    route, other = by(compiled, "/users/:id").times, by(compiled, "/closed").times
    assert (route.timeout_s, route.connect_s, route.total_s) == (1.0, 0.25, 9.0)
    assert (other.timeout_s, other.total_s) == (7.0, NEVER)


def test_keys_of_a_route_are_decided(compiled):
    users, others, mine = (by(compiled, path) for path in ("/users/:id", "/others/*", "/others/mine"))
    assert users.methods == ("GET", "PUT")
    assert users.max_body == 1024
    assert (users.pass_slashes, others.pass_slashes) == (False, True)
    assert (users.preserve_host, others.preserve_host, mine.preserve_host) == (False, True, False)
    assert (users.maintenance, others.maintenance) == (False, True)
    assert others.hosts == ("o.example.com",)
    assert [by(compiled, path).closed for path in ("/users/:id", "/closed", "/all")] == [False, True, False]


def test_answers_without_a_service(compiled):
    tea, moved = by(compiled, "/fixed").fixed, by(compiled, "/moved").fixed
    assert (tea.status, tea.fields, tea.body) == (418, ((b"X-Tea", b"pot"),), b"short")
    assert (moved.status, moved.fields) == (308, ((b"Location", b"/fixed"),))
    assert by(compiled, "/all").aggregation


@pytest.mark.parametrize(
    ("url", "name", "authority", "prefix"),
    [
        ("http://a.test", "a.test:80", b"a.test", b""),
        ("http://a.test:80/", "a.test:80", b"a.test", b""),
        ("http://a.test:81/b/c/", "a.test:81", b"a.test:81", b"/b/c"),
        ("https://a.test", "a.test:443", b"a.test", b""),
        ("https://[::1]:80", "[::1]:80", b"[::1]:80", b""),
        ("http+unix:///run/x.sock", "unix:/run/x.sock", b"localhost", b""),
    ],
)
def test_target_of_a_url(url, name, authority, prefix):
    target = target_of(url)
    assert (target.name, target.authority, target.prefix) == (name, authority, prefix)
    assert target.tls == url.startswith("https")
