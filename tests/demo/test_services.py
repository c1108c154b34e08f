"""The sample services, asked through real sockets."""

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gwproxy.demo.playground import PATTERN
from gwproxy.demo.samples import ORDERS, PRODUCTS, USERS
from gwproxy.demo.services import SAMPLES, start_services, url_of


@asynccontextmanager
async def asking(name: str):
    """A client of one running sample service, addressed by paths alone."""
    async with (
        await start_services({name: 0}) as running,
        aiohttp.ClientSession(url_of(running.ports[name])) as session,
    ):
        yield session


async def get(session: aiohttp.ClientSession, path: str, **options):
    async with session.get(path, **options) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("name", SAMPLES)
async def test_every_service_is_healthy(name):
    async with asking(name) as session:
        assert await get(session, "/health") == (200, {"status": "healthy", "service": name})


@pytest.mark.parametrize("name", SAMPLES)
async def test_unknown_paths_are_answered_as_json(name):
    async with asking(name) as session:
        assert await get(session, "/nowhere") == (404, {"error": "Not Found"})


def test_orders_refer_to_users_and_products_that_exist():
    assert len(USERS) >= 20
    assert {order["user_id"] for order in ORDERS} <= {user["id"] for user in USERS}
    assert {item["product_id"] for order in ORDERS for item in order["items"]} <= {p["id"] for p in PRODUCTS}
    assert all(order["total_cents"] == sum(i["total_cents"] for i in order["items"]) for order in ORDERS)


def test_every_user_has_an_order_and_an_address_of_its_own():
    assert {order["user_id"] for order in ORDERS} == {user["id"] for user in USERS}
    assert len({user["email"] for user in USERS}) == len(USERS)
    assert all(user["email"].isascii() for user in USERS)


class TestUsers:
    async def test_list_comes_in_pages(self):
        async with asking("users") as session:
            status, first = await get(session, "/users?limit=5")
            _, second = await get(session, "/users?limit=5&offset=5")
        assert status == 200
        assert first["total"] == len(USERS)
        assert [user["id"] for user in first["users"] + second["users"]] == list(range(1, 11))

    async def test_page_out_of_bounds_says_what_it_wanted(self):
        async with asking("users") as session:
            assert await get(session, "/users?limit=0") == (
                400,
                {"error": "limit must be a whole number from 1 to 100"},
            )

    async def test_one_user_by_id(self):
        async with asking("users") as session:
            assert await get(session, "/users/7") == (200, USERS[6])

    @pytest.mark.parametrize("name", ["0", "999", "x", "-1", "%2F", "9" * 30])
    async def test_user_that_does_not_exist_is_404(self, name):
        async with asking("users") as session:
            assert (await get(session, f"/users/{name}"))[0] == 404

    async def test_search_finds_part_of_a_name_in_any_case(self):
        async with asking("users") as session:
            _, found = await get(session, "/users/search?q=GRETA")
        assert [user["name"] for user in found["users"]] == ["Greta Hofmann"]

    async def test_new_user_is_found_where_the_answer_says(self):
        async with asking("users") as session:
            async with session.post("/users", json={"name": "Zoe", "email": "zoe@example.com"}) as answer:
                status, user, place = answer.status, await answer.json(), answer.headers["Location"]
            assert (status, place) == (201, f"/users/{len(USERS) + 1}")
            assert await get(session, place) == (200, user)

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{", b'{"name": "Zoe"}', b'{"name": 1, "email": "a@b"}', b"\xff"]
    )
    async def test_user_without_name_or_email_is_refused(self, body):
        async with asking("users") as session, session.post("/users", data=body) as answer:
            assert answer.status == 400
            assert "error" in await answer.json()

    async def test_body_above_the_bound_is_refused(self):
        async with asking("users") as session, session.post("/users", data=b"x" * 70_000) as answer:
            assert answer.status == 413

    async def test_me_is_whom_the_gateway_names(self):
        async with asking("users") as session:
            headers = {"X-User-Id": "3", "X-User-Role": "user", "X-Tenant-Id": "acme"}
            _, me = await get(session, "/users/me", headers=headers)
            _, address = await get(session, "/users/me/address", headers=headers)
        assert me["name"] == address["name"] == USERS[2]["name"]
        assert me["identity"] == {"user": "3", "role": "user", "tier": None, "tenant": "acme", "plan": None}

    @pytest.mark.parametrize("name", ["partner-1", "999", ""])
    async def test_caller_unknown_to_the_samples_is_still_somebody(self, name):
        async with asking("users") as session:
            _, me = await get(session, "/users/me", headers={"X-User-Id": name})
        assert (me["id"], me["identity"]["user"]) == (1, name)


class TestOrders:
    async def test_list_can_be_narrowed(self):
        async with asking("orders") as session:
            _, found = await get(session, "/orders?user_id=7&status=delivered")
        assert found["total"] > 0
        assert {(order["user_id"], order["status"]) for order in found["orders"]} == {(7, "delivered")}

    async def test_one_order_by_id(self):
        async with asking("orders") as session:
            assert await get(session, "/orders/1001") == (200, ORDERS[0])
            assert (await get(session, "/orders/1"))[0] == 404

    async def test_recent_orders_are_the_callers_newest_first(self):
        async with asking("orders") as session:
            _, found = await get(session, "/orders/recent", headers={"X-User-Id": "7"})
        times = [order["placed_at"] for order in found["orders"]]
        assert {order["user_id"] for order in found["orders"]} == {7}
        assert times == sorted(times, reverse=True)

    async def test_new_order_is_priced_and_kept(self):
        async with asking("orders") as session:
            items = [{"product_id": 1, "quantity": 2}, {"product_id": 11}]
            async with session.post("/orders", json={"items": items}) as answer:
                status, order = answer.status, await answer.json()
            assert await get(session, f"/orders/{order['id']}") == (200, order)
        assert status == 201
        assert order["total_cents"] == 2 * PRODUCTS[0]["price_cents"] + PRODUCTS[10]["price_cents"]

    @pytest.mark.parametrize(
        "items",
        [
            None,
            [],
            [1],
            [{}],
            [{"product_id": 0}],
            [{"product_id": 1, "quantity": 0}],
            [{"product_id": True}],
        ],
    )
    async def test_order_of_nothing_sensible_is_refused(self, items):
        async with asking("orders") as session, session.post("/orders", json={"items": items}) as answer:
            assert answer.status == 400

    async def test_cart_adds_up(self):
        async with asking("orders") as session:
            _, cart = await get(session, "/orders/cart")
        assert cart["subtotal_cents"] == sum(item["total_cents"] for item in cart["items"]) > 0

    async def test_shipping_has_options(self):
        async with asking("orders") as session:
            _, shipping = await get(session, "/orders/shipping-options")
        assert [option["id"] for option in shipping["options"]] == ["standard", "express", "pickup"]


class TestSearch:
    async def test_best_comes_first(self):
        async with asking("search") as session:
            status, found = await get(session, "/search?q=lamp")
        names = [product["name"] for product in found["results"]]
        assert (status, found["total"]) == (200, len(names))
        assert all("lamp" in name for name in names)
        assert names

    async def test_every_word_must_be_found(self):
        async with asking("search") as session:
            _, found = await get(session, "/search", params={"q": "lamp walnut"})
            _, none = await get(session, "/search", params={"q": "lamp submarine"})
        assert [product["id"] for product in found["results"]] == [1]
        assert none == {"query": "lamp submarine", "total": 0, "results": []}

    async def test_without_words_all_products_are_there(self):
        async with asking("search") as session:
            _, found = await get(session, "/search?limit=3")
        assert (found["total"], len(found["results"])) == (len(PRODUCTS), 3)


class TestAnalytics:
    async def test_days_add_up_to_the_summary(self):
        async with asking("analytics") as session:
            _, summary = await get(session, "/analytics/summary")
            _, daily = await get(session, "/analytics/reports/daily?limit=100")
        assert sum(day["revenue_cents"] for day in daily["days"]) == summary["revenue_cents"]
        assert sum(summary["orders_by_status"].values()) == summary["orders"] == len(ORDERS)

    async def test_products_add_up_to_the_summary(self):
        async with asking("analytics") as session:
            _, summary = await get(session, "/analytics/summary")
            _, top = await get(session, "/analytics/reports/products?limit=100")
        revenues = [product["revenue_cents"] for product in top["products"]]
        assert sum(revenues) == summary["revenue_cents"]
        assert revenues == sorted(revenues, reverse=True)

    async def test_index_names_reports_that_exist(self):
        async with asking("analytics") as session:
            _, index = await get(session, "/analytics")
            for report in index["reports"]:
                assert (await get(session, f"/analytics/{report}"))[0] == 200

    async def test_event_is_accepted(self):
        async with asking("analytics") as session:
            async with session.post("/analytics/events", json={"name": "seen"}) as answer:
                assert (answer.status, await answer.json()) == (202, {"accepted": "seen"})
            async with session.post("/analytics/events", json={}) as answer:
                assert answer.status == 400


class TestPlayground:
    async def test_slow_waits_as_long_as_it_says(self):
        async with asking("playground") as session:
            loop = asyncio.get_running_loop()
            start = loop.time()
            assert await get(session, "/slow?seconds=0.05") == (200, {"waited_seconds": 0.05})
            assert loop.time() - start >= 0.049  # the loop counts whole milliseconds

    @pytest.mark.parametrize("seconds", ["x", "-1", "nan", "inf", "301"])
    async def test_slow_refuses_what_it_cannot_wait(self, seconds):
        async with asking("playground") as session:
            assert (await get(session, f"/slow?seconds={seconds}"))[0] == 400

    @pytest.mark.parametrize("status", [400, 404, 429, 500, 503, 599])
    async def test_fail_gives_the_status_asked_for(self, status):
        async with asking("playground") as session:
            assert (await get(session, f"/fail?status={status}"))[0] == status

    async def test_fail_alone_is_503_and_nonsense_400(self):
        async with asking("playground") as session:
            assert await get(session, "/fail") == (503, {"error": "Service Unavailable"})
            assert (await get(session, "/fail?status=200"))[0] == 400

    @pytest.mark.parametrize("size", [0, 1, 65_520, 65_521, 65_522, 1_000_000])
    async def test_download_has_its_length_and_its_bytes(self, size):
        async with asking("playground") as session, session.get(f"/download?bytes={size}") as answer:
            body = await answer.read()
        assert answer.headers["Content-Length"] == str(size) == str(len(body))
        assert body == (PATTERN * (size // len(PATTERN) + 1))[:size]

    async def test_download_is_100_mib_unless_told(self):
        async with asking("playground") as session, session.head("/download") as answer:
            assert answer.headers["Content-Length"] == str(100 * 1024 * 1024)
            assert await answer.read() == b""

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_upload_tells_what_it_read(self, method):
        body = PATTERN * 30
        digest = hashlib.sha256(body).hexdigest()
        async with asking("playground") as session, session.request(method, "/upload", data=body) as answer:
            assert await answer.json() == {"bytes": len(body), "sha256": digest}

    async def test_upload_takes_chunks(self):
        async def pieces():
            for _ in range(10):
                yield b"x" * 1000

        async with asking("playground") as session, session.post("/upload", data=pieces()) as answer:
            assert (await answer.json())["bytes"] == 10_000

    async def test_events_come_one_by_one_and_end(self):
        async with asking("playground") as session, session.get("/events?count=3&interval=0.01") as answer:
            assert answer.content_type == "text/event-stream"
            events = (await answer.read()).decode().removesuffix("\n\n").split("\n\n")
        assert events[0] == 'id: 1\nevent: tick\ndata: {"tick":1,"of":3}'
        assert len(events) == 3

    async def test_first_event_does_not_wait(self):
        async with asking("playground") as session, session.get("/events?interval=60") as answer:
            assert await answer.content.readline() == b"id: 1\n"

    async def test_endless_events_are_refused(self):
        async with asking("playground") as session:
            assert (await get(session, "/events?count=1000000"))[0] == 400

    async def test_echo_shows_the_request_as_it_came(self):
        request = (
            b"PATCH /echo/a%2fb/../c;d?x=%20&y HTTP/1.1\r\nHost: here\r\nx-One: 1\r\n"
            b"X-two: \xe9\r\nx-One: 2\r\nContent-Length: 5\r\n\r\nhello"
        )
        shown = await echoed(request)
        assert (shown["method"], shown["version"]) == ("PATCH", "1.1")
        assert shown["target"] == "/echo/a%2fb/../c;d?x=%20&y"
        assert shown["headers"] == [
            ["Host", "here"],
            ["x-One", "1"],
            ["X-two", "é"],
            ["x-One", "2"],
            ["Content-Length", "5"],
        ]
        assert shown["body"] == {"length": 5, "text": "hello", "complete": True}

    async def test_echo_shows_the_start_of_a_long_body_and_counts_the_rest(self):
        async with asking("playground") as session, session.post("/echo", data=b"\xff" * 200_000) as answer:
            body = (await answer.json())["body"]
        assert (body["length"], body["complete"]) == (200_000, False)
        assert body["text"] == "\\xff" * 65_536


async def echoed(request: bytes):
    """What /echo answers to these very bytes."""
    async with await start_services({"playground": 0}) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["playground"])
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    return json.loads(body)
