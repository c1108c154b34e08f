"""Snapshot × what lives on: what proves callers, made once for all routes that take the same authenticators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from gwproxy.auth.api_key import ApiKeys
from gwproxy.auth.method import Method
from gwproxy.auth.places import Forged
from gwproxy.auth.principal import Identities
from gwproxy.auth.records import KeyRecord
from gwproxy.auth.source import Fixed, Source
from gwproxy.auth.stored_keys import StoredApiKeys
from gwproxy.auth.threads import Threads
from gwproxy.drive import Turns
from gwproxy.limits.decision import Plan
from gwproxy.limits.spec import LimitSpec
from gwproxy.snapshot.credentials import ApiKeysSpec, AuthSpec, MethodSpec, SourceSpec
from gwproxy.snapshot.identity import IdentitySpec, Tellers
from gwproxy.snapshot.methods import BasicSpec, ForwardAuthSpec, SignatureSpec
from gwproxy.snapshot.types import CompiledRoute
from gwproxy.state.records import Lookup, RecordsSpec
from gwproxy.steps.authenticate import Authenticate, Tell

if TYPE_CHECKING:
    from gwproxy.auth.forward import Ask
    from gwproxy.auth.signatures.nonces import SeenNonces


Inquire = Callable[[str, bytes, float], "Ask"]
"""A service's name, a path and a time-out in seconds → what asks there."""


class KeySources(Protocol):
    """What lives on, as far as authenticators need it."""

    threads: Threads
    turns: Turns

    def key_source(self, spec: SourceSpec) -> Source:
        """Where keys are fetched, and kept over reloads."""

    def nonces(self, name: str) -> SeenNonces:
        """The nonces that the authenticator of this name has met, over reloads."""

    def key_records(self, spec: RecordsSpec) -> Lookup[KeyRecord]:
        """Where API keys are looked up, and kept over reloads."""


class Store(Protocol):
    """Where limits are counted."""

    def plan(self, specs: Sequence[LimitSpec], ipv6_prefix: int) -> Plan:
        """What decides over `specs` together."""


class Provers:
    """What proves the callers of each route."""

    def __init__(
        self, auth: AuthSpec | None, live: KeySources, failures: Plan | None, inquire: Inquire,
        forged: Forged | None,
    ) -> None:  # fmt: skip
        self._auth = auth
        self._failures = failures
        self._methods: dict[str, Method] = {}
        if auth is not None:
            self._methods = {
                name: _method(spec, auth.realm, auth.identities, live, inquire) for name, spec in auth.methods.items()
            }
        identity = auth.identity if auth is not None else IdentitySpec()
        self._tellers = Tellers(identity)
        self._forged = (forged,) if forged is not None else ()
        self._nobody = Authenticate((), self._forged) if forged is not None else None
        self._made: dict[tuple[tuple[str, ...], bool, Tell | None], Authenticate] = {}

    def of(self, route: CompiledRoute) -> Authenticate | None:
        """What proves the callers of `route`; None where nobody can be known, or where nobody asks."""
        if not route.auth:
            # Nobody can be known, and no caller may say otherwise to a service.
            return self._nobody if route.service and not route.closed else None
        tell = self._tellers.of(route.service)
        key = route.auth, route.forward_credentials, tell
        made = self._made.get(key)
        if made is None:
            # Of authenticators that this route does not take, the credentials are no business of its service either.
            places = () if route.forward_credentials else {m.place: None for m in self._methods.values()}
            methods = [self._methods[name] for name in route.auth]
            made = self._made[key] = Authenticate(methods, (*places, *self._forged), self._failures, tell=tell)
            for name in route.auth:
                self._methods[name].watch(made)
        return made


class Plans:
    """Plans of limits: those of the same limits are one."""

    def __init__(self, store: Store, ipv6_prefix: int) -> None:
        self._store = store
        self._ipv6_prefix = ipv6_prefix
        self._made: dict[tuple[LimitSpec, ...], Plan | None] = {(): None}

    def of(self, specs: tuple[LimitSpec, ...]) -> Plan | None:
        """What decides over `specs`; None where there are none."""
        try:
            return self._made[specs]
        except KeyError:
            plan = self._made[specs] = self._store.plan(specs, self._ipv6_prefix)
            return plan


def _method(
    spec: MethodSpec, realm: str, identities: Identities, live: KeySources, inquire: Inquire
) -> Method:
    if isinstance(spec, ApiKeysSpec):
        if spec.records is not None:
            lookup = live.key_records(spec.records)
            return StoredApiKeys(spec.name, spec.place, realm, spec.keys, lookup, identities)
        return ApiKeys(spec.name, spec.place, realm, spec.keys)
    if isinstance(spec, BasicSpec):
        from gwproxy.auth.basic import Basic

        return Basic(spec.name, realm, spec.users, live.threads, spec.remember_s)
    if isinstance(spec, SignatureSpec):
        from gwproxy.auth.signature import Signatures
        from gwproxy.auth.signatures.verifier import Verifier

        nonces = live.nonces(spec.name) if spec.nonce else None
        verifier = Verifier(spec.keys, spec.policy, nonces)
        return Signatures(spec.name, realm, verifier, spec.signers, spec.max_body, live.turns)
    if isinstance(spec, ForwardAuthSpec):
        from gwproxy.auth.forward import ForwardAuth

        challenge = f'{spec.scheme} realm="{realm}"'.encode()
        ask = inquire(spec.asked, spec.path, spec.timeout_s)
        return ForwardAuth(spec.name, spec.place, challenge, ask, spec.names, identities, spec.cache_s)
    from gwproxy.auth.jwt import Jwt

    source = Fixed(spec.keys) if not isinstance(spec.keys, SourceSpec) else live.key_source(spec.keys)
    return Jwt(spec.name, spec.place, realm, spec.rules, source, identities, live.turns)
