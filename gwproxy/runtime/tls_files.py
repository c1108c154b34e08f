"""The files of TLS, towards services and issuers: whether this machine can use them, each told by its own key."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from gwproxy.config.auth import Jwt
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem
from gwproxy.config.services import Tls


def unusable_files(loaded: Loaded) -> Iterator[Problem]:
    """A Problem for each file that cannot be used: of a service's TLS, and the authorities of an issuer."""
    for name, service in loaded.config.services.items():
        tls = service.tls
        faults = {
            "ca": _certificate_fault(tls.ca),
            "cert": _certificate_fault(tls.cert),
            "key": _key_fault(tls),
        }
        for word, fault in faults.items():
            if fault:
                key: Key = ("services", name, "tls", word)
                found = loaded.shown_path(key, getattr(tls, word))
                yield loaded.problem("unreadable_file", key, found=found, hint=fault)
    for name, method in loaded.config.auth.methods.items():
        if isinstance(method, Jwt) and (fault := _certificate_fault(method.ca)):
            key = ("auth", name, "ca")
            yield loaded.problem("unreadable_file", key, found=loaded.shown_path(key, method.ca), hint=fault)


def _certificate_fault(path: str) -> str:
    """Why there are no certificates in a file; empty where there are, or where none is named."""
    if not path:
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "no usable PEM certificate in it"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _key_fault(tls: Tls) -> str:
    """Why a key cannot be used with its certificate. OpenSSL loads none by itself, so beside a bad certificate only
    its wrapping is looked at."""
    if not tls.key:
        return ""
    try:
        text = Path(tls.key).read_bytes()
    except OSError as error:
        return error.strerror or str(error)
    if b"PRIVATE KEY-----" not in text:
        return "no PEM private key in it"
    if _certificate_fault(tls.cert):
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tls.cert, tls.key, password=_no_password)
    except _Encrypted:
        return "the private key in it is encrypted: store it without a passphrase"
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "it is not the key of the certificate in cert"
        return (
            f"OpenSSL refuses the pair: {error.reason}" if error.reason else "no usable PEM private key in it"
        )
    return ""


class _Encrypted(Exception):
    """A passphrase was asked for."""


def _no_password() -> str:
    # Without this, OpenSSL asks at the terminal, and whoever started the gateway without one waits for ever.
    raise _Encrypted
