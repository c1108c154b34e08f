"""Who the demo's callers are, and what they prove it with."""

from __future__ import annotations

from typing import Final

from gwproxy.config.loaded import Loaded
from gwproxy.demo.tokens import Bearer, claims_of, signed, signer_of
from gwproxy.snapshot.credentials import auth_of

TTL_S: Final = 12 * 3600.0
"""How long their tokens hold: a day's trying."""

BEARERS: Final = {
    "user": Bearer("7", ("user",), tier="basic"),
    "admin": Bearer("5", ("admin",), tier="enterprise"),
}
"""Ids and tiers are those of the sample users, so that `/users/me` is about who asks."""

PARTNER_KEY: Final = "gwk_demo_partner_1"
"""The key whose hash routes.toml has."""


def credentials_of(loaded: Loaded, now: float) -> dict[str, str]:
    """The header line of each caller's credential, by the caller's name. `now`: the wall clock, in seconds."""
    spec = signer_of(auth_of(loaded), "session")
    lines = {
        name: f"Authorization: Bearer {signed(spec, claims_of(spec, bearer, now, TTL_S))}"
        for name, bearer in BEARERS.items()
    }
    return {**lines, "partner": f"X-API-Key: {PARTNER_KEY}"}
