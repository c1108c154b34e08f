"""`gwproxy token`: what a gateway that serves the same file believes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.issuing import jwk
from tests.support.origin import Origin

ROOT = Path(__file__).parents[2]
Cli = Callable[..., Result]
SECRET = "a secret of exactly sixty-four bytes, which is what HS512 wants.."
OPEN = '[[routes]]\npath = "/open"\nrespond = {}\nrequires_auth = false\n'
OTHER = """\
[auth.other]
type = "jwt"
issuer = "https://other.example.com"
algorithms = ["ES256", "HS256"]
from = "header:X-Other"
"""
FILE = f"""\
[auth.session]
type = "jwt"
algorithms = ["HS512"]
key = "{SECRET}"
issuer = "https://id.example.com"
audience = ["api", "web"]
[auth.session.claims]
id = "email"
role = "realm_access.roles"
permissions = "scope"
tier = "https://a.example/tier"
tenant = "org.id"
[auth.partners]
type = "api_key"
{OTHER}[roles]
admin = ["*"]
[tiers.pro]
requests = 9
window = "1s"
[services.origin]
url = "${{ORIGIN:-http://a}}"
[[routes]]
path = "/"
service = "origin"
permissions_all = ["orders:read", "users:read"]
{OPEN}"""


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token."""
    header, payload, _ = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.strip().split("."))
    return json.loads(header), json.loads(payload)


@pytest.fixture
def file(cli: Cli) -> Path:
    path = Path("own.toml")
    path.write_text(FILE, encoding="utf-8")
    return path


def test_token_says_what_the_authenticator_asks_for_under_its_own_names(cli: Cli, file: Path):
    before = int(time.time())
    result = cli(
        "token", "own.toml", "--sub", "a@b", "--role", "admin", "--role", "user", "--permission", "orders:read",
        "--permission", "users:read", "--tier", "pro", "--tenant", "acme", "--ttl", "30m", "--claim", "n=[1]",
        "--claim", "text=x", "--claim", "org.name=ACME",
    )  # fmt: skip
    header, claims = parts(result.stdout)
    assert header == {"alg": "HS512", "typ": "JWT"}
    assert before <= claims.pop("iat") <= time.time()
    assert before + 1800 <= claims.pop("exp") <= time.time() + 1800
    assert claims == {
        "iss": "https://id.example.com", "aud": "api", "email": "a@b", "realm_access": {"roles": ["admin", "user"]},
        "scope": "orders:read users:read", "https://a.example/tier": "pro", "org": {"id": "acme", "name": "ACME"},
        "n": [1], "text": "x",
    }  # fmt: skip
    signed, _, signature = result.stdout.strip().rpartition(".")
    made = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha512).digest()
    assert base64.urlsafe_b64encode(made).rstrip(b"=").decode() == signature


def test_what_is_left_out_is_not_in_the_token(cli: Cli, file: Path):
    assert set(parts(cli("token", "own.toml", "--sub", "a").stdout)[1]) == {"iss", "aud", "iat", "exp", "email"}


def token_of(cli: Cli, *words: str) -> str:
    return cli("token", "own.toml", "--sub", "a", *words).stdout.strip()


async def test_gateway_believes_it(gateway, origin: Origin, cli: Cli, file: Path):
    # Nobody is asked for keys here, and everybody has a tier.
    served = FILE.replace(OTHER, "").replace("[auth.session]", '[auth]\ndefault_tier = "pro"\n[auth.session]', 1)
    gw = await gateway(served, origin)
    for words, status in (
        (("--permission", "orders:read", "--permission", "users:read"), 200), (("--role", "admin"), 200),
        (("--role", "admin", "--claim", "exp=1"), 401), (("--role", "admin", "--claim", "aud=else"), 401), ((), 403),
    ):  # fmt: skip
        ask = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token_of(cli, *words)}\r\n\r\n".encode()
        assert (await gw.ask(ask)).status == status, words
    assert {sent.header("x-user-id") for sent in origin.seen} == {"a"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), ""),
        (("--claim", "exp=1"), "auth.session refuses this token: expired\n"),
        (("--claim", "email=7.5"), "auth.session refuses this token: no claim email that is a name\n"),
        (("--claim", f"x={'a' * 9000}"), "auth.session refuses this token: longer than max_token\n"),
        (("--tier", "gold"), "there is no [tiers.gold]: the caller has no tier\n"),
        (("--role", "amdin"), "[roles] has no amdin: it gives no permissions\n"),
    ],
)
def test_who_tries_it_is_told_beside_the_token_what_will_surprise(words, says: str, cli: Cli, file: Path):
    result = cli("token", "own.toml", "--sub", "a", *words)
    assert (result.exit_code, result.stderr, result.stdout.count(".")) == (0, says, 2)


def test_secret_of_a_key_set_signs_under_its_name(cli: Cli):
    secret = base64.urlsafe_b64encode(SECRET[:32].encode()).rstrip(b"=").decode()
    keys = [jwk("P-256", kid="a"), {"kty": "oct", "kid": "b", "alg": "HS256", "k": secret}]
    Path("keys.json").write_text(json.dumps({"keys": keys}), encoding="utf-8")
    Path("own.toml").write_text(
        f'[auth.s]\ntype = "jwt"\nalgorithms = ["ES256", "HS256"]\njwks = "keys.json"\n{OPEN}', encoding="utf-8"
    )
    assert parts(cli("token", "own.toml", "--sub", "a").stdout)[0] == {"alg": "HS256", "kid": "b", "typ": "JWT"}


REQUIRED = FILE.replace('issuer = "https://id', 'required_claims = ["exp", "jti", "org.id"]\nissuer = "https://id')
MORE = f'[auth.more]\ntype = "jwt"\nalgorithms = ["HS256"]\nkey = "{SECRET}"\n'
SECOND = FILE.replace("[auth.other]", f"{MORE}[auth.other]")
WAY = FILE.replace('"org.id"', '"email.org"')
FETCHED = FILE.replace(f'"HS512"]\nkey = "{SECRET}"', '"ES512"]')
REFUSALS = [
    (FILE, ("--auth", "other"), 1, "own.toml: auth.other has no shared secret: only the issuer can sign\n"),
    (FILE, ("--auth", "partners"), 1, "own.toml: auth.partners takes no tokens\n"),
    (FILE, ("--auth", "sesion"), 1, "own.toml: there is no [auth.sesion]: session, partners, other\n"),
    (FETCHED, (), 1, "no shared secret: only the issuer of auth.session can sign\n"),
    (OPEN.replace("requires_auth = false\n", ""), (), 1, "no shared secret: no [auth.NAME] takes tokens\n"),
    (SECOND, (), 1, "several have a shared secret, say which: --auth session or more\n"),
    (REQUIRED, ("--claim", "jti=1"), 1, "auth.session wants the claim org.id: give it one\n"),
    (REQUIRED, ("--tenant", "a"), 1, "auth.session wants the claim jti: give it one\n"),
    (WAY, ("--tenant", "a"), 1, "the claim email.org stands in the way of email\n"),
    ("[gateway]\nworkers = 0\n", (), 1, "own.toml:2:1: gateway.workers: "),
    (FILE, ("--ttl", "soon"), 2, "--ttl: 'soon' is not a duration"),
    (FILE, ("--ttl", "0"), 2, "--ttl: from a second"),
    (FILE, ("--claim", "a"), 2, "--claim: 'a' is not NAME=VALUE"),
]


@pytest.mark.parametrize(("text", "words", "code", "says"), REFUSALS)
def test_what_cannot_be_signed_is_told(text: str, words, code: int, says: str, cli: Cli):
    Path("own.toml").write_text(text, encoding="utf-8")
    result = cli("token", "own.toml", "--sub", "a", *words)
    assert (result.exit_code, says in result.stderr, result.stdout) == (code, True, ""), result.output


def test_caller_must_be_named(cli: Cli, file: Path):
    result = cli("token", "own.toml")
    assert (result.exit_code, "Missing option '--sub'" in result.stderr) == (2, True)


def test_help_says_what_it_is_for(cli: Cli):
    assert "for trying out" in cli("token", "--help").stdout


def test_other_verbs_do_not_wait_for_what_signs():
    """It takes longer to load than all the rest."""
    line = "import sys, gwproxy.cli; print({'jwt', 'cryptography'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (loaded.stdout, loaded.returncode) == ("set()\n", 0)
