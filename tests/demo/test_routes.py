"""The demo's own file, as the gateway reads it."""

from importlib.resources import files
from pathlib import Path

from gwproxy.config.load import load
from gwproxy.demo.services import SAMPLES, url_of
from gwproxy.snapshot.compile import compile

DEMO = Path(str(files("gwproxy.demo") / "demo.toml"))


def test_demo_file_compiles_with_all_of_routes_toml():
    compile(load(DEMO, {}))
    routes = {route.path for route in load(DEMO, {}).config.routes}
    assert {"/demo/hello", "/demo/users/*", "/api/users", "/api/analytics/*"} <= routes


def test_services_are_found_where_the_samples_usually_listen():
    assert places_of({}) == {name: sample.port for name, sample in SAMPLES.items()}


def test_variables_move_the_services():
    environ = {sample.variable: url_of(9000 + place) for place, sample in enumerate(SAMPLES.values())}
    assert places_of(environ) == {name: 9000 + place for place, name in enumerate(SAMPLES)}


def places_of(environ: dict[str, str]) -> dict[str, int]:
    """The port of each service's only target."""
    services = load(DEMO, environ).config.services.items()
    urls = {name: service.url or service.targets[0].url for name, service in services}
    return {name: int(url.rpartition(":")[2]) for name, url in urls.items()}
