"""The table of docs/errors.md is that of gwproxy/errors.py."""

from __future__ import annotations

import ast
import re

import orjson

from gwproxy.errors import WORDS, GatewayError
from gwproxy.replies import problem
from tests.docs.pages import ROOT, text_of

PAGE = text_of(ROOT / "docs" / "errors.md")
ROWS = re.findall(r"^\| `(\w+)` \| (\d+) \| ([^|]+?) \|", PAGE, re.MULTILINE)


def test_table_has_every_word_in_its_order():
    assert [(word, int(status), title) for word, status, title in ROWS] == [
        (word, status, title) for word, (status, title) in WORDS.items()
    ]


def test_body_that_the_page_shows_is_the_one_that_is_sent():
    shown = orjson.loads(re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)[0])
    reply = problem(GatewayError("not_found", "Not Found"), shown["request_id"].encode())
    assert isinstance(reply.body, bytes)
    assert orjson.loads(reply.body) == shown
    assert f"Content-Length: {reply.length}\n" in PAGE
    lines = reply.lines.decode().splitlines()
    assert all(line in PAGE for line in lines if not line.startswith("Date: "))


def closing_words() -> set[str]:
    """The words that the code gives with the end of the connection, wherever it does."""
    words = set()
    for path in (ROOT / "gwproxy").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not call.args or not isinstance(call.args[0], ast.Constant):
                continue
            closes = any(word.arg == "close" and ast.unparse(word.value) == "True" for word in call.keywords)
            name = ast.unparse(call.func)
            if name == "refuse" or (name == "GatewayError" and closes):
                words.add(call.args[0].value)
    return words


def test_page_says_which_close_the_connection():
    told = set(re.findall(r"^\| `(\w+)` .*\| closes \|$", PAGE, re.MULTILINE))
    assert "CONNECT and TRACE are 405 too, and close." in PAGE
    assert told == closing_words() - {"method_not_allowed"}


def test_words_that_nothing_gives_are_called_reserved():
    """Literal words are all there are: none is put together."""
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "gwproxy").rglob("*.py")))
    unused = {word for word in WORDS if code.count(f'"{word}"') == 1}
    assert set(re.findall(r"^\| `(\w+)` .*\| reserved:", PAGE, re.MULTILINE)) == unused
