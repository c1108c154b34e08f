"""`gwproxy stored-keys` and `gwproxy tenants` over real stores: what they write is what a gateway reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.cluster import StoreCluster
from tests.support.origin import Origin
from tests.support.recorded import holder, put, put_key
from tests.support.running import Gateway
from tests.support.sentinel import StoreSentinel
from tests.support.store import StoreServer

Cli = Callable[..., Result]
Start = Callable[..., Awaitable[Gateway]]
StoreKind = StoreServer | StoreCluster | StoreSentinel

FILE = """
[state]
url = "{url}"
timeout = "5s"

[auth.partners]
type = "api_key"
store = true
cache = "100ms"
{more}
[roles]
partner = ["orders:read"]

[tenancy]
from = ["header:X-Tenant-Id"]
need = "optional"
store = true
cache = "100ms"
default_plan = "free"
[plans.free]
requests = 100
window = "60s"
[plans.pro]
requests = 1000
window = "60s"
[tenants.infile]
plan = "pro"

[services.origin]
url = "{origin}"
[[routes]]
path = "/a"
service = "origin"
requires_auth = true
"""


@pytest.fixture(params=["store", "cluster", "sentinel"])
def any_store(request: pytest.FixtureRequest) -> StoreKind:
    kept: StoreKind = request.getfixturevalue(request.param)
    return kept


@pytest.fixture
def any_file(any_store: StoreKind, cli: Cli, origin: Origin) -> str:
    return write(any_store.url, origin)


@pytest.fixture
def file(store: StoreServer, cli: Cli, origin: Origin) -> str:
    return write(store.url, origin)


def write(url: str, origin: Origin, more: str = "") -> str:
    return rewrite(FILE.format(url=url, origin=origin.url, more=more))


def rewrite(text: str) -> str:
    Path("api.toml").write_text(text, encoding="utf-8")
    return text


def key_in(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output.partition("\n")[0]


async def status_of(gw: Gateway, key: str, tenant: str = "") -> int:
    named = f"X-Tenant-Id: {tenant}\r\n" if tenant else ""
    return (await gw.ask(f"GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{named}\r\n".encode())).status


async def refused(gw: Gateway, key: str, tenant: str = "") -> int:
    """The status once it is no 200 any more: what was known may go on for a while."""
    while (status := await status_of(gw, key, tenant)) == 200:
        pass
    return status


async def test_a_key_that_is_made_is_let_in_and_one_that_is_revoked_is_not(
    any_store: StoreKind, any_file: str, cli: Cli, gateway: Start, origin: Origin
):
    gw = await gateway(any_file)
    assert cli("tenants", "set", "api.toml", "acme", "--plan", "pro").exit_code == 0
    made = [
        key_in(cli("stored-keys", "new", "api.toml", "--id", id_, "--role", "partner", "--tenant", "acme"))
        for id_ in ("one", "two", "two", "three")
    ]
    assert [await status_of(gw, key) for key in made] == [200] * 4
    assert origin.seen[-1].header("x-user-id") == "three"
    listed = cli("stored-keys", "list", "api.toml").output.splitlines()
    assert [line.split("  ")[1] for line in listed] == [
        f"{id_} (role partner, tenant acme)" for id_ in ("one", "three", "two", "two")
    ]
    gone = cli("stored-keys", "revoke", "api.toml", "two")
    assert (gone.exit_code, gone.output.count("revoked sha256:")) == (0, 2)
    assert [await refused(gw, key) for key in made[1:3]] == [401] * 2
    digest = hashlib.sha256(made[0].encode()).hexdigest()
    assert cli("stored-keys", "revoke", "api.toml", digest[:8]).exit_code == 0
    assert cli("stored-keys", "revoke", "api.toml", made[3]).exit_code == 0
    assert cli("stored-keys", "list", "api.toml").output == "no keys\n"
    assert [await refused(gw, key) for key in made] == [401] * 4


async def test_the_store_has_nothing_of_a_key_but_its_hash(file: str, cli: Cli, store: StoreServer):
    key = key_in(cli("stored-keys", "new", "api.toml", "--id", "one"))
    name = f"gw:{{key:partners:{hashlib.sha256(key.encode()).hexdigest()}}}"
    assert await store.ask("KEYS", "*") == [name.encode()]
    assert json.loads(await store.ask("GET", name)) == {"id": "one"}
    told = json.loads(cli("stored-keys", "list", "api.toml", "--json").output)
    assert told == [{"hash": f"sha256:{name[17:-1]}", "id": "one", "role": None, "permissions": [], "tier": None,
                     "tenant": None, "expires": None}]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--id", "a b"), "id"),
        (("--id", ""), "id"),
        (("--id", "a", "--role", "boss"), "none of [roles]: partner"),
        (("--id", "a", "--tier", "pro"), "none of [tiers]: there are none"),
        (("--id", "a", "--tenant", "Nope"), "--tenant: no tenant can have this name: 1 to 63 lower-case letters"),
        (("--id", "a", "--tenant", "www"), "--tenant: www is reserved"),
        (("--id", "a", "--tenant", " a"), "its tenant cannot stand in a header"),
        (("--id", "a", "--expires", "soon"), "expires"),
        (("--id", "a", "--expires", "2999-02-30"), "no day"),
        (("--id", "a", "--expires", "2020-01-01"), "has begun"),
        (("--id", "a", "--permission", "x" * 9000), "may have 8192"),
    ],
)
async def test_what_no_gateway_would_read_is_not_written(
    words: tuple[str, ...], says: str, file: str, cli: Cli, store: StoreServer
):
    result = cli("stored-keys", "new", "api.toml", *words)
    assert (result.exit_code, says in result.output) == (2, True), result.output
    assert await store.ask("DBSIZE") == 0


@pytest.mark.parametrize(
    ("tenancy", "tenant", "says"),
    [
        ("", "acme", "none of [tenants]: infile"), ("", "infile", ""), ("store = true", "acme", ""),
        # Without [tenancy] it is told to services, and that is all.
        (None, "Org 7", ""), (None, "a\tb", "cannot stand in a header"),
    ],
)  # fmt: skip
async def test_a_keys_tenant_is_one_of_the_file_unless_the_store_has_others(
    tenancy: str | None, tenant: str, says: str, file: str, cli: Cli, store: StoreServer
):
    before, _, behind = file.partition("[tenancy]")
    own = f'[tenancy]\nfrom = ["claim"]\n{tenancy}\ndefault_plan = "free"\n' if tenancy is not None else ""
    rewrite(before + own + behind[behind.index("[plans.free]" if own else "[services.origin]") :])
    result = cli("stored-keys", "new", "api.toml", "--id", "a", "--tenant", tenant)
    assert (result.exit_code, says in result.output) == (2 if says else 0, True), result.output
    assert await store.ask("DBSIZE") == (0 if says else 1)


@pytest.mark.parametrize("what", ["nobody", "0123456", "gwk_never_made", "f" * 64])
async def test_who_is_not_there_cannot_be_revoked(what: str, file: str, cli: Cli, store: StoreServer):
    await put_key(store, "gwk_a", id="a")
    result = cli("stored-keys", "revoke", "api.toml", what)
    assert result.exit_code == 1
    assert "gwk_never" not in result.output
    assert await store.ask("DBSIZE") == 1


async def test_a_hash_that_could_be_several_revokes_none(file: str, cli: Cli, store: StoreServer):
    for last in "ab":
        await put(store, "key:partners", "0" * 63 + last, {"id": last})
    assert "begins several" in cli("stored-keys", "revoke", "api.toml", "00000000").output
    assert await store.ask("DBSIZE") == 2


async def test_other_authenticators_keys_and_other_families_are_not_touched(file: str, cli: Cli, store: StoreServer):
    await put(store, "key:partners2", "0" * 64, {"id": "a"})
    await put(store, "key:partner", "0" * 64, {"id": "a"})
    await put(store, "tenant", "acme", {})
    await put(store, "key:partners", "0" * 64, {"id": "a"}, prefix="gwx")
    assert cli("stored-keys", "list", "api.toml").output == "no keys\n"
    assert cli("stored-keys", "revoke", "api.toml", "a").exit_code == 1
    assert await store.ask("DBSIZE") == 4


async def test_a_prefix_that_looks_like_a_pattern_is_none(cli: Cli, store: StoreServer, origin: Origin):
    write(f'{store.url}"\nprefix = "g[w]*', origin)
    await put(store, "key:partners", "0" * 64, {"id": "others"})
    await put(store, "key:partners", "1" * 64, {"id": "ours"}, prefix="g[w]*")
    assert cli("stored-keys", "list", "api.toml").output == "sha256:111111111111  ours\n"


async def test_records_that_cannot_be_read_are_listed_and_can_be_revoked(file: str, cli: Cli, store: StoreServer):
    await put(store, "key:partners", "0" * 64, b"rubbish")
    await store.ask("RPUSH", "gw:{key:partners:" + "1" * 64 + "}", "x")
    listed = cli("stored-keys", "list", "api.toml").output
    assert listed.count("cannot be read") == 2
    assert "rubbish" not in listed
    assert cli("stored-keys", "revoke", "api.toml", "00000000").exit_code == 0
    assert cli("stored-keys", "revoke", "api.toml", "1" * 64).exit_code == 0
    assert await store.ask("DBSIZE") == 0


async def test_thousands_are_listed(file: str, cli: Cli, store: StoreServer):
    words = [word for n in range(2500) for word in (f"gw:{{key:partners:{n:064x}}}", f'{{"id":"p{n}"}}')]
    await store.ask("MSET", *words)
    assert len(cli("stored-keys", "list", "api.toml").output.splitlines()) == 2500


async def test_a_store_that_is_not_there_is_told_without_its_password(cli: Cli, origin: Origin):
    write("redis://user:secret@127.0.0.1:1", origin)
    for words in (("stored-keys", "list"), ("tenants", "list")):
        result = cli(*words, "api.toml")
        assert (result.exit_code, "127.0.0.1:1 gives no answer" in result.output) == (1, True), result.output
        assert "secret" not in result.output


async def test_several_authenticators_must_be_told_apart(cli: Cli, origin: Origin, store: StoreServer):
    write(store.url, origin, '[auth.others]\ntype = "api_key"\nstore = true\n[auth.files]\ntype = "api_key"\n')
    assert "--auth: partners, others" in cli("stored-keys", "list", "api.toml").output
    key_in(cli("stored-keys", "new", "api.toml", "--auth", "others", "--id", "a"))
    assert cli("stored-keys", "list", "api.toml", "--auth", "partners").output == "no keys\n"
    assert cli("stored-keys", "list", "api.toml", "--auth", "files").exit_code == 1


# -- tenants


async def test_a_tenant_that_is_set_is_served_and_one_that_is_removed_is_not(
    any_store: StoreKind, any_file: str, cli: Cli, gateway: Start, origin: Origin
):
    key = key_in(cli("stored-keys", "new", "api.toml", "--id", "one"))
    gw = await gateway(any_file)
    assert cli("tenants", "set", "api.toml", "acme", "--plan", "pro").exit_code == 0
    assert await status_of(gw, key, "acme") == 200
    assert origin.seen[-1].header("x-tenant-plan") == "pro"
    assert cli("tenants", "set", "api.toml", "acme", "--inactive").exit_code == 0
    assert cli("tenants", "list", "api.toml").output.splitlines() == [
        "infile (plan pro)  file", "acme (plan pro, inactive)  store",
    ]  # fmt: skip
    assert await refused(gw, key, "acme") == 403
    assert cli("tenants", "remove", "api.toml", "acme").exit_code == 0
    name = "gw:{tenant:acme}"
    assert await (await holder(any_store, name)).ask("EXISTS", name) == 0
    assert cli("tenants", "remove", "api.toml", "acme").exit_code == 1


@pytest.mark.parametrize(
    "words", [("ACME",), ("www",), ("a_b",), ("infile",), ("acme", "--plan", "gold"), ("",), ("a" * 64,)]
)
async def test_what_could_be_no_tenant_is_not_written(words: tuple[str, ...], file: str, cli: Cli, store: StoreServer):
    assert cli("tenants", "set", "api.toml", *words).exit_code == 2
    assert await store.ask("DBSIZE") == 0


def test_a_file_without_a_store_has_nothing_to_list(cli: Cli):
    Path("api.toml").write_text('[[routes]]\npath = "/a"\nrespond = { status = 204 }\n', encoding="utf-8")
    for verb in ("stored-keys", "tenants"):
        result = cli(verb, "list", "api.toml")
        assert (result.exit_code, "store = true" in result.output) == (1, True)
        assert result.output.startswith("api.toml: ")
    assert cli("tenants", "set", "api.toml", "acme").output.startswith("api.toml: ")


# -- explain


def explained(cli: Cli, *fields: str) -> str:
    words = [word for field in fields for word in ("-H", field)]
    result = cli("explain", "api.toml", "GET", "/a", *words)
    assert result.exit_code == 0, result.output
    return result.output


async def test_explain_says_that_a_running_gateway_looks_it_up(file: str, cli: Cli, store: StoreServer, recwarn):
    assert "only a running gateway can verify this credential" in explained(cli, "X-API-Key: gwk_x")
    assert "looked up by a running gateway" in explained(cli, "X-API-Key: gwk_x", "X-Tenant-Id: acme")
    assert "403 tenant_inactive" in explained(cli, "X-API-Key: gwk_x", "X-Tenant-Id: www")
    assert not [each for each in recwarn if "never awaited" in str(each.message)]
