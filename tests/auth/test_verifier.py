"""Which signed requests are believed, and why others are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gwproxy.auth.signatures.unverified import Unsigned, Unverified
from tests.auth.reading import NOW, refusal, seen, verifier_for, with_signature
from tests.support.signing import Call, content_digest, ed25519_signer, hmac_signer, p256_signer

HMAC, ED, P256 = hmac_signer(), ed25519_signer(), p256_signer()
CALL = Call("POST", "http://api.example.com/orders/7?full=1&x=a+b", (("Date", "Fri, 15 Jan 2027 08:00:00 GMT"),), b"{}")
EVERYTHING = (
    "@method", "@target-uri", "@authority", "@scheme", "@path", "@query", "@request-target",
    '"@query-param";name="x"', "date", '"date";bs', "host", "content-length",
)  # fmt: skip


@pytest.mark.parametrize("signer", [HMAC, ED, P256], ids=lambda signer: signer.algorithm)
def test_signed_request_is_its_signer_s(signer):
    call = signer.sign(CALL, EVERYTHING, created=NOW)
    found = verifier_for(HMAC, ED, P256).examine(seen(call), NOW)
    assert (found.keyid, found.label) == (signer.keyid, "sig1")
    assert found.covered == {name for name in EVERYTHING if not name.startswith('"')}


def test_request_without_a_signature_is_told_apart_from_a_badly_signed_one():
    with pytest.raises(Unsigned):
        verifier_for(HMAC).verify(seen(CALL), NOW)
    with pytest.raises(Unverified) as refused:
        verifier_for(HMAC).verify(seen(CALL.told(("Signature", "sig1=:AA==:"))), NOW)
    assert not isinstance(refused.value, Unsigned)


# -- what is covered


def test_component_that_is_required_must_be_covered():
    call = HMAC.sign(CALL, ["@method"], created=NOW)
    verifier = verifier_for(HMAC, required=("@method", "@path", "date"))
    assert refusal(verifier, call) == "'sig1': not covered: @path, date"


@pytest.mark.parametrize(
    ("component", "value", "is_whole"),
    [('"x-d"', "a", True), ('"x-d";bs', ":YQ==:", True), ('"x-d";key="a"', "?1", False)],
)
def test_part_of_a_field_is_not_the_field(component, value, is_whole):
    call = CALL.told(("X-D", "a"))
    told = f'("@method" {component});created={NOW};keyid="shared"'
    base = f'"@method": POST\n{component}: {value}\n"@signature-params": {told}'
    signed = with_signature(call, told, HMAC.bytes_for(base.encode()))
    assert verifier_for(HMAC).verify(seen(signed), NOW) == "shared"
    if is_whole:
        assert verifier_for(HMAC, required=("x-d",)).verify(seen(signed), NOW) == "shared"
    else:
        assert refusal(verifier_for(HMAC, required=("x-d",)), signed) == "'sig1': not covered: x-d"


def test_body_can_make_more_required():
    verifier = verifier_for(HMAC, required_with_body=("content-digest",))
    bare = HMAC.sign(CALL, ["@method"], created=NOW)
    assert refusal(verifier, bare) == "'sig1': not covered: content-digest"
    digested = CALL.told(("Content-Digest", content_digest(CALL.body)))
    assert verifier.verify(seen(HMAC.sign(digested, ["@method", "content-digest"], created=NOW)), NOW) == "shared"
    empty = replace(CALL, body=b"")
    assert verifier.verify(seen(HMAC.sign(empty, ["@method"], created=NOW)), NOW) == "shared"


@pytest.mark.parametrize(
    ("component", "why"),
    [
        ('"date";sf', "'sf' of 'date' is not supported"),
        ('"date";req', "'req' of 'date' is not supported"),
        ('"date";tr', "'tr' of 'date' is not supported"),
        ('"date";foo', "'foo' of 'date' is unknown"),
        ('"@method";bs', "'bs' of '@method' is not supported"),
        ('"@query-param"', "without a name"),
        ('"@query-param";name=1', "another type"),
        ('"date";bs=1', "another type"),
        ('"date";key', "another type"),
        ('"date";bs;key="a"', "exclude each other"),
        ('"@status"', "unknown component '@status'"),
        ('"@signature-params"', "unknown component"),
        ('"@unheard-of"', "unknown component"),
        ('"Date"', "unknown component 'Date'"),
        ('""', "unknown component"),
        ('"a b"', "unknown component"),
        ("date", "not a string"),
        ('"@method" "@method"', "covered twice"),
        ('"date" "date"', "covered twice"),
        ('"x-not-there"', "covered, and not there"),
        ('"connection"', "covered, and not there"),
        ('"x-user-id"', "covered, and not there"),
        ('"date";key="a"', "no dictionary"),
        ('"x-d";key="z"', "has no 'z'"),
        (" ".join(f'"x-{n}"' for n in range(60)), "more than 50 components"),
    ],
)
def test_component_that_cannot_be_checked_is_refused(component, why):
    call = CALL.told(("X-D", "a=1"), ("Connection", "keep-alive"), ("X-User-Id", "7"))
    signed = with_signature(call, f'("@method" {component});created={NOW};keyid="shared"', bytes(32))
    assert why in refusal(verifier_for(HMAC), signed)


def test_dictionary_member_can_be_covered():
    call = CALL.told(("X-D", "a=1,  b=( 2   3);c"))
    told = f'("x-d";key="b" "@method");created={NOW};keyid="shared"'
    base = f'"x-d";key="b": (2 3);c\n"@method": POST\n"@signature-params": {told}'.encode()
    assert verifier_for(HMAC).verify(seen(with_signature(call, told, HMAC.bytes_for(base))), NOW) == "shared"


def test_field_that_connection_nominates_is_not_there():
    call = HMAC.sign(CALL.told(("X-Hop", "1")), ["@method", "x-hop"], created=NOW)
    assert verifier_for(HMAC).verify(seen(call), NOW) == "shared"
    assert "not there" in refusal(verifier_for(HMAC), call.told(("Connection", "x-hop")))


def test_target_of_options_for_the_whole_server_has_no_path():
    call = HMAC.sign(Call("OPTIONS"), ["@method", "@path"], created=NOW)
    raw = seen(call)
    raw.target = b"*"
    with pytest.raises(Unverified, match="neither path nor query"):
        verifier_for(HMAC).verify(raw, NOW)


# -- several signatures


def test_one_good_signature_of_several_is_enough():
    call = ED.sign(CALL, ["@method"], label="a", created=NOW - 100)
    call = HMAC.sign(call, ["date"], label="b", created=NOW)
    call = P256.sign(call, ["@method"], label="c", created=NOW)
    verifier = verifier_for(HMAC, ED, P256)
    assert verifier.verify(seen(call), NOW) == "p256"
    assert refusal(verifier, call, NOW + 66) == "'a': it has expired; 'b': not covered: @method; 'c': it has expired"


def test_signatures_of_strangers_are_passed_over():
    call = ED.sign(CALL, ["@method"], label="a", created=NOW)
    assert verifier_for(HMAC).verify(seen(HMAC.sign(call, ["@method"], created=NOW)), NOW) == "shared"
    assert "no signature of a known key" in refusal(verifier_for(HMAC), call)


def test_label_says_which_signature_is_looked_at():
    call = HMAC.sign(CALL, ["@method"], label="mine", created=NOW)
    call = ED.sign(call, ["@method"], label="theirs", created=NOW)
    assert verifier_for(HMAC, ED, label="theirs").verify(seen(call), NOW) == "ed"
    assert "known key labelled other" in refusal(verifier_for(HMAC, ED, label="other"), call)
    assert "known key labelled theirs" in refusal(verifier_for(HMAC, label="theirs"), call)


def test_more_than_four_signatures_of_known_keys_are_refused():
    call = CALL
    for label in "abcd":
        call = HMAC.sign(call, ["@method"], label=label, created=NOW)
    assert verifier_for(HMAC).verify(seen(call), NOW) == "shared"
    assert "than 4" in refusal(verifier_for(HMAC), HMAC.sign(call, ["@method"], label="e", created=NOW))
    assert verifier_for(HMAC).verify(seen(ED.sign(call, ["@method"], label="e", created=NOW)), NOW) == "shared"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("Signature-Input", 'sig1=("@method");created=1;keyid="shared"'), "malformed"),
        (("Signature", "sig1=:AA==:"), "malformed"),
        (("Signature-Input", "sig2=1"), "not a list of components"),
        (("Signature-Input", "sig2"), "not a list of components"),
        (("Signature", "sig2"), None),
    ],
)
def test_label_stands_for_one_signature(more, why):
    call = HMAC.sign(CALL, ["@method"], created=NOW).told(more)
    if why is None:
        assert verifier_for(HMAC).verify(seen(call), NOW) == "shared"
    else:
        assert why in refusal(verifier_for(HMAC), call)


@pytest.mark.parametrize("signature", ["sig2=:AA==:", 'sig1="AA=="', "sig1=(:AA==:)", "sig1", "sig1=:AA==:;a"])
def test_signature_that_is_no_plain_bytes_is_refused(signature):
    told = f'("@method");created={NOW};keyid="shared"'
    call = CALL.told(("Signature-Input", f"sig1={told}"), ("Signature", signature))
    assert "missing, or no plain sequence of bytes" in refusal(verifier_for(HMAC), call)
