"""What a file says of signed requests is what is asked of them: each of its settings, by requests that differ in it."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

import pytest

from tests.auth.attacking import ROUTES, Now, Start
from tests.support.client import Answer
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.signing import Call, content_digest, ed25519_signer
from tests.support.tokens import NOW

ED = ed25519_signer()
COVERED = ("@method", "@authority", "@path", "@query")
BODY = ("Content-Digest", content_digest(b"abc"))


def config(more: str = "", key: str = f"key = '''{ED.config_text}'''") -> str:
    text = f'[auth.signed]\ntype = "signature"\n{more}\n[[auth.signed.keys]]\nkeyid = "ed"\nalgorithm = "ed25519"\n'
    routes = ROUTES.replace('path = "/known"', 'path = "/known"\nmethod = "*"')
    return f'{text}{key}\nid = "partner"\n{routes}'


def call(*fields: tuple[str, str], path: str = "/known?x=1", body: bytes = b"") -> Call:
    return Call("POST" if body else "GET", f"http://a{path}", fields, body)


async def answered(gw: Gateway, one: Call) -> int:
    """The status, on a connection of its own; who is refused has reached no service."""
    answer: Answer = await gw.ask(one.raw())
    if answer.status != 200:
        assert answer.json()["code"] == "unauthenticated"
    return answer.status


async def test_components_are_those_of_the_file(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config('components = ["@target-uri", "x-order"]'), origin=origin)
    Now(gw, NOW)
    order = call(("X-Order", "7"))
    for covered, status in (
        (("@target-uri", "x-order"), 200), (("x-order", "@method", "@target-uri"), 200),
        (("@target-uri",), 401), (("@method", "@authority", "@path", "@query", "x-order"), 401),
    ):  # fmt: skip
        assert await answered(gw, ED.sign(order, covered, created=NOW)) == status, covered
    assert len(origin.seen) == 2


async def test_without_a_word_method_authority_path_and_query_are_covered(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config(), origin=origin)
    Now(gw, NOW)
    assert await answered(gw, ED.sign(call(), COVERED, created=NOW)) == 200
    for missing in COVERED:
        covered = [name for name in (*COVERED, "@target-uri") if name != missing]
        assert await answered(gw, ED.sign(call(), covered, created=NOW)) == 401, missing


async def test_a_label_leaves_other_signatures_alone(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config('label = "ours"'), origin=origin)
    Now(gw, NOW)
    for label, status in (("ours", 200), ("sig1", 401)):
        assert await answered(gw, ED.sign(call(), COVERED, label=label, created=NOW)) == status


async def test_a_tag_is_wanted_where_the_file_has_one(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config('tag = "orders"'), origin=origin)
    Now(gw, NOW)
    for told, status in (({"tag": "orders"}, 200), ({"tag": "others"}, 401), ({}, 401)):
        assert await answered(gw, ED.sign(call(), COVERED, created=NOW, **told)) == status, told


@pytest.mark.parametrize(
    ("more", "believed", "not_any_more"),
    [
        ("", 330, 331), ('max_age = "10m"', 630, 631), ('max_age = "10s"\nleeway = "1s"', 11, 12),
        ('leeway = "2m"', 420, 421), ('leeway = "0s"', 300, 301),
    ],
)  # fmt: skip
async def test_a_signature_is_believed_for_its_age_and_the_leeway(
    more: str, believed: int, not_any_more: int, gateway: Start, origin: Origin
) -> None:
    gw = await gateway(config(more), origin=origin)
    clock = Now(gw, NOW)
    one = ED.sign(call(), COVERED, created=NOW)
    for later, status in ((0, 200), (believed, 200), (not_any_more, 401)):
        clock.now = NOW + later
        assert await answered(gw, one) == status, later


@pytest.mark.parametrize(("more", "ahead"), [("", 30), ('leeway = "2m"', 120), ('leeway = "0s"', 0)])
async def test_a_clock_may_be_ahead_by_the_leeway(more: str, ahead: int, gateway: Start, origin: Origin) -> None:
    gw = await gateway(config(more), origin=origin)
    Now(gw, NOW)
    for created, status in ((NOW + ahead, 200), (NOW + ahead + 1, 401)):
        assert await answered(gw, ED.sign(call(), COVERED, created=created)) == status, created


async def test_a_body_needs_no_digest_where_the_file_says_so(gateway: Start, origin: Origin) -> None:
    for more, bare in (("digest = false", 200), ("", 401)):
        gw = await gateway(config(more), origin=origin)
        Now(gw, NOW)
        assert await answered(gw, ED.sign(call(body=b"abc"), COVERED, created=NOW)) == bare
        whole = (*COVERED, "content-digest")
        assert await answered(gw, ED.sign(call(BODY, body=b"abc"), whole, created=NOW)) == 200
        # What is covered all the same is compared.
        assert await answered(gw, ED.sign(call(BODY, body=b"abd"), whole, created=NOW)) == 401


async def test_a_key_can_be_in_a_file_of_its_own(gateway: Start, origin: Origin, tmp_path: Path) -> None:
    file = tmp_path / "acme.pub"
    file.write_text(ED.config_text + "\n")
    gw = await gateway(config(key=f'key_file = "{file}"'), origin=origin)
    Now(gw, NOW)
    assert await answered(gw, ED.sign(call(), COVERED, created=NOW)) == 200
    assert origin.last.header("x-user-id") == "partner"
    assert await answered(gw, ed25519_signer(seed=b"x" * 32).sign(call(), COVERED, created=NOW)) == 401


async def test_a_date_that_must_be_covered_stands_in_for_created(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config('components = ["@method", "@path", "date"]'), origin=origin)
    Now(gw, NOW)
    for made, status in ((NOW, 200), (NOW - 330, 200), (NOW - 331, 401), (NOW + 31, 401)):
        dated = call(("Date", formatdate(made, usegmt=True)))
        assert await answered(gw, ED.sign(dated, ("@method", "@path", "date"))) == status, made
    late = call(("Date", formatdate(NOW - 1000, usegmt=True)))
    assert await answered(gw, ED.sign(late, ("@method", "@path", "date"), created=NOW)) == 200


async def test_a_date_that_need_not_be_covered_does_not(gateway: Start, origin: Origin) -> None:
    gw = await gateway(config(), origin=origin)
    Now(gw, NOW)
    dated = call(("Date", formatdate(NOW, usegmt=True)))
    assert await answered(gw, ED.sign(dated, (*COVERED, "date"))) == 401
    assert await answered(gw, ED.sign(dated, (*COVERED, "date"), created=NOW)) == 200
