"""The reference pattern's own tests of its router, by the same names, against the demo's routes.toml."""

from __future__ import annotations

from importlib.resources import files

import pytest

from gwproxy.config.load import loads
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.router import Router
from gwproxy.snapshot.template import filled
from gwproxy.snapshot.types import CompiledRoute
from tests.snapshot.tables import fields_of


@pytest.fixture(scope="module")
def router() -> Router:
    return compile(loads(files("gwproxy.demo").joinpath("routes.toml").read_text())).router


class TestRouter:
    def match_route(self, router: Router, path: bytes) -> tuple[CompiledRoute, dict[str, bytes]]:
        route, raw = router.match(b"localhost", b"GET", path, fields_of())
        return route, {name: raw[at] for name, at in route.names.items() if name != "*"}

    def test_should_match_exact_paths(self, router):
        route, _ = self.match_route(router, b"/api/users")
        assert route.service == "users"

    def test_should_match_paths_with_parameters(self, router):
        _, params = self.match_route(router, b"/api/users/123")
        assert params["id"] == b"123"

    def test_should_match_wildcard_paths(self, router):
        route, _ = self.match_route(router, b"/api/analytics/reports/daily")
        assert route.service == "analytics"

    def test_build_service_path_should_replace_parameters(self):
        build = filled("/users/:id/orders/:orderId", {"id": 1, "orderId": 3})
        assert build(b"/x/123/y/456", [b"x", b"123", b"y", b"456"]) == b"/users/123/orders/456"

    def test_route_names_the_path_that_its_service_gets(self, router):
        """The way there, from a caller's path to the service's, by the routes of the file."""
        for asked, got in {
            b"/api/users/123": b"/users/123",
            b"/api/users/search": b"/users/search",
            b"/api/analytics/reports/daily": b"/analytics/reports/daily",
            b"/api/analytics": b"/analytics",
        }.items():
            route, raw = router.match(b"localhost", b"GET", asked, fields_of())
            assert route.make_path(asked, raw) == got
