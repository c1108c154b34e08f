"""Which limits a route or an aggregation meets."""

from __future__ import annotations

from gwproxy.config.load import loads
from gwproxy.snapshot.limits import limits_of

FILE = """
[limits]
global = { requests = 100, window = "60s" }
[tiers.anonymous]
requests = 50
window = "60s"
[tiers.pro]
requests = 500
window = "60s"
[services.users]
url = "http://users:1"
limit = { requests = 30, window = "60s" }
[services.users.rate_limits]
default = { requests = 9, window = "60s", tiers = { pro = 90 } }
[services.orders]
url = "http://orders:1"
limit = { requests = 40, window = "60s" }
[[routes]]
path = "/users"
service = "users"
[[aggregations]]
path = "/all"
method = "GET"
limit = { requests = 20, window = "60s" }
parts = [
  { as = "user", service = "users", path = "/me" },
  { as = "cart", service = "orders", path = "/cart" },
  { as = "address", service = "users", path = "/me/address" },
]
"""


def test_aggregation_meets_its_own_and_those_of_its_services_once_each():
    config = loads(FILE, environ={}).config
    found = [(spec.key, spec.requests) for spec in limits_of(config, config.aggregations[0])]
    assert found == [
        ("global", 100), ("service:users", 30), ("service:orders", 40), ("route:GET /all", 20), ("tier:anonymous", 50)
    ]  # fmt: skip


def test_tier_brings_its_own_limit_and_its_value_of_a_named_one():
    config = loads(FILE, environ={}).config
    found = [(spec.key, spec.requests) for spec in limits_of(config, config.routes[0], "pro")]
    assert found == [("global", 100), ("service:users", 30), ("tier:pro", 500), ("limit:users.default@pro", 90)]
