"""Workers prove who is calling with what the supervisor has read: key files, key sets in files, files of API keys."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
from pathlib import Path

import pytest

from tests.auth.attacking import KEY, bearer, get, issued
from tests.support.command import Process, workers_of
from tests.support.issuing import jwk, key_set, public_pem
from tests.support.tokens import SECRET, token

FILE = """
[gateway]
listen = ["127.0.0.1:0"]
workers = {workers}
[log]
format = "text"
access = false
[state]
timeout = "2s"
[limits]
auth_failures = {{ requests = 5, window = "600s" }}
[auth]
default_tier = "basic"
[auth.pem]
type = "jwt"
algorithms = ["RS256"]
key_file = "key.pem"
[auth.set]
type = "jwt"
algorithms = ["ES256"]
jwks = "set.json"
[auth.secret]
type = "jwt"
algorithms = ["HS256"]
key_file = "secret"
[auth.partners]
type = "api_key"
keys_file = "keys.toml"
[tiers.basic]
requests = 100000
window = "600s"
[services.origin]
url = "{url}"
[[routes]]
path = "/known"
service = "origin"
requires_auth = true
[[routes]]
path = "/mark"
requires_auth = false
respond = {{ status = 200 }}
"""


def keys_of(*keys: str) -> str:
    """A file of API keys."""
    entries = [
        f'[[keys]]\nhash = "sha256:{hashlib.sha256(key.encode()).hexdigest()}"\nid = "partner-{number}"\n'
        for number, key in enumerate(keys)
    ]
    return "\n".join(entries)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the file and the files that it names."""
    (tmp_path / "key.pem").write_bytes(public_pem("RSA"))
    (tmp_path / "set.json").write_bytes(key_set(jwk("P-256", kid="a")))
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "keys.toml").write_text(keys_of(KEY))
    return tmp_path


def write(folder: Path, url: str, workers: int = 2) -> str:
    (folder / "routes.toml").write_text(FILE.format(url=url, workers=workers))
    return str(folder / "routes.toml")


GOOD = {
    "pem": bearer(issued("RS256")), "set": bearer(issued(kid="a")), "secret": bearer(token()),
    "partners": f"X-API-Key: {KEY}",
}  # fmt: skip


async def proved(connect, port: int, times: int = 12) -> set[int]:
    """What callers with each kind of credential are answered, on connections of their own."""
    return {
        (await (await connect(port)).ask(get("/known", field))).status for _ in range(times) for field in GOOD.values()
    }


async def reloaded(gwproxy) -> int:
    code, _, _ = await gwproxy.told("reload")
    return int(code)


async def killed(gwproxy, process: Process) -> None:
    """One worker is, and another comes in its place."""
    os.kill(workers_of(gwproxy.folder)[0], signal.SIGKILL)
    await process.says("replaced at once")
    await gwproxy.until_serving(2)


async def test_all_workers_authenticate_with_files_that_only_the_supervisor_reads(folder, gwproxy, origin, connect):
    process = await gwproxy("run", write(folder, origin.url))
    port = await process.port()
    for name in ("key.pem", "set.json", "secret", "keys.toml"):
        (folder / name).unlink()
    assert await proved(connect, port) == {200}
    found = await gwproxy.until(lambda found: found["tally"]["exchanges"] == 48)
    assert min(worker["connections"] for worker in found["workers"]) > 0
    # A worker that comes later has what the others have.
    await killed(gwproxy, process)
    assert await proved(connect, port) == {200}
    assert {sent.header("x-user-id") for sent in origin.seen} == {"u-1", "partner-0"}


async def test_files_of_keys_are_read_again_at_a_reload(folder, gwproxy, origin, connect):
    process = await gwproxy("run", write(folder, origin.url))
    port = await process.port()
    kept = {name: await connect(port) for name in GOOD}
    for name, field in GOOD.items():
        assert (await kept[name].ask(get("/known", field))).status == 200
    (folder / "keys.toml").write_text(keys_of("gwk_another"))
    (folder / "key.pem").write_bytes(public_pem("RSA", 1))
    (folder / "set.json").write_bytes(key_set(jwk("P-256", 1, kid="a")))
    (folder / "secret").write_text("another secret that is long enough, too")
    # Until then nothing changes, for nobody.
    assert await proved(connect, port, 2) == {200}
    assert await reloaded(gwproxy) == 0
    for name, field in GOOD.items():
        assert (await kept[name].ask(get("/known", field))).status in (401, 429), name
    new = [bearer(issued("RS256", 1)), bearer(issued(which=1, kid="a")), "X-API-Key: gwk_another"]
    statuses = [(await (await connect(port)).ask(get("/known", field))).status for field in new for _ in range(6)]
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("name", "content"), [("key.pem", b"rubbish"), ("set.json", b"{}"), ("secret", b"short"), ("keys.toml",
    b"[[keys]]\n"),
                          ("key.pem", None), ("keys.toml", None)],
)  # fmt: skip
async def test_a_reload_with_unusable_keys_changes_nothing(name, content, folder, gwproxy, origin, connect):
    process = await gwproxy("run", write(folder, origin.url, workers=1))
    port = await process.port()
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    assert await reloaded(gwproxy) == 1
    assert await proved(connect, port, 2) == {200}


async def test_a_reload_in_a_flood_of_credentials_loses_nothing(folder, gwproxy, origin, connect):
    process = await gwproxy("run", write(folder, origin.url))
    port = await process.port()
    over = asyncio.Event()

    async def flood(field: str) -> list[int]:
        caller, found = await connect(port), []
        while not over.is_set():
            found.append((await caller.ask(get("/known", field))).status)
        return found

    floods = [asyncio.create_task(flood(field)) for field in GOOD.values() for _ in range(2)]
    for _ in range(3):
        assert await reloaded(gwproxy) == 0
    over.set()
    found = [status for each in await asyncio.gather(*floods) for status in each]
    assert set(found) == {200}
    assert len(found) > 100


async def test_workers_share_the_failures_of_an_address_and_the_limits_of_a_caller(folder, gwproxy, origin, connect):
    process = await gwproxy("run", write(folder, origin.url))
    port = await process.port()
    known = [await connect(port) for _ in range(6)]
    for caller in known:
        assert (await caller.ask(get("/known", GOOD["secret"]))).status == 200
    code, out, _ = await gwproxy.told("limits", "show", "id:u-1", "--json")
    assert code == 0
    assert "99994" in out
    assert json.loads(out)
    bad = bearer(token(secret="not the secret, but as long as it is"))
    found: list[int] = []
    # Each worker finds out by itself that there was one too many, as soon as the store has answered: on a machine with
    # much to do that takes a while.
    while found[-20:] != [429] * 20:
        assert len(found) < 1000
        found.append((await (await connect(port)).ask(get("/known", bad))).status)
    assert found[:5] == [401] * 5
    assert set(found) == {401, 429}
    assert {(await caller.ask(get("/known", GOOD["secret"]))).status for caller in known} == {200}
    assert (await gwproxy.told("limits", "reset", "127.0.0.1"))[0] == 0
    assert (await gwproxy.told("limits", "reset", "id:u-1"))[0] == 0
    _, out, _ = await gwproxy.told("limits", "show", "id:u-1", "--json")
    assert "99994" not in out
