"""A service that records every request to the byte, and answers as it is told."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.framing import (
    TOKEN,
    Body,
    Fields,
    Malformed,
    is_chunked,
    read_by_length,
    read_chunked,
    split_head,
    stated_length,
)
from tests.support.pieces import Cut, whole
from tests.support.serving import Served
from tests.support.wire import TIMEOUT_S, Ended, Wire

REQUEST_LINE = re.compile(rb"(%s) ([^\x00-\x20\x7f]+) HTTP/1\.1" % TOKEN)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """One request as its bytes came; `body` is without the chunked framing."""

    connection: int
    method: bytes
    target: bytes
    headers: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=Fields)
    raw_head: bytes = b""

    def header(self, name: str) -> str | None:
        return self.headers.one(name)


AnswerLike = bytes | Callable[[Request], bytes | Awaitable[bytes]]
Then = Literal["keep", "close", "reset"]


@dataclass(frozen=True)
class Script:
    """How one request is answered.

    `at` "head": as soon as its head has come, before its body is read.
    `then`: what becomes of the connection after the answer.
    """

    answer: AnswerLike
    then: Then = "keep"
    at: Literal["head", "end"] = "end"
    cut: Cut = whole


def json_answer(request: Request) -> bytes:
    """200 with a small JSON that names the request; no body for HEAD."""
    body = json.dumps(
        {
            "connection": request.connection,
            "method": request.method.decode("latin-1"),
            "target": request.target.decode("latin-1"),
        }
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d"
    shown = b"" if request.method == b"HEAD" else body
    return head % len(body) + b"\r\n\r\n" + shown


class Origin(Served):
    """A recording HTTP/1.1 service on loopback.

    `seen` holds the complete requests, `cut` what was left unfinished, `faults`
    what broke RFC 9112; the fixture fails the test on any fault.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Request] = []
        self.heads: list[Request] = []
        self.cut: list[bytes] = []
        self.faults: list[str] = []
        self.continues = True
        self._script = Script(json_answer)
        self._once: deque[Script] = deque()
        self._changed = asyncio.Event()

    @property
    def last(self) -> Request:
        return self.seen[-1]

    def answer(self, answer: AnswerLike, **how: Any) -> None:
        """From now on every request is answered so (see Script for `how`)."""
        self._script = Script(answer, **how)

    def answer_once(self, answer: AnswerLike, **how: Any) -> None:
        """The next request without such a script is answered so; they queue up."""
        self._once.append(Script(answer, **how))

    async def saw(self, count: int, within_s: float = TIMEOUT_S) -> list[Request]:
        """Waits until `count` complete requests have come."""
        async with asyncio.timeout(within_s):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.seen

    async def serve(self, wire: Wire, number: int) -> None:
        try:
            while await self._exchange(wire, number):
                pass
        except Ended as ended:
            if ended.partial:
                self.cut.append(ended.partial)
        except Malformed as fault:
            self.faults.append(f"connection {number}: {fault}")
            wire.close()

    async def _exchange(self, wire: Wire, number: int) -> bool:
        raw = await wire.read_until(b"\r\n\r\n", None)
        head = parse_request_head(raw, number)
        self.heads.append(head)
        script = self._once.popleft() if self._once else self._script
        if script.at == "head":
            await self._reply(wire, head, script)
            return await self._read(wire, head, script) is not None
        request = await self._read(wire, head, script)
        if request is None:
            return False
        await self._reply(wire, request, script)
        return script.then == "keep"

    async def _read(self, wire: Wire, head: Request, script: Script) -> Request | None:
        if script.at == "end" and "Expect" in head.headers and self.continues:
            await wire.send(CONTINUE)
        body = await read_request_body(wire, head.headers)
        if not body.clean:
            self.cut.append(head.raw_head + body.data)
            return None
        whole_request = Request(
            head.connection,
            head.method,
            head.target,
            head.headers,
            body.data,
            body.trailers,
            head.raw_head,
        )
        self.seen.append(whole_request)
        self._changed.set()
        return whole_request

    async def _reply(self, wire: Wire, request: Request, script: Script) -> None:
        raw = script.answer if isinstance(script.answer, bytes) else b""
        if callable(script.answer):
            made = script.answer(request)
            raw = await made if inspect.isawaitable(made) else made
        await wire.send_each(script.cut(raw))
        if script.then == "reset":
            await asyncio.sleep(0.002)  # the bytes before the RST are to be read
            wire.reset()
        elif script.then == "close":
            wire.close()


def parse_request_head(raw: bytes, number: int) -> Request:
    line, headers = split_head(raw)
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Malformed(f"request line {line[:120]!r}")
    if len(headers.named("Host")) != 1:
        raise Malformed(f"{len(headers.named('Host'))} Host fields")
    is_chunked(headers), stated_length(headers)
    return Request(number, match[1], match[2], headers, raw_head=raw)


async def read_request_body(wire: Wire, headers: Fields) -> Body:
    if is_chunked(headers):
        return await read_chunked(wire, None)
    return await read_by_length(wire, stated_length(headers) or 0, None)
