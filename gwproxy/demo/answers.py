"""How the sample services answer: JSON always, errors too, and lists by pages."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from gwproxy.demo.samples import Record

MAX_BODY = 64 * 1024
"""Bytes of a JSON body that a sample service reads."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """`value` as an answer of JSON, with a newline at its end for whoever uses curl."""
    body = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def failure(status: int, text: str) -> web.Response:
    """An error as these services tell it: `{"error": text}`."""
    return json_answer({"error": text}, status)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """aiohttp's own refusals (404, 405, 413) in the shape of all other answers."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        answer = failure(refusal.status, refusal.reason)
        if "Allow" in refusal.headers:
            answer.headers["Allow"] = refusal.headers["Allow"]
        return answer


def new_service(name: str) -> web.Application:
    """An empty service that has only `GET /health`."""

    async def health(_: web.Request) -> web.Response:
        return json_answer({"status": "healthy", "service": name})

    service = web.Application(middlewares=[errors_as_json], client_max_size=MAX_BODY)
    service.router.add_get("/health", health)
    return service


def whole(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query string within bounds.

    Raises web.HTTPBadRequest that names the parameter and its bounds.
    """
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and low <= int(text) <= high):
        raise web.HTTPBadRequest(reason=f"{name} must be a whole number from {low} to {high}")
    return int(text)


def number(request: web.Request, name: str, default: float, high: float) -> float:
    """A decimal number of the query string from 0 to `high`; web.HTTPBadRequest otherwise."""
    try:
        value = float(request.query.get(name, default))
    except ValueError:
        value = -1.0
    if not 0 <= value <= high:
        raise web.HTTPBadRequest(reason=f"{name} must be a number from 0 to {high:g}")
    return value


def path_id(request: web.Request) -> int:
    """The id at the end of the path, 0 (which nothing has) where it is no number."""
    text = request.match_info["id"]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def page(request: web.Request, kind: str, records: Sequence[Record]) -> web.Response:
    """The part of a list that `limit` and `offset` ask for, and how many there are in all."""
    limit = whole(request, "limit", 20, 1, 100)
    offset = whole(request, "offset", 0, 0, 1_000_000)
    return json_answer(
        {kind: records[offset : offset + limit], "total": len(records), "limit": limit, "offset": offset}
    )


async def json_object(request: web.Request) -> Record:
    """The body as a JSON object; web.HTTPBadRequest otherwise, 413 above MAX_BODY."""
    try:
        value = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(reason="the body must be a JSON object")
    return value
