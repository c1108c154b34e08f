"""The sample service search: products by words."""

from typing import Final

from aiohttp import web

from gwproxy.demo.answers import json_answer, new_service, whole
from gwproxy.demo.samples import PRODUCTS, Record

# A word in the name says more of a product than one in its description.
_WEIGHTS: Final = {"name": 5, "category": 3, "description": 1}


def score(product: Record, words: list[str]) -> int:
    """How well a product answers all the words; 0 when one of them is nowhere in it."""
    points = [
        sum(weight for field, weight in _WEIGHTS.items() if word in product[field].casefold())
        for word in words
    ]
    return sum(points) if all(points) else 0


def ranked(query: str) -> list[Record]:
    """Products that answer the query, best first; every product for an empty one."""
    words = query.casefold().split()[:16]
    if not words:
        return [product | {"score": 0} for product in PRODUCTS]
    scored = [product | {"score": score(product, words)} for product in PRODUCTS]
    return sorted((found for found in scored if found["score"]), key=lambda found: -found["score"])


async def search(request: web.Request) -> web.Response:
    """GET /search?q=&limit="""
    query = request.query.get("q", "")
    found = ranked(query)
    limit = whole(request, "limit", 10, 1, 100)
    return json_answer({"query": query, "total": len(found), "results": found[:limit]})


def search_app() -> web.Application:
    """The service; it keeps nothing."""
    service = new_service("search")
    service.router.add_get("/search", search)
    return service
