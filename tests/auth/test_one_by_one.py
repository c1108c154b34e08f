"""A token that does not name its key is tried with several: one verification in a turn of the loop."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from typing import Any

import pytest

from gwproxy.auth.jwt import Jwt, JwtRules
from gwproxy.auth.keys.key_set import KeySet
from gwproxy.auth.method import Later
from gwproxy.auth.places import place_of
from gwproxy.auth.principal import Identities, Proof, Unproved
from gwproxy.auth.source import Fixed
from gwproxy.drive import Turns, Waiter
from tests.support.issuing import ALL, b64, jwk, key_set, sign

NOW = time.time()


def token(which: int, alg: str = "ES256", **header: str) -> bytes:
    said = {"alg": alg, **header}, {"sub": f"u-{which}", "exp": NOW + 60}
    signed = ".".join(b64(json.dumps(part).encode()) for part in said)
    return f"{signed}.{b64(sign(alg, signed.encode(), which))}".encode()


def keys(*which: int) -> KeySet:
    return KeySet.parse(key_set(*(jwk("P-256", one, kid=str(one)) for one in which)), ALL)


def method(source: Fixed) -> Jwt:
    rules = JwtRules(frozenset(("ES256",)))
    place = place_of("header:Authorization", (b"bearer",))
    return Jwt("tokens", place, "gwproxy", rules, source, Identities({}), Turns())


def turns(later: object) -> Generator[Waiter, None, Any]:
    """Each turn of the loop that `later` takes; returns how it ended."""
    assert isinstance(later, Later)
    return (yield from later.__await__())


def ended(steps: Generator[Waiter, None, Any]) -> Proof:
    with pytest.raises(StopIteration) as end:
        next(steps)
    proof = end.value.value
    assert isinstance(proof, Proof)
    return proof


@pytest.mark.parametrize("which", range(4))
async def test_a_turn_of_the_loop_has_one_verification(which):
    steps = turns(method(Fixed(keys(0, 1, 2, 3))).prove(token(which), None, NOW))
    for _ in range(which):
        assert not next(steps).ready
    assert ended(steps).principal.id == f"u-{which}"


async def test_a_token_of_none_of_them_is_refused_after_all():
    steps = turns(method(Fixed(keys(0, 1, 2))).prove(token(4), None, NOW))
    for _ in range(3):
        next(steps)
    with pytest.raises(Unproved, match="bad signature"):
        next(steps)


async def test_a_token_that_names_its_key_does_not_wait():
    proof = method(Fixed(keys(0, 1, 2))).prove(token(2, kid="2"), None, NOW)
    assert isinstance(proof, Proof)
    with pytest.raises(Unproved, match="bad signature"):
        method(Fixed(keys(0, 1, 2))).prove(token(2, kid="1"), None, NOW)


async def test_a_key_that_is_taken_out_meanwhile_proves_nothing():
    source = Fixed(keys(0, 1, 2))
    of = method(source)
    raw = token(2)
    steps = turns(of.prove(raw, None, NOW))
    next(steps)
    source.keys = keys(0, 1)
    of.forget()
    next(steps)
    with pytest.raises(Unproved, match="bad signature"):
        next(steps)
    assert of.known(raw, NOW) is None


async def test_a_key_that_comes_meanwhile_is_tried():
    source = Fixed(keys(0, 1))
    steps = turns(method(source).prove(token(3), None, NOW))
    next(steps)
    source.keys = keys(0, 3)
    assert ended(steps).principal.id == "u-3"
