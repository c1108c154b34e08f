"""Whatever a caller writes into the fields of a signature, it is refused as unverified, in time that grows with it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.auth.signatures.request import SignedRequest
from gwproxy.auth.signatures.structured import MAX_SIZE
from gwproxy.auth.signatures.unverified import Unverified
from tests.auth.reading import NOW, verifier_for
from tests.support.signing import ed25519_signer, hmac_signer

VERIFIER = verifier_for(hmac_signer(), ed25519_signer())
GOOD = f'("@method" "x-d";key="a" "@query-param";name="q");created={NOW};keyid="shared"'


def request(signature_input: bytes, signature: bytes, *more: tuple[bytes, bytes]) -> SignedRequest:
    """A request that no wire has looked at."""
    fields = {b"signature-input": [signature_input], b"signature": [signature], b"x-d": [b"a=1"]}
    for name, value in more:
        fields[name] = [value]

    def values(name: bytes) -> Sequence[bytes]:
        return fields.get(name, ())

    return SignedRequest(b"GET", b"http", b"example.com", b"/a?q=1", values)


def refused(asked: SignedRequest) -> str:
    with pytest.raises(Unverified) as unverified:
        VERIFIER.verify(asked, NOW)
    return unverified.value.reason


HOSTILE = {
    "open lists": lambda n: b"a=" + b"(" * n,
    "nested lists": lambda n: b"a=" + b"(" * (n // 2) + b")" * (n // 2),
    "an endless string": lambda n: b'a="' + b"x" * n,
    "escapes without an end": lambda n: b'a="' + b'\\"' * (n // 2),
    "a lone escape": lambda n: b'a="' + b"\\\\" * (n // 2) + b"\\",
    "digits": lambda n: b"a=" + b"1" * n,
    "minus signs": lambda n: b"a=" + b"-" * n,
    "base64 without an end": lambda n: b"a=:" + b"A" * n,
    "padding": lambda n: b"a=:" + b"=" * n,
    "blanks": lambda n: b"a=1" + b" \t" * (n // 2) + b"x",
    "blanks in a list": lambda n: b"a=(" + b" " * n,
    "a key": lambda n: b"a" * n,
    "a token": lambda n: b"a=b" + b"/" * n,
    "commas": lambda n: b"a" + b"," * n,
    "semicolons": lambda n: b"a" + b";" * n,
    "labels": lambda n: b", ".join(b"a%d" % at for at in range(n // 8)),
    "signatures": lambda n: b",".join(b'a%d=();keyid="shared"' % at for at in range(n // 30)),
    "parameters": lambda n: b"a=()" + b"".join(b";a%d" % at for at in range(n // 8)),
    "components": lambda n: b"a=(" + b" ".join(b'"a%d"' % at for at in range(n // 10)) + b');keyid="shared"',
    "the same component": lambda n: b"a=(" + b'"@method" ' * (n // 10) + b');keyid="shared"',
    "bytes beyond ASCII": lambda n: b"a=" + b"\xff" * n,
    "NULs": lambda n: b"\0" * n,
}


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("size", [10, MAX_SIZE - 10, 20 * MAX_SIZE])
def test_hostile_fields_are_refused(made, size):
    refused(request(made(size), b"sig1=:AA==:"))
    refused(request(f"sig1={GOOD}".encode(), made(size)))


def calls_for(asked: SignedRequest) -> int:
    """How many functions are called until a request is refused, C's included."""
    count = 0

    def counted(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        VERIFIER.verify(asked, NOW)
    except Unverified:
        pass
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
def test_work_grows_no_faster_than_the_field(made):
    small, large = (calls_for(request(made(size), b"sig1=:AA==:")) for size in (2000, 16000))
    assert large <= 9 * small


def test_dictionary_is_read_once_however_many_of_its_members_are_covered():
    long = b", ".join(b"k%d=1" % at for at in range(1000))

    def calls(keys: int) -> int:
        covered = " ".join(f'"x-long";key="k{at}"' for at in range(keys))
        told = f'a=("@method" {covered});created={NOW};keyid="shared"'.encode()
        return calls_for(request(told, b"a=:AA==:", (b"x-long", long)))

    assert calls(40) < 1.2 * calls(1) + 40 * 60


def test_reason_is_short_and_printable_whatever_the_caller_wrote():
    told = f'sig1=("@{"x" * 9000}");created={NOW};keyid="shared"'.encode()
    reason = refused(request(told, b"sig1=:AA==:"))
    assert len(reason) < 200
    assert reason.isprintable()


def test_line_break_in_a_field_cannot_pass_for_a_line_of_the_base():
    told = f'sig1=("@method" "x-d");created={NOW};keyid="shared"'.encode()
    assert "line break" in refused(request(told, b"sig1=:AA==:", (b"x-d", b'a\n"x-e": b')))


PIECES = st.sampled_from(
    [b"sig1", b"sig2", b"=", b"(", b")", b'"@method"', b'"x-d"', b'"@query-param"', b' ', b", ", b";", b"created",
     b"keyid", b"nonce", b"expires", b"alg", b"tag", b"key", b"name", b"bs", b'"shared"', b'"ed"', b'"hmac-sha256"',
     b"%d" % NOW, b"?1", b":AA==:", b"1.5", b"-", b'"', b"\\", b"\xff", b"\0", b"\t", GOOD.encode(),
     f"sig1={GOOD}".encode()]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map(b"".join) | st.binary(max_size=60)


@settings(max_examples=500)
@given(TEXTS, st.just(b"sig1=:AA==:") | TEXTS, TEXTS)
def test_any_bytes_are_refused_as_unverified(signature_input, signature, field):
    refused(request(signature_input, signature, (b"x-d", field)))


@settings(max_examples=200)
@given(st.binary(max_size=30).filter(lambda raw: b"\n" not in raw), TEXTS)
def test_any_target_and_authority_are_refused_as_unverified(raw, name):
    told = f'sig1=("@method" "@authority" "@path" "@query" "@target-uri");created={NOW};keyid="shared"'
    asked = SignedRequest(raw, raw, raw, b"/" + raw, request(told.encode(), b"sig1=:AA==:").values)
    refused(asked)
    told = f'sig1=("@query-param";name="a");created={NOW};keyid="shared"'
    refused(SignedRequest(b"GET", b"http", raw, b"/?" + raw, request(told.encode(), b"sig1=:AA==:").values))
