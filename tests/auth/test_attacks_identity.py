"""Callers who say who they are: what a service is told of a caller is the gateway's word, in every spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.cli.for_caller import prover_of
from gwproxy.config.load import loads
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.snapshot.compile import compile
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.auth.attacking import KEY, ROUTES, Start, api_keys, bearer, get, jwt
from tests.support.origin import Origin
from tests.support.tokens import token

NAMES = ("X-User-Id", "X-User-Role", "X-User-Tier", "X-Tenant-Id", "X-Tenant-Plan")
BETWEEN = ("-", "_", ".", "", "--", "+", "~", "'", "-_", "!")


def folded(name: str) -> str:
    """A name as the most generous service would read it."""
    return "".join(c for c in name.lower() if c.isalnum())


def spellings(name: str) -> list[str]:
    words = name.split("-")
    found = [between.join(cased) for between in BETWEEN for cased in (words, map(str.lower, words), map(str.upper,
        words))]
    found += [f"{name}{c}" for c in "-_."] + [f"{c}{name}" for c in "-_."]
    found.append("".join(c.upper() if at % 2 else c.lower() for at, c in enumerate(name)))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("path", ["/open", "/known"])
@pytest.mark.parametrize("name", NAMES)
async def test_no_spelling_of_an_identity_header_reaches_a_service(
    name: str, path: str, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    caller = await gw.connect()
    own = () if path == "/open" else (bearer(token({"sub": "u", "role": "user", "tenant": "t"})),)
    truth = {} if path == "/open" else {"xuserid": "u", "xuserrole": "user", "xtenantid": "t"}
    lies = [f"{spelling}: evil" for spelling in spellings(name)]
    for some in (lies[at : at + 10] for at in range(0, len(lies), 10)):
        # Before and behind the credential, twice each, and named in Connection.
        for fields in ((*some, *own, *some), (*own, *some), (f"Connection: {name}, X_User_Id", *own, *some)):
            assert (await caller.ask(get(path, *fields))).status == 200
            told = {folded(key): value for key,
                value in origin.last.headers.pairs() if folded(key).startswith(("xuser", "xtenant"))}
            assert told == truth, some
            assert b"evil" not in origin.last.raw_head


@pytest.mark.parametrize("name", [b"X-User-Id\xa0", b"X-User\xadId", b"X-User-Id ", b"\xefX-User-Id", b"X User-Id",
b"X-User-Id\x0b"])
async def test_names_that_are_no_names_are_refused_whole(name: bytes, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    assert (await gw.ask(get("/open", name + b": admin"))).status == 400
    assert origin.seen == []


async def test_obs_text_in_a_value_changes_nobodys_identity(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    for value in (b"\xff\xfe", b"ad\xadmin", "\u0430dmin".encode(), b"\xa0admin"):
        assert (await gw.ask(get("/open", b"X-User-Id: " + value, b"X-Other: " + value))).status == 200
        assert origin.last.header("x-user-id") is None


async def test_connection_cannot_strip_what_the_gateway_says_of_a_caller(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    named = "Connection: X-User-Id, X-User-Role, x-tenant-id, X-Forwarded-For, X-Request-Id, Via, close"
    await gw.ask(get("/known", bearer(token({"sub": "u", "role": "r", "tenant": "t"})), named))
    sent = origin.last
    assert [sent.header(name) for name in ("x-user-id", "x-user-role", "x-tenant-id")] == ["u", "r", "t"]
    assert sent.header("x-forwarded-for") == "127.0.0.1"


@pytest.mark.parametrize(
    "field", ["X-HTTP-Method-Override: GET", "X-Method-Override: GET", "X-HTTP-Method: GET", "_method: GET"]
)
async def test_no_field_makes_a_request_another_ones(field: str, gateway: Start, origin: Origin) -> None:
    """GET is open here and POST is not; the method is what the request line says."""
    routes = ROUTES.replace('path = "/open"', 'path = "/x"\nmethod = "GET"').replace(
        'path = "/known"', 'path = "/x"\nmethod = "POST"'
    )
    gw = await gateway(jwt() + routes, origin=origin)
    for path in ("/x", "/x?_method=GET"):
        post = get(path, field, "Content-Length: 11", method="POST") + b"_method=GET"
        assert (await gw.ask(post)).status == 401
    assert origin.seen == []
    for method, expected in (("get", 405), ("GET\x01", 400), ("G", 405), ("HEAD", 200), ("PUT", 405)):
        assert (await gw.ask(get("/x", method=method))).status == expected, method
    assert {sent.method for sent in origin.seen} == {b"HEAD"}


async def test_no_field_takes_a_request_to_another_route(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix", "X-Original-Uri"):
        assert (await gw.ask(get("/known", f"{name}: /open"))).status == 401
        assert (await gw.ask(get("/open", f"{name}: /known"))).status == 200
        assert origin.last.target == b"/open"


# -- any bytes

METHODS = jwt() + jwt('from = "cookie:session"', name="c") + jwt('from = "query:token"', name="q") + api_keys()
SNAPSHOT = compile(loads(METHODS + ROUTES, environ={"ORIGIN": "http://127.0.0.1:1"}))
PROVER = prover_of(SNAPSHOT, SNAPSHOT.routes[1])
assert PROVER is not None
likely = st.one_of(
    st.binary(max_size=60), st.text(max_size=60).map(str.encode), st.binary(max_size=60).map(lambda b: b"Bearer " + b),
    st.tuples(*[st.from_regex(rb"[A-Za-z0-9_-]{0,30}", fullmatch=True)] * 3).map(b".".join),
    st.just(token().encode()[:-1]),
    st.just(KEY.encode()[:-1]),
)  # fmt: skip


def judged(target: bytes, field: bytes) -> str:
    """What becomes of a request: the code of its refusal."""
    exchange = Exchange(
        RequestHead(b"GET", target, 1, FieldsOfRequest(b"Host: a\r\n" + field), True), Sender("192.0.2.1"), 0.0
    )
    stop = PROVER.required(exchange)  # type: ignore[union-attr]
    return f"let in: {stop}"


@pytest.mark.parametrize(
    "field", [b"Authorization: %b", b"Authorization: Bearer %b", b"X-API-Key: %b", b"Cookie: session=%b", b"Cookie: %b"]
)
@given(likely)
def test_any_bytes_in_a_field_prove_nothing_and_break_nothing(field: bytes, value: bytes) -> None:
    with pytest.raises(GatewayError) as refusal:
        judged(b"/known", field % value)
    assert refusal.value.code in ("unauthenticated", "bad_request")
    if refusal.value.code == "bad_request":
        assert any(c < 32 or c == 127 for c in value)


@given(likely, st.sampled_from([b"/known?token=%b", b"/known?%b", b"/known?a=b&%%74oken=%b"]))
def test_any_bytes_in_a_query_prove_nothing_and_break_nothing(value: bytes, target: bytes) -> None:
    with pytest.raises(GatewayError) as refusal:
        judged(target % value, b"X: y")
    assert refusal.value.code == "unauthenticated"


def test_a_good_credential_would_have_been_let_in() -> None:
    for target, field in (
        (b"/known", b"Authorization: Bearer %b"), (b"/known", b"Cookie: session=%b"), (b"/known?token=%b", b"X: y%.0b"),
    ):  # fmt: skip
        good = token().encode()
        assert judged(target % good if b"%" in target else target,
            field % good if b"%b" in field else b"X: y") == "let in: None"
