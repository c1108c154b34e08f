"""What a tired user types, and what helps them: 2 is wrong usage, 1 a file that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

FINE = '[[routes]]\npath = "/a"\nrespond = {}\n'

USES = [
    (["chekc", "a.toml"], 2, "No such command 'chekc'"),
    (["check"], 2, "Missing argument 'FILE'"),
    (["check", "a.toml", "b.toml"], 2, "unexpected extra argument (b.toml)"),
    (["check", "none.toml"], 1, "none.toml: cannot be read: No such file or directory\n"),
    (["check", "."], 1, ".: cannot be read: Is a directory\n"),
    (["check", "bad.toml"], 1, "bad.toml:2:1: not TOML; "),
    (["run"], 1, "routes.toml: cannot be read: No such file or directory; name another file, or try `gwproxy demo`\n"),
    (["run", "bad.toml"], 1, "bad.toml: 1 error\n"),
    (["routes", "none.toml"], 1, "none.toml: cannot be read: No such file or directory\n"),
    (["routes", "bad.toml"], 1, "bad.toml:2:1: not TOML; "),
    (["schema", "a.toml"], 2, "unexpected extra argument (a.toml)"),
    (["status", "--json", "--watch"], 2, "--json tells once"),
    (["explain", "a.toml", "GET"], 2, "Missing argument 'URL'"),
    (["explain", "none.toml", "GET", "/a"], 1, "none.toml: cannot be read: "),
    (["explain", "a.toml", "http://x/a", "GET"], 2, "METHOD comes before URL: GET http://x/a"),
    (["explain", "a.toml", "G T", "/a"], 2, "'G T' is no method"),
    (["explain", "a.toml", "GET", "x/a"], 2, "'x/a' is no URL: write http://HOST/PATH, or only the path"),
    (["explain", "a.toml", "GET", "*"], 2, "'*' is no URL: write http://HOST/PATH, or only the path"),
    (["explain", "a.toml", "GET", "ftp://x/a"], 2, "ftp:// is not spoken here"),
    (["explain", "a.toml", "GET", "http:///a"], 2, "names no host"),
    (["explain", "a.toml", "GET", "/a", "-H", "novalue"], 2, "'novalue' is no header: write -H 'Name: value'"),
    (["explain", "a.toml", "GET", "/a", "-H", "A: b\r\nC: d"], 2, "a header is one line"),
    (["key", "list", "users.toml"], 1, "users.toml: a users file: "),
    (["key", "new", "--id", "a", "--file", "users.toml"], 1, "users.toml: a users file: "),
    (["key", "revoke", "--file", "users.toml", "a"], 1, "users.toml: a users file: "),
    (["stored-keys", "new", "--id", "a", "--auth", "b", "a.toml"], 1, "there is no [auth.b]: there are none at all"),
    (["stored-keys", "list", "--auth", "partner", "k.toml"], 1, "there is no [auth.partner]: partners\n"),
    (["stored-keys", "list", "--auth", "partners", "k.toml"], 1, "auth.partners has no keys in the store: it wants "),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "says"), USES, ids=[" ".join(use[0]) for use in USES])
def test_wrong_use_is_told_in_words(words, code, says, cli):
    Path("a.toml").write_text(FINE, encoding="utf-8")
    Path("bad.toml").write_text("x = [\n", encoding="utf-8")
    Path("users.toml").write_text('[[users]]\nname = "a"\nid = "a"\n', encoding="utf-8")
    Path("k.toml").write_text('[auth.partners]\ntype = "jwt"\nkey = "' + "x" * 32 + '"\nalgorithms = ["HS256"]\n')
    result = cli(*words)
    assert (result.exit_code, says in result.output) == (code, True), result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "words", [["hunter2"], ["--hunter2"], ["--password=hunter2"], ["-p", "hunter2"], ["a", "hunter2"]]
)
def test_a_password_that_is_written_as_a_word_is_not_repeated(words, cli):
    result = cli("password", *words)
    assert result.exit_code == 2
    assert "it is asked for, or read from stdin" in result.output
    assert "hunter2" not in result.output


def test_bare_command_shows_its_verbs(cli):
    verbs = ("run", "check", "routes", "explain", "schema", "key", "token", "demo", "version")
    assert all(f"\n  {verb} " in cli("--help").output for verb in verbs)
