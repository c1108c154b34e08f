"""What the gateway proves to services: its own secret, never the caller's, and shown to nobody else."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gwproxy.cli.explanation import explanation
from gwproxy.cli.typed_request import typed_request
from gwproxy.config.load import load, loads
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.credentials import unusable_keys
from tests.support.origin import Origin
from tests.support.running import Gateway
from tests.support.tokens import SECRET, token

Start = Callable[..., Awaitable[Gateway]]

ROUTES = """
[services.origin]
url = "${ORIGIN}"
[services.origin.credentials]
%s

[services.other]
url = "${ORIGIN}"

[[routes]]
path = "/own"
method = "*"
service = "origin"

[[routes]]
path = "/other"
service = "other"
"""
PAIR = base64.b64encode("gw:pä:ss".encode()).decode()
HEADER = 'header = { name = "X-Api-Key", value = "own secret" }'


def get(path: str, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("written", "name", "value"),
    [
        (HEADER, "x-api-key", "own secret"),
        ('basic = { user = "gw", password = "pä:ss" }', "authorization", f"Basic {PAIR}"),
        ('bearer = "abc.def=="', "authorization", "Bearer abc.def=="),
    ],
    ids=["header", "basic", "bearer"],
)  # fmt: skip
async def test_a_service_is_shown_the_gateway_s_own_secret(
    gateway: Start, origin: Origin, written: str, name: str, value: str
) -> None:
    gw = await gateway(ROUTES % written, origin=origin)
    await gw.ask(get("/own", "Accept: a/b"))
    await gw.ask(get("/other", "Accept: a/b"))
    assert [sent.header(name) for sent in origin.seen] == [value, None]
    assert origin.seen[0].header("accept") == "a/b"


@pytest.mark.asyncio
async def test_a_caller_s_own_copy_goes_in_every_spelling(gateway: Start, origin: Origin) -> None:
    gw = await gateway(ROUTES % HEADER, origin=origin)
    caller = await gw.connect()
    for _ in range(2):
        await caller.ask(get("/own", "X-Api-Key: forged", "x_api.key: forged", "XAPIKEY: forged", "X-Api-Keys: kept"))
    for sent in origin.seen:
        assert b"forged" not in sent.raw_head
        assert (sent.header("x-api-key"), sent.header("x-api-keys")) == ("own secret", "kept")
        assert sent.header("x-request-id")


@pytest.mark.asyncio
async def test_a_caller_s_copy_passes_to_services_that_want_no_credentials(gateway: Start, origin: Origin) -> None:
    gw = await gateway(ROUTES % HEADER, origin=origin)
    await gw.ask(get("/other", "X-Api-Key: mine"))
    assert origin.seen[0].header("x-api-key") == "mine"


@pytest.mark.asyncio
async def test_the_gateway_s_secret_goes_with_bodies_too(gateway: Start, origin: Origin) -> None:
    gw = await gateway(ROUTES % 'bearer = "own"', origin=origin)
    head = b"POST /own HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer forged\r\n"
    await gw.ask(head + b"Content-Length: 3\r\n\r\nabc")
    await gw.ask(head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert [(sent.header("authorization"), sent.body) for sent in origin.seen] == [("Bearer own", b"abc")] * 2


@pytest.mark.asyncio
async def test_forwarded_credentials_do_not_stand_beside_the_gateway_s_own(gateway: Start, origin: Origin) -> None:
    auth = f'[auth.session]\ntype = "jwt"\nalgorithms = ["HS256"]\nkey = "{SECRET}"\n'
    routes = (ROUTES % 'bearer = "own"').replace('method = "*"', "requires_auth = true\nforward_credentials = true")
    routes = routes.replace('path = "/other"', 'path = "/other"\nrequires_auth = false')
    gw = await gateway(auth + routes, origin=origin)
    caller = await gw.connect()
    for _ in range(2):
        await caller.ask(get("/own", f"Authorization: Bearer {token()}"))
    assert [sent.headers.named("authorization") for sent in origin.seen] == [["Bearer own"]] * 2
    assert [sent.header("x-user-id") for sent in origin.seen] == ["u-1"] * 2


def test_secrets_in_files_are_read_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\r\n")
    (tmp_path / "gw.toml").write_text(
        '[services.a]\nurl = "http://a"\ncredentials.header = { name = "X-Key", value_file = "key" }\n'
    )
    loaded = load(tmp_path / "gw.toml", {})
    own = compile(loaded).services["a"].own
    assert own is not None
    assert "from a file" not in repr(own)
    (tmp_path / "key").write_text("anew")
    assert compile(load(tmp_path / "gw.toml", {})).services["a"].own != own


@pytest.mark.parametrize(
    ("word", "content"),
    [
        ('header = { name = "X-Key", value_file = "key" }', b"two\nlines"),
        ('header = { name = "X-Key", value_file = "key" }', b""),
        ('basic = { user = "a", password_file = "key" }', b"\xff"),
        ('basic = { user = "a", password_file = "key" }', b"a\tb"),
        ('bearer_file = "key"', b"a b"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_told_and_not_shown(tmp_path: Path, word: str, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "gw.toml").write_text(f'[services.a]\nurl = "http://a"\n[services.a.credentials]\n{word}\n')
    (problem,) = unusable_keys(load(tmp_path / "gw.toml", {}))
    assert problem.kind == "bad_key"
    assert problem.place.line == 4
    assert "two" not in str(problem)


def test_explain_tells_of_the_header_and_not_of_its_value() -> None:
    loaded = loads(ROUTES % HEADER, environ={"ORIGIN": "http://o:1"})
    told = explanation(loaded, compile(loaded), typed_request("GET", "/own", ()))
    assert told.asks == ["GET http://o:1/own with the gateway's own X-Api-Key"]
    assert "own secret" not in str(told.as_dict())


@pytest.mark.asyncio
async def test_versions_tenants_and_the_gateway_s_own_secret_go_together(gateway: Start, origin: Origin) -> None:
    """Each is added by its own part of the house; a request may have all of them, and none of the caller's."""
    text = ROUTES % HEADER + f"""
[tenancy]
from = ["claim"]
need = "optional"
[tenants.acme]
[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"
[[routes]]
path = "/api/users"
requires_auth = true
[routes.versions.v1]
service = "other"
[routes.versions.v2]
service = "origin"
"""
    text = text.replace('path = "/own"', 'path = "/own"\nrequires_auth = false')
    text = text.replace('path = "/other"', 'path = "/other"\nrequires_auth = false')
    gw = await gateway(text, origin=origin)
    mine = ("X-Api-Key: mine", "X-API-Version: v2", f"Authorization: Bearer {token({'tenant': 'acme'})}")
    assert (await gw.ask(get("/api/users", *mine))).status == 200
    assert (await gw.ask(get("/api/v1/users", *mine))).status == 200
    new, old = origin.seen
    assert new.headers.named("X-Api-Key") == ["own secret"]
    assert old.headers.named("X-Api-Key") == ["mine"]
    for sent, version in ((new, "v2"), (old, "v1")):
        assert sent.headers.named("X-API-Version") == [version]
        assert (sent.header("x-user-id"), sent.header("x-tenant-id")) == ("u-1", "acme")
        assert sent.header("authorization") is None
        assert sent.target == b"/api/users"
