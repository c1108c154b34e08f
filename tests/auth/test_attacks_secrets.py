"""Secrets: in no log, no answer, no explanation and no complaint; and no key is found by trying how long it takes."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import logging
import signal
from pathlib import Path

import pytest

from gwproxy.auth import api_key
from gwproxy.auth.api_key import ApiKeys, KnownKey
from gwproxy.auth.places import Header
from gwproxy.auth.principal import Identities, Unproved
from gwproxy.config.check import check
from gwproxy.config.load import loads
from gwproxy.config.problems import ConfigError
from gwproxy.exchange import Exchange, Sender
from gwproxy.wire.request import FieldsOfRequest, RequestHead
from tests.auth.attacking import KEY, ROUTES, api_keys, bearer, get, issued, jwt
from tests.support.command import Runtime
from tests.support.issuer import Issuer
from tests.support.origin import Origin
from tests.support.tokens import SECRET, token

IN_QUERY = jwt('from = "query:jwt"', name="q")
IN_COOKIE = jwt('from = "cookie:session"', name="c")
CREDENTIALS = {
    "good": token({"sub": "good"}), "expired": token({"exp": 1}),
    "forged": token(secret="not the secret, but as long")[:-3],
    "two": token({"sub": "two"}), "forbidden": token({"sub": "forbidden"}), "in nowhere": token({"sub": "nowhere"}),
    "cookie": token({"sub": "cookie"}), "key": KEY, "almost": KEY[:-1] + "?",
}  # fmt: skip
ASKED = [
    get("/known", bearer(CREDENTIALS["good"])), get("/known", bearer(CREDENTIALS["expired"])),
    get("/known", bearer(CREDENTIALS["forged"])), get("/known", bearer(CREDENTIALS["two"]), bearer(CREDENTIALS["two"])),
    get(f"/known?jwt={CREDENTIALS['good']}"), get(f"/known?jwt={CREDENTIALS['expired']}&a=b"),
    get(f"/known?jwt={CREDENTIALS['two']}&%6Awt={CREDENTIALS['two']}"), get(f"/few?jwt={CREDENTIALS['forbidden']}"),
    get(f"/nowhere?jwt={CREDENTIALS['in nowhere']}"), get(f"/known?jw%74={CREDENTIALS['forged']}"),
    get(f"/../known?jwt={CREDENTIALS['good']}"), get("/known", f"Cookie: session={CREDENTIALS['cookie']}"),
    get("/known", f"X-API-Key: {CREDENTIALS['key']}"), get("/known", f"X-API-Key: {CREDENTIALS['almost']}"),
    get("/known", f"X-API-Key: {CREDENTIALS['key']}\x01"), get("/open", bearer(CREDENTIALS["forged"])),
]  # fmt: skip
FEW = '[[routes]]\npath = "/few"\nservice = "origin"\nroles = ["admin"]\n[roles]\nadmin = ["*"]\n'


def secret_parts() -> list[str]:
    """What must be nowhere: whole secrets, and the signature of each token, without which it is worth nothing."""
    return [SECRET, KEY, KEY[:-1], *(value.rsplit(".", 1)[-1] for value in CREDENTIALS.values())]


def assert_silent(text: str) -> None:
    assert [part for part in secret_parts() if part in text] == []


@pytest.mark.parametrize("form", ["json", "text"])
async def test_no_secret_is_in_any_log(form: str, gwproxy: Runtime, origin: Origin, connect, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    file = tmp_path / "routes.toml"
    head = f'[gateway]\nlisten = ["127.0.0.1:0"]\nworkers = 1\n[log]\nformat = "{form}"\nfile = "{log}"\n'
    file.write_text(head + jwt() + IN_QUERY + IN_COOKIE + api_keys() + ROUTES.replace("${ORIGIN}", origin.url) + FEW)
    process = await gwproxy("run", str(file))
    port = await (process.port() if form == "text" else _port(process))
    for raw in ASKED:
        assert_silent((await (await connect(port)).ask(raw)).raw_head.decode("latin-1"))
    process.process.terminate()
    code, out, err = await process.end()
    assert code == 0
    told = log.read_text()
    assert len(told.splitlines()) == len(ASKED)
    for text in (told, out, err):
        assert_silent(text)
    # What is no secret is told.
    assert "partner" in told or form == "text"
    assert "expired" in told
    assert "[redacted]" in told


async def _port(process: object) -> int:
    found = await process.says(r"listening on http://127\.0\.0\.1:(\d+)")  # type: ignore[attr-defined]
    return int(found[1])


async def test_no_secret_is_in_what_libraries_say_at_their_most_talkative(
    gateway, origin: Origin, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fetched = jwt(name="f", algorithms='"ES256"', key=f'jwks = "{issuer.keys_url}"')
    gw = await gateway(jwt() + fetched + IN_QUERY + api_keys() + ROUTES + FEW, origin=origin)
    good = issued(kid="a")
    for raw in (*ASKED, get("/known", bearer(good)), get("/known", bearer(issued(kid="b")))):
        answer = await gw.ask(raw)
        told = answer.raw_head + answer.body
        assert_silent(told.decode("latin-1") if answer.status != 200 else answer.raw_head.decode("latin-1"))
    assert_silent(caplog.text)
    assert good.rsplit(".", 1)[1] not in caplog.text
    for record in gw.records:
        assert_silent(json.dumps({name: str(value) for name, value in record.as_dict().items() if name != "path"}))


async def test_no_answer_tells_what_was_wrong_with_a_credential(gateway, origin: Origin) -> None:
    """Expired, forged, unknown or malformed: it is all one, else it could be tried out. But for its own scheme, which
    the caller knows.
    """
    gw = await gateway(jwt() + api_keys() + ROUTES, origin=origin)
    told, bearers = set(), set()
    for fields in (
        (bearer(token({"exp": 1})),), (bearer(token()[:-1]),), (bearer("x"),), (bearer(token({"sub": ""})),),
        ("X-API-Key: x",), (f"X-API-Key: {KEY}x",), (bearer(token()), bearer(token())), ("X-API-Key: " + "x" * 600,),
        (bearer(token()), f"X-API-Key: {KEY}"), ("X-API-Key: x", f"X-API-Key: {KEY}"), (bearer(KEY),),
    ):  # fmt: skip
        answer = await gw.ask(get("/known", *fields))
        body = {name: value for name, value in answer.json().items() if name not in ("request_id", "instance")}
        told.add((answer.status, json.dumps(body)))
        sent = any(field.startswith("Authorization: Bearer ") for field in fields)
        bearers.add((sent, tuple(answer.headers.named("WWW-Authenticate"))))
    assert len(told) == 1
    assert [sent for sent, _ in sorted(bearers)] == [False, True]


BAD = [
    (jwt(key='key = "hunter2hunter2"'), "hunter2"), (jwt(key="key = 7777777"), "7777777"),
    (jwt(key='key = ["hunter2"]'), "hunter2"), (jwt(key='key = """-----BEGIN PRIVATE KEY-----\nhunter2\n"""'),
    "hunter2"),
    (jwt(key='key = """-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----"""', algorithms='"RS256"'),
    "hunter2"),
    (jwt(key='jwks = "https://user:hunter2@a.example/keys?key=hunter2"'), "hunter2"),
    (jwt(key='issuer = "https://user:hunter2@a.example"'), "hunter2"),
    ('[auth.k]\ntype = "api_key"\n[[auth.k.keys]]\nid = "p"\nhash = "hunter2"\n', "hunter2"),
    ('[auth.k]\ntype = "api_key"\n[[auth.k.keys]]\nid = "p"\nhash = ["hunter2"]\n', "hunter2"),
    ('[auth.k]\ntype = "api_key"\nkeys = [{ id = "p", hash = "sha256:HUNTER2" }]\n', "HUNTER2"),
]  # fmt: skip
# A secret as it is, where a table or an array of tables belongs.
MISPLACED = [
    ('[services.leak]\nurl = "http://a"\ncredentials = "hunter2"\n', "write [services.leak.credentials]"),
    ('[services.leak]\nurl = "http://a"\ncredentials = ["hunter2"]\n', "write [services.leak.credentials]"),
    ('[services.leak]\nurl = "http://a"\ncredentials.basic = "gateway:hunter2"\n',
    "write [services.leak.credentials.basic]"),
    ('[services.leak]\nurl = "http://a"\ncredentials.header = "X-Key: hunter2"\n',
    "write [services.leak.credentials.header]"),
    ('[services.leak]\nurl = "http://a"\ncredentials.header = 7777777\n', "found a number"),
    ('services.leak = "http://user:hunter2@a"\n', "write [services.leak]"),
    ('[auth]\nkey = "hunter2"\n', "[auth.NAME]"), ('[auth]\nsession = "hunter2"\n', "[auth.NAME]"),
    ('[auth]\nsession = ["hunter2"]\n', "[auth.NAME]"), ('auth = "hunter2"\n', "write [auth.NAME]"),
    ('[auth.k]\ntype = "api_key"\nkeys = ["hunter2"]\n', "write [[auth.k.keys]]"),
    ('[auth.k]\ntype = "api_key"\nkeys = "hunter2"\n', "write [[auth.k.keys]]"),
    ('[auth.k]\ntype = "api_key"\nkeys = ["$${hunter2}"]\n', "write [[auth.k.keys]]"),
    ('[auth.k]\ntype = "api_key"\n[auth.k.keys]\nid = "p"\nhash = "hunter2"\n', "write [[auth.k.keys]]"),
    ('[auth.k]\ntype = "basic"\nusers = ["greta:hunter2"]\n', "write [[auth.k.users]]"),
    ('[auth.k]\ntype = "basic"\nusers = { greta = "hunter2" }\n', "write [[auth.k.users]]"),
    ('[auth.k]\ntype = "signature"\nkeys = ["hunter2"]\n', "write [[auth.k.keys]]"),
    ('[auth.k]\ntype = "jwt"\nkey = "hunter2hunter2"\nalgorithms = "hunter2"\n', "found a string; write [ ] around it"),
    ('identity = "hunter2"\n', "write [identity]"), ('admin = "hunter2"\n', "write [admin]"),
    ('state = "redis://:hunter2@h"\n', "write [state]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "secret"), BAD)
async def test_no_secret_is_in_what_check_says(text: str, secret: str, gwproxy: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text + ROUTES.replace("${ORIGIN}", "http://127.0.0.1:1"))
    code, out, err = await gwproxy.told("check", str(file))
    assert code == 1
    assert "auth." in out + err
    assert secret not in out + err


@pytest.mark.parametrize(("text", "cure"), MISPLACED)
async def test_a_secret_where_a_table_belongs_is_not_shown(
    text: str, cure: str, gwproxy: Runtime, tmp_path: Path
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text + ROUTES.replace("${ORIGIN}", "http://127.0.0.1:1"))
    code, out, err = await gwproxy.told("check", str(file))
    assert code == 1
    assert cure in out + err
    answers = [out + err]
    for verb in (("check", "--json"), ("run",)):
        code, out, err = await gwproxy.told(verb[0], str(file), *verb[1:])
        assert code == 1
        answers.append(out + err)
    assert [each for each in answers if "hunter2" in each or "7777777" in each] == []


async def test_a_reload_does_not_show_it_either(gwproxy: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    good = '[gateway]\nlisten = ["127.0.0.1:0"]\n' + api_keys() + ROUTES.replace("${ORIGIN}", "http://127.0.0.1:1")
    file.write_text(good)
    running = await gwproxy("run", str(file))
    await running.port()
    file.write_text(good + 'credentials = "hunter2"\n[services.b]\nurl = "http://b"\ncredentials.header = "hunter2"\n')
    code, out, err = await gwproxy.told("reload")
    running.signal(signal.SIGTERM)
    told = [out + err, (await running.end())[2]]
    assert code == 1
    assert ["services.b.credentials.header" in each for each in told] == [True, True]
    assert ["hunter2" in each for each in told] == [False, False]


def test_no_secret_is_in_the_text_of_what_is_loaded() -> None:
    """It is made for logs and debuggers."""
    try:
        loaded = loads(jwt() + api_keys() + ROUTES, environ={"ORIGIN": "http://a"})
        assert list(check(loaded)) == []
    except ConfigError as error:
        pytest.fail(str(error))
    from gwproxy.snapshot.compile import compile

    assert SECRET not in repr(compile(loaded).auth)


async def test_explain_repeats_no_credential(gwproxy: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(jwt() + IN_COOKIE + IN_QUERY + api_keys() + ROUTES.replace("${ORIGIN}", "http://127.0.0.1:1"))
    for header, form in (
        (f"Authorization: Bearer {CREDENTIALS['good']}", ()), (f"Authorization: Bearer {CREDENTIALS['expired']}",
        ("--json",)),
        (f"X-API-Key: {KEY}", ("--json",)), (f"X-API-Key: {CREDENTIALS['almost']}", ()),
        (f"Cookie: session={CREDENTIALS['forged']}", ()),
    ):  # fmt: skip
        code, out, err = await gwproxy.told("explain", str(file), "GET", "/known", "-H", header, *form)
        assert code in (0, 1)
        assert "routes[1]" in out
        assert_silent(out + err)


async def test_explain_asks_no_issuer_and_complains_of_nothing(
    gwproxy: Runtime, issuer: Issuer, tmp_path: Path
) -> None:
    file = tmp_path / "routes.toml"
    fetched = jwt(algorithms='"ES256"', key=f'jwks = "{issuer.keys_url}"')
    file.write_text(fetched + ROUTES.replace("${ORIGIN}", "http://127.0.0.1:1"))
    header = f"Authorization: Bearer {issued(kid='a')}"
    code, out, err = await gwproxy.told("explain", str(file), "GET", "/known", "-H", header)
    assert (code, err, issuer.seen) == (0, "", [])
    assert "what it proves is not known here" in out


# -- timing


def test_a_key_is_looked_up_by_its_hash_and_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a clock: a clock would measure this machine. What is called, and with what."""
    compared: list[tuple[bytes, bytes]] = []
    digest = hashlib.sha256(KEY.encode()).digest()

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("gwproxy.auth.api_key.hmac.compare_digest", watched)
    keys = ApiKeys("k", Header("X-API-Key", ()), "r", [KnownKey(digest, Identities({}).principal("k", "p"))])
    exchange = Exchange(RequestHead(b"GET", b"/", 1, FieldsOfRequest(b"Host: a"), True), Sender(""), 0.0)
    assert keys.prove(KEY.encode(), exchange, 0.0).principal.id == "p"
    assert compared == [(digest, digest)]
    # Nothing of a key is held but its hash, and nothing else of a credential is looked up.
    assert list(keys._keys) == [digest]
    for near in (KEY[:-1], KEY + "x", KEY.upper(), digest.hex(), digest.decode("latin-1"), ""):
        with pytest.raises(Unproved, match="unknown key"):
            keys.prove(near.encode("latin-1"), exchange, 0.0)


def test_no_comparison_of_secrets_can_end_early() -> None:
    """In api_key.py nothing of a credential is compared with == or in a loop."""
    tree = ast.parse(inspect.getsource(api_key))
    prove = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "prove")
    compared = [ast.unparse(node) for node in ast.walk(prove) if isinstance(node, ast.Compare)]
    assert sorted(compared) == ["key is None", "len(credential) > LONGEST", "now >= key.until"]
    assert not [node for node in ast.walk(prove) if isinstance(node, ast.For | ast.While)]


@pytest.mark.parametrize(
    "entry", ["", 'expires = "2001-01-01"', "expires = 2001-01-01", "expires = 2999-01-01", 'expires = "2999-01-01"']
)
async def test_expired_and_unknown_keys_are_told_alike(entry: str, gateway, origin: Origin) -> None:
    gw = await gateway(api_keys(entry=entry) + ROUTES, origin=origin)
    answers = [await gw.ask(get("/known", f"X-API-Key: {key}")) for key in ("unknown", KEY)]
    expected = [401, 401] if "2001" in entry else [401, 200]
    assert [answer.status for answer in answers] == expected
