"""Every TOML fragment of README.md and docs/ can be served, and its requests are answered as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gwproxy.cli.explanation import Explanation, explanation
from gwproxy.cli.keys_file import entries_of
from gwproxy.cli.typed_request import typed_request
from gwproxy.config.check import check
from gwproxy.config.load import loads
from gwproxy.config.problems import ConfigError
from gwproxy.errors import GatewayError
from gwproxy.snapshot.compile import compile
from gwproxy.wire.receiver import Receiver
from tests.docs.pages import Fragment, fragments, keys_files

ALL = list(fragments())
_REQUEST = re.compile(r"(\S+) (\S+)(?: \[(.+)\])? +-> (.+)")


@pytest.fixture(autouse=True)
def keys_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The keys file that fragments name, in the folder in which they are read."""
    monkeypatch.chdir(tmp_path)
    path = Path("keys.toml")
    path.write_text(keys_files()[0], encoding="utf-8")
    return path


@pytest.mark.parametrize("text", keys_files())
def test_keys_file_of_a_page_is_one(text: str, keys_file: Path):
    keys_file.write_text(text, encoding="utf-8")
    assert entries_of(keys_file)


@pytest.mark.parametrize("fragment", [f for f in ALL if not f.refused], ids=str)
def test_fragment_loads_checks_and_compiles(fragment: Fragment):
    loaded = loads(fragment.text)
    assert [str(problem) for problem in check(loaded)] == []
    compile(loaded)


@pytest.mark.parametrize("fragment", [f for f in ALL if f.refused], ids=str)
def test_example_of_a_mistake_is_one(fragment: Fragment):
    with pytest.raises(ConfigError):
        loads(fragment.text)


@pytest.mark.parametrize(
    ("fragment", "line"), [(f, line) for f in ALL for line in f.requests], ids=lambda each: str(each)
)
def test_request_is_answered_as_the_page_says(fragment: Fragment, line: str):
    match = _REQUEST.fullmatch(line)
    assert match is not None, line
    method, url, header, expected = match.groups()
    loaded = loads(fragment.text)
    told = explanation(loaded, compile(loaded), typed_request(method, url, (header,) if header else ()))
    assert said(told, expected) == expected


def said(told: Explanation, expected: str) -> str:
    """The explanation in the words of the page; beside a status as much as the page tells."""
    if not told.status:
        asked = told.asks[0].partition(" ")[2].removeprefix(f"http://{told.answer['service']}:3000")
        return f"{told.answer['service']} {asked}"
    words = expected.split(" ", 1)
    if len(words) == 1:
        return str(told.status)
    return (
        f"{told.status} Allow: {told.fields['Allow'][0]}"
        if "Allow" in words[1]
        else f"{told.status} {told.code}"
    )


def test_routing_page_has_its_examples():
    assert sum(len(fragment.requests) for fragment in ALL if fragment.page == "routing.md") >= 50


def test_absolute_form_is_as_its_path_where_host_agrees():
    head = Receiver(4096).head(b"GET http://api.example.com/users HTTP/1.1\r\nHost: api.example.com\r\n\r\n")
    assert head is not None
    assert (head.target, head.host) == (b"/users", b"api.example.com")


def test_absolute_form_with_another_authority_is_refused():
    with pytest.raises(GatewayError) as refused:
        Receiver(4096).head(b"GET http://api.example.com/users HTTP/1.1\r\nHost: other\r\n\r\n")
    assert refused.value.code == "bad_request"
