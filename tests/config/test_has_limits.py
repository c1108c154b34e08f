"""Whatever limits callers is counted for all workers together."""

from __future__ import annotations

import pytest

from gwproxy.config.either import has_limits
from gwproxy.config.load import loads

LIMIT = '{ requests = 5, window = "60s" }'
SERVICE = '[services.a]\nurl = "http://localhost:1"\n'
ROUTE = '[[routes]]\npath = "/a"\nservice = "a"\nrequires_auth = false\n'
KEYS = '[auth.k]\ntype = "api_key"\nkeys = [{ hash = "sha256:' + "0" * 64 + '", id = "a" }]\n'


@pytest.mark.parametrize(
    ("more", "limited"),
    [
        ("", False),
        (f"[limits]\nglobal = {LIMIT}\n", True),
        (f"[limits]\nauth_failures = {LIMIT}\n", False),
        (f"{KEYS}[limits]\nauth_failures = {LIMIT}\n", True),
        (f"[tiers]\nanonymous = {LIMIT}\n", True),
        (f"[tenancy]\nfrom = ['header:X-T']\n[tenants.t]\nplan = 'p'\n[plans]\np = {LIMIT}\n", True),
        (f"[services.b]\nurl = 'http://localhost:2'\nlimit = {LIMIT}\n", True),
        (f"[services.b]\nurl = 'http://localhost:2'\nrate_limits.x = {LIMIT}\n", True),
        (f"[[routes]]\npath = '/b'\nservice = 'a'\nrequires_auth = false\nlimit = {LIMIT}\n", True),
    ],
)  # fmt: skip
def test_every_limit_is_one(more: str, limited: bool) -> None:
    assert has_limits(loads(SERVICE + ROUTE + more, environ={}).config) is limited
