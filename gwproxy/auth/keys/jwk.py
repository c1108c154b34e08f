"""A JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037): what of it can be used to verify, or why it cannot.

Certificates and addresses in it (x5c, x5u, jku and the like) are not looked at: the key is what it says itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from gwproxy.auth.keys.base64url import decoded
from gwproxy.auth.keys.key import Key, check_rsa, from_public, from_secret, shown

PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth")
"""RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2."""
MOST_KID: Final = 256
"""Characters."""
_CURVES: Final[dict[str, EllipticCurve]] = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}
_EDWARDS: Final[dict[str, tuple[type[Ed25519PublicKey | Ed448PublicKey], int]]] = {
    "Ed25519": (Ed25519PublicKey, 32),
    "Ed448": (Ed448PublicKey, 57),
}


def kid_of(jwk: Mapping[str, Any]) -> str | None:
    """The key's name; None where it has none. Raises ValueError."""
    kid = jwk.get("kid")
    if kid is None and "kid" not in jwk:
        return None
    if not isinstance(kid, str) or len(kid) > MOST_KID:
        raise ValueError(f"its kid is not a text of at most {MOST_KID} characters")
    return kid


def from_jwk(jwk: object, believed: Collection[str], *, secrets: bool = False) -> Key:
    """A key out of a set. `believed`: the algorithms of the configuration. `secrets`: shared secrets (kty "oct") may
    be in it, which is for files on this machine only.

    Raises ValueError with one sentence that has nothing of the key itself in it.
    """
    if not isinstance(jwk, dict):
        raise ValueError("it is not an object")
    kid = kid_of(jwk)
    kty = _text(jwk, "kty")
    _check_purpose(jwk)
    alg = _text(jwk, "alg") if "alg" in jwk else None
    if kty == "oct":
        if not secrets:
            raise ValueError("it is a shared secret (kty oct), which is not to be had at an address")
        return from_secret(_octets(jwk, "k"), believed, kid=kid, alg=alg, shorten=True)
    private = [name for name in PRIVATE if name in jwk]
    if private:
        raise ValueError(f"it is a private key (it has {', '.join(private)}): a set is to hold public ones only")
    if kty not in ("RSA", "EC", "OKP"):
        raise ValueError(f"its kty is {shown(kty)}: RSA, EC, OKP and oct are known")
    made = {"RSA": _rsa, "EC": _ec, "OKP": _okp}[kty](jwk)
    return from_public(made, believed, kid=kid, alg=alg)


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    """RFC 7517 sections 4.2 and 4.3."""
    if "use" in jwk and jwk["use"] != "sig":
        raise ValueError(f"its use is {shown(jwk['use'])} and not sig")
    if "key_ops" not in jwk:
        return
    ops = jwk["key_ops"]
    if not isinstance(ops, list) or not all(isinstance(op, str) for op in ops) or len({*ops}) != len(ops):
        raise ValueError("its key_ops is not a list of different texts")
    if "verify" not in ops:
        raise ValueError("its key_ops does not contain verify")
    if not {"sign", "verify"}.issuperset(ops):
        # One key for signatures and for something else can be used to make either speak for the other.
        raise ValueError("its key_ops has something beside sign and verify")


def _text(jwk: Mapping[str, Any], name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise ValueError(f"its {name} is {'no text' if name in jwk else 'missing'}")
    return value


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    text = _text(jwk, name)
    try:
        return decoded(text)
    except ValueError as error:
        raise ValueError(f"its {name} is {error}") from None


def _number(jwk: Mapping[str, Any], name: str) -> int:
    """A number in as few bytes as it needs (RFC 7518 section 2, Base64urlUInt)."""
    octets = _octets(jwk, name)
    if not octets or (octets[0] == 0 and len(octets) > 1):
        raise ValueError(f"its {name} is {'empty' if not octets else 'not in as few bytes as it needs'}")
    return int.from_bytes(octets)


def _rsa(jwk: Mapping[str, Any]) -> object:
    n, e = _number(jwk, "n"), _number(jwk, "e")
    # Before a library calculates with numbers of any size.
    check_rsa(n, e)
    try:
        return RSAPublicNumbers(e, n).public_key()
    except ValueError:
        raise ValueError("its n and e are no RSA key") from None


def _ec(jwk: Mapping[str, Any]) -> object:
    crv = _text(jwk, "crv")
    if crv not in _CURVES:
        raise ValueError(f"its crv is {shown(crv)}: P-256, P-384 and P-521 are accepted")
    curve = _CURVES[crv]
    # In full, with leading zeros (RFC 7518 section 6.2.1.2).
    length = (curve.key_size + 7) // 8
    x, y = _octets(jwk, "x"), _octets(jwk, "y")
    if len(x) != length or len(y) != length:
        raise ValueError(f"its x and y are not {length} bytes each, as {crv} has them")
    try:
        return EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()
    except ValueError:
        raise ValueError(f"its x and y are no point of {crv}") from None


def _okp(jwk: Mapping[str, Any]) -> object:
    crv = _text(jwk, "crv")
    if crv not in _EDWARDS:
        raise ValueError(f"its crv is {shown(crv)}: Ed25519 and Ed448 are accepted")
    made, length = _EDWARDS[crv]
    x = _octets(jwk, "x")
    if len(x) != length:
        raise ValueError(f"its x is not {length} bytes, as {crv} has it")
    return made.from_public_bytes(x)
