"""Keys of settings, files and sets: what each may be used for, and why one is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.auth.keys.base64url import decoded
from gwproxy.auth.keys.jwk import from_jwk
from gwproxy.auth.keys.key import from_secret
from gwproxy.auth.keys.pem import from_pem, from_text
from gwproxy.auth.keys.roca import GENERATOR, is_roca
from tests.support.issuing import ALL, KINDS, SECRET, b64, jwk, oct_jwk, private_key, private_pem, public_pem

FITTING = {
    "RSA": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    "P-256": {"ES256"},
    "P-384": {"ES384"},
    "P-521": {"ES512"},
    "Ed25519": {"EdDSA"},
    "Ed448": {"EdDSA"},
}


def certificate(kind: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(9)).not_valid_after(now - timedelta(1))
    key = private_key(kind)
    algorithm = None if kind.startswith("Ed") else hashes.SHA256()
    return builder.public_key(key.public_key()).sign(key, algorithm).public_bytes(Encoding.PEM)


# -- which algorithms


@pytest.mark.parametrize("kind", KINDS)
def test_key_is_used_with_the_algorithms_of_its_type_and_curve_only(kind: str) -> None:
    assert from_pem(public_pem(kind), ALL).algorithms == FITTING[kind]
    assert from_jwk(jwk(kind), ALL).algorithms == FITTING[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_forms_of_one_key_are_the_same_key(kind: str) -> None:
    forms = [public_pem(kind), certificate(kind)]
    if kind == "RSA":
        forms.append(private_key(kind).public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1))
    keys = [from_text(form, ALL) for form in forms] + [from_jwk(jwk(kind), ALL)]
    assert len({*keys}) == 1
    assert from_pem(public_pem(kind), ALL) != from_jwk(jwk(kind, 1), ALL)


def test_configuration_narrows_what_a_key_is_used_with() -> None:
    assert from_pem(public_pem("RSA"), ["RS256", "ES256"]).algorithms == {"RS256"}
    with pytest.raises(ValueError, match="this P-256 key verifies ES256, and the configuration believes RS256"):
        from_pem(public_pem("P-256"), ["RS256"])


def test_alg_of_a_key_is_the_only_one_that_it_is_used_with() -> None:
    assert from_jwk(jwk("RSA", alg="PS384"), ALL).algorithms == {"PS384"}
    with pytest.raises(ValueError, match="this RSA key verifies PS384, and the configuration believes RS256"):
        from_jwk(jwk("RSA", alg="PS384"), ["RS256"])


@pytest.mark.parametrize("alg", ["HS256", "none", "ES384", "RSA-OAEP", "rs256", "", 256, None])
def test_alg_that_does_not_fit_refuses_the_key(alg: object) -> None:
    with pytest.raises(ValueError, match="^its alg is "):
        from_jwk({**jwk("P-256"), "alg": alg}, ALL)


# -- secrets


@pytest.mark.parametrize(("alg", "length"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_secret_is_at_least_as_long_as_what_the_hash_gives(alg: str, length: int) -> None:
    assert from_secret(SECRET[:length], [alg]).algorithms == {alg}
    with pytest.raises(ValueError, match=f"the secret has {length - 1} bytes, and {alg} needs at least {length} "):
        from_secret(SECRET[: length - 1], [alg])


def test_secret_must_be_long_enough_for_all_that_is_believed() -> None:
    with pytest.raises(ValueError, match="has 40 bytes, and HS512 needs at least 64"):
        from_secret(SECRET[:40], ["HS256", "HS512"])


def test_secret_of_a_set_is_used_with_what_it_is_long_enough_for() -> None:
    assert from_jwk(oct_jwk(SECRET[:48]), ALL, secrets=True).algorithms == {"HS256", "HS384"}
    with pytest.raises(ValueError, match="has 31 bytes, and HS256 needs at least 32"):
        from_jwk(oct_jwk(SECRET[:31]), ALL, secrets=True)
    with pytest.raises(ValueError, match="has 48 bytes, and HS512 needs at least 64"):
        from_jwk(oct_jwk(SECRET[:48], alg="HS512"), ALL, secrets=True)


def test_set_from_an_address_holds_no_secret() -> None:
    with pytest.raises(ValueError, match="shared secret .* not to be had at an address"):
        from_jwk(oct_jwk(), ALL)


@pytest.mark.parametrize("kind", KINDS)
def test_public_key_is_never_a_secret(kind: str) -> None:
    der = private_key(kind).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for text in (public_pem(kind), b"\n" + public_pem(kind), certificate(kind), der):
        with pytest.raises(ValueError, match="no secret"):
            from_secret(text, ["HS256"])
    with pytest.raises(ValueError, match="configuration believes HS256"):
        from_text(public_pem(kind), ["HS256"])
    with pytest.raises(ValueError, match="no secret"):
        from_jwk(oct_jwk(public_pem(kind)), ALL, secrets=True)


# -- PEM


@pytest.mark.parametrize("kind", KINDS)
def test_private_key_is_refused(kind: str) -> None:
    for text in (private_pem(kind), public_pem(kind) + private_pem(kind)):
        with pytest.raises(ValueError, match="^it holds a private key"):
            from_text(text, ALL)
    with pytest.raises(ValueError, match="^it is a private key"):
        from_jwk(jwk(kind, private=True), ALL)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "it holds 0 blocks of PEM"),
        (public_pem("P-256") + public_pem("P-256", 1), "it holds 2 blocks of PEM"),
        (b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n", "it holds 'DH PARAMETERS' and not"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "its PEM cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "its PEM cannot be read"),
        (b"-----BEGIN PUBLIC KEY-----\n", "its PEM cannot be read"),
        (public_pem("RSA1024"), "an RSA key of 1024 bits: 2048 to 8192 are accepted"),
        (public_pem("secp256k1"), "its curve is secp256k1"),
        (b"-----BEGIN PUBLIC KEY-----" + b"\n" * 70_000, "longer than 65536 bytes"),
    ],
)  # fmt: skip
def test_unusable_pem_is_told(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_pem(text, ALL)


# -- members of a JSON Web Key


@pytest.mark.parametrize(
    "members",
    [
        {"use": "sig"},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"], "use": "sig"},
        {"x5c": ["nonsense"], "x5u": "http://elsewhere", "x5t": 1, "jku": "http://elsewhere", "ext": True},
        {"kid": ""},
        {"kid": "../../' OR 1=1 --"},
    ],
)
def test_key_for_signatures_is_used(members: dict[str, Any]) -> None:
    key = from_jwk(jwk("P-256", **members), ALL)
    assert key.kid == members.get("kid")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"use": "enc"}, "its use is 'enc' and not sig"),
        ({"use": "SIG"}, "its use is 'SIG'"),
        ({"use": ["sig"]}, "its use is "),
        ({"key_ops": []}, "does not contain verify"),
        ({"key_ops": ["sign"]}, "does not contain verify"),
        ({"key_ops": "verify"}, "not a list of different texts"),
        ({"key_ops": ["verify", "verify"]}, "not a list of different texts"),
        ({"key_ops": ["verify", 1]}, "not a list of different texts"),
        ({"key_ops": ["verify", "encrypt"], "use": "sig"}, "something beside sign and verify"),
        ({"use": "enc", "key_ops": ["verify"]}, "its use is 'enc'"),
        ({"kid": 7}, "its kid is not a text of at most 256 characters"),
        ({"kid": "k" * 257}, "its kid is not a text of at most 256 characters"),
        ({"kty": "EC2"}, "its kty is 'EC2'"),
        ({"kty": "ec"}, "its kty is 'ec'"),
        ({"kty": ["EC"]}, "its kty is no text"),
        ({"crv": "P-384"}, "its x and y are not 48 bytes each, as P-384 has them"),
        ({"crv": "secp256k1"}, "its crv is 'secp256k1'"),
        ({"crv": 256}, "its crv is no text"),
        ({"x": 1}, "its x is no text"),
        ({"x": b64(bytes(32))}, "its x and y are no point of P-256"),
        ({"y": b64(bytes(31))}, "its x and y are not 32 bytes each"),
        ({"y": b64(bytes(33))}, "its x and y are not 32 bytes each"),
        ({"d": None}, "it is a private key (it has d)"),
    ],
)
def test_key_that_is_not_for_signatures_or_not_whole_is_refused(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        from_jwk({**jwk("P-256"), **members}, ALL)
    assert reason in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_that_a_key_is_made_of_is_needed(kind: str) -> None:
    for name in jwk(kind):
        with pytest.raises(ValueError, match=f"^its {name} is missing$"):
            from_jwk(jwk(kind, **{name: None}), ALL)
    with pytest.raises(ValueError, match="^its k is missing$"):
        from_jwk({"kty": "oct"}, ALL, secrets=True)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"n": b64(b"\0" + private_key("RSA").public_key().public_numbers().n.to_bytes(256))}, "as few bytes"),
        ({"n": ""}, "its n is empty"),
        ({"n": b64(b"\xff" * 255 + b"\xfe") }, "its modulus is even"),
        ({"n": b64(b"\xff" * 1025)}, "RSA key of 8200 bits"),
        ({"n": b64(b"\xff" * 128)}, "RSA key of 1024 bits"),
        ({"e": "AQ"}, "its public exponent is not an odd number from 3"),
        ({"e": "AA"}, "its public exponent is not an odd number from 3"),
        ({"e": "BA"}, "its public exponent is not an odd number from 3"),
        ({"e": b64(b"\xff" * 5)}, "its public exponent is not an odd number from 3"),
        ({"e": "AAEAAQ"}, "its e is not in as few bytes as it needs"),
        ({"e": "AQAB="}, "its e is not base64url"),
        ({"e": 65537}, "its e is no text"),
    ],
)  # fmt: skip
def test_weak_or_unusual_rsa_key_is_refused(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_jwk(jwk("RSA", **members), ALL)


def test_key_of_a_chip_whose_keys_can_be_factored_is_refused() -> None:
    product = 1
    for p in (p for p in range(2, 702) if all(p % d for d in range(2, p))):
        product *= p
    modulus = product * (1 << 1100) + pow(GENERATOR, 12345, product)
    assert is_roca(modulus)
    assert not is_roca(private_key("RSA").public_key().public_numbers().n)
    octets = modulus.to_bytes((modulus.bit_length() + 7) // 8)
    with pytest.raises(ValueError, match="CVE-2017-15361"):
        from_jwk(jwk("RSA", n=b64(octets)), ALL)


@pytest.mark.parametrize(("kind", "length"), [("Ed25519", 32), ("Ed448", 57)])
def test_key_of_an_edwards_curve_has_its_length(kind: str, length: int) -> None:
    for other in (0, 31, 33, 56, 58):
        with pytest.raises(ValueError, match=f"^its x is not {length} bytes, as {kind} has it$"):
            from_jwk(jwk(kind, x=b64(bytes(other))), ALL)
    with pytest.raises(ValueError, match="^its crv is 'X25519': Ed25519 and Ed448 are accepted$"):
        from_jwk(jwk(kind, crv="X25519"), ALL)


@pytest.mark.parametrize("value", [None, [], "EC", 1, {}])
def test_what_is_no_key_at_all_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="^it"):
        from_jwk(value, ALL)


def test_reason_has_nothing_of_the_key_in_it() -> None:
    private = jwk("RSA", private=True)
    short = b"hunter2-hunter2"
    for value, secret in [(private, private["d"]), (oct_jwk(short), b64(short)), (jwk("RSA", n="x" * 300), "xxxx")]:
        with pytest.raises(ValueError) as refused:
            from_jwk(value, ALL, secrets=True)
        assert secret not in str(refused.value)
        assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(from_secret(short * 5, ["HS512"]))


def test_foreign_value_cannot_begin_a_line_of_the_log_or_fill_it() -> None:
    with pytest.raises(ValueError) as refused:
        from_jwk(jwk("P-256", crv="a\nb" + "x" * 10_000), ALL)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


# -- base64url


@given(st.binary())
def test_every_value_is_read_back(octets: bytes) -> None:
    assert decoded(b64(octets)) == octets


@given(st.text(st.sampled_from("AQg_-w=+/ \nä"), max_size=8))
def test_value_has_one_way_to_be_written(text: str) -> None:
    try:
        octets = decoded(text)
    except ValueError:
        return
    assert b64(octets) == text


@pytest.mark.parametrize("text", ["A", "AB", "AAB", "AA==", "AA=", "+A", "/w", "A A", "AA\n", "Ａ", "AAAAA"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="^not base64url"):
        decoded(text)
