"""A shared secret is changed without refusing anybody: for a while a key set in a file has the old one and the new."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gwproxy.config.load import load
from tests.auth.attacking import ROUTES, Start, bearer, get
from tests.support.command import Runtime
from tests.support.origin import Origin
from tests.support.running import with_listener
from tests.support.tokens import encoded, token

OLD, NEW = "the old secret of thirty-two bytes!", "the new secret of thirty-two bytes!"


def key_set(*secrets: tuple[str, str]) -> str:
    """Secrets by their names, as a key set has them (RFC 7517, RFC 7518 section 6.4)."""
    keys = [{"kty": "oct", "k": encoded(secret.encode()), **({"kid": kid} if kid else {})} for secret, kid in secrets]
    return json.dumps({"keys": keys})


async def asked(one: object, *tokens: str) -> list[int]:
    return [(await one.ask(get("/known", bearer(each)))).status for each in tokens]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kids", [("", ""), ("2025", "2026")], ids=["nameless", "named"])
async def test_both_secrets_hold_until_the_old_one_goes(
    kids: tuple[str, str], gateway: Start, origin: Origin, tmp_path: Path
) -> None:
    keys, file = tmp_path / "keys.json", tmp_path / "gw.toml"
    method = '[auth.session]\ntype = "jwt"\nalgorithms = ["HS256"]\njwks = "keys.json"\n'
    file.write_text(with_listener(method + ROUTES.replace("${ORIGIN}", origin.url)))
    told = [{"kid": kid} if kid else {} for kid in kids]
    old, new = token(secret=OLD, **told[0]), token(secret=NEW, **told[1])
    nameless = [token(secret=secret) for secret in (OLD, NEW)]
    keys.write_text(key_set((OLD, kids[0])))
    gw = await gateway(file.read_text().replace("keys.json", str(keys)), origin=origin)
    caller = await gw.connect()
    for secrets, expected in (
        ([(OLD, kids[0])], [200, 401]), ([(OLD, kids[0]), (NEW, kids[1])], [200, 200]), ([(NEW, kids[1])], [401, 200]),
    ):  # fmt: skip
        keys.write_text(key_set(*secrets))
        await gw.worker.reload(load(file, {}))
        for one in (caller, gw):
            assert await asked(one, old, new) == expected
            assert await asked(one, *nameless) == expected


async def test_the_command_takes_such_a_file(gwproxy: Runtime, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(key_set((OLD, "2025"), (NEW, "2026")))
    method = '[auth.session]\ntype = "jwt"\nalgorithms = ["HS256"]\njwks = "keys.json"\n'
    (tmp_path / "gw.toml").write_text(method + ROUTES.replace("${ORIGIN}", "http://127.0.0.1:1"))
    code, out, err = await gwproxy.told("check", str(tmp_path / "gw.toml"))
    assert code == 0, out + err
    assert OLD not in out + err
