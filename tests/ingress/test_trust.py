"""Who is calling, by address: only a trusted proxy's word counts, and only what no caller can have written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.exchange import Sender
from gwproxy.ingress.forwarded import Trust
from gwproxy.wire.request import FieldsOfRequest
from tests.support.running import PLAIN

PROXIES = ("10.0.0.0/8", "fd00::/8")
PROXY = "10.0.0.1"
CLIENT = "203.0.113.9"
SPOOFED = "6.6.6.6"


def sent(*lines: str, peer: str = PROXY, field: str = "x-forwarded-for", networks=PROXIES) -> Sender:
    """What is known of the sender of a request with these field lines."""
    block = "\r\n".join(("Host: a.test", *lines)).encode()
    return Trust(networks, field, "one").peer(peer, b"http").sender(FieldsOfRequest(block))


def told(sender: Sender, name: str) -> list[str]:
    """The values of a field that the service is sent."""
    pairs = (line.partition(b": ") for line in sender.lines.split(b"\r\n"))
    return [value.decode() for known, _, value in pairs if known.lower() == name.lower().encode()]


FIELDS = {
    "x-forwarded-for": "X-Forwarded-For: %s",
    "forwarded": "Forwarded: %s",
    "x-real-ip": "X-Real-IP: %s",
}


def chain(field: str, *addresses: str) -> str:
    elements = [f'for="[{a}]"' if ":" in a and field == "forwarded" else f"for={a}" for a in addresses]
    return FIELDS[field] % ", ".join(elements if field == "forwarded" else addresses)


@pytest.mark.parametrize("field", FIELDS)
def test_client_is_whom_a_trusted_proxy_names(field):
    assert sent(chain(field, CLIENT), field=field).address == CLIENT
    assert sent(chain(field, "2001:db8::7"), field=field).address == "2001:db8::7"


@pytest.mark.parametrize("field", FIELDS)
def test_stranger_names_nobody(field):
    sender = sent(chain(field, SPOOFED), peer=CLIENT, field=field)
    assert (sender.address, sender.trusted) == (CLIENT, False)
    assert SPOOFED.encode() not in sender.lines


@pytest.mark.parametrize("field", FIELDS)
def test_nobody_is_trusted_without_networks(field):
    assert sent(chain(field, SPOOFED), field=field, networks=()).address == PROXY


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("other", FIELDS)
def test_only_the_configured_field_counts(field, other):
    if other != field:
        assert sent(chain(other, SPOOFED), field=field).address == PROXY


@pytest.mark.parametrize("field", ["x-forwarded-for", "forwarded"])
def test_client_is_the_last_hop_that_is_no_proxy_of_ours(field):
    assert sent(chain(field, SPOOFED, CLIENT, "10.2.3.4", "fd00::1"), field=field).address == CLIENT
    assert sent(chain(field, SPOOFED), chain(field, CLIENT, "10.2.3.4"), field=field).address == CLIENT
    assert sent(chain(field, "10.2.3.4", "10.5.6.7"), field=field).address == "10.2.3.4"


addresses = st.sampled_from([CLIENT, SPOOFED, "10.9.9.9", "2001:db8::1", "fd00::2"])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["x-forwarded-for", "forwarded"]), st.lists(addresses, max_size=5))
def test_nothing_that_a_client_writes_itself_changes_what_is_believed(field, forged):
    """What stands before the hop that the proxy appended may be anything."""
    lines = [chain(field, *forged)] if forged else []
    assert sent(*lines, chain(field, CLIENT), field=field).address == CLIENT
    assert sent(chain(field, *forged, CLIENT), field=field).address == CLIENT


@pytest.mark.parametrize(
    "junk", ["unknown", "_hidden", "", "1.2.3", "999.1.1.1", "for", "[", "example.com", "\xb9.1.1.1"]
)
@pytest.mark.parametrize("field", FIELDS)
def test_hop_that_is_no_address_ends_the_walk_at_the_proxy(field, junk):
    line = FIELDS[field] % (f'for="{junk}"' if field == "forwarded" else junk)
    block = f"Host: a\r\n{line}".encode("latin-1")
    assert Trust(PROXIES, field, "one").peer(PROXY, b"http").sender(FieldsOfRequest(block)).address == PROXY


@pytest.mark.parametrize(
    ("hop", "address"),
    [("203.0.113.9:4711", CLIENT), ("[2001:db8::7]:4711", "2001:db8::7"), ("[2001:db8::7]", "2001:db8::7"),
     ("2001:db8::7", "2001:db8::7"), ("2001:DB8:0:0::7", "2001:db8::7")],
)  # fmt: skip
def test_ports_and_brackets_are_no_part_of_an_address(hop, address):
    assert sent(f"X-Forwarded-For: {hop}").address == address
    assert sent(f'Forwarded: for="{hop}";proto=https', field="forwarded").address == address
    assert sent(f"X-Real-IP: {hop}", field="x-real-ip").address == address


@pytest.mark.parametrize(
    "element",
    ["for=203.0.113.9", 'FOR="203.0.113.9"', "proto=https;for=203.0.113.9", 'host="a.test";for=203.0.113.9;by=10.0.0.1',
     " for=203.0.113.9 ; proto=http "],
)  # fmt: skip
def test_forwarded_is_read_in_all_its_forms(element):
    assert sent(f"Forwarded: {element}", field="forwarded").address == CLIENT


@pytest.mark.parametrize(
    "element",
    [
        'for=203.0.113.9;host="x,for=6.6.6.6;y";proto=http',
        'for=203.0.113.9;host="x, for=6.6.6.6"',
        'host="x;for=6.6.6.6";for=203.0.113.9',
        'host="\\",for=6.6.6.6;";for=203.0.113.9',
        'for=203.0.113.9;host="x,for=6.6.6.6\\',
    ],
)
def test_nothing_inside_quotes_is_a_hop(element):
    """A Host may hold commas, and proxies (gwproxy itself) quote it into Forwarded."""
    assert sent(f"Forwarded: {element}", field="forwarded").address == CLIENT


def test_host_of_a_caller_cannot_forge_its_address_at_the_next_gateway():
    first = Trust(PROXIES, "forwarded", "first").peer(CLIENT, b"http")
    element = told(first.sender(FieldsOfRequest(b"Host: x,for=6.6.6.6;y")), "Forwarded")[0]
    assert sent(f"Forwarded: {element}", field="forwarded").address == CLIENT


# -- trusts


@pytest.mark.parametrize("address", ["10.0.0.1", "10.255.255.255", "fd00::1", "::ffff:10.0.0.1"])
def test_addresses_inside_are_trusted(address):
    assert Trust(PROXIES, "forwarded", "one").trusts(address)


@pytest.mark.parametrize("address", ["11.0.0.1", "fe80::1", "::ffff:11.0.0.1", "", "/run/x.sock", "10.0.0"])
def test_addresses_outside_are_not(address):
    assert not Trust(PROXIES, "forwarded", "one").trusts(address)


# -- what the service is told


def test_service_is_told_of_the_caller_alone_where_nobody_is_trusted():
    sender = sent("X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "Forwarded: for=6.6.6.6",  # noqa: E501
                  "X-Real-IP: 6.6.6.6", peer=CLIENT)  # fmt: skip
    assert told(sender, "X-Forwarded-For") == [CLIENT]
    assert told(sender, "X-Forwarded-Proto") == ["http"]
    assert told(sender, "X-Forwarded-Host") == ["a.test"]
    assert told(sender, "Forwarded") == [f'for={CLIENT};host="a.test";proto=http']
    assert told(sender, "X-Real-IP") == []


def test_chain_of_a_trusted_proxy_goes_on():
    sender = sent(f"X-Forwarded-For: 1.1.1.1, {CLIENT}", "X-Forwarded-For: 10.1.1.1", "X-Forwarded-Proto: HTTPS",
                  "X-Forwarded-Host: public.test", "Forwarded: for=1.1.1.1")  # fmt: skip
    assert told(sender, "X-Forwarded-For") == [f"1.1.1.1, {CLIENT}, 10.1.1.1, {PROXY}"]
    assert told(sender, "X-Forwarded-Proto") == ["https"]
    assert told(sender, "X-Forwarded-Host") == ["public.test"]
    assert told(sender, "Forwarded") == [f'for=1.1.1.1, for={PROXY};host="a.test";proto=http']


def test_scheme_that_is_none_is_not_passed_on():
    assert told(sent("X-Forwarded-Proto: gopher"), "X-Forwarded-Proto") == ["http"]


def test_address_with_colons_is_quoted_in_forwarded():
    assert told(sent(peer="2001:db8::7"), "Forwarded")[0].startswith('for="[2001:db8::7]";')


def test_peer_of_a_unix_socket_is_unknown():
    sender = sent(peer="")
    assert sender.address == ""
    assert told(sender, "Forwarded")[0].startswith("for=unknown;")


@pytest.mark.parametrize("authority", [b"a.test", b"a.test:81", b"b.test"])
def test_authority_of_each_request_is_told(authority):
    peer = Trust(PROXIES, "forwarded", "one").peer(CLIENT, b"https")
    for host in (b"a.test", authority, authority):
        sender = peer.sender(FieldsOfRequest(b"Host: " + host))
        assert told(sender, "X-Forwarded-Host") == [host.decode()]
        assert told(sender, "X-Forwarded-Proto") == ["https"]


def test_request_id_of_a_trusted_proxy_is_kept_if_well_formed():
    lines = ("X-Request-Id: abc-1", "X-Correlation-Id: chain/2")
    assert (sent(*lines).request_id, sent(*lines).correlation_id) == (b"abc-1", b"chain/2")
    assert (sent(*lines, peer=CLIENT).request_id, sent(*lines, peer=CLIENT).correlation_id) == (b"", b"")
    for bad in ("a b", '"x"', "x" * 129):
        assert sent(f"X-Request-Id: {bad}").request_id == b""


async def test_causation_id_of_a_trusted_proxy_reaches_the_service_as_it_came(gateway, origin):
    text = f"[gateway]\ntrusted_proxies = ['127.0.0.1/32']\n{PLAIN}"
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nx-causation-id: part 7; x\r\n\r\n"
    assert (await (await gateway(text, origin=origin)).ask(ask)).status == 200
    assert origin.last.headers.named("X-Causation-Id") == ["part 7; x"]
    assert (await (await gateway(PLAIN, origin=origin)).ask(ask)).status == 200
    assert origin.last.headers.named("X-Causation-Id") == []


# -- Via and loops


def test_via_is_appended_to():
    assert told(sent("Via: 1.0 a", "Via: 1.1 b"), "Via") == ["1.0 a, 1.1 b, 1.1 gwproxy-one"]
    assert told(sent(peer=CLIENT), "Via") == ["1.1 gwproxy-one"]


@pytest.mark.parametrize(
    "via",
    ["1.1 gwproxy-one", "1.1 a, 1.1 gwproxy-one", "1.1 gwproxy-one, 1.1 a", "1.1 gwproxy-one,1.1 a", "1.1 gwproxy-one (x), 1.1 a",  # noqa: E501
     "HTTP/1.1 gwproxy-one"],
)  # fmt: skip
@pytest.mark.parametrize("peer", [PROXY, CLIENT])
def test_own_name_in_via_is_a_loop(via, peer):
    assert sent(f"Via: {via}", peer=peer).looped


@pytest.mark.parametrize("via", ["1.1 gwproxy-one2", "1.1 gwproxy-on", "1.1 other", "1.1 a (gwproxy-one)"])
def test_other_names_in_via_are_none(via):
    assert not sent(f"Via: {via}").looped
