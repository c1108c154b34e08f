"""What most people write first: an aiohttp Application that streams through a ClientSession."""

from __future__ import annotations

import sys
import uuid

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict

HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "te", "trailer", "transfer-encoding", "upgrade", "host",
}  # fmt: skip
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def forward(request: web.Request) -> web.StreamResponse:
    headers = _passed_on(request.headers)
    headers["X-Request-Id"] = request.headers.get("X-Request-Id") or uuid.uuid4().hex
    headers["X-Forwarded-For"] = request.remote or ""
    body = request.content if request.can_read_body else None
    url = request.app["origin"] + request.path_qs
    session = request.app[SESSION]
    async with session.request(
        request.method, url, headers=headers, data=body, allow_redirects=False
    ) as answer:
        reply = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
        await reply.prepare(request)
        async for chunk in answer.content.iter_any():
            await reply.write(chunk)
        await reply.write_eof()
        return reply


def _passed_on(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in HOP_BY_HOP)


async def _session(app: web.Application):
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    # An upload or a slow reader may last longer than aiohttp's five minutes in total.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=timeout) as app[
        SESSION
    ]:
        yield


def main(port: int, origin: int) -> None:
    uvloop.install()
    app = web.Application(client_max_size=0)
    app["origin"] = f"http://127.0.0.1:{origin}"
    app.cleanup_ctx.append(_session)
    app.router.add_route("*", "/{tail:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, keepalive_timeout=300)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
