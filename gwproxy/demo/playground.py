"""The sample service playground: what makes a gateway sweat, on demand.

A slow and a failing endpoint, a download and an upload of any size, a stream of events, and an echo of what
arrived. No handler holds a body whole; the echo shows the first ECHO_SHOWN bytes.
"""

import asyncio
import hashlib
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from gwproxy.demo.answers import failure, json_answer, new_service, number, whole

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}

MAX_SECONDS: Final = 300.0
MAX_EVENTS: Final = 3600
MAX_DOWNLOAD: Final = 1 << 40
DOWNLOAD: Final = 100 * 1024 * 1024
"""Bytes of a download that asks for no size."""
ECHO_SHOWN: Final = 64 * 1024
"""Bytes of a body that the echo shows; it counts the others."""

# 65,521 is prime: a piece of a download that was lost, doubled or swapped shows in the bytes, whatever power
# of two the pieces were.
PATTERN: Final = hashlib.shake_128(b"gwproxy demo").digest(65_521)


async def slow(request: web.Request) -> web.Response:
    """/slow?seconds=: an answer, but later."""
    seconds = number(request, "seconds", 1.0, MAX_SECONDS)
    await asyncio.sleep(seconds)
    return json_answer({"waited_seconds": seconds})


async def fail(request: web.Request) -> web.Response:
    """/fail?status=: an error from 400 to 599, as a broken service gives it."""
    status = whole(request, "status", 503, 400, 599)
    return failure(status, _PHRASES.get(status, "an error without a name"))


async def download(request: web.Request) -> web.StreamResponse:
    """/download?bytes=: PATTERN over and over, of exactly so many bytes."""
    size = whole(request, "bytes", DOWNLOAD, 0, MAX_DOWNLOAD)
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    answer.content_length = size
    await answer.prepare(request)
    left = 0 if request.method == "HEAD" else size
    while left > 0:
        await answer.write(PATTERN[:left] if left < len(PATTERN) else PATTERN)
        left -= len(PATTERN)
    return answer


async def upload(request: web.Request) -> web.Response:
    """/upload: reads a body of any size and says what it was."""
    count, digest = 0, hashlib.sha256()
    async for piece in request.content.iter_any():
        count += len(piece)
        digest.update(piece)
    return json_answer({"bytes": count, "sha256": digest.hexdigest()})


async def events(request: web.Request) -> web.StreamResponse:
    """/events?count=&interval=: server-sent events, ten of them and one a second unless told otherwise."""
    count = whole(request, "count", 10, 1, MAX_EVENTS)
    interval = number(request, "interval", 1.0, MAX_SECONDS)
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await answer.prepare(request)
    for event in range(1, count + 1):
        if event > 1:
            await asyncio.sleep(interval)
        await answer.write(b'id: %d\nevent: tick\ndata: {"tick":%d,"of":%d}\n\n' % (event, event, count))
    return answer


async def _body(request: web.Request) -> dict[str, Any]:
    shown, count = bytearray(), 0
    async for piece in request.content.iter_any():
        count += len(piece)
        shown += piece[: ECHO_SHOWN - len(shown)]
    text = shown.decode("utf-8", "backslashreplace")
    return {"length": count, "text": text, "complete": count == len(shown)}


async def echo(request: web.Request) -> web.Response:
    """/echo and all below it: the request as it arrived here, its fields in their order and spelling."""
    return json_answer(
        {
            "method": request.method,
            "target": request.raw_path,
            "version": f"{request.version.major}.{request.version.minor}",
            # Any byte is allowed in a field; latin-1 gives each its own character.
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers
            ],
            "body": await _body(request),
        }
    )


def playground_app() -> web.Application:
    """The service; it keeps nothing."""
    service = new_service("playground")
    for path, handler in (("/slow", slow), ("/fail", fail), ("/echo", echo), ("/echo/{rest:.*}", echo)):
        service.router.add_route("*", path, handler)
    service.router.add_get("/download", download)
    service.router.add_get("/events", events)
    service.router.add_post("/upload", upload)
    service.router.add_put("/upload", upload)
    return service
