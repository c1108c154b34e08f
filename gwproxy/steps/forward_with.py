"""Forwarding to a service that is told more than others: that it is this gateway that asks, or which version is meant.

A responder of its own, picked when a route is bound: a route without any of it knows nothing of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gwproxy.egress.request import Request
from gwproxy.exchange import Exchange
from gwproxy.steps.forward import Forward
from gwproxy.wire.fields import folded


class OwnHeader:
    """A header with the gateway's own secret. A caller's own copy of it goes, however it is spelt."""

    __slots__ = ("_folded", "_line", "name")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name = name
        self._folded = folded(name)
        self._line = b"%b: %b\r\n" % (name, value)

    def __repr__(self) -> str:
        return f"<OwnHeader {self.name.decode()}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnHeader) and self._line == other._line

    def __hash__(self) -> int:
        return hash(self._line)

    def add(self, request: Request, exchange: Exchange) -> None:
        """Put it into a request that `exchange` became."""
        mine = self._folded
        for line in exchange.head.about.fields.kept:
            if folded(line[1]) == mine:
                request.lines = self._without(request.lines)
                break
        request.lines += self._line

    def _without(self, lines: bytes) -> bytes:
        kept = [line for line in lines.split(b"\r\n")[:-1] if folded(line.partition(b":")[0]) != self._folded]
        return b"".join([b"%b\r\n" % line for line in kept])


Edit = Callable[[Request, Exchange], None]
"""Changes the field lines of a request that an exchange has become."""


class ForwardWith(Forward):
    """Sends each exchange of one route to one service, with what else that service is to be told."""

    __slots__ = ("_edits",)

    def __init__(self, edits: tuple[Edit, ...], *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self._edits = edits

    def _request(self, exchange: Exchange) -> Request:
        request = super()._request(exchange)
        for edit in self._edits:
            edit(request, exchange)
        return request
