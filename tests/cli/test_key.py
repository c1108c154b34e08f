"""`gwproxy key`: what is made, listed and taken back, and what of the file stays as it was."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from gwproxy.cli.key import _add
from gwproxy.cli.keys_text import entry_text, with_entry, without_entries
from gwproxy.config.load import loads
from tests.support.origin import Origin

Cli = Callable[..., Result]
FILE = Path("keys.toml")
A, B = (f"sha256:{digit * 8}{'0' * 56}" for digit in "ab")
TWO = f"""\
# Who may ask for orders.

[[keys]]
# rotated every spring
hash = "{A}"
id = "partner-1"          # since 2025
permissions = [
  "orders:read",  # and no more
]

# the other one
[[keys]]
hash = "{B}"
id = "partner-2"
# end
"""
WITHOUT_FIRST = f"""\
# Who may ask for orders.

# the other one
[[keys]]
hash = "{B}"
id = "partner-2"
# end
"""
WITHOUT_SECOND = TWO[: TWO.index('[[keys]]\nhash = "sha256:b')] + "# end\n"


def hash_of(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def test_key_is_printed_with_the_entry_that_it_is_known_by(cli: Cli):
    result = cli(
        "key", "new", "--id", "p-1", "--role", "${PARTNER}", "--permission", "a", "--permission", 'b"\\c', "--tier",
        "pro", "--tenant", "acme", "--expires", "2130-02-28",
    )  # fmt: skip
    key, _, rest = result.stdout.partition("\n\n")
    assert (result.exit_code, len(key)) == (0, len("gwk_") + 43)
    assert key.startswith("gwk_")
    entry, _, told = rest.partition("\n\n")
    assert tomllib.loads(entry)["keys"] == [{
        "hash": hash_of(key), "id": "p-1", "role": "$${PARTNER}", "permissions": ["a", 'b"\\c'], "tier": "pro",
        "tenant": "acme", "expires": "2130-02-28",
    }]  # fmt: skip
    assert "this once" in told
    assert "`gwproxy reload`" in told
    assert list(Path().iterdir()) == []


def test_no_two_keys_are_alike(cli: Cli):
    assert len({cli("key", "new", "--id", "p").stdout.partition("\n")[0] for _ in range(20)}) == 20


def test_entry_goes_behind_the_others_and_the_file_stays_as_it_was(cli: Cli):
    FILE.write_text(TWO, encoding="utf-8")
    FILE.chmod(0o604)
    result = cli("key", "new", "--file", "keys.toml", "--id", "partner-3")
    key = result.stdout.partition("\n")[0]
    assert FILE.read_text(encoding="utf-8") == f'{TWO}\n[[keys]]\nhash = "{hash_of(key)}"\nid = "partner-3"\n'
    assert S_IMODE(FILE.stat().st_mode) == 0o604
    assert [path.name for path in Path().iterdir()] == ["keys.toml"]


def test_file_that_is_not_there_is_made_for_its_owner_and_group(cli: Cli):
    mask = os.umask(0)
    try:
        assert cli("key", "new", "--file", "keys.toml", "--id", "a").exit_code == 0
    finally:
        os.umask(mask)
    assert S_IMODE(FILE.stat().st_mode) == 0o640
    assert [key["id"] for key in tomllib.loads(FILE.read_text())["keys"]] == ["a"]


def test_caller_may_have_several_keys_and_is_told_how_to_end_with_one(cli: Cli):
    FILE.write_text(TWO, encoding="utf-8")
    told = cli("key", "new", "--file", "keys.toml", "--id", "partner-1").stdout
    assert f"`gwproxy key revoke --file keys.toml {A[:19]}`" in told
    assert cli("key", "revoke", "--file", "keys.toml", A[:19]).exit_code == 0
    assert [key["id"] for key in tomllib.loads(FILE.read_text())["keys"]] == ["partner-2", "partner-1"]


def test_reader_finds_the_old_file_or_the_new_one_whole(cli: Cli):
    FILE.write_text(TWO, encoding="utf-8")
    with FILE.open(encoding="utf-8") as reader:
        first = reader.read(10)
        cli("key", "revoke", "--file", "keys.toml", "partner-1")
        assert first + reader.read() == TWO
    assert FILE.read_text(encoding="utf-8") == WITHOUT_FIRST


def test_two_who_edit_at_once_lose_nothing(cli: Cli):
    made = [f"{number:064x}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda digits: _add(FILE, entry_text("keys", {"hash": f"sha256:{digits}", "id": "a"})), made))
    assert sorted(key["hash"][7:] for key in tomllib.loads(FILE.read_text())["keys"]) == made


def test_link_stays_one(cli: Cli):
    Path("real.toml").write_text(TWO, encoding="utf-8")
    FILE.symlink_to("real.toml")
    assert cli("key", "revoke", "--file", "keys.toml", "partner-1").exit_code == 0
    assert FILE.is_symlink()
    assert Path("real.toml").read_text(encoding="utf-8") == WITHOUT_FIRST


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("partner-1", WITHOUT_FIRST), ("partner-2", WITHOUT_SECOND), (A, WITHOUT_FIRST), (A[:15], WITHOUT_FIRST),
        (B[7:15], WITHOUT_SECOND),
    ],
)  # fmt: skip
def test_only_what_is_revoked_is_taken_out(what: str, left: str, cli: Cli):
    FILE.write_text(TWO, encoding="utf-8")
    result = cli("key", "revoke", "--file", "keys.toml", what)
    assert (result.exit_code, FILE.read_text(encoding="utf-8")) == (0, left)
    gone = ("partner-1", A) if left == WITHOUT_FIRST else ("partner-2", B)
    assert result.stdout.startswith(f"removed {gone[0]} {gone[1][:19]}\n")
    assert "`gwproxy reload`" in result.stdout


def test_key_that_was_found_somewhere_can_be_revoked_by_itself(cli: Cli):
    key = cli("key", "new", "--file", "keys.toml", "--id", "a").stdout.partition("\n")[0]
    result = cli("key", "revoke", "--file", "keys.toml", f"{key}x")
    assert (result.exit_code, key in result.output) == (1, False)
    assert cli("key", "revoke", "--file", "keys.toml", key).exit_code == 0
    assert FILE.read_bytes() == b""


def test_all_keys_of_a_caller_go_with_its_id(cli: Cli):
    for id_ in ("a", "b", "a"):
        cli("key", "new", "--file", "keys.toml", "--id", id_)
    assert cli("key", "revoke", "--file", "keys.toml", "a").stdout.count("removed a ") == 2
    assert [key["id"] for key in tomllib.loads(FILE.read_text())["keys"]] == ["b"]


def test_id_that_looks_like_a_hash_is_the_id(cli: Cli):
    FILE.write_text(TWO.replace("partner-2", "aaaaaaaa"), encoding="utf-8")
    assert cli("key", "revoke", "--file", "keys.toml", "aaaaaaaa").exit_code == 0
    assert [key["hash"] for key in tomllib.loads(FILE.read_text())["keys"]] == [A]
    assert cli("key", "revoke", "--file", "keys.toml", "sha256:aaaaaaaa").exit_code == 0


MULTI = f'[[keys]]\nhash = "{A}"\nid = "a"\n[[keys]]\nhash = "{A[:-1]}1"\nid = "b"\n'
REFUSALS = [
    (TWO, ("partner-3",), 1, "keys.toml: no entry of partner-3; "),
    (TWO, ("sha256:aaaaaaa",), 1, "8 digits of a hash at the least"),
    (MULTI, (A[:20],), 1, f"begins several: a {A[:19]}, b {A[:19]}"),
    ("[gateway]\nworkers = 1\n", ("a",), 1, "keys.toml: a gateway's own file: "),
    (f'keys = [{{ hash = "{A}", id = "a" }}]\n', ("a",), 1, "keys.toml: its keys stand in one array"),
    (TWO.replace("sha256:b", "sha256:x"), ("partner-1",), 1, "keys.toml:13:1: keys[1].hash: wrong form: "),
    (TWO.replace(B, A), ("partner-1",), 1, "keys[1].hash: key is written twice"),
    ("[[keys]\n", ("a",), 1, "keys.toml:1:"),
    ("\udcff", ("a",), 1, "file is not UTF-8"),
    (None, ("a",), 1, "keys.toml: cannot be read: No such file or directory"),
]


@pytest.mark.parametrize(("text", "words", "code", "says"), REFUSALS)
def test_what_cannot_be_revoked_is_told_and_changes_nothing(text, words, code, says, cli: Cli):
    if text is not None:
        FILE.write_text(text, encoding="utf-8", errors="surrogateescape")
    result = cli("key", "revoke", "--file", "keys.toml", *words)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert text is None or FILE.read_text(encoding="utf-8", errors="surrogateescape") == text


WRONG = [
    ((), 2, "Missing option '--id'"),
    (("--id", "a b"), 2, "--id: wrong form: expected 1 to 256 visible ASCII characters"),
    (("--id", "a", "--expires", "tomorrow"), 2, "--expires: wrong form: expected a date such as"),
    (("--id", "a", "--expires", "2130-02-30"), 2, "--expires: no day of the calendar"),
    (("--id", "a", "--expires", "2020-01-01"), 2, "2020-01-01 has begun"),
    (("--id", "a", "--tenant", " x"), 2, "its tenant cannot stand in a header"),
    (("--id", "a", "--tenant", "Nope"), 2, "--tenant: no tenant can have this name: 1 to 63 lower-case letters"),
    (("--id", "a", "--tenant", "a.b"), 2, "--tenant: no tenant can have this name"),
    (("--id", "a", "--permission", ""), 2, "--permission: wrong form: "),
    (("--id", "a", "--role", "a\udcff"), 2, "no UTF-8"),
    (("--id", "a", "--file", "none/keys.toml"), 1, "none/keys.toml: cannot be written: No such file or directory"),
    (("--id", "a", "--file", "own.toml"), 1, "own.toml: a gateway's own file"),
    (("--id", "a", "--file", "array.toml"), 1, "array.toml: its keys stand in one array"),
]


@pytest.mark.parametrize(("words", "code", "says"), WRONG)
def test_what_cannot_be_made_is_told_and_changes_nothing(words, code, says, cli: Cli):
    own, array = '[auth]\nrealm = "a"\n', f'keys = [{{ hash = "{A}", id = "a" }}]\n'
    Path("own.toml").write_text(own, encoding="utf-8")
    Path("array.toml").write_text(array, encoding="utf-8")
    result = cli("key", "new", *words)
    assert (result.exit_code, says in result.stderr, result.stdout) == (code, True, ""), result.output
    assert sorted(path.name for path in Path().iterdir()) == ["array.toml", "own.toml"]
    assert (Path("own.toml").read_text(), Path("array.toml").read_text()) == (own, array)


# -- the text by itself

entries = st.builds(
    lambda id_, more: entry_text("keys", {"hash": A, "id": id_, "permissions": more}),
    st.text(min_size=1, max_size=8), st.lists(st.text(max_size=6), max_size=3),
)  # fmt: skip
between = st.lists(st.sampled_from(["\n", "# a comment\n", '# [[keys]] "\n', "\t\n"]), max_size=4).map("".join)


@given(st.lists(st.tuples(between, entries), max_size=4), between, entries)
def test_entry_that_comes_and_goes_leaves_no_trace(parts, end, entry):
    text = "".join(map("".join, parts)) + end
    whole = with_entry(text, entry)
    assert tomllib.loads(whole)["keys"][-1:] == tomllib.loads(entry)["keys"]
    assert without_entries(whole, [len(parts)]) == text


@given(st.lists(st.tuples(between, entries), min_size=1, max_size=4), between, st.data())
def test_others_and_comments_stay(parts, end, data):
    gone = data.draw(st.sets(st.sampled_from(range(len(parts)))))
    text = "".join(map("".join, parts)) + end
    left = without_entries(text, gone)
    kept = "".join(before + ("" if number in gone else entry) for number, (before, entry) in enumerate(parts)) + end
    assert [line for line in left.split("\n") if line.strip()] == [line for line in kept.split("\n") if line.strip()]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ends_of_lines_stay_what_they_are(end: str):
    text = TWO.replace("\n", end)
    assert without_entries(text, [0]) == WITHOUT_FIRST.replace("\n", end)


# -- what is listed

GATEWAY = f"""\
[auth.partners]
type = "api_key"
keys_file = "keys.toml"
[[auth.partners.keys]]
hash = "{A[:-1]}2"
id = "own"
tier = "pro"
tenant = "acme"
expires = 2020-01-01
[tiers.pro]
requests = 1
window = "1s"
"""


def test_keys_of_a_keys_file_are_listed_with_their_lines(cli: Cli):
    FILE.write_text(TWO, encoding="utf-8")
    assert cli("key", "list", "keys.toml").stdout == (
        "id         permissions  hash                 at\n"
        f"partner-1  orders:read  {A[:19]}  keys.toml:3\n"
        f"partner-2               {B[:19]}  keys.toml:12\n"
    )
    FILE.write_text("# none yet\n", encoding="utf-8")
    assert cli("key", "list", "keys.toml").stdout == "keys.toml: no keys\n"


def test_keys_of_a_gateways_file_are_listed_with_those_of_the_files_that_it_names(cli: Cli):
    FILE.write_text(TWO, encoding="utf-8")
    Path("own.toml").write_text(GATEWAY, encoding="utf-8")
    said, told = cli("key", "list", "own.toml").stdout, json.loads(cli("key", "list", "own.toml", "--json").stdout)
    assert [line.split() for line in said.splitlines()][1] == [
        "partners", "own", "pro", "acme", "2020-01-01", "(expired)", A[:19], "own.toml:4",
    ]  # fmt: skip
    assert [(each["id"], each["file"], each["line"], each["expired"]) for each in told] == [
        ("own", "own.toml", 4, True), ("partner-1", "keys.toml", 3, False), ("partner-2", "keys.toml", 12, False),
    ]  # fmt: skip
    assert {each["auth"] for each in told} == {"partners"}
    assert told[1]["hash"] == A


def test_file_that_cannot_be_read_is_told(cli: Cli):
    Path("bad.toml").write_text("[gateway]\nworkers = 0\n", encoding="utf-8")
    for file, says in (("none.toml", "none.toml: cannot be read: "), ("bad.toml", "bad.toml:2:1: gateway.workers")):
        result = cli("key", "list", file)
        assert (result.exit_code, says in result.stderr) == (1, True)


# -- what it is all for


async def test_key_opens_the_door_until_it_is_revoked(gateway, origin: Origin, cli: Cli):
    key = cli("key", "new", "--file", "keys.toml", "--id", "p-1", "--permission", "a").stdout.partition("\n")[0]
    text = (
        '[gateway]\nlisten = ["127.0.0.1:0"]\n[auth.p]\ntype = "api_key"\nkeys_file = "keys.toml"\n'
        '[services.origin]\nurl = "${ORIGIN}"\n[[routes]]\npath = "/"\nservice = "origin"\npermissions = ["a"]\n'
    )
    gw = await gateway(text, origin)
    caller, ask = await gw.connect(), f"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n".encode()
    assert (await caller.ask(ask)).status == 200
    assert origin.seen[0].header("x-user-id") == "p-1"
    cli("key", "revoke", "--file", "keys.toml", "p-1")
    assert (await caller.ask(ask)).status == 200
    await gw.worker.reload(loads(text, environ={"ORIGIN": origin.url}))
    assert (await caller.ask(ask)).status == 401


@pytest.mark.parametrize(("line", "says"), [
    ('expires = "2130-02-30"', "6:1: auth.p.keys[0].expires: no day of the calendar"),
    ('tenant = " a"', "3:10: auth.p.keys[0]: unusable key"),
])  # fmt: skip
def test_entry_that_can_be_used_for_nothing_is_a_mistake_of_the_file(line: str, says: str, cli: Cli):
    Path("own.toml").write_text(f'[auth.p]\ntype = "api_key"\n[[auth.p.keys]]\nhash = "{A}"\nid = "a"\n{line}\n')
    result = cli("check", "own.toml")
    assert (result.exit_code, f"own.toml:{says}" in result.output) == (1, True)
