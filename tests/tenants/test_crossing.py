"""Nobody becomes a tenant by the way it writes a name: whatever stands in Host, header, path or claim, the service is
told a tenant that is configured and active, the one that the first place says, and no other than the credential's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.origin import Origin, Request
from tests.support.running import Gateway
from tests.support.tokens import token
from tests.tenants.asking import SESSION, Start, get

PLANS = {b"acme": "gold", b"small": "free"}
FILE = (
    """
[tenancy]
from = [SOURCES]
base_domains = ["example.com"]
default_plan = "free"
[plans.free]
requests = 1000000
window = "1s"
[plans.gold]
requests = 1000000
window = "1s"
[tenants.acme]
plan = "gold"
[tenants.small]
[tenants.gone]
active = false
[services.origin]
url = "${ORIGIN}"
[defaults.routes]
requires_auth = false
encoded_slashes = "pass"
[[routes]]
path = "/tenants/:tenant/*"
service = "origin"
[[routes]]
path = "/maybe/:tenant"
service = "origin"
tenant = "optional"
"""
    + SESSION
)
PLACES = ("subdomain", "header:X-Tenant-Id", "path", "claim")

# -- what an attacker writes

_NAMES = (b"acme", b"small", b"gone", b"www", b"nobody", b"")
_TWISTS: tuple[Callable[[bytes], bytes], ...] = (
    bytes.upper,
    bytes.capitalize,
    lambda name: b"".join(b"%%%02x" % byte for byte in name),
    lambda name: name + b"\xe9",
    lambda name: b"\xc3\xa9" + name,
    lambda name: name + b"%2Fsmall",
    lambda name: b"..%2f" + name,
    lambda name: name + b"%00",
    lambda name: name + b"%250A",
    lambda name: name + b"%5c" + name,
    lambda name: name + b";acme",
    lambda name: name + b", acme",
    lambda name: name + b".",
    lambda name: b"x." + name,
    lambda name: b" \t" + name + b"\t ",
    lambda name: name * 1200,
    lambda name: name + b"\xc2\xad",
)
# What ends a line would be another line, which a caller may write anyway.
plain = st.sampled_from(_NAMES)
twisted = st.builds(lambda name, twist: twist(name), plain, st.sampled_from(_TWISTS))
anything = st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\r\n"))
written = st.one_of(plain, plain, twisted, anything)
segments = written.map(lambda raw: raw.translate(None, b" \t/?#\r\n"))
claims = st.one_of(
    st.none(), plain.map(bytes.decode), plain.map(bytes.decode), twisted.map(lambda raw: raw.decode("latin-1")),
    st.text(max_size=20), st.integers(), st.lists(st.sampled_from(["acme", "small"]), max_size=2),
    st.just({"a": "acme"}),
)  # fmt: skip
strays = st.lists(
    st.sampled_from(
        [b"X_Tenant_Id: small", b"x.tenant.id: small", b"XTenantId: acme", b"X-Tenant-Plan: gold",
         b"X_Tenant-Plan: gold", b"Connection: X-Tenant-Id", b"Connection: X-Tenant-Plan, close",
         b"X-Forwarded-Host: acme.example.com", b"Forwarded: host=small.example.com", b"X-Tenant-Id : small"]
    ),
    max_size=3,
)  # fmt: skip


def request(path: bytes, host: bytes, headers: list[bytes], claim: object, more: list[bytes]) -> bytes:
    lines = [b"Host: " + host, *(b"X-Tenant-Id: " + value for value in headers), *more]
    if claim is not None:
        lines.append(b"Authorization: Bearer " + token({"tenant": claim}).encode())
    return b"GET " + path + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def proved_by(claim: object) -> str | None:
    """The tenant of a credential, "" where it has none; None for one that proves nothing: its bearer is anonymous."""
    if claim is None or claim == "":
        return None if claim is None else ""
    fits = isinstance(claim, str) and claim.isprintable() and claim == claim.strip() and len(claim.encode()) <= 256
    return str(claim) if fits else None


def first_said(order: tuple[str, ...], host: bytes, headers: list[bytes], segment: bytes, proved: str) -> bytes:
    """The name that stands in the first place that says one, by the page and not by the code."""
    label, dot, rest = host.lower().strip(b" \t").partition(b".")
    said = {
        "subdomain": label if dot and rest == b"example.com" and label not in (b"www", b"api") else b"",
        "header:X-Tenant-Id": b",".join(value.strip(b" \t") for value in headers),
        "path": unquote_to_bytes(segment),
        "claim": proved.encode(),
    }
    return next((said[place] for place in order if said[place]), b"")


ORDERS = [PLACES, PLACES[::-1], PLACES[1:3], ("path", "header:X-Tenant-Id", "claim", "subdomain")]


@pytest.fixture(params=ORDERS, ids=",".join)
async def running(request: pytest.FixtureRequest, gateway: Start, origin: Origin) -> tuple[tuple[str, ...], Gateway]:
    """A gateway, with the places in which it looks, in their order."""
    sources = ", ".join(f'"{place}"' for place in request.param)
    return request.param, await gateway(FILE.replace("SOURCES", sources), origin)


COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture], "max_examples": 250}


@given(
    st.sampled_from([b"/tenants/%b/a", b"/tenants/%b/", b"/maybe/%b"]), segments,
    st.one_of(st.just(b"localhost"), written.map(lambda name: name + b".example.com"), written),
    st.lists(written, max_size=2), claims, strays,
)  # fmt: skip
@example(b"/tenants/%b/a", b"acme", b"acme.example.com", [b"acme"], "acme", [])
@example(b"/maybe/%b", b"", b"localhost", [], "gone", [])
@example(b"/maybe/%b", b"", b"localhost", [], "acme", [])
@example(b"/tenants/%b/a", b"acme%2Fsmall", b"localhost", [], None, [])
@example(b"/tenants/%b/a", b"small", b"acme.example.com", [b"acme"], "small", [b"X_Tenant_Id: acme"])
@settings(**COMMON)  # type: ignore[arg-type]
async def test_service_is_told_the_tenant_that_is_said_or_is_not_asked(
    running: tuple[tuple[str, ...], Gateway], origin: Origin, template: bytes, segment: bytes, host: bytes,
    headers: list[bytes], claim: object, more: list[bytes],
):  # fmt: skip
    order, gw = running
    origin.seen.clear()
    path = template % segment
    answer = await gw.ask(request(path, host, headers, claim, more))
    assert (answer.status == 200) == bool(origin.seen), answer
    if not origin.seen:
        assert answer.status in (400, 403, 404, 414, 431)
        return
    [sent] = origin.seen
    assert sent.target == path
    names = told_names(sent)
    proved = proved_by(claim)
    expected = first_said(order, host, headers, segment, proved or "")
    if not expected and template.startswith(b"/maybe"):
        expected = (proved or "").encode()
    if not expected:
        assert (names, template) == ([], b"/maybe/%b")
        return
    assert names == [("x-tenant-id", expected.decode()), ("x-tenant-plan", PLANS[expected])]
    # Who has a tenant is served as nobody else; who has none, only where credentials need not have one.
    assert proved is None or proved == expected.decode() or (proved == "" and "claim" not in order)


def told_names(sent: Request) -> list[tuple[str, str]]:
    """Every field that a service could take for a tenant's, however it folds names."""
    found = []
    for name in sent.headers.names():
        folded = "".join(filter(str.isalnum, name.lower()))
        if folded.startswith("xtenant"):
            found += [(name.lower(), value) for value in sent.headers.named(name)]
    return sorted(found)


# -- what can be said for certain of some


@pytest.mark.parametrize(
    "name",
    ["ACME", "acme.", "acme ,", "acme%00", "%61cme", "acm\xe9", "acme;", '"acme"', "acme\tx", "a" * 8000, "acme,acme"],
    ids=ascii,
)
async def test_a_header_that_is_not_the_name_itself_is_nobodys(gateway: Start, origin: Origin, name: str):
    gw = await gateway(FILE.replace("SOURCES", '"header:X-Tenant-Id"'), origin)
    raw = b"GET /tenants/acme/a HTTP/1.1\r\nHost: a\r\nX-Tenant-Id: " + name.encode("latin-1") + b"\r\n\r\n"
    answer = await gw.ask(raw)
    assert (answer.status, answer.json()["code"], origin.seen) == (403, "tenant_inactive", [])
    # What a caller wrote is not said again.
    assert b"Invalid or inactive tenant" in answer.body
    assert name.encode("latin-1") not in answer.body


@pytest.mark.parametrize("segment", ["acme%2Fsmall", "acme%2F", "%2Facme", "acme%5C", "%C3%A9", "\xe9", "a" * 4000])
async def test_a_segment_that_is_not_the_name_itself_is_nobodys(gateway: Start, origin: Origin, segment: str):
    gw = await gateway(FILE.replace("SOURCES", '"path"'), origin)
    raw = b"GET /tenants/" + segment.encode("latin-1") + b"/a HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = await gw.ask(raw)
    assert (answer.status, answer.json()["code"], origin.seen) == (403, "tenant_inactive", [])


@pytest.mark.parametrize("segment", ["acme%2F..", "..%2Facme", "acme%00", "acme%0d%0aX-Tenant-Id:small", "acme%"])
async def test_a_path_with_two_readings_names_nobody(gateway: Start, origin: Origin, segment: str):
    gw = await gateway(FILE.replace("SOURCES", '"path"'), origin)
    answer = await gw.ask(get(f"/tenants/{segment}/a"))
    assert (answer.status, answer.json()["code"], origin.seen) == (400, "ambiguous_path", [])


async def test_one_connection_never_carries_a_tenant_into_the_next_request(gateway: Start, origin: Origin):
    """All pairs of callers and tenants in turn, with heads alike: only the path differs, or only the credential."""
    gw = await gateway(FILE.replace("SOURCES", '"path", "claim"'), origin)
    caller = await gw.connect()
    asked = [
        (f"/maybe/{name}", fields)
        for name in ("acme", "small", "gone", "nobody")
        for fields in ((), (f"Authorization: Bearer {token({'tenant': 'acme'})}",))
    ]
    for one, two in itertools.product(asked, repeat=2):
        for path, fields in (one, two):
            origin.seen.clear()
            answer = await caller.ask(get(path, *fields))
            name = path.rpartition("/")[2]
            served = name == "acme" or (name == "small" and not fields)
            assert answer.status == (200 if served else 403)
            assert [told_names(sent)[0][1] for sent in origin.seen] == [name] * served
