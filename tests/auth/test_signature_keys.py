"""Keys as a file writes them, and those that are refused when it is loaded."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gwproxy.auth.signatures.key import SignatureKey
from tests.auth.reading import key_of
from tests.support.signing import ed25519_signer, hmac_signer, p256_signer

SIGNERS = (hmac_signer(), ed25519_signer(), p256_signer())
PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(private) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


RSA = public_pem(rsa.generate_private_key(65537, 2048))
P384 = public_pem(ec.generate_private_key(ec.SECP384R1()))
K256 = public_pem(ec.generate_private_key(ec.SECP256K1()))
ED25519 = ed25519_signer().config_text
P256 = p256_signer().config_text
PRIVATE = ed25519_signer().private.private_bytes(*PKCS8).decode()
PRIVATE_EC = p256_signer().private.private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
).decode()
LOCKED = p256_signer().private.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
).decode()


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.algorithm)
def test_key_knows_its_signature_and_no_other(signer):
    key = key_of(signer)
    signature = signer.bytes_for(b"base")
    assert key.verifies(b"base", signature)
    assert not key.verifies(b"Base", signature)
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(len(signature)), b"\xff" * len(signature)):
        assert not key.verifies(b"base", wrong)


def test_ecdsa_signature_has_one_length():
    """The same two numbers in more bytes are another signature."""
    signature = p256_signer().bytes_for(b"base")
    assert not key_of(p256_signer()).verifies(b"base", signature[:32] + b"\0" + signature[32:])


def test_ecdsa_signature_in_der_is_refused():
    signature = p256_signer().bytes_for(b"base")
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    assert not key_of(p256_signer()).verifies(b"base", der)


def test_secret_is_text_or_base64_and_says_which():
    text = SignatureKey.read("k", "hmac-sha256", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=\n")
    coded = SignatureKey.read("k", "hmac-sha256", "base64:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=")
    assert text.key == b"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
    assert coded.key == b"a" * 32


@pytest.mark.parametrize(
    ("algorithm", "text", "why"),
    [
        ("hmac-sha256", "x" * 31, "31 bytes is too short"),
        ("hmac-sha256", "", "too short"),
        ("hmac-sha256", "base64:" + "YWFh" * 10, "30 bytes is too short"),
        ("hmac-sha256", "base64:" + "YWF" * 15 + "!", "not base64"),
        ("hmac-sha256", "base64:" + "YWFé" * 15, "not base64"),
        ("hmac-sha256", ED25519, "this is PEM"),
        ("hmac-sha256", PRIVATE, "this is PEM"),
        ("ed25519", PRIVATE, "private key"),
        ("ecdsa-p256-sha256", PRIVATE_EC, "private key"),
        ("ecdsa-p256-sha256", LOCKED, "private key"),
        ("ed25519", "x" * 64, "not a public key in PEM"),
        ("ed25519", ED25519.replace("M", "N"), "not a public key"),
        ("ed25519", "", "not a public key in PEM"),
        ("ed25519", P256, "not a public key for ed25519"),
        ("ed25519", RSA, "not a key for ed25519"),
        ("ecdsa-p256-sha256", ED25519, "not a public key for ecdsa"),
        ("ecdsa-p256-sha256", RSA, "not a key for ecdsa"),
        ("ecdsa-p256-sha256", P384, "on the curve P-256, this one is on secp384r1"),
        ("ecdsa-p256-sha256", K256, "on the curve P-256, this one is on secp256k1"),
        ("rsa-v1_5-sha256", P256, "none of hmac-sha256, ed25519"),
    ],
)
def test_unusable_key_is_refused_when_it_is_read(algorithm, text, why):
    with pytest.raises(ValueError, match=why) as refused:
        SignatureKey.read("k", algorithm, text)
    assert text == "" or text not in str(refused.value)


@pytest.mark.parametrize("keyid", ["", "schlüssel", "a\nb"])
def test_name_that_no_message_can_say_is_refused(keyid):
    with pytest.raises(ValueError, match="printable ASCII"):
        SignatureKey.read(keyid, "hmac-sha256", "x" * 32)


def test_secret_is_not_in_the_key_s_own_words():
    assert "xxxx" not in repr(SignatureKey.read("k", "hmac-sha256", "x" * 32))
