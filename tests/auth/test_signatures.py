"""Signatures that are believed, and every way of ours to make one that is not."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.keys.jwk import from_jwk
from gwproxy.auth.keys.key import Key
from gwproxy.auth.keys.verify import ALGORITHMS, SIGNATURE_BYTES, verify
from tests.support.issuing import ALL, KINDS, SECRET, jwk, kind_for, oct_jwk, private_key, public_pem, sign

DATA = b"eyJhbGciOiJFUzI1NiJ9.e30"
ORDER = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "ES512": (1 << 521) - 657877501894328237357444332315020117536923257219387276263472201219398408051703,
}


def key_for(alg: str, which: int = 0, kind: str | None = None) -> Key:
    kind = kind_for(alg) if kind is None else kind
    return from_jwk(jwk(kind, which) if kind else oct_jwk(), ALL, secrets=True)


def test_algorithms_are_those_of_the_configuration_and_no_more() -> None:
    assert ALGORITHMS.keys() == ALL


@pytest.mark.parametrize("alg", sorted(ALL))
def test_good_signature_is_believed(alg: str) -> None:
    assert verify(DATA, sign(alg, DATA), alg, key_for(alg))


def test_ed448_is_an_eddsa() -> None:
    key, signature = key_for("EdDSA", kind="Ed448"), sign("EdDSA", DATA, kind="Ed448")
    assert verify(DATA, signature, "EdDSA", key)
    assert not verify(DATA, signature, "EdDSA", key_for("EdDSA"))


@pytest.mark.parametrize("alg", sorted(ALL))
def test_signature_of_something_else_or_by_another_key_is_refused(alg: str) -> None:
    key, signature = key_for(alg), sign(alg, DATA)
    assert not verify(DATA + b"0", signature, alg, key)
    assert not verify(b"", signature, alg, key)
    if kind_for(alg):
        assert not verify(DATA, sign(alg, DATA, which=1), alg, key)


@pytest.mark.parametrize("alg", sorted(ALL))
def test_altered_signature_is_refused(alg: str) -> None:
    key, good = key_for(alg), sign(alg, DATA)
    for bad in (b"", good[:-1], good[1:], good + b"\0", b"\0" + good, good * 2, good[: len(good) // 2]):
        assert not verify(DATA, bad, alg, key)
    for place in (0, 1, len(good) // 2, len(good) - 1):
        assert not verify(DATA, good[:place] + bytes((good[place] ^ 1,)) + good[place + 1 :], alg, key)
    for bad in (bytes(len(good)), b"\xff" * len(good), bytes(len(good) - 1) + b"\1"):
        assert not verify(DATA, bad, alg, key)


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_signature_is_as_long_as_its_key_also_where_it_begins_with_zeros(alg: str) -> None:
    """RFC 8017 section 8.1.2. OpenSSL takes a shorter PSS for the same number, and a token would have two spellings."""
    key = key_for(alg)
    data, good = next(
        (data, made) for data in (b"%d" % number for number in range(10_000)) if (made := sign(alg, data))[0] == 0
    )
    assert verify(data, good, alg, key)
    for bad in (good[1:], good.lstrip(b"\0"), b"\0" + good):
        assert not verify(data, bad, alg, key)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "none ", "", "HS256\0", "hs256", "ES256K", "ES521"])
@pytest.mark.parametrize("kind", ["", *KINDS])
def test_no_key_believes_an_unsigned_token(alg: str, kind: str) -> None:
    key = key_for("", kind=kind) if kind else key_for("HS256")
    for signature in (b"", b"\0", hmac.digest(SECRET, DATA, "sha256")):
        assert not verify(DATA, signature, alg, key)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_public_key_as_the_secret_signs_nothing(alg: str, kind: str) -> None:
    key = key_for("", kind=kind)
    for secret in (public_pem(kind), public_pem(kind).strip()):
        assert not verify(DATA, hmac.digest(secret, DATA, f"sha{alg[2:]}"), alg, key)


@pytest.mark.parametrize("alg", sorted(ALL))
@pytest.mark.parametrize("other", sorted(ALL))
def test_signature_is_of_the_algorithm_that_is_named(alg: str, other: str) -> None:
    """A good signature that is said to be of another algorithm, with the key that made it and with the other's."""
    if alg == other:
        return
    signature = sign(alg, DATA)
    assert not verify(DATA, signature, other, key_for(alg))
    assert not verify(DATA, signature, other, key_for(other))
    assert not verify(DATA, signature, alg, key_for(other)) or kind_for(alg) == kind_for(other)


def test_key_with_an_alg_of_its_own_verifies_no_other() -> None:
    key = from_jwk(jwk("RSA", alg="PS256"), ALL)
    assert verify(DATA, sign("PS256", DATA), "PS256", key)
    assert not verify(DATA, sign("RS256", DATA), "RS256", key)
    assert not verify(DATA, sign("PS384", DATA), "PS384", key)


# -- ES


def pairs(alg: str) -> Iterator[tuple[int, int]]:
    n = ORDER[alg]
    ends = (0, 1, n - 1, n, n + 1)
    yield from ((r, s) for r in ends for s in ends)


@pytest.mark.parametrize("alg", sorted(ORDER))
def test_r_and_s_at_the_ends_of_their_range_are_refused(alg: str) -> None:
    key, length = key_for(alg), SIGNATURE_BYTES[alg] // 2
    for r, s in pairs(alg):
        assert not verify(DATA, r.to_bytes(length) + s.to_bytes(length), alg, key), (r, s)


@pytest.mark.parametrize("alg", sorted(ORDER))
def test_r_and_s_beyond_the_order_are_refused(alg: str) -> None:
    """r + n means the same point where it is not looked at."""
    key, length = key_for(alg), SIGNATURE_BYTES[alg] // 2
    good = sign(alg, DATA)
    r, s = int.from_bytes(good[:length]), int.from_bytes(good[length:])
    for more in ((r + ORDER[alg], s), (r, s + ORDER[alg])):
        if max(more).bit_length() <= length * 8:
            assert not verify(DATA, more[0].to_bytes(length) + more[1].to_bytes(length), alg, key)


@pytest.mark.parametrize("alg", sorted(ORDER))
def test_signature_in_der_is_refused(alg: str) -> None:
    length = SIGNATURE_BYTES[alg] // 2
    good = sign(alg, DATA)
    der = encode_dss_signature(int.from_bytes(good[:length]), int.from_bytes(good[length:]))
    for bad in (der, der.ljust(2 * length, b"\0")[: 2 * length], der[-2 * length :]):
        assert not verify(DATA, bad, alg, key_for(alg))


def test_signature_without_its_leading_zeros_is_refused() -> None:
    """Until one is found whose r is short: as some libraries have written them."""
    for number in range(5000):
        data = b"%d" % number
        good = sign("ES256", data)
        if good[0] == 0:
            assert verify(data, good, "ES256", key_for("ES256"))
            assert not verify(data, good[1:], "ES256", key_for("ES256"))
            return
    pytest.fail("no r was short")


# -- RSA


@pytest.mark.parametrize(("alg", "salt"), [("PS256", 0), ("PS256", 20), ("PS256", 31), ("PS512", 32), ("PS384", 64)])
def test_salt_is_as_long_as_the_hash(alg: str, salt: int) -> None:
    digest: Any = {"PS256": hashes.SHA256, "PS384": hashes.SHA384, "PS512": hashes.SHA512}[alg]()
    scheme = padding.PSS(padding.MGF1(digest), salt)
    assert not verify(DATA, private_key("RSA").sign(DATA, scheme, digest), alg, key_for(alg))


def test_mask_is_made_with_the_same_hash() -> None:
    scheme = padding.PSS(padding.MGF1(hashes.SHA1()), 32)
    assert not verify(DATA, private_key("RSA").sign(DATA, scheme, hashes.SHA256()), "PS256", key_for("PS256"))


@pytest.mark.parametrize("weak", [hashes.SHA1(), hashes.SHA224(), hashes.MD5()])
def test_weak_hash_is_refused(weak: Any) -> None:
    assert not verify(DATA, private_key("RSA").sign(DATA, padding.PKCS1v15(), weak), "RS256", key_for("RS256"))


def forged(encoded: bytes) -> bytes:
    """What the private key makes of a block of its own choosing."""
    numbers = private_key("RSA").private_numbers()
    n = numbers.public_numbers.n
    return pow(int.from_bytes(encoded), numbers.d, n).to_bytes(256)


PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def block(info: bytes, *, begin: bytes = b"\0\1", fill: bytes = b"\xff", behind: bytes = b"") -> bytes:
    return begin + fill * (256 - len(begin) - 1 - len(info) - len(behind)) + b"\0" + info + behind


def test_block_of_pkcs1_is_looked_at_whole() -> None:
    info = PREFIX + hashlib.sha256(DATA).digest()
    key = key_for("RS256")
    assert verify(DATA, forged(block(info)), "RS256", key)
    without_null = bytes.fromhex("302f300b0609608648016503040201") + info[17:]
    for bad in (
        block(info, behind=b"\0" * 100),
        block(info, behind=b"garbage"),
        block(info, begin=b"\0\2"),
        block(info, fill=b"\0"),
        block(info, fill=b"\xfe"),
        block(without_null),
        block(hashlib.sha256(DATA).digest()),
    ):
        assert not verify(DATA, forged(bad), "RS256", key)


def test_signature_of_the_modulus_and_more_is_refused() -> None:
    n = private_key("RSA").public_key().public_numbers().n
    good = int.from_bytes(sign("RS256", DATA))
    for value in (n - 1, n, n + 1, good + n):
        octets = value.to_bytes(max(256, (value.bit_length() + 7) // 8))
        assert not verify(DATA, octets, "RS256", key_for("RS256"))


# -- whatever comes


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(sorted(ALL)), st.sampled_from(sorted(ALL)))
def test_verifying_never_raises_and_believes_no_rubbish(data: bytes, signature: bytes, alg: str, of: str) -> None:
    assert verify(data, signature, alg, key_for(of)) is False


@pytest.mark.parametrize("material", [None, "text", SECRET, 7, object()])
def test_material_that_does_not_fit_believes_nothing(material: object) -> None:
    for alg in sorted(ALL):
        key = Key(None, ALL, "broken", b"", material)
        if not (material == SECRET and alg.startswith("HS")):
            assert verify(DATA, sign(alg, DATA), alg, key) is False


def test_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    assert verify(DATA, sign("HS256", DATA), "HS256", key_for("HS256"))
    assert not verify(DATA, bytes(32), "HS256", key_for("HS256"))
    assert len(compared) == 2
