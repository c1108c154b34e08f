"""Who is let in by address: over real sockets, with addresses that a trusted proxy tells."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.config.addresses import Addresses, Networks, address_of, network_of
from gwproxy.config.load import loads
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.entrance import Shared
from gwproxy.steps.addresses import MAX_REMEMBERED, door_of
from tests.support.origin import Origin
from tests.support.running import Gateway

Start = Callable[..., Awaitable[Gateway]]

PROXY = '[gateway]\ntrusted_proxies = ["127.0.0.0/8"]\n'
SERVICE = '[services.origin]\nurl = "${ORIGIN}"\n'
ROUTE = '[[routes]]\npath = "/*"\nservice = "origin"\n'


def ask(address: str, path: str = "/a", *fields: str, method: str = "GET") -> bytes:
    lines = "".join(f"{field}\r\n" for field in (f"X-Forwarded-For: {address}", *fields))
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


async def test_who_is_denied_is_told_and_the_service_sees_nothing(origin: Origin, gateway: Start):
    gw = await gateway(PROXY + '[addresses]\ndeny = ["203.0.113.0/24"]\n' + SERVICE + ROUTE, origin)
    answer = await gw.ask(ask("203.0.113.7"))
    assert (answer.status, answer.json()["code"], answer.json()["detail"]) == (403, "address_denied", "Address denied")
    assert origin.seen == []
    assert (await gw.ask(ask("203.0.112.255"))).status == 200
    assert (await gw.ask(ask("203.0.114.0"))).status == 200
    assert [(one.code, one.address) for one in gw.records][0] == ("address_denied", "203.0.113.7")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("10.0.0.0", 200), ("10.255.255.255", 200), ("11.0.0.0", 403), ("9.255.255.255", 403), ("10.1.2.3", 403),
        ("10.1.2.4", 200), ("2001:db8::1", 200), ("2001:db8:1::", 403), ("::ffff:10.9.9.9", 200),
        ("::ffff:10.1.2.3", 403), ("::10.9.9.9", 403), ("192.0.2.1", 200),
    ],
)  # fmt: skip
async def test_only_allowed_networks_are_let_in_and_denied_ones_not_even_then(
    address: str, status: int, origin: Origin, gateway: Start
):
    rules = """
[addresses]
allow = ["10.0.0.0/8", "2001:db8::/48", "::ffff:192.0.2.0/120"]
deny = ["10.1.2.3"]
"""
    gw = await gateway(PROXY + rules + SERVICE + ROUTE, origin)
    assert [(await gw.ask(ask(address))).status for _ in range(2)] == [status, status]


async def test_route_and_everybodys_rule_must_both_let_in(origin: Origin, gateway: Start):
    text = """
[addresses]
allow = ["10.0.0.0/8", "192.0.2.0/24"]
[[routes]]
path = "/all"
service = "origin"
[[routes]]
path = "/some"
service = "origin"
addresses = { allow = ["10.1.0.0/16", "198.51.100.0/24"] }
[[routes]]
path = "/most"
service = "origin"
addresses = { deny = ["10.1.0.0/16"] }
[[aggregations]]
path = "/both"
parts = [{ as = "a", service = "origin", path = "/a" }]
addresses = { deny = ["10.0.0.0/8"] }
"""
    gw = await gateway(PROXY + SERVICE + text, origin)
    expected = {
        "10.1.0.1": [200, 200, 403, 403], "10.2.0.1": [200, 403, 200, 403], "192.0.2.1": [200, 403, 200, 501],
        "198.51.100.1": [403, 403, 403, 403],
    }  # fmt: skip
    for address, statuses in expected.items():
        found = [(await gw.ask(ask(address, path))).status for path in ("/all", "/some", "/most", "/both")]
        assert found == statuses, address


async def test_nobody_is_believed_who_is_no_proxy(origin: Origin, gateway: Start):
    gw = await gateway('[addresses]\nallow = ["10.0.0.0/8"]\n' + SERVICE + ROUTE, origin)
    assert (await gw.ask(ask("10.0.0.1"))).status == 403
    here = await gateway('[addresses]\nallow = ["127.0.0.1"]\n' + SERVICE + ROUTE, origin)
    assert (await here.ask(ask("10.0.0.1"))).status == 200


async def test_address_is_judged_before_all_else(gateway: Start):
    text = """
[cors]
allow_origins = ["https://app.example.com"]
[addresses]
deny = ["203.0.113.0/24"]
[[routes]]
path = "/closed"
requires_auth = true
respond = {}
[[routes]]
path = "/shut"
maintenance = true
respond = {}
[[routes]]
path = "/few"
limit = { requests = 1, window = "60s" }
respond = {}
"""
    gw = await gateway(PROXY + text)
    for path in ("/closed", "/shut", "/few", "/few", "/nowhere", "/%2e%2e/x"):
        answer = await gw.ask(ask("203.0.113.7", path))
        assert (answer.status, answer.json()["code"]) == (403, "address_denied"), path
    asked = ("Origin: https://app.example.com", "Access-Control-Request-Method: GET")
    assert (await gw.ask(ask("203.0.113.7", "/few", *asked, method="OPTIONS"))).status == 403
    assert (await gw.ask(ask("203.0.113.7", "/few", method="DELETE"))).status == 403
    assert (await gw.ask(ask("192.0.2.1", "/few", *asked, method="OPTIONS"))).status == 204
    assert (await gw.ask(ask("192.0.2.1", "/few"))).status == 200
    assert (await gw.ask(ask("192.0.2.1", "/nowhere"))).status == 404


async def test_health_checks_of_the_gateway_are_answered_to_everybody(gateway: Start):
    text = '[gateway]\nhealthz = "/healthz"\nreadyz = "/readyz"\n[addresses]\nallow = ["10.0.0.0/8"]\n'
    gw = await gateway(text)
    assert [(await gw.ask(ask("", path))).status for path in ("/healthz", "/readyz", "/x")] == [200, 200, 403]


@pytest.mark.parametrize(("rule", "status"), [('allow = ["0.0.0.0/0", "::/0"]', 403), ('deny = ["0.0.0.0/0"]', 200)])
async def test_peer_of_a_unix_socket_has_no_address_that_could_be_allowed(
    rule: str, status: int, tmp_path: Path, gateway: Start
):
    text = f'[gateway]\nlisten = ["127.0.0.1:0", "unix:{tmp_path}/s"]\n[addresses]\n{rule}\n'
    await gateway(text + '[[routes]]\npath = "/"\nrespond = {}\n')
    reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/s")
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 %d " % status)
    writer.close()
    await writer.wait_closed()


async def test_gateway_without_rules_has_the_routers_own_match_and_no_check(gateway: Start):
    gw = await gateway('[[routes]]\npath = "/"\nrespond = {}\n')
    bound = gw.worker.server.bound
    assert bound.match == bound.snapshot.router.match
    assert [route.checks for route in bound.routes] == [()]


def test_however_many_addresses_ask_few_are_remembered():
    door = door_of([Addresses(allow=("10.0.0.0/8",))])
    for number in range(2 * MAX_REMEMBERED + 10):
        assert door.lets_in(f"10.0.{number >> 8}.{number & 255}")
        assert len(door._verdicts) <= MAX_REMEMBERED
    assert not door.lets_in("11.0.0.0")


def test_routes_with_the_same_rules_share_a_door_and_long_lists_are_read_in_slices():
    deny = ", ".join(f'"10.{number >> 8}.{number & 255}.0/24"' for number in range(12_000))
    own = 'addresses = { allow = ["10.0.0.0/8"] }\n'
    routes = "".join(f'[[routes]]\npath = "/{n}"\nrespond = {{}}\n{own if n % 2 else ""}' for n in range(100))
    snapshot = compile(loads(f"[addresses]\ndeny = [{deny}]\n{routes}"))
    shared, yields, doors = Shared(), 0, []
    for route in (*snapshot.routes, snapshot.nowhere):
        slices = shared.door(route)
        try:
            while True:
                next(slices)
                yields += 1
        except StopIteration as end:
            doors.append(end.value)
    assert yields == 12
    assert (len(doors), len(set(map(id, doors)))) == (101, 2)
    assert [door.lets_in("10.0.0.1") for door in doors[:2]] == [False, False]
    assert [door.lets_in("10.200.0.1") for door in doors[:2]] == [True, True]
    assert [door.lets_in("11.0.0.1") for door in doors[:2]] == [True, False]


V4 = st.ip_addresses(v=4)
NETWORKS = st.one_of(
    st.builds(lambda a, n: ipaddress.ip_network((int(a), n), strict=False), V4, st.integers(0, 32)),
    st.builds(
        lambda a, n: ipaddress.IPv6Network((int(a), n), strict=False), st.ip_addresses(v=6), st.integers(0, 128)
    ),
)


@given(st.lists(NETWORKS, max_size=8), st.one_of(V4, st.ip_addresses(v=6)), NETWORKS)
def test_table_of_networks_is_as_good_as_asking_each(networks, address, other):
    table = Networks()
    for network in networks:
        table.add(network)
    inside = [one.network_address for one in networks]
    for asked in (address, *inside):
        assert table.has(asked) == any(asked in network for network in networks)
    covers = [one for one in networks if one.version == other.version and other.subnet_of(one)]
    assert table.cover(other) == bool(covers)


@given(V4, st.integers(0, 32))
def test_ipv4_is_itself_in_the_clothes_of_ipv6(address, length):
    plain = ipaddress.ip_network((int(address), length), strict=False)
    assert network_of(f"::ffff:{plain.network_address}/{96 + length}") == plain
    assert address_of(f"::ffff:{address}") == address
