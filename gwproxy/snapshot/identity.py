"""[identity] → how each service is told who is calling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gwproxy.auth.places import Forged
from gwproxy.config.either import identity_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Problem
from gwproxy.config.schema import Config
from gwproxy.wire.fields import IDENTITY_NAMES, folded

if TYPE_CHECKING:
    from gwproxy.auth.internal import TokenSigner
    from gwproxy.steps.authenticate import Tell


@dataclass(frozen=True, slots=True)
class IdentitySpec:
    """How services are told. `forms` has those that get no plain headers."""

    forms: Mapping[str, str] = field(default_factory=dict)
    signer: TokenSigner | None = None
    header: str = ""
    issuer: str = ""
    audience: str = ""
    ttl_s: float = 0.0


class Tellers:
    """What tells each service, made once for all that are told alike."""

    def __init__(self, spec: IdentitySpec) -> None:
        self._spec = spec
        self._made: dict[str, Tell] = {}

    def of(self, service: str) -> Tell | None:
        """What tells `service`; None where it gets plain headers."""
        spec = self._spec
        form = spec.forms.get(service)
        if form is None:
            return None
        # Only who has such tokens pays for what signs them.
        from gwproxy.auth.internal import Teller, silent

        if form == "none" or spec.signer is None:
            return silent
        audience = spec.audience or service
        made = self._made.get(audience)
        if made is None:
            made = self._made[audience] = Teller(spec.signer, spec.header, spec.issuer, audience, spec.ttl_s)
        return made


def identity_spec(loaded: Loaded) -> IdentitySpec:
    """[identity], decided. Only for what `unusable_signer` has nothing against."""
    config, written = loaded.config, loaded.config.identity
    forms = _forms(config)
    if "jwt" not in forms.values():
        return IdentitySpec(forms)
    return IdentitySpec(
        forms, _signer(loaded), written.header, written.issuer, written.audience or "", float(written.ttl)
    )


def forged_of(config: Config) -> Forged | None:
    """What takes callers' own copies of the token's header away, where the wire does not do that for every request."""
    header = config.identity.header
    if "jwt" not in _forms(config).values() or folded(header.encode()) in IDENTITY_NAMES:
        return None
    return Forged(header)


def _forms(config: Config) -> dict[str, str]:
    """How services are told that get no plain headers."""
    forms = {name: identity_of(config, service) for name, service in config.services.items()}
    return {name: form for name, form in forms.items() if form != "headers"}


def unusable_signer(loaded: Loaded) -> Iterator[Problem]:
    """A Problem where the key of [identity] is none for its algorithm."""
    written = loaded.config.identity
    if loaded.unsound.touches(("identity",)):
        return
    try:
        _signer(loaded)
    except ValueError as error:
        yield loaded.problem("bad_key", ("identity", "key" if written.key is not None else "key_file"), hint=str(error))


def _signer(loaded: Loaded) -> TokenSigner | None:
    """Raises ValueError, which says what is wrong and nothing of the key."""
    written = loaded.config.identity
    if written.key is None and written.key_file is None:
        return None
    from gwproxy.auth.internal import TokenSigner

    if written.key is not None:
        text = written.key.encode()
    else:
        # An editor's last newline is not part of a secret.
        text = loaded.contents["identity.key_file"].removesuffix(b"\n").removesuffix(b"\r")
    return TokenSigner.read(written.algorithm, text, written.key_id or "")
