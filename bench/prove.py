"""Proof before timing: the request really reaches the origin, as a gateway would pass it on."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PROVING_REQUESTS = 30
NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Proof:
    """What the origin told about requests that came through a peer."""

    reached: bool
    request_id: bool = False
    forwarded_for: bool = False
    connections: int = 0
    fault: str = ""

    @property
    def kept_alive(self) -> bool:
        # A proxy may open a second one while the first is not yet back in its pool.
        return 0 < self.connections <= 3

    def line(self) -> str:
        if not self.reached:
            return f"does not reach the origin: {self.fault}"
        kept = f"keeps connections ({self.connections} for {PROVING_REQUESTS} requests)"
        marks = {
            "request id": self.request_id,
            "forwarded-for": self.forwarded_for,
            kept: self.kept_alive,
        }
        return ", ".join(name if given else f"NO {name}" for name, given in marks.items())


def wait_until_routed(port: int, fields: Mapping[str, str] = NOTHING, patience_s: float = 5.0) -> None:
    """Traefik listens before it has read its routes, and Envoy before its cluster is warm."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            with contextlib.closing(connection):
                connection.request("GET", "/small", headers=dict(fields))
                if connection.getresponse().status == 200:
                    return
        time.sleep(0.1)


def prove(port: int, fields: Mapping[str, str] = NOTHING) -> Proof:
    """What the origin tells; `fields`: what requests must have to be let in."""
    try:
        told = [json.loads(body) for body in _ask(port, fields)]
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Proof(False, fault=f"{type(error).__name__}: {error}")
    ids = {each["request_id"] for each in told} - {""}
    return Proof(
        reached=True,
        request_id=len(ids) == len(told),
        # Any address: Envoy names its machine's own where the caller is loopback.
        forwarded_for=all(t["forwarded_for"] for t in told),
        connections=len({each["connection"] for each in told}),
    )


def _ask(port: int, fields: Mapping[str, str]) -> list[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    bodies = []
    try:
        for _ in range(PROVING_REQUESTS):
            connection.request("GET", "/echo", headers={"Host": "bench.example", **fields})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise ValueError(f"status {answer.status}: {body[:120]!r}")
            bodies.append(body)
    finally:
        connection.close()
    return bodies
