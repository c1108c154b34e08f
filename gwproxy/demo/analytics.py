"""The sample service analytics: figures over the sample orders, so that they add up."""

from collections import Counter, defaultdict
from functools import cache
from typing import Final

from aiohttp import web

from gwproxy.demo.answers import failure, json_answer, json_object, new_service, page
from gwproxy.demo.samples import CURRENCY, ORDERS, USERS, Record

_SOLD: Final = [order for order in ORDERS if order["status"] != "cancelled"]


@cache
def summary() -> Record:
    """The shop at a glance."""
    revenue = sum(order["total_cents"] for order in _SOLD)
    return {
        "period": {"from": ORDERS[0]["placed_at"], "to": ORDERS[-1]["placed_at"]},
        "users": len(USERS),
        "active_users": len({order["user_id"] for order in _SOLD}),
        "orders": len(ORDERS),
        "orders_by_status": dict(Counter(order["status"] for order in ORDERS)),
        "revenue_cents": revenue,
        "average_order_cents": revenue // len(_SOLD),
        "currency": CURRENCY,
    }


@cache
def daily() -> list[Record]:
    """Orders and revenue of each day that had any."""
    days: dict[str, list[int]] = defaultdict(list)
    for order in _SOLD:
        days[order["placed_at"][:10]].append(order["total_cents"])
    return [
        {"date": day, "orders": len(totals), "revenue_cents": sum(totals)} for day, totals in days.items()
    ]


@cache
def top_products() -> list[Record]:
    """Products by what they brought in, best first."""
    sold: dict[str, Record] = {}
    for item in (item for order in _SOLD for item in order["items"]):
        row = sold.setdefault(
            item["name"],
            {"product_id": item["product_id"], "name": item["name"], "quantity": 0, "revenue_cents": 0},
        )
        row["quantity"] += item["quantity"]
        row["revenue_cents"] += item["total_cents"]
    return sorted(sold.values(), key=lambda row: -row["revenue_cents"])


async def get_summary(_: web.Request) -> web.Response:
    """GET /analytics/summary"""
    return json_answer(summary())


async def get_daily(request: web.Request) -> web.Response:
    """GET /analytics/reports/daily?limit=&offset="""
    return page(request, "days", daily())


async def get_top_products(request: web.Request) -> web.Response:
    """GET /analytics/reports/products?limit=&offset="""
    return page(request, "products", top_products())


async def take_event(request: web.Request) -> web.Response:
    """POST /analytics/events: 202; nothing is kept."""
    name = (await json_object(request)).get("name")
    if not isinstance(name, str) or not name:
        return failure(400, "an event needs a name")
    return json_answer({"accepted": name}, 202)


async def index(_: web.Request) -> web.Response:
    """GET /analytics: what there is."""
    return json_answer({"reports": ["summary", "reports/daily", "reports/products"]})


def analytics_app() -> web.Application:
    """The service; it keeps nothing."""
    service = new_service("analytics")
    service.router.add_get("/analytics", index)
    service.router.add_get("/analytics/summary", get_summary)
    service.router.add_get("/analytics/reports/daily", get_daily)
    service.router.add_get("/analytics/reports/products", get_top_products)
    service.router.add_post("/analytics/events", take_event)
    return service
