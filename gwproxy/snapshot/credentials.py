"""[auth] → what each authenticator verifies with: keys taken apart, once, before any request comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from gwproxy.auth.api_key import KnownKey
from gwproxy.auth.places import Place, place_of
from gwproxy.auth.principal import Identities, Unproved
from gwproxy.config.auth import ApiKey, ApiKeyEntry, Authenticator, Jwt
from gwproxy.config.authenticators import Basic, ForwardAuth, Signature
from gwproxy.config.check import ordered
from gwproxy.config.loaded import Loaded, LoadError
from gwproxy.config.problems import Key, Problem, dotted
from gwproxy.config.rules.urls import is_file
from gwproxy.snapshot.identity import IdentitySpec, identity_spec, unusable_signer
from gwproxy.snapshot.methods import (
    BasicSpec,
    ForwardAuthSpec,
    SignatureSpec,
    basic_of,
    forward_auth_of,
    principal_of,
    signature_of,
    unusable_hashes,
    unusable_signers,
)
from gwproxy.snapshot.own_credentials import unusable_credentials
from gwproxy.state.records import RecordsSpec

if TYPE_CHECKING:
    from gwproxy.auth.jwt import JwtRules
    from gwproxy.auth.keys.key_set import KeySet

FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where keys are fetched: a key set's address, or else an issuer's, who says where that is."""

    url: str
    issuer: str
    algorithms: frozenset[str]
    refresh_s: float
    timeout_s: float
    ca: str = ""


@dataclass(frozen=True, slots=True)
class JwtSpec:
    """An authenticator for tokens. `keys`, or where they are fetched."""

    name: str
    place: Place
    rules: JwtRules
    keys: KeySet | SourceSpec


@dataclass(frozen=True, slots=True)
class ApiKeysSpec:
    """An authenticator for API keys. `records` are of further ones that the store has."""

    name: str
    place: Place
    keys: tuple[KnownKey, ...]
    records: RecordsSpec | None = None


MethodSpec = JwtSpec | ApiKeysSpec | BasicSpec | SignatureSpec | ForwardAuthSpec


@dataclass(frozen=True, slots=True)
class AuthSpec:
    """All authenticators, by name, in the order of the file, and what makes principals of what they find."""

    methods: dict[str, MethodSpec]
    identities: Identities
    realm: str
    identity: IdentitySpec = IdentitySpec()

    @property
    def sources(self) -> list[SourceSpec]:
        """Where its keys are fetched."""
        keys = [method.keys for method in self.methods.values() if isinstance(method, JwtSpec)]
        return [spec for spec in keys if isinstance(spec, SourceSpec)]

    def records(self) -> Iterator[RecordsSpec]:
        """All that keys are looked up in."""
        for method in self.methods.values():
            if isinstance(method, ApiKeysSpec) and method.records is not None:
                yield method.records


def auth_of(loaded: Loaded) -> AuthSpec:
    """[auth], decided. Only for what `unusable_keys` has nothing against."""
    config = loaded.config
    identities = Identities(config.roles, config.tiers, config.auth.default_tier)
    methods = {
        name: _method(loaded, name, method, identities) for name, method in config.auth.methods.items()
    }
    return AuthSpec(methods, identities, config.auth.realm, identity_spec(loaded))


def sources_of(auth: AuthSpec | None) -> Iterator[SourceSpec]:
    """Where keys are fetched."""
    for spec in auth.methods.values() if auth is not None else ():
        if isinstance(spec, JwtSpec) and isinstance(spec.keys, SourceSpec):
            yield spec.keys


def unusable_keys(loaded: Loaded) -> Iterator[Problem]:
    """A Problem for each key that cannot be used as the configuration says."""
    yield from unusable_credentials(loaded)
    yield from unusable_signer(loaded)
    for name, method in loaded.config.auth.methods.items():
        if loaded.unsound.touches(("auth", name)):
            # Some of it is not the file's own.
            continue
        if isinstance(method, Basic):
            yield from unusable_hashes(loaded, name, method)
        elif isinstance(method, Signature):
            yield from unusable_signers(loaded, name, method)
        elif isinstance(method, Jwt):
            key = _where(name, method)
            if key is not None:
                try:
                    _keys(loaded, name, method)
                except ValueError as error:
                    yield loaded.problem("bad_key", key, hint=str(error))
        elif isinstance(method, ApiKey):
            identities = Identities({})
            for index, entry in enumerate(method.keys):
                try:
                    _known(entry, name, identities)
                except (Unproved, ValueError) as error:
                    # A day that no calendar has, or a name that no header can hold.
                    yield loaded.problem("bad_key", ("auth", name, "keys", index), hint=str(error))


def all_problems(error: LoadError) -> list[Problem]:
    """What is wrong with a file that cannot be loaded, and with those of its keys of which nothing is said yet."""
    told = {problem.key for problem in error.problems}
    more = (problem for problem in unusable_keys(error.loaded) if problem.key not in told)
    return ordered([*error.problems, *more], error.loaded.files)


def _method(loaded: Loaded, name: str, method: Authenticator, identities: Identities) -> MethodSpec:
    if isinstance(method, ApiKey):
        place = place_of(method.source, (b"apikey", b"bearer"))
        keys = tuple(_known(entry, name, identities) for entry in method.keys)
        return ApiKeysSpec(name, place, keys, key_records(name, method))
    if isinstance(method, Basic):
        return basic_of(name, method, identities)
    if isinstance(method, Signature):
        return signature_of(loaded, name, method, identities)
    if isinstance(method, ForwardAuth):
        return forward_auth_of(loaded.config.auth, name, method)
    found = _keys(loaded, name, method) or _source(method)
    return JwtSpec(name, place_of(method.source, (b"bearer",)), _rules(method), found)


def key_records(name: str, method: ApiKey) -> RecordsSpec | None:
    """Where the store has keys of this authenticator; None where it has none."""
    return RecordsSpec(f"key:{name}", float(method.cache)) if method.store else None


def _known(entry: ApiKeyEntry, name: str, identities: Identities) -> KnownKey:
    until = FOREVER
    if entry.expires is not None:
        until = datetime.combine(entry.expires, time.min, UTC).timestamp()
    return KnownKey(bytes.fromhex(entry.hash.removeprefix("sha256:")), principal_of(entry, name, identities), until)


def _rules(method: Jwt) -> JwtRules:
    # Only who has tokens pays for what verifies them (100 ms).
    from gwproxy.auth.claims import ClaimNames, Expected
    from gwproxy.auth.jwt import JwtRules

    audience = method.audience or ()
    claims = method.claims
    return JwtRules(
        frozenset(method.algorithms),
        Expected(
            method.issuer or "", (audience,) if isinstance(audience, str) else audience, float(method.leeway),
            method.required_claims,
        ),
        ClaimNames(claims.id, claims.role, claims.permissions, claims.tier, claims.tenant),
        int(method.max_token),
    )  # fmt: skip


def _source(method: Jwt) -> SourceSpec:
    algorithms = frozenset(method.algorithms)
    return SourceSpec(
        method.jwks or "", method.issuer or "", algorithms, float(method.refresh), float(method.timeout), method.ca
    )


def _where(name: str, method: Jwt) -> Key | None:
    """The key that says what the configuration itself verifies with; None where that is fetched."""
    if method.key is not None:
        return "auth", name, "key"
    if method.key_file is not None:
        return "auth", name, "key_file"
    return ("auth", name, "jwks") if method.jwks is not None and is_file(method.jwks) else None


def _keys(loaded: Loaded, name: str, method: Jwt) -> KeySet | None:
    """The keys that the configuration has. Raises ValueError, which says what is wrong and nothing of the key."""
    where = _where(name, method)
    if where is None:
        return None
    from gwproxy.auth.keys.key_set import KeySet
    from gwproxy.auth.keys.pem import from_text

    if method.key is not None:
        return KeySet([from_text(method.key.encode(), method.algorithms)])
    content = loaded.contents[dotted(where)]
    if method.key_file is not None:
        # An editor's last newline is not part of a secret.
        return KeySet([from_text(content.removesuffix(b"\n").removesuffix(b"\r"), method.algorithms)])
    return KeySet.parse(content, method.algorithms, secrets=True)
