"""Snapshot × what lives on: what proves callers, made once for all routes that take the same authenticators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gwproxy.auth.api_key import ApiKeys
from gwproxy.auth.method import Method
from gwproxy.auth.principal import Identities
from gwproxy.auth.source import Fixed, Source
from gwproxy.limits.decision import Plan
from gwproxy.limits.spec import LimitSpec
from gwproxy.snapshot.credentials import ApiKeysSpec, AuthSpec, MethodSpec, SourceSpec
from gwproxy.snapshot.types import CompiledRoute
from gwproxy.steps.authenticate import Authenticate


class KeySources(Protocol):
    """What lives on, as far as authenticators need it."""

    def key_source(self, spec: SourceSpec) -> Source:
        """Where keys are fetched, and kept over reloads."""


class Store(Protocol):
    """Where limits are counted."""

    def plan(self, specs: Sequence[LimitSpec], ipv6_prefix: int) -> Plan:
        """What decides over `specs` together."""


class Provers:
    """What proves the callers of each route."""

    def __init__(self, auth: AuthSpec | None, live: KeySources, failures: Plan | None) -> None:
        self._auth = auth
        self._failures = failures
        self._methods: dict[str, Method] = {}
        if auth is not None:
            self._methods = {
                name: _method(spec, auth.realm, auth.identities, live) for name, spec in auth.methods.items()
            }
        self._made: dict[tuple[tuple[str, ...], bool], Authenticate] = {}

    def of(self, route: CompiledRoute) -> Authenticate | None:
        """What proves the callers of `route`; None where nobody can be known, or where nobody asks."""
        if not route.auth:
            return None
        key = route.auth, route.forward_credentials
        made = self._made.get(key)
        if made is None:
            # Of authenticators that this route does not take, the credentials are no business of its service either.
            places = () if route.forward_credentials else {m.place: None for m in self._methods.values()}
            methods = [self._methods[name] for name in route.auth]
            made = self._made[key] = Authenticate(methods, tuple(places), self._failures)
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


def _method(spec: MethodSpec, realm: str, identities: Identities, live: KeySources) -> Method:
    if isinstance(spec, ApiKeysSpec):
        return ApiKeys(spec.name, spec.place, realm, spec.keys)
    from gwproxy.auth.jwt import Jwt

    source = Fixed(spec.keys) if not isinstance(spec.keys, SourceSpec) else live.key_source(spec.keys)
    return Jwt(spec.name, spec.place, realm, spec.rules, source, identities)
