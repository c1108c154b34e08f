"""[services.NAME.credentials] → the one header that proves to a service that the gateway is asking."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from gwproxy.config.credentials import OwnCredentials
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, dotted
from gwproxy.steps.forward_with import OwnHeader

_VALUE: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_BEARER: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def own_header(loaded: Loaded, service: str) -> OwnHeader | None:
    """The header of one service, None where it wants none. Raises ValueError, without the secret, where it cannot be
    sent.
    """
    credentials = loaded.config.services[service].credentials
    if credentials is None:
        return None
    key: Key = ("services", service, "credentials")
    if credentials.header is not None:
        value = _secret(loaded, (*key, "header"), "value", credentials.header.value)
        return OwnHeader(credentials.header.name.encode(), _fitting(_VALUE, value, "cannot be the value of a header"))
    if credentials.basic is not None:
        password = _secret(loaded, (*key, "basic"), "password", credentials.basic.password)
        return OwnHeader(b"Authorization", b"Basic " + _pair(credentials.basic.user, password))
    token = _secret(loaded, key, "bearer", credentials.bearer)
    return OwnHeader(b"Authorization", b"Bearer " + _fitting(_BEARER, token, "cannot be a bearer token"))


def unusable_credentials(loaded: Loaded) -> Iterator[Problem]:
    """A Problem for each secret that cannot be sent."""
    for name, service in loaded.config.services.items():
        if loaded.unsound.touches(("services", name, "credentials")):
            # Some of it is not the file's own.
            continue
        try:
            own_header(loaded, name)
        except KeyError:
            # No secret is named: that has been said already.
            continue
        except ValueError as error:
            key: Key = ("services", name, "credentials")
            yield loaded.problem("bad_key", _where(key, service.credentials), hint=str(error))


def _where(key: Key, credentials: OwnCredentials | None) -> Key:
    """The key whose value is the secret."""
    if credentials is None or credentials.bearer is not None:
        return *key, "bearer"
    if credentials.header is not None:
        return *key, "header", "value" if credentials.header.value is not None else "value_file"
    if credentials.basic is not None:
        return *key, "basic", "password" if credentials.basic.password is not None else "password_file"
    return *key, "bearer_file"


def _secret(loaded: Loaded, key: Key, word: str, value: str | None) -> bytes:
    if value is not None:
        return value.encode()
    # An editor's last newline is not part of a secret.
    return loaded.contents[dotted((*key, f"{word}_file"))].removesuffix(b"\n").removesuffix(b"\r")


def _fitting(form: re.Pattern[bytes], value: bytes, fault: str) -> bytes:
    if form.fullmatch(value) is None:
        raise ValueError(f"it {fault}")
    return value


def _pair(user: str, password: bytes) -> bytes:
    """RFC 7617 section 2."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if _CONTROL.search(text) or not text:
        raise ValueError("it is empty, or has a control character")
    return base64.b64encode(f"{user}:{text}".encode())
