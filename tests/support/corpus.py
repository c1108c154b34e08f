r"""Cases as data files: raw messages in TOML, one character a byte (Latin-1).

Within a string, `{text x 300}` stands for 300 times the text and `{hex 0d 0a}` for
bytes; `lines` are joined by CRLF and end in an empty line, `raw` is taken as it is,
and `body` follows either.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

REPEATED = re.compile(r"\{(.+?) x (\d+)\}", re.DOTALL)
HEX = re.compile(r"\{hex ([0-9a-f ]+)\}")


def expand(text: str) -> bytes:
    """The bytes that a string of a data file stands for."""
    text = REPEATED.sub(lambda m: m[1] * int(m[2]), text)
    text = HEX.sub(lambda m: bytes.fromhex(m[1]).decode("latin-1"), text)
    return text.encode("latin-1")


class Message(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Raw bytes, written as `raw`, or as `lines` of a head with an optional body."""

    name: str
    raw: str = ""
    lines: list[str] = []
    body: str = ""

    def message(self) -> bytes:
        assert bool(self.raw) + bool(self.lines) < 2, f"{self.name}: both raw and lines"
        head = "".join(line + "\r\n" for line in self.lines) + "\r\n" if self.lines else self.raw
        return expand(head + self.body)


class Received(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the service must have been sent; "*" as a header's value is any one value.

    `absent` names are compared by letters and digits alone, as a service may that
    folds them; `lines` are whole field lines that must come in this order.
    """

    method: str = ""
    target: str = ""
    headers: dict[str, str] = {}
    absent: list[str] = []
    lines: list[str] = []
    body: str = ""


class RequestExpectation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`status` "none": closed without an answer; a list: pipelined, in order.

    `status_any`: where the rules allow several. `code`: the word of the last answer.
    `received`: how many requests the service saw, or each of them; left out where all
    answers are refusals it is 0. `closed` "either": not looked at.
    """

    status: int | list[int] | str = 0
    status_any: list[int] = []
    code: str | None = None
    answer: dict[str, str] = {}
    closed: bool | str = False
    received: int | list[Received] | None = None

    def statuses(self) -> list[list[int]]:
        """For each answer in order, the statuses that are right."""
        if self.status_any:
            return [self.status_any]
        if self.status == "none":
            return []
        wanted = self.status if isinstance(self.status, list) else [self.status]
        return [[int(status)] for status in wanted]

    def wanted(self) -> int | list[Received] | None:
        refused = all(status >= 400 for some in self.statuses() for status in some)
        return 0 if self.received is None and refused else self.received


class RequestCase(Message, kw_only=True):
    """A raw request. `then` "finish": the caller half-closes after its last byte."""

    then: str = "wait"
    expect: RequestExpectation


class AnswerExpectation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the caller sees of a service's answer.

    `cut`: the answer has no clean end; a 502 in its place is right too where its fault
    showed before any of it had crossed. `times`: how often the service was
    asked. `reused`: whether the next request goes over the same connection to it.
    """

    status: int = 0
    status_any: list[int] = []
    code: str | None = None
    headers: dict[str, str] = {}
    absent: list[str] = []
    lines: list[str] = []
    reason: str | None = None
    body: str | None = None
    interim: list[int] | None = None
    cut: bool = False
    times: int = 1
    reused: bool | None = None

    def statuses(self) -> list[int]:
        return self.status_any or [self.status]


class AnswerCase(Message, kw_only=True):
    """A raw answer to `request`. `later` comes 20 ms after it; `warm`: the connection
    to the service has served before."""

    request: str = "GET"
    version: str = "1.1"
    then: str = "keep"
    later: str = ""
    warm: bool = False
    expect: AnswerExpectation


Case = TypeVar("Case", bound=Message)


def load_cases(folder: Path, kind: type[Case]) -> list[Case]:
    """All cases of a folder's files, in order; names must differ."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.toml")):
        found = tomllib.loads(path.read_text("utf-8"))["case"]
        cases += [_case(path, written, kind) for written in found]
    names = [case.name for case in cases]
    assert len(names) == len(set(names)), sorted({n for n in names if names.count(n) > 1})
    return cases


def _case(path: Path, written: Any, kind: type[Case]) -> Case:
    try:
        return msgspec.convert(written, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{path.name}: {written.get('name')}: {error}") from None
