"""Tokens that nobody signed, or that would choose how they are verified."""

from __future__ import annotations

import json

import pytest

from tests.auth.attacking import ROUTES, Start, bearer, get, issued, jwt, refused, status
from tests.support.issuer import Issuer
from tests.support.issuing import jwk, public_pem
from tests.support.origin import Origin
from tests.support.tokens import SECRET, encoded, signed, token

CLAIMS = '{"sub":"admin","exp":4000000000}'
NONE = ["none", "None", "NONE", "nOnE", "", " none", "none ", "HS256none", None, 0, False, [], {}, ["none"], ["HS256"]]


@pytest.mark.parametrize("alg", NONE, ids=repr)
async def test_no_spelling_of_no_algorithm_is_believed(alg: object, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    head, body = encoded(json.dumps({"alg": alg}).encode()), encoded(CLAIMS.encode())
    good = signed(json.dumps({"alg": alg}), CLAIMS)
    for forged in (f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{encoded(b'x' * 32)}", good):
        await refused(gw, forged)
    assert origin.seen == []


@pytest.mark.parametrize("header", ["{}", '{"typ":"JWT"}', '{"ALG":"HS256"}', '{"alg ":"HS256"}'])
async def test_a_token_that_names_no_algorithm_is_refused(header: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    await refused(gw, signed(header, CLAIMS))
    assert origin.seen == []


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
async def test_who_knows_the_public_key_can_sign_nothing_with_it(kind: str, gateway: Start, origin: Origin) -> None:
    """Algorithm confusion: the public key as the secret of HS256, in every form that a verifier might keep it in."""
    pem = public_pem(kind).decode()
    for algorithms in ('"RS256", "ES256", "EdDSA"', '"RS256", "ES256", "EdDSA", "HS256"'):
        gw = await gateway(jwt(key=f'key = """{pem}"""', algorithms=algorithms) + ROUTES, origin=origin)
        for secret in (pem, pem.strip(), pem.replace("\n", ""), pem + "\n", "".join(pem.splitlines()[1:-1])):
            await refused(gw, signed('{"alg":"HS256"}', CLAIMS, secret))
    assert origin.seen == []


async def test_one_family_never_stands_in_for_another(gateway: Start, origin: Origin) -> None:
    """A good signature of the good key, under the name of an algorithm that the file does not list."""
    key = f'key = """{public_pem("RSA").decode()}"""'
    gw = await gateway(jwt(key=key, algorithms='"RS256"') + ROUTES, origin=origin)
    assert await status(gw, bearer(issued("RS256"))) == 200
    for alg in ("RS384", "RS512", "PS256", "PS384", "PS512"):
        await refused(gw, issued(alg))
    head, body, signature = issued("PS256").split(".")
    renamed = encoded(b'{"alg":"RS256"}')
    await refused(gw, f"{renamed}.{body}.{signature}")
    assert head != renamed


KIDS = [
    "../../../../dev/null", "/dev/null", "a'; DROP TABLE keys; --", "' UNION SELECT 'x", '"', "a\u0000b", "a\r\nX: y",
    "${SECRET}", "{{7*7}}", "|id", "http://127.0.0.1:1/", "k" * 5000, 0, 1, -1, 1.5, True, [], ["a"], {}, {"a": 1},
    "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("kid", KIDS, ids=lambda kid: ascii(kid)[:20])
async def test_a_kid_is_a_name_and_nothing_else(
    kid: object, gateway: Start, origin: Origin, issuer: Issuer
) -> None:
    gw = await gateway(jwt(algorithms='"ES256"', key=f'jwks = "{issuer.keys_url}"') + ROUTES, origin=origin)
    assert await status(gw, bearer(issued(kid="a"))) == 200
    await refused(gw, issued(kid=kid))
    assert await status(gw, bearer(issued(kid="a"))) == 200
    assert [request.target for request in issuer.seen] == [b"/jwks.json"]


async def test_a_kid_cannot_take_the_key_of_another_algorithm(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    issuer.publish(jwk("P-256", kid="a"), jwk("RSA", kid="b"))
    gw = await gateway(jwt(algorithms='"ES256", "RS256"', key=f'jwks = "{issuer.keys_url}"') + ROUTES, origin=origin)
    assert [await status(gw, bearer(issued(alg, kid=kid))) for alg, kid in (("ES256", "a"), ("RS256",
        "b"))] == [200] * 2
    for alg, kid in (("ES256", "b"), ("RS256", "a")):
        await refused(gw, issued(alg, kid=kid))


async def test_a_token_cannot_bring_its_own_key(gateway: Start, origin: Origin, issuer: Issuer) -> None:
    """jwk, x5c; and jku, x5u at an address where the attacker would be waiting: nobody ever connects to it."""
    attacker = Issuer()
    await attacker.start()
    attacker.publish(jwk("P-256", 1, kid="evil"))
    gw = await gateway(jwt(algorithms='"ES256"', key=f'jwks = "{issuer.keys_url}"') + ROUTES, origin=origin)
    own = {
        "jwk": jwk("P-256", 1), "x5c": ["MIIB"], "jku": attacker.keys_url, "x5u": attacker.url + "/cert.pem",
        "iss": attacker.url,
    }  # fmt: skip
    for name, value in own.items():
        for kid in ("a", "evil", attacker.keys_url):
            await refused(gw, issued(which=1, kid=kid, **{name: value}))
    await refused(gw, issued(which=1, claims={"iss": attacker.url, "jku": attacker.keys_url}, **own))
    assert attacker.seen == []
    # They do no harm to who has a good signature.
    assert await status(gw, bearer(issued(kid="a", **own))) == 200
    await attacker.stop()


@pytest.mark.parametrize(
    "more", [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"b64": True},
             {"crit": None}, {"crit": ["x"], "x": 1}], ids=str,
)  # fmt: skip
async def test_what_must_be_understood_and_is_not_is_refused(
    more: dict[str, object], gateway: Start, origin: Origin
) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    await refused(gw, token(**more))


async def test_a_payload_that_is_not_encoded_is_never_signed_for(gateway: Start, origin: Origin) -> None:
    """RFC 7797: the bytes that are signed would be others than those that are read."""
    gw = await gateway(jwt() + ROUTES, origin=origin)
    head = encoded(b'{"alg":"HS256"}')
    for payload in (CLAIMS, CLAIMS.replace(",", ".")):
        await refused(gw, f"{head}.{payload}.{token().rsplit('.', 1)[1]}")


TWICE = [
    ('{"alg":"HS256","alg":"none"}', CLAIMS), ('{"alg":"none","alg":"HS256"}', CLAIMS),
    ('{"alg":"HS256","kid":"a","kid":"b"}', CLAIMS), ('{"alg":"HS256","\\u0061lg":"HS256"}', CLAIMS),
    ('{"alg":"HS256"}', '{"sub":"a","sub":"admin","exp":4000000000}'),
    ('{"alg":"HS256"}', '{"sub":"a","exp":1,"exp":4000000000}'),
    ('{"alg":"HS256"}', '{"sub":"a","exp":4000000000,"x":{"role":"a","role":"b"}}'),
    ('{"alg":"HS256"}', '{"sub":"a","s\\u0075b":"admin","exp":4000000000}'),
]  # fmt: skip


@pytest.mark.parametrize(("header", "payload"), TWICE)
async def test_what_is_said_twice_is_not_believed_once(
    header: str, payload: str, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    await refused(gw, signed(header, payload))


FORMS = [
    "", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d.e", "=.=.=", "{}.{}.{}", "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA",
    "W10.W10.W10", "MQ.MQ.MQ", "IiI.IiI.IiI", "\u00e9.\u00e9.\u00e9",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=ascii)
async def test_what_is_no_token_is_refused_as_one(form: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    assert await status(gw, bearer(form)) == 401


async def test_a_good_token_has_one_spelling(gateway: Start, origin: Origin) -> None:
    """Else what is remembered, revoked or counted by its text could be had again under another."""
    gw = await gateway(jwt() + ROUTES, origin=origin)
    good = token()
    head, body, signature = good.split(".")
    assert await status(gw, bearer(good)) == 200
    # 32 bytes leave two bits over in the last of 43 characters.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(signature[-1]) ^ 1]
    for other in (
        f"{head}=.{body}.{signature}", f"{head}.{body}=.{signature}", f"{good}=", f"{good}.", f".{good}", f"{good}%00",
        f"{head}.{body}.{signature[:-1]}{last}", f"{head}.{body}.{signature[:-1]}", f"{head}.{body}.{signature}A",
        f"{head}.{body}.{signature.upper()}", f"{head} .{body}.{signature}", f"{head}.\t{body}.{signature}",
        f'"{good}"',
        f"{good},{good}", f"{good} {good}", f"{good};", f"Bearer {good}",
    ):  # fmt: skip
        await refused(gw, other)


async def test_a_token_longer_than_its_bound_is_not_looked_at(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt('max_token = "1KiB"') + ROUTES, origin=origin)
    short, long = token({"x": "y" * 500}), token({"x": "y" * 800})
    assert (len(short) <= 1024, len(long) > 1024) == (True, True)
    assert await status(gw, bearer(short)) == 200
    await refused(gw, long)
    assert gw.records[-1].cause == "tokens: longer than max_token"
    answer = await gw.ask(get("/known", bearer("a" * 40_000)))
    assert answer.status == 431


@pytest.mark.parametrize("deep", ["[" * 2000 + "]" * 2000, '{"a":' * 900 + "1" + "}" * 900, "[" * 5000])
async def test_json_of_many_levels_breaks_nothing(deep: str, gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt('max_token = "16KiB"') + ROUTES, origin=origin)
    # The longest that a field line may be.
    for header, payload in (('{"alg":"HS256","x":' + deep + "}", CLAIMS), ('{"alg":"HS256"}',
        f'{{"sub":"a","x":{deep}}}')):
        forged = signed(header, payload)
        # Some versions of Python read that many levels.
        assert await status(gw, bearer(forged)) in (200, 401, 431)
    assert await status(gw, bearer(token())) == 200


async def test_a_token_signed_with_another_secret_is_refused(gateway: Start, origin: Origin) -> None:
    gw = await gateway(jwt() + ROUTES, origin=origin)
    for secret in ("", " ", SECRET[:-1], SECRET.upper(), "secret", "\0" * 32):
        await refused(gw, token(secret=secret))
    head, body, _ = token().split(".")
    for signature in (b"", b"\0" * 32, b"\0" * 64, b"\xff" * 32):
        await refused(gw, f"{head}.{body}.{encoded(signature)}")
    assert origin.seen == []


async def test_signatures_of_nothing_are_no_signatures(gateway: Start, origin: Origin) -> None:
    """CVE-2022-21449: r and s of zero satisfied a verifier that did not look at them."""
    key = f'key = """{public_pem("P-256").decode()}"""'
    gw = await gateway(jwt(key=key, algorithms='"ES256"') + ROUTES, origin=origin)
    head, body, good = issued().split(".")
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for r, s in ((0, 0), (0, 1), (1, 0), (n, n), (n, 1), (1, n)):
        await refused(gw, f"{head}.{body}.{encoded(r.to_bytes(32) + s.to_bytes(32))}")
    assert await status(gw, bearer(f"{head}.{body}.{good}")) == 200
