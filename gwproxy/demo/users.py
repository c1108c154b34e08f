"""The sample service users: who there is, and who is asking."""

from typing import Final

from aiohttp import web

from gwproxy.demo.answers import failure, json_answer, json_object, new_service, page, path_id
from gwproxy.demo.samples import ADDRESSES, USERS, Record, stamp

MAX_ADDED: Final = 1000
"""New users that one running service remembers; a demo must not grow for ever."""

_ADDED: Final = web.AppKey("added", list[Record])

# What the gateway tells a service about its caller (design: headers to the service).
_IDENTITY: Final = {
    "user": "X-User-Id",
    "role": "X-User-Role",
    "tier": "X-User-Tier",
    "tenant": "X-Tenant-Id",
    "plan": "X-Tenant-Plan",
}


def _known(request: web.Request) -> list[Record]:
    return [*USERS, *request.app[_ADDED]]


def caller(request: web.Request) -> int:
    """The sample user that X-User-Id names; the first one for callers that no sample has.

    A service behind a gateway believes these headers because the gateway removes the caller's own copies.
    """
    text = request.headers.get("X-User-Id", "")
    named = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    return named if 1 <= named <= len(USERS) else 1


def identity(request: web.Request) -> dict[str, str | None]:
    """What the gateway said of the caller; all None for an anonymous one."""
    return {word: request.headers.get(name) for word, name in _IDENTITY.items()}


async def every_user(request: web.Request) -> web.Response:
    """GET /users?limit=&offset="""
    return page(request, "users", _known(request))


async def one_user(request: web.Request) -> web.Response:
    """GET /users/{id}"""
    wanted = path_id(request)
    found = next((user for user in _known(request) if user["id"] == wanted), None)
    return json_answer(found) if found else failure(404, "no such user")


async def add_user(request: web.Request) -> web.Response:
    """POST /users with a name and an email: 201 and where the new user is found."""
    body = await json_object(request)
    name, email = body.get("name"), body.get("email")
    if not isinstance(name, str) or not name or not isinstance(email, str) or "@" not in email:
        return failure(400, "a user needs a name and an email")
    added = request.app[_ADDED]
    if len(added) >= MAX_ADDED:
        return failure(507, f"this demo keeps {MAX_ADDED} new users and no more")
    user: Record = {"id": len(USERS) + len(added) + 1, "name": name, "email": email}
    user |= {"city": None, "country": None, "tier": "basic", "created_at": stamp(len(added))}
    added.append(user)
    return json_answer(user, 201, {"Location": f"/users/{user['id']}"})


async def search_users(request: web.Request) -> web.Response:
    """GET /users/search?q= in names, emails and cities."""
    wanted = request.query.get("q", "").casefold()
    found = [
        user
        for user in _known(request)
        if any(wanted in str(user[field]).casefold() for field in ("name", "email", "city"))
    ]
    return page(request, "users", found)


async def me(request: web.Request) -> web.Response:
    """GET /users/me: a profile, and beside it what the gateway said of the caller."""
    return json_answer(USERS[caller(request) - 1] | {"identity": identity(request)})


async def my_address(request: web.Request) -> web.Response:
    """GET /users/me/address"""
    return json_answer(ADDRESSES[caller(request) - 1])


def users_app() -> web.Application:
    """The service, with a memory of its own for the users that are added to it."""
    service = new_service("users")
    service[_ADDED] = []
    service.router.add_get("/users", every_user)
    service.router.add_post("/users", add_user)
    service.router.add_get("/users/search", search_users)
    service.router.add_get("/users/me", me)
    service.router.add_get("/users/me/address", my_address)
    service.router.add_get("/users/{id}", one_user)
    return service
