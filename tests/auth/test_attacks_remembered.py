"""What was proved once is believed until its end, and not a moment longer; and for whom it was proved, only."""

from __future__ import annotations

from gwproxy.auth.principal import Identities, Proof
from gwproxy.auth.table import Proofs
from gwproxy.config.load import loads
from tests.auth.attacking import KEY, ROUTES, Now, Start, api_keys, bearer, get, jwt, provers, status
from tests.support.origin import Origin
from tests.support.running import with_listener
from tests.support.tokens import NOW, SECRET, token


async def test_a_token_expires_while_its_connection_is_kept(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt('leeway = "10s"') + ROUTES, origin=origin)
    clock = Now(gw, NOW)
    request = get("/known", bearer(token({"exp": NOW + 60})))
    caller = await gw.connect()
    for later, expected in ((0, 200), (69.9, 200), (70.0, 401), (71.0, 401), (69.0, 200)):
        clock.now = NOW + later
        assert (await caller.ask(request)).status == expected, later
    assert len(origin.seen) == 3


async def test_a_token_expires_while_it_is_in_the_table(gateway: Start, origin: Origin) -> None:
    """Every request on a connection of its own: nothing but the table knows it."""
    gw = await gateway(jwt('leeway = "10s"') + ROUTES, origin=origin)
    clock = Now(gw, NOW)
    sent = bearer(token({"exp": NOW + 60}))
    for later, expected in ((0, 200), (69.9, 200), (70.0, 401), (71.0, 401)):
        clock.now = NOW + later
        assert await status(gw, sent) == expected, later


async def test_who_has_expired_is_anonymous_on_a_public_route(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt('leeway = "0s"') + ROUTES, origin=origin)
    clock = Now(gw, NOW)
    request = get("/open", bearer(token({"exp": NOW + 60})), "X-User-Id: admin")
    caller = await gw.connect()
    for later in (0, 59, 60, 61):
        clock.now = NOW + later
        assert (await caller.ask(request)).status == 200
    assert [sent.header("x-user-id") for sent in origin.seen] == ["u-1", "u-1", None, None]
    assert [sent.header("authorization") for sent in origin.seen] == [None] * 4


async def test_a_connection_proves_nothing_for_its_next_request(gateway: Start, origin: Origin) -> None:
    """Fields that differ by anything at all are judged anew, pipelined ones too."""
    gw = await gateway(jwt() + api_keys() + ROUTES, origin=origin)
    caller = await gw.connect()
    good = bearer(token({"sub": "a"}))
    asked = [
        ((good,), 200), ((), 401), ((good, "X-Other: 1"), 200), (("X-Other: 1",), 401), ((good[:-1],), 401),
        ((good,), 200), ((good, good), 401), (("Connection: authorization", good), 401), ((good,), 200),
        ((f"X-API-Key: {KEY}",), 200), ((f"X-API-Key: {KEY}", good), 401), ((f"Cookie: x={KEY}",), 401),
    ]  # fmt: skip
    await caller.send(b"".join(get("/known", *fields) for fields, _ in asked))
    for fields, expected in asked:
        answer = await caller.read_answer()
        assert answer is not None
        assert answer.status == expected, fields
    assert [sent.header("x-user-id") for sent in origin.seen] == ["a", "a", "a", "a", "partner"]


async def test_what_one_route_takes_another_does_not_believe(gateway: Start, origin: Origin) -> None:
    """On one connection, with the very same fields."""
    own = '[[routes]]\npath = "/own"\nservice = "origin"\nrequires_auth = true\nauth = ["keys"]\n'
    gw = await gateway(jwt() + api_keys() + ROUTES + own, origin=origin)
    caller = await gw.connect()
    for path, expected in (("/known", 200), ("/own", 401), ("/known", 200), ("/open", 200), ("/own", 401)):
        assert (await caller.ask(get(path, bearer(token())))).status == expected


async def test_who_is_remembered_as_nobody_is_let_in_nowhere(gateway: Start, origin: Origin) -> None:
    """With a credential of another authenticator, which is taken out and proves nothing to either route."""
    own = '[[routes]]\npath = "/{0}"\nservice = "origin"\nrequires_auth = {1}\nauth = ["keys"]\n'
    gw = await gateway(jwt() + api_keys() + ROUTES + own.format("a", "false") + own.format("b", "true"), origin=origin)
    caller = await gw.connect()
    for path, expected in (("/a", 200), ("/b", 401), ("/a", 200), ("/b", 401)):
        assert (await caller.ask(get(path, bearer(token())))).status == expected
    assert [(sent.header("authorization"), sent.header("x-user-id")) for sent in origin.seen] == [(None, None)] * 2


async def test_two_issuers_with_one_name_for_a_caller_do_not_answer_for_each_other(
    gateway: Start, origin: Origin
) -> None:
    other = "the other issuer's secret, long enough"
    methods = jwt(name="a", more='issuer = "a"') + jwt(name="b", key=f'key = "{other}"', more='issuer = "b"')
    gw = await gateway(methods + ROUTES, origin=origin)
    for issuer, secret, expected in (("a", SECRET, 200), ("b", other, 200), ("a", other, 401), ("b", SECRET, 401)):
        assert await status(gw, bearer(token({"iss": issuer}, secret=secret))) == expected


async def test_a_reload_that_takes_an_api_key_away_does_so_where_it_is_remembered(
    gateway: Start, origin: Origin
) -> None:
    text = jwt() + api_keys() + ROUTES
    gw = await gateway(text, origin=origin)
    caller = await gw.connect()
    request = get("/known", f"X-API-Key: {KEY}")
    assert (await caller.ask(request)).status == 200
    await gw.worker.reload(loads(with_listener(jwt() + api_keys(key="another") + ROUTES),
        environ={"ORIGIN": origin.url}))
    assert (await caller.ask(request)).status == 401
    await gw.worker.reload(loads(with_listener(text), environ={"ORIGIN": origin.url}))
    assert (await caller.ask(request)).status == 200


async def test_a_reload_that_changes_a_role_changes_what_a_remembered_caller_may(gateway: Start,
    origin: Origin) -> None:
    text = jwt() + '[roles]\nuser = ["a:*"]\n' + ROUTES + 'permissions = ["a:read"]\n'
    gw = await gateway(text, origin=origin)
    caller = await gw.connect()
    request = get("/known", bearer(token({"role": "user"})))
    assert (await caller.ask(request)).status == 200
    less = text.replace('"a:*"', '"a:write"')
    await gw.worker.reload(loads(with_listener(less), environ={"ORIGIN": origin.url}))
    assert (await caller.ask(request)).status == 403


async def test_a_seal_that_is_broken_has_every_connection_judged_anew(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    caller = await gw.connect()
    request = get("/known", bearer(token()))
    assert (await caller.ask(request)).status == 200
    looked: list[bytes] = []
    for prover in provers(gw):
        known = prover._methods[0].known
        method = prover._methods[0]
        prover._methods = (_Watched(method, known, looked),)
    assert (await caller.ask(request)).status == 200
    assert looked == []
    for prover in provers(gw):
        prover.forget()
    assert (await caller.ask(request)).status == 200
    assert looked == [token().encode()]


class _Watched:
    """A method whose table tells when it is looked at."""

    def __init__(self, method: object, known: object, looked: list[bytes]) -> None:
        self._method, self._known, self._looked = method, known, looked

    def __getattr__(self, name: str) -> object:
        return getattr(self._method, name)

    def known(self, credential: bytes, now: float) -> object:
        self._looked.append(credential)
        return self._known(credential, now)  # type: ignore[operator]


def proof(until: float = 10.0) -> Proof:
    return Proof(Identities({}).principal("x", "a"), until)


def test_the_table_has_a_bound_and_forgets_who_came_first() -> None:
    table = Proofs(most=3, most_bytes=100)
    for name in (b"a", b"b", b"c", b"d"):
        table.add(name, proof())
    assert [table.get(name, 0.0) is not None for name in (b"a", b"b", b"c", b"d")] == [False, True, True, True]
    table.add(b"e" * 99, proof())
    assert [table.get(name, 0.0) is not None for name in (b"c", b"d", b"e" * 99)] == [False, True, True]
    assert len(table) == 2
    # A flood of one and the same takes no room.
    for _ in range(50):
        table.add(b"d", proof())
    assert (len(table), table._bytes) == (2, 100)


def test_the_table_gives_nothing_out_that_has_ended() -> None:
    table = Proofs()
    table.add(b"a", proof(10.0))
    assert table.get(b"a", 9.999) is not None
    assert table.get(b"a", 10.0) is None
    assert (len(table), table._bytes) == (0, 0)
    table.add(b"a", proof())
    table.clear()
    assert (table.get(b"a", 0.0), table._bytes) == (None, 0)
