"""[auth.NAME] of the further kinds → what each verifies with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gwproxy.auth.principal import Identities, Principal, Unproved
from gwproxy.config import authenticators as written
from gwproxy.config.auth import ApiKey, Auth, Jwt
from gwproxy.config.known import KnownCaller
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Problem, dotted
from gwproxy.config.services import Service
from gwproxy.snapshot.targets import service_of
from gwproxy.snapshot.types import ServiceSpec

if TYPE_CHECKING:
    from gwproxy.auth.basic import KnownUser
    from gwproxy.auth.forward import AnswerNames, Sent
    from gwproxy.auth.signatures.key import SignatureKey
    from gwproxy.auth.signatures.policy import Policy


@dataclass(frozen=True, slots=True)
class BasicSpec:
    """An authenticator for names and passwords."""

    name: str
    users: dict[str, KnownUser] = field(repr=False)
    remember_s: float


@dataclass(frozen=True, slots=True)
class SignatureSpec:
    """An authenticator for signed requests. `signers` are by the names of their keys; `max_body` is in bytes."""

    name: str
    keys: tuple[SignatureKey, ...]
    signers: dict[str, Principal]
    policy: Policy
    max_body: int
    nonce: bool


@dataclass(frozen=True, slots=True)
class ForwardAuthSpec:
    """An authenticator that asks a service; `asked` is its name in Snapshot.services."""

    name: str
    place: Sent
    asked: str
    path: bytes
    names: AnswerNames
    scheme: str
    timeout_s: float
    cache_s: float


def principal_of(entry: KnownCaller, via: str, identities: Identities) -> Principal:
    """The caller that an entry of the file stands for."""
    return identities.principal(
        via, entry.id, roles=(entry.role,) if entry.role else (), permissions=entry.permissions,
        tier=entry.tier or "", tenant=entry.tenant or "",
    )  # fmt: skip


def basic_of(name: str, method: written.Basic, identities: Identities) -> BasicSpec:
    """The users of one authenticator."""
    from gwproxy.auth.basic import KnownUser
    from gwproxy.auth.passwords import PasswordHash

    users = {
        user.name: KnownUser(PasswordHash.read(user.password), principal_of(user, name, identities))
        for user in method.users
    }
    return BasicSpec(name, users, float(method.remember))


def signature_of(
    loaded: Loaded, name: str, method: written.Signature, identities: Identities
) -> SignatureSpec:
    """The signers of one authenticator."""
    from gwproxy.auth.signatures.policy import Policy

    keys = tuple(_signature_key(loaded, name, index, signer) for index, signer in enumerate(method.keys))
    policy = Policy(
        required=method.components, required_with_body=("content-digest",) if method.digest else (),
        max_age_s=float(method.max_age), leeway_s=float(method.leeway), label=method.label, tag=method.tag,
    )  # fmt: skip
    signers = {signer.keyid: principal_of(signer, name, identities) for signer in method.keys}
    return SignatureSpec(name, keys, signers, policy, int(method.max_body), method.nonce)


def forward_auth_of(auth: Auth, name: str, method: written.ForwardAuth) -> ForwardAuthSpec:
    """Who is asked, and with what."""
    from gwproxy.auth.forward import AnswerNames, Sent

    said = method.identity
    names = AnswerNames(*(
        each.lower().encode() for each in (said.id, said.role, said.permissions, said.tier, said.tenant)
    ))  # fmt: skip
    asked = method.service if method.service is not None else asked_service(name)
    return ForwardAuthSpec(
        name, Sent(method.send, method.cookies, _others(auth, name)), asked, method.path.encode(), names, method.scheme,
        float(method.timeout), float(method.cache or 0),
    )  # fmt: skip


def _others(auth: Auth, name: str) -> Iterator[str]:
    """Where all but the one of this name look for credentials; of cookies those that they name in full."""
    for other, method in auth.methods.items():
        if other == name:
            continue
        if isinstance(method, written.ForwardAuth):
            yield from (f"cookie:{cookie}" for cookie in method.cookies if not cookie.endswith("*"))
        elif isinstance(method, Jwt | ApiKey):
            yield method.source


def asked_service(name: str) -> str:
    """What Snapshot.services calls the service that only an authenticator has: no name in a file has a colon."""
    return f"auth:{name}"


def asked_services(auth: Auth) -> dict[str, ServiceSpec]:
    """The services that only authenticators have."""
    return {
        asked_service(name): service_of(asked_service(name), Service(url=method.url))
        for name, method in auth.methods.items()
        if isinstance(method, written.ForwardAuth) and method.url is not None
    }


def _signature_key(loaded: Loaded, name: str, index: int, signer: written.SignerKey) -> SignatureKey:
    """Raises ValueError, which says what is wrong and nothing of the key."""
    from gwproxy.auth.signatures.key import SignatureKey

    text = signer.key
    if text is None:
        content = loaded.contents[dotted(("auth", name, "keys", index, "key_file"))]
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise ValueError("the file is not text") from None
    return SignatureKey.read(signer.keyid, signer.algorithm, text)


def unusable_signers(loaded: Loaded, name: str, method: written.Signature) -> Iterator[Problem]:
    """A Problem for each key that its algorithm cannot use, and for each caller who cannot be told to services."""
    yield from _unusable_callers(loaded, name, "keys", method.keys)
    for index, signer in enumerate(method.keys):
        try:
            _signature_key(loaded, name, index, signer)
        except ValueError as error:
            word = "key" if signer.key is not None else "key_file"
            yield loaded.problem("bad_key", ("auth", name, "keys", index, word), hint=str(error))


def unusable_hashes(loaded: Loaded, name: str, method: written.Basic) -> Iterator[Problem]:
    """A Problem for each hash that has the right form, and is none all the same, and as for signers."""
    from gwproxy.auth.passwords import PasswordHash

    yield from _unusable_callers(loaded, name, "users", method.users)
    for index, user in enumerate(method.users):
        try:
            PasswordHash.read(user.password)
        except ValueError as error:
            yield loaded.problem("bad_key", ("auth", name, "users", index, "password"), hint=str(error))


def _unusable_callers(loaded: Loaded, name: str, word: str, entries: Sequence[KnownCaller]) -> Iterator[Problem]:
    identities = Identities({})
    for index, entry in enumerate(entries):
        try:
            principal_of(entry, name, identities)
        except Unproved as error:
            # A name that no header can hold.
            yield loaded.problem("bad_key", ("auth", name, word, index), hint=str(error))
