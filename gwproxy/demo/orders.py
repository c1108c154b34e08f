"""The sample service orders: what was bought, and what is about to be."""

from typing import Any, Final

from aiohttp import web

from gwproxy.demo.answers import failure, json_answer, json_object, new_service, page, path_id
from gwproxy.demo.samples import CURRENCY, FIRST_ORDER, ORDERS, PRODUCTS, Record, priced, stamp, total_of
from gwproxy.demo.users import caller

MAX_ADDED: Final = 1000
"""New orders that one running service remembers."""

_ADDED: Final = web.AppKey("added", list[Record])

_SHIPPING: Final = (
    {"id": "standard", "name": "Standard", "days": [3, 5], "price_cents": 490, "currency": CURRENCY},
    {"id": "express", "name": "Express", "days": [1, 2], "price_cents": 990, "currency": CURRENCY},
    {"id": "pickup", "name": "Pick-up point", "days": [2, 4], "price_cents": 0, "currency": CURRENCY},
)


def _known(request: web.Request) -> list[Record]:
    return [*ORDERS, *request.app[_ADDED]]


async def every_order(request: web.Request) -> web.Response:
    """GET /orders?user_id=&status=&limit=&offset="""
    wanted = {field: request.query[field] for field in ("user_id", "status") if field in request.query}
    found = [
        order
        for order in _known(request)
        if all(str(order[field]) == value for field, value in wanted.items())
    ]
    return page(request, "orders", found)


async def one_order(request: web.Request) -> web.Response:
    """GET /orders/{id}"""
    wanted = path_id(request)
    found = next((order for order in _known(request) if order["id"] == wanted), None)
    return json_answer(found) if found else failure(404, "no such order")


async def recent_orders(request: web.Request) -> web.Response:
    """GET /orders/recent: the caller's three latest, newest first."""
    mine = [order for order in _known(request) if order["user_id"] == caller(request)]
    return json_answer({"orders": mine[:-4:-1], "total": len(mine)})


def _line(item: Any) -> Record | None:
    """An ordered item with its price; None where it names no product or no sensible quantity."""
    if not isinstance(item, dict):
        return None
    product, quantity = item.get("product_id"), item.get("quantity", 1)
    # bool is an int to isinstance, and `true` is no quantity.
    if type(product) is not int or type(quantity) is not int:
        return None
    if not (1 <= product <= len(PRODUCTS) and 1 <= quantity <= 100):
        return None
    return priced(product, quantity)


async def add_order(request: web.Request) -> web.Response:
    """POST /orders with items of product_id and quantity: 201, priced."""
    items = (await json_object(request)).get("items")
    lines = [_line(item) for item in items[:100]] if isinstance(items, list) else []
    known = [line for line in lines if line is not None]
    if not known or len(known) != len(lines):
        return failure(400, "an order needs items, each with a product_id and a quantity from 1 to 100")
    added = request.app[_ADDED]
    if len(added) >= MAX_ADDED:
        return failure(507, f"this demo keeps {MAX_ADDED} new orders and no more")
    place = len(ORDERS) + len(added)
    order: Record = {"id": FIRST_ORDER + place, "user_id": caller(request), "status": "processing"}
    order |= {"placed_at": stamp(place * 607), "items": known, "total_cents": total_of(known)}
    added.append(order | {"currency": CURRENCY})
    return json_answer(added[-1], 201, {"Location": f"/orders/{order['id']}"})


async def cart(request: web.Request) -> web.Response:
    """GET /orders/cart: what the caller has not bought yet."""
    who = caller(request)
    lines = [priced((who * 3 + step * 5) % len(PRODUCTS) + 1, step + 1) for step in range(2)]
    return json_answer({"items": lines, "subtotal_cents": total_of(lines), "currency": CURRENCY})


async def shipping_options(_: web.Request) -> web.Response:
    """GET /orders/shipping-options"""
    return json_answer({"options": _SHIPPING})


def orders_app() -> web.Application:
    """The service, with a memory of its own for the orders that are added to it."""
    service = new_service("orders")
    service[_ADDED] = []
    service.router.add_get("/orders", every_order)
    service.router.add_post("/orders", add_order)
    service.router.add_get("/orders/recent", recent_orders)
    service.router.add_get("/orders/cart", cart)
    service.router.add_get("/orders/shipping-options", shipping_options)
    service.router.add_get("/orders/{id}", one_order)
    return service
