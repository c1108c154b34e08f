"""A key from a file or a setting: PEM (RFC 7468), or the text of a shared secret."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from gwproxy.auth.keys.key import Key, from_public, from_secret, shown

BEGIN: Final = b"-----BEGIN "
MOST_BYTES: Final = 64 << 10
_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]*)-----")
_PUBLIC: Final = (b"PUBLIC KEY", b"RSA PUBLIC KEY")


def from_text(text: bytes, believed: Collection[str]) -> Key:
    """What a setting or a file holds: PEM where it looks so, else a shared secret, to the byte. Raises ValueError."""
    return from_pem(text, believed) if BEGIN in text else from_secret(text, believed)


def from_pem(text: bytes, believed: Collection[str]) -> Key:
    """A public key or a certificate. Of a certificate only the key counts: neither who signed it nor its dates are
    looked at, for whoever wrote the configuration trusts the key.

    Raises ValueError.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES} bytes")
    labels = _LABEL.findall(text)
    if any(label.endswith(b"PRIVATE KEY") for label in labels):
        raise ValueError("it holds a private key: tokens are verified with the public one, and only the issuer signs")
    if len(labels) != 1:
        raise ValueError(f"it holds {len(labels)} blocks of PEM: one is needed, a public key or a certificate")
    label = labels[0]
    if label not in (*_PUBLIC, b"CERTIFICATE"):
        raise ValueError(f"it holds {shown(label.decode())} and not PUBLIC KEY or CERTIFICATE")
    try:
        public = load_pem_public_key(text) if label in _PUBLIC else load_pem_x509_certificate(text).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What the library says can quote what it has read.
        raise ValueError("its PEM cannot be read as a key that is known here") from None
    return from_public(public, believed)
