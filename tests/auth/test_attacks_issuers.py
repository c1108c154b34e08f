"""Issuers that are down, slow, endless or lying, and callers who would have them asked: edge.md, fault 32."""

from __future__ import annotations

import asyncio

import pytest

from tests.auth.attacking import Start, bearer, by, get, issued, ready, refused, status
from tests.support.issuer import CHUNKED, KEYS, Issuer, answered, endless
from tests.support.issuing import SECRET, b64, jwk, key_set, oct_jwk
from tests.support.origin import Origin
from tests.support.tokens import signed
from tests.support.until import until


async def test_an_issuer_that_is_down_at_the_start_is_503_and_then_recovers(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    await issuer.down()
    gw = await gateway(by(issuer), origin=origin)
    answer = await gw.ask(get("/known", bearer(issued(kid="a"))))
    assert (answer.status, answer.json()["code"], answer.header("retry-after")) == (503, "state_unavailable", "1")
    assert issuer.keys_url.encode() not in answer.body
    # What is no token at all needs no issuer to be refused.
    assert await status(gw, bearer("rubbish")) == 401
    assert await status(gw) == 401
    assert await status(gw, bearer(issued(kid="a")), path="/open") == 200
    assert origin.last.header("x-user-id") is None
    await issuer.up()

    # It is tried again by itself, a second later.
    [source] = gw.worker.live.issuers._sources.values()
    await until(lambda: source.keys is not None, 10)
    assert await status(gw, bearer(issued(kid="a"))) == 200


async def test_an_issuer_that_is_down_later_shuts_nobody_out(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    gw = await gateway(by(issuer), origin=origin)
    times = await ready(gw)
    await issuer.down()
    for number in range(5):
        times.may_ask_again()
        await refused(gw, issued(kid=f"new-{number}"))
        assert await status(gw, bearer(issued(kid="a", claims={"jti": number}))) == 200
    assert times.sources[0].state().failures == 5
    await issuer.up()


async def test_a_slow_issuer_delays_nobody_whose_key_is_known(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    gw = await gateway(by(issuer, 'timeout = "400ms"'), origin=origin)
    times = await ready(gw)
    gate = issuer.hold()
    times.may_ask_again()
    waiting = [asyncio.create_task(status(gw, bearer(issued(kid=f"x{number}")))) for number in range(20)]
    await until(lambda: times.sources[0]._fetching is not None)
    for number in range(20):
        assert await status(gw, bearer(issued(kid="a", claims={"jti": number}))) == 200
    # And those that wait do so no longer than `timeout`.
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [401] * 20
    gate.set()


async def test_an_issuer_that_never_answers_is_503_within_its_timeout(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gate = issuer.hold()
    gw = await gateway(by(issuer, 'timeout = "200ms"'), origin=origin)
    assert await asyncio.wait_for(status(gw, bearer(issued(kid="a"))), 4) == 503
    gate.set()


EVIL = jwk("P-256", 1, kid="evil")
LIES = [
    b"", b"null", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b"<html>", b"\xff\xfe", b'{"keys":null}', key_set(1,
    "a", None),
    key_set(jwk("P-256", 1, private=True, kid="evil")), key_set({"kty": "EC", "kid": "evil"}),
    key_set({**EVIL, "use": "enc"}), key_set({**EVIL, "alg": "HS256"}), key_set({**EVIL, "crv": "P-384"}),
    key_set({**EVIL, "key_ops": ["encrypt"]}), b'{"keys":[' + b"[" * 5000, b" " * 300_000,
    key_set(EVIL)[:-2] + b',{"kid":"a","kid":"b"}]}',
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: ascii(lie)[:30])
async def test_an_issuer_that_lies_takes_no_key_away_and_gives_none(
    lie: bytes, gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gw = await gateway(by(issuer, algorithms='"ES256", "HS256"'), origin=origin)
    times = await ready(gw)
    issuer.pages[KEYS] = answered(lie)
    times.may_ask_again()
    await refused(gw, issued(which=1, kid="evil"))
    assert issuer.asked == 2
    assert await status(gw, bearer(issued(kid="a", claims={"jti": 1}))) == 200


@pytest.mark.parametrize(
    "page", [answered(key_set(EVIL), "302 Found", "Location: /other.json"), answered(key_set(EVIL), "500 Oops"),
             answered(key_set(EVIL), "200 OK", "Content-Encoding: gzip"), answered(key_set(EVIL), "404 Not Found"),
             b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{", b"rubbish\r\n\r\n"],
             ids=lambda page: ascii(page[:24]),
)  # fmt: skip
async def test_an_answer_that_is_no_key_set_is_none(page: bytes, gateway: Start, origin: Origin,
    issuer: Issuer) -> None:
    issuer.pages["/other.json"] = answered(key_set(EVIL))
    gw = await gateway(by(issuer, 'timeout = "500ms"'), origin=origin)
    times = await ready(gw)
    issuer.pages[KEYS] = page
    times.may_ask_again()
    await refused(gw, issued(which=1, kid="evil"))
    assert [request.target for request in issuer.seen] == [KEYS.encode()] * 2
    assert await status(gw, bearer(issued(kid="a", claims={"jti": 1}))) == 200


async def test_a_secret_that_is_published_is_none(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    issuer.publish(jwk("P-256", kid="a"), oct_jwk(kid="s"))
    gw = await gateway(by(issuer, algorithms='"ES256", "HS256"'), origin=origin)
    await ready(gw)
    for kid in ('"s"', "null", '"a"'):
        forged = signed(f'{{"alg":"HS256","kid":{kid}}}', '{"sub":"a","exp":4000000000}', SECRET.decode())
        await refused(gw, forged)
    assert b64(SECRET) not in repr(gw.records)


async def test_an_endless_issuer_is_left(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    gw = await gateway(by(issuer, 'timeout = "2s"'), origin=origin)
    times = await ready(gw)
    issuer.answer(CHUNKED, cut=endless)
    times.may_ask_again()
    await asyncio.wait_for(refused(gw, issued(kid="b")), 5)
    assert await status(gw, bearer(issued(kid="a", claims={"jti": 1}))) == 200
    assert "more than" in times.sources[0].state().trouble


async def test_a_storm_of_unknown_kids_is_one_fetch(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    gw = await gateway(by(issuer), origin=origin)
    times = await ready(gw)
    assert issuer.asked == 1
    callers = [await gw.connect() for _ in range(20)]

    async def storm(round_: int) -> None:
        async def one(at: int) -> list[int]:
            return [
                (await callers[at].ask(get("/known",
                bearer(issued(kid=f"{round_}-{at}-{n}"))))).status for n in range(10)
            ]

        assert await asyncio.gather(*map(one, range(20))) == [[401] * 10] * 20

    # The keys are young: nobody may have them fetched again.
    await storm(0)
    assert issuer.asked == 1
    for round_ in (1, 2):
        times.may_ask_again()
        await storm(round_)
        assert issuer.asked == 1 + round_


async def test_a_token_that_could_not_be_believed_has_nobody_asked(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    """Its algorithm, its form, what it wants understood: all that is seen before a key is looked for."""
    gw = await gateway(by(issuer), origin=origin)
    times = await ready(gw)
    times.may_ask_again()
    for forged in (
        signed('{"alg":"none","kid":"b"}', "{}"), signed('{"alg":"HS256","kid":"b"}', "{}"), issued(kid="b",
        crit=["x"]),
        issued(kid="b") + ".", issued(kid="b")[:-1] + "=", issued(kid=["b"]), signed('{"alg":"ES384","kid":"b"}', "{}"),
    ):  # fmt: skip
        await refused(gw, forged)
    assert issuer.asked == 1


async def test_a_new_key_is_followed_by_the_first_token_that_names_it(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gw = await gateway(by(issuer), origin=origin)
    times = await ready(gw)
    issuer.publish(jwk("P-256", kid="a"), jwk("P-256", 1, kid="b"))
    times.may_ask_again()
    assert await status(gw, bearer(issued(which=1, kid="b"))) == 200
    assert await status(gw, bearer(issued(kid="a"))) == 200
    assert issuer.asked == 2
    # A name is not a key: the old one under the new name.
    await refused(gw, issued(which=0, kid="b"))


async def test_a_key_that_is_taken_back_takes_what_was_proved_by_it(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    """In the table, and on a connection that remembers."""
    issuer.publish(jwk("P-256", kid="a"), jwk("P-256", 1, kid="b"))
    gw = await gateway(by(issuer), origin=origin)
    times = await ready(gw)
    stolen, kept = get("/known", bearer(issued(kid="a"))), await gw.connect()
    other, others = get("/known", bearer(issued(which=1, kid="b"))), await gw.connect()
    assert [(await kept.ask(stolen)).status, (await gw.ask(stolen)).status,
        (await others.ask(other)).status] == [200] * 3
    issuer.publish(jwk("P-256", 1, kid="b"))
    times.may_ask_again()
    await refused(gw, issued(kid="c"))
    assert issuer.asked == 2
    assert [(await kept.ask(stolen)).status, (await gw.ask(stolen)).status] == [401, 401]
    assert (await others.ask(other)).status == 200


async def test_a_key_that_changes_under_its_name_takes_what_was_proved_by_it(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gw = await gateway(by(issuer), origin=origin)
    times = await ready(gw)
    request, kept = get("/known", bearer(issued(kid="a"))), await gw.connect()
    assert (await kept.ask(request)).status == 200
    issuer.publish(jwk("P-256", 1, kid="a"))
    times.may_ask_again()
    await refused(gw, issued(kid="c"))
    assert (await kept.ask(request)).status == 401
    assert await status(gw, bearer(issued(which=1, kid="a"))) == 200


async def test_callers_who_leave_while_keys_are_fetched_harm_nobody(
    gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    """CVE-2025-64527 and CVE-2026-50572: what comes back for who has left."""
    gate = issuer.hold()
    gw = await gateway(by(issuer), origin=origin)
    callers = [await gw.connect() for _ in range(30)]
    for number, caller in enumerate(callers):
        await caller.send(get("/known", bearer(issued(kid="a", claims={"sub": f"u{number}"}))))
    await until(lambda: len(gw.worker.server.connections) == 30)
    for caller in callers[::3]:
        caller.reset()
    await until(lambda: len(gw.worker.server.connections) == 20)
    gate.set()
    staying = [caller for number, caller in enumerate(callers) if number % 3]
    answers = [await caller.read_answer() for caller in staying]
    assert [answer.status for answer in answers if answer is not None] == [200] * 20
    assert {sent.header("x-user-id") for sent in origin.seen} == {f"u{number}" for number in range(30) if number % 3}
    assert sorted(record.status for record in gw.records) == [200] * 20 + [499] * 10
