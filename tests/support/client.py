"""A caller on a raw socket, and the strict reading of what it is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.support.framing import (
    Body,
    Fields,
    Malformed,
    is_chunked,
    read_by_length,
    read_chunked,
    read_until_end,
    split_head,
    stated_length,
)
from tests.support.pieces import whole
from tests.support.wire import TIMEOUT_S, End, Ended, Wire, connect_wire

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")


@dataclass(frozen=True)
class Answer:
    """One final answer; `clean` says that its framing ended as it should."""

    status: int
    reason: bytes
    headers: Fields
    body: bytes
    clean: bool
    trailers: Fields = field(default_factory=Fields)
    interim: list[tuple[int, Fields]] = field(default_factory=list)
    raw_head: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return self.headers.one(name)

    def will_close(self) -> bool:
        tokens = ",".join(self.headers.named("Connection")).lower().split(",")
        return "close" in [token.strip() for token in tokens]


class Client:
    """A caller's connection. Every wait is bounded by `TIMEOUT_S`."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def __repr__(self) -> str:
        return f"<Client {self.wire!r}>"

    async def send(self, raw: bytes, cut: Callable[[bytes], Iterable[bytes]] = whole) -> None:
        """Sends as `cut` says; stops quietly when the other end has left."""
        await self.wire.send_each(cut(raw))

    async def ask(self, raw: bytes) -> Answer:
        """Sends one request and reads its answer, which must come."""
        await self.send(raw)
        answer = await self.read_answer(head=raw.startswith(b"HEAD "))
        assert answer is not None, f"no answer to {raw[:80]!r}"
        return answer

    async def read_answer(self, head: bool = False, timeout_s: float = TIMEOUT_S) -> Answer | None:
        """The next final answer with the 1xx before it; None: closed without one.

        `head`: the request was a HEAD, so no body follows.
        """
        interim: list[tuple[int, Fields]] = []
        while True:
            try:
                raw = await self.wire.read_until(b"\r\n\r\n", timeout_s)
            except Ended as ended:
                if ended.partial:
                    raise Malformed(f"head of an answer cut: {ended}") from None
                return None
            status, reason, fields = parse_answer_head(raw)
            if status >= 200:
                break
            interim.append((status, fields))
        body = await self._body(status, fields, head, timeout_s)
        return Answer(status, reason, fields, body.data, body.clean, body.trailers, interim, raw)

    async def _body(self, status: int, fields: Fields, head: bool, timeout_s: float) -> Body:
        chunked, length = is_chunked(fields), stated_length(fields)
        if head or status in (204, 304):
            return Body(b"", clean=True)
        if chunked:
            return await read_chunked(self.wire, timeout_s)
        if length is not None:
            return await read_by_length(self.wire, length, timeout_s)
        return await read_until_end(self.wire, timeout_s)

    async def read_interim(self) -> tuple[int, Fields]:
        """The next head, which must be a 1xx (after `Expect`, before the body)."""
        raw = await self.wire.read_until(b"\r\n\r\n")
        status, _, fields = parse_answer_head(raw)
        assert status < 200, f"a final answer came where a 1xx was due: {raw!r}"
        return status, fields

    async def read_all(self) -> bytes:
        """Everything until the other end closes."""
        return await self.wire.read_all()

    async def closed(self, within_s: float = TIMEOUT_S) -> bool:
        """Whether the other end closes (or has closed) its side in time."""
        return await self.wire.ended(within_s) is not None

    async def ended(self, within_s: float = TIMEOUT_S) -> End | None:
        return await self.wire.ended(within_s)

    def unread(self) -> bytes:
        return bytes(self.wire.buffer)

    def finish(self) -> None:
        self.wire.finish()

    def close(self) -> None:
        self.wire.close()

    def reset(self) -> None:
        self.wire.reset()


def parse_answer_head(raw: bytes) -> tuple[int, bytes, Fields]:
    line, fields = split_head(raw)
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        raise Malformed(f"status line {line[:120]!r}")
    return int(match[1]), match[2], fields


async def connect(port: int, host: str = "127.0.0.1") -> Client:
    return Client(await connect_wire(port, host))
