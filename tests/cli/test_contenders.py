"""The routes that `explain` calls near are the router's own, in its order."""

from __future__ import annotations

import pytest

from gwproxy.cli.contenders import contenders, mismatch
from gwproxy.config.load import loads
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Sender
from gwproxy.snapshot.compile import compile
from gwproxy.wire.receiver import Receiver

HEADS = [
    f"{method} /{path} HTTP/1.1\r\nHost: {host}\r\n{beta}\r\n"
    for method in ("GET", "HEAD", "PUT")
    for path in ("", "a", "a/", "a/b", "a/b/", "b/b", "b/b/c", "a//b")
    for host in ("x", "h.test", "www.h.test")
    for beta in ("", "B: 1\r\n")
]


@pytest.mark.parametrize("slash", ["significant", "ignore"])
def test_the_first_contender_that_fits_is_the_one_the_router_takes(slash):
    paths = ("/", "/a", "/a/", "/a/:x", "/:x/b", "/:x/b/", "/*", "/a/*", "/:x/*")
    hosts = ("", 'host = "h.test"', 'hosts = ["*.h.test", "y"]')
    more = ("", 'method = "GET"', 'headers = { B = "1" }')
    shapes = [f'path = "{path}"\n{host}\n{each}' for path in paths[::2] for host in hosts for each in more]
    shapes += [f'path = "{path}"\nmethod = "HEAD"' for path in paths[1::2] if slash == "significant"]
    text = f'[gateway]\ntrailing_slash = "{slash}"\n'
    text += "".join(f"[[routes]]\n{shape}\nrespond = {{}}\n" for shape in shapes)
    snapshot = compile(loads(text))
    for raw in HEADS:
        head = Receiver(4096).head(raw.encode())
        assert head is not None
        exchange = Exchange(head, Sender(), 0.0)
        fitting = [one for one in contenders(snapshot, exchange) if not mismatch(one, exchange)]
        try:
            won = snapshot.router.match(head.host, head.method, exchange.path, head.fields)[0]
        except GatewayError:
            assert fitting == [], raw
        else:
            assert fitting[0] is won, raw
