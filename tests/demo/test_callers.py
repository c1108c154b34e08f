"""Who the demo's callers are: people whom the sample services know, with credentials that routes.toml believes."""

from __future__ import annotations

import base64
import hashlib
import json

from gwproxy.config.load import load
from gwproxy.demo.callers import BEARERS, PARTNER_KEY, TTL_S, credentials_of
from gwproxy.demo.guide import AS_SOMEBODY
from gwproxy.demo.run import DEMO_FILE
from gwproxy.demo.samples import USERS

NOW = 1_800_000_000.0


def test_callers_are_sample_users_of_the_tier_that_they_have_there():
    for bearer in BEARERS.values():
        user = USERS[int(bearer.id) - 1]
        assert (str(user["id"]), user["tier"]) == (bearer.id, bearer.tier)
        assert f"{user['name']} (id {bearer.id}, tier {bearer.tier})" in AS_SOMEBODY


def test_tokens_hold_for_as_long_as_the_guide_says():
    lines = credentials_of(load(DEMO_FILE, {}), NOW)
    assert list(lines) == ["user", "admin", "partner"]
    payload = lines["user"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims == {
        "iss": "https://id.example.com", "aud": "api", "iat": NOW, "exp": NOW + TTL_S, "sub": "7", "role": "user",
        "tier": "basic",
    }  # fmt: skip
    assert "twelve hours" in AS_SOMEBODY
    assert TTL_S == 12 * 3600


def test_tokens_are_signed_with_the_secret_that_the_environment_gives():
    other = {"JWT_SECRET": "another secret of thirty-two bytes or more"}
    usual, own = (credentials_of(load(DEMO_FILE, environ), NOW)["user"] for environ in ({}, other))
    assert usual.rpartition(".")[0] == own.rpartition(".")[0]
    assert usual != own


def test_partners_key_is_the_one_whose_hash_the_file_has():
    method = load(DEMO_FILE, {}).config.auth.methods["partners"]
    assert [key.hash for key in method.keys] == [f"sha256:{hashlib.sha256(PARTNER_KEY.encode()).hexdigest()}"]
