"""A signed request is taken once, as long as its nonce is remembered, and that is as long as it would be believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.signatures.nonces import SeenNonces
from gwproxy.auth.signatures.unverified import Unverified
from tests.auth.reading import NOW, seen, verifier_for
from tests.support.signing import Call, ed25519_signer, hmac_signer

HMAC, ED = hmac_signer(), ed25519_signer()
CALL = Call("GET", "http://example.com/a")


def test_request_is_taken_once():
    verifier = verifier_for(HMAC, nonces=SeenNonces())
    request = seen(HMAC.sign(CALL, ["@method"], created=NOW, nonce="n1"))
    assert verifier.verify(request, NOW) == "shared"
    for later in (0, 1, 65):
        with pytest.raises(Unverified, match="used before"):
            verifier.verify(request, NOW + later)
    with pytest.raises(Unverified, match="has expired"):
        verifier.verify(request, NOW + 66)
    assert verifier.verify(seen(HMAC.sign(CALL, ["@method"], created=NOW, nonce="n2")), NOW) == "shared"


def test_same_request_is_taken_again_where_nobody_asks_for_nonces():
    request = seen(HMAC.sign(CALL, ["@method"], created=NOW, nonce="n1"))
    verifier = verifier_for(HMAC)
    assert verifier.verify(request, NOW) == verifier.verify(request, NOW) == "shared"
    assert verifier.examine(request, NOW).nonce == "n1"


@pytest.mark.parametrize("params", [f';created={NOW};keyid="shared"', f';created={NOW};nonce=1;keyid="shared"'])
def test_nonce_that_is_asked_for_must_be_there(params):
    request = seen(HMAC.sign(CALL, ["@method"], params=params))
    with pytest.raises(Unverified, match="nonce is missing"):
        verifier_for(HMAC, nonces=SeenNonces()).verify(request, NOW)


def test_keys_have_nonces_of_their_own():
    verifier = verifier_for(HMAC, ED, nonces=SeenNonces())
    for signer in (HMAC, ED):
        assert verifier.verify(seen(signer.sign(CALL, ["@method"], created=NOW, nonce="n")), NOW) == signer.keyid


def test_signature_that_does_not_hold_uses_no_nonce_up():
    nonces = SeenNonces()
    verifier = verifier_for(HMAC, nonces=nonces)
    forged = hmac_signer("shared", b"z" * 32).sign(CALL, ["@method"], created=NOW, nonce="n")
    with pytest.raises(Unverified, match="not that of"):
        verifier.verify(seen(forged), NOW)
    assert len(nonces) == 0
    assert verifier.verify(seen(HMAC.sign(CALL, ["@method"], created=NOW, nonce="n")), NOW) == "shared"


def test_second_signature_cannot_let_a_request_in_a_second_time():
    call = HMAC.sign(CALL, ["@method"], label="a", created=NOW, nonce="1")
    call = ED.sign(call, ["@method"], label="b", created=NOW, nonce="2")
    with pytest.raises(Unverified, match="more signatures of known keys than 1"):
        verifier_for(HMAC, ED, nonces=SeenNonces()).verify(seen(call), NOW)


def test_full_table_refuses_its_own_key_only_and_only_until_something_runs_out():
    nonces = SeenNonces(most=2)
    nonces.take("a", "1", until=10.0, now=0.0)
    nonces.take("a", "2", until=20.0, now=0.0)
    with pytest.raises(Unverified, match="2 nonces of its key"):
        nonces.take("a", "3", until=20.0, now=10.0)
    nonces.take("b", "3", until=20.0, now=10.0)
    nonces.take("a", "3", until=20.0, now=10.5)
    with pytest.raises(Unverified, match="used before"):
        nonces.take("a", "2", until=30.0, now=20.0)


def test_table_without_room_is_refused():
    with pytest.raises(ValueError, match="room"):
        SeenNonces(0)


def test_many_that_run_out_at_once_are_forgotten_bit_by_bit():
    nonces = SeenNonces(most=1000)
    for n in range(1000):
        nonces.take("k", str(n), until=10.0, now=0.0)
    for n in range(1000):
        nonces.take("k", str(n), until=100.0, now=11.0)
        assert len(nonces) <= 1000
    with pytest.raises(Unverified, match="used before"):
        nonces.take("k", "0", until=100.0, now=100.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(1, 9)), max_size=60))
def test_nonce_is_refused_exactly_while_it_is_remembered(steps):
    nonces, known, now = SeenNonces(), {}, 0
    for nonce, pause, lives in steps:
        now += pause
        fresh = known.get(nonce, -1) < now
        try:
            nonces.take("k", str(nonce), float(now + lives), float(now))
        except Unverified:
            assert not fresh
        else:
            assert fresh
            known[nonce] = now + lives
