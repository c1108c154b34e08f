"""Whether a request is signed by somebody known, over all that it must be (RFC 9421 section 3.2). No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gwproxy.auth.signatures.components import Component, Parts, components_of
from gwproxy.auth.signatures.key import SignatureKey
from gwproxy.auth.signatures.nonces import SeenNonces
from gwproxy.auth.signatures.policy import Policy
from gwproxy.auth.signatures.request import SignedRequest
from gwproxy.auth.signatures.structured import InnerList, Item, Malformed, Member, parse_dictionary
from gwproxy.auth.signatures.unverified import Unsigned, Unverified, shown

MAX_SIGNATURES: Final = 4
"""Signatures of known keys in one request. More are refused: each costs up to a check of a public key."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Who signed, and what: names of the components that are covered whole. `until`: when it is believed no longer."""

    keyid: str
    label: str
    covered: frozenset[str]
    nonce: str | None
    until: float


class Verifier:
    """Checks requests against a set of keys and a policy. ValueError for no keys, or two of one name.

    Where `nonces` is given, a signature must have one that its key has not used before, and be the only one of a known
    key: the nonce of a second would let the same request in a second time.
    """

    __slots__ = ("_keys", "_nonces", "_policy")

    def __init__(self, keys: Iterable[SignatureKey], policy: Policy, nonces: SeenNonces | None = None) -> None:
        self._keys: dict[str, SignatureKey] = {}
        for key in keys:
            if key.keyid in self._keys:
                raise ValueError(f"two keys of the name {key.keyid!r}")
            self._keys[key.keyid] = key
        if not self._keys:
            raise ValueError("no keys")
        self._policy = policy
        self._nonces = nonces

    def verify(self, request: SignedRequest, now: float) -> str:
        """The keyid of the first signature that holds; `now` in seconds since 1970. Raises Unverified."""
        return self.examine(request, now).keyid

    def examine(self, request: SignedRequest, now: float) -> Verified:
        """The first signature that holds, and what it says. Raises Unverified; Unsigned where there is none at all."""
        inputs, signatures = self._fields(request)
        parts = Parts(request)
        refusals: list[str] = []
        for label, inner, key in self._candidates(inputs):
            try:
                return self._check(request, parts, label, inner, key, signatures.get(label), now)
            except Unverified as refusal:
                refusals.append(f"{shown(label)}: {refusal.reason}")
        raise Unverified("; ".join(refusals))

    def _fields(self, request: SignedRequest) -> tuple[dict[str, Member], dict[str, Member]]:
        said, made = request.values(b"signature-input"), request.values(b"signature")
        if not said and not made:
            raise Unsigned("no signature")
        try:
            return parse_dictionary(said), parse_dictionary(made)
        except Malformed as fault:
            raise Unverified(f"a malformed Signature-Input or Signature: {fault}") from None

    def _candidates(self, inputs: dict[str, Member]) -> list[tuple[str, InnerList, SignatureKey]]:
        """The signatures that were asked for, of known keys, in their order."""
        wanted = self._policy.label
        found = []
        for label, member in inputs.items():
            if wanted is not None and label != wanted:
                continue
            if not isinstance(member, InnerList):
                raise Unverified(f"{shown(label)} is not a list of components")
            keyid = member.params.get("keyid")
            key = self._keys.get(keyid) if isinstance(keyid, str) else None
            if key is not None:
                found.append((label, member, key))
        if not found:
            raise Unverified("no signature of a known key" + (f" labelled {wanted}" if wanted else ""))
        most = MAX_SIGNATURES if self._nonces is None else 1
        if len(found) > most:
            raise Unverified(f"more signatures of known keys than {most}")
        return found

    def _check(
        self, request: SignedRequest, parts: Parts, label: str, inner: InnerList, key: SignatureKey,
        signature: Member | None, now: float,
    ) -> Verified:  # fmt: skip
        """What costs little comes first, the key last but for the nonce: only a signature that holds uses one up."""
        components = components_of(inner)
        covered = frozenset([component.name for component in components if component.is_whole])
        self._policy.check_coverage(request, covered)
        until = self._policy.check_params(request, inner.params, key.algorithm, now)
        nonce = self._nonce(inner)
        _check_bytes(parts, components, inner, key, signature)
        if self._nonces is not None and nonce is not None:
            self._nonces.take(key.keyid, nonce, until, now)
        return Verified(key.keyid, label, covered, nonce, until)

    def _nonce(self, inner: InnerList) -> str | None:
        nonce = inner.params.get("nonce")
        if nonce is None and self._nonces is None:
            return None
        if not isinstance(nonce, str):
            raise Unverified("its nonce is missing, or no string")
        return nonce


def _check_bytes(
    parts: Parts, components: Sequence[Component], inner: InnerList, key: SignatureKey, signature: Member | None
) -> None:
    if not isinstance(signature, Item) or not isinstance(signature.value, bytes) or signature.params:
        raise Unverified("its Signature is missing, or no plain sequence of bytes")
    if not key.verifies(parts.base(components, inner), signature.value):
        raise Unverified(f"the signature is not that of {shown(key.keyid)}")
