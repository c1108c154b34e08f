"""Files that TLS needs: each told by its own key, with what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gwproxy.config.problems import ConfigError, Problem
from gwproxy.runtime.reading import read
from tests.support.authority import Authority


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """A folder of files, good and bad."""
    authority = Authority(tmp_path)
    authority.sign("a")
    authority.sign("b")
    (tmp_path / "text.pem").write_text("no PEM\n", encoding="utf-8")
    (tmp_path / "wrapped.pem").write_text(
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", encoding="utf-8"
    )
    key = serialization.load_pem_private_key((tmp_path / "a.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    (tmp_path / "locked.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    return tmp_path


def told(folder: Path, tls: str) -> list[tuple[str, str, str]]:
    file = folder / "api.toml"
    tls = tls.replace("@", f"{folder}/")
    file.write_text(f'[services.s]\nurl = "https://s"\n[services.s.tls]\n{tls}\n', encoding="utf-8")
    try:
        read(file, {})
    except ConfigError as error:
        return [_fields(folder, problem) for problem in error.problems]
    return []


def _fields(folder: Path, problem: Problem) -> tuple[str, str, str]:
    return problem.key.removeprefix("services.s.tls."), problem.found.replace(f"{folder}/", "@"), problem.hint


def test_good_files_are_fine(pki: Path) -> None:
    assert told(pki, 'ca = "@authority.pem"\ncert = "@a.crt"\nkey = "@a.key"') == []


NO_CERTIFICATE = "no usable PEM certificate in it"
NO_KEY = "no PEM private key in it"
ENCRYPTED = "the private key in it is encrypted: store it without a passphrase"
MISSING = "No such file or directory"


@pytest.mark.parametrize(
    ("cert", "key", "expected"),
    [
        ("text.pem", "a.key", [("cert", '"@text.pem"', NO_CERTIFICATE)]),
        ("a.key", "a.key", [("cert", '"@a.key"', NO_CERTIFICATE)]),
        ("a.crt", "a.crt", [("key", '"@a.crt"', NO_KEY)]),
        ("a.crt", "wrapped.pem", [("key", '"@wrapped.pem"', "no usable PEM private key in it")]),
        ("a.crt", "b.key", [("key", '"@b.key"', "it is not the key of the certificate in cert")]),
        ("a.crt", "locked.key", [("key", '"@locked.key"', ENCRYPTED)]),
        ("a.crt", "none", [("key", '"@none"', MISSING)]),
        ("none", "text.pem", [("cert", '"@none"', MISSING), ("key", '"@text.pem"', NO_KEY)]),
        ("text.pem", "none", [("cert", '"@text.pem"', NO_CERTIFICATE), ("key", '"@none"', MISSING)]),
    ],
)  # fmt: skip
def test_each_file_of_a_pair_is_told_by_its_own_key(
    cert: str, key: str, expected: list[tuple[str, str, str]], pki: Path
) -> None:
    assert told(pki, f'cert = "@{cert}"\nkey = "@{key}"') == expected


def test_an_authority_without_certificates_is_told(pki: Path) -> None:
    assert told(pki, 'ca = "@a.key"') == [("ca", '"@a.key"', NO_CERTIFICATE)]


@pytest.mark.parametrize(
    ("name", "fault"), [("authority.pem", ""), ("a.key", NO_CERTIFICATE), ("none", MISSING)]
)
def test_an_issuer_s_authority_is_told_by_its_key_and_place(name: str, fault: str, pki: Path) -> None:
    file = pki / "api.toml"
    issuer = '[auth.t]\ntype = "jwt"\nalgorithms = ["ES256"]\njwks = "https://id.example/keys"\n'
    file.write_text(f'{issuer}ca = "{pki}/{name}"\n', encoding="utf-8")
    problems: tuple[Problem, ...] = ()
    try:
        read(file, {})
    except ConfigError as error:
        problems = error.problems
    told = [(each.key, each.place.line, each.found, each.hint) for each in problems]
    assert told == ([("auth.t.ca", 5, f'"{pki}/{name}"', fault)] if fault else [])


def test_files_are_told_beside_what_is_wrong_with_the_configuration(pki: Path) -> None:
    """In the order of the file, errors of shape, of reference and of this machine."""
    file = pki / "api.toml"
    file.write_text(
        f'[gateway]\nlisten = ["fd:x"]\nworkers = 0\n[services.s]\nurl = "https://s"\ntls.ca = "{pki}/none"\n'
        '[[routes]]\npath = "/:a"\nservice = "t"\n[[routes]]\npath = "/:b"\nservice = "s"\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as error:
        read(file, {})
    assert [(problem.kind, problem.place.line) for problem in error.value.problems] == [
        ("out_of_range", 3), ("unreadable_file", 6), ("unknown_service", 9),
        ("duplicate_route", 11),
    ]  # fmt: skip
