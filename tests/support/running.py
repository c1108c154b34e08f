"""A gateway in the test's own event loop, on a free port."""

from __future__ import annotations

import re
from typing import Any

from tests.support.client import Answer, Client, connect
from tests.support.serving import Served

LISTEN = 'listen = ["127.0.0.1:0"]'

PLAIN = """
[services.origin]
url = "${ORIGIN}"

[[routes]]
path = "/*"
method = "*"
service = "origin"
"""
"""The smallest gateway: everything goes to one service."""


class Gateway:
    """A running worker with what it logged: `records`, one per finished exchange."""

    def __init__(self, worker: Any, records: list[Any]) -> None:
        self.worker = worker
        self._records = records
        self.clients: list[Client] = []

    @property
    def records(self) -> list[Any]:
        """Of all that have ended."""
        self.worker.settle()
        return self._records

    @property
    def port(self) -> int:
        return int(self.worker.ports[0])

    async def connect(self) -> Client:
        client = await connect(self.port)
        self.clients.append(client)
        return client

    async def ask(self, raw: bytes) -> Answer:
        """One request on a connection of its own."""
        client = await self.connect()
        try:
            return await client.ask(raw)
        finally:
            client.close()

    async def stop(self, drain_s: float = 0.0) -> None:
        for client in self.clients:
            client.close()
        await self.worker.stop(drain_s=drain_s)


def with_listener(text: str) -> str:
    """Adds a listener on a free port where the text names none."""
    if re.search(r"^listen\s*=", text, re.MULTILINE):
        return text
    if "[gateway]" in text:
        return text.replace("[gateway]", f"[gateway]\n{LISTEN}", 1)
    return f"[gateway]\n{LISTEN}\n{text}"


def recorded(records: list[Any]) -> Any:
    """A taker of exchanges that keeps the record of each."""
    from gwproxy.telemetry.record import Record

    return lambda ended, epoch: records.extend(Record(one, epoch) for one in ended)


async def start_gateway(text: str, origin: Served | None = None, **values: object) -> Gateway:
    """Starts `text`, in which ${ORIGIN} is the origin's URL and ${NAME} each value."""
    from gwproxy.config.load import loads  # here, so that tests import without it
    from gwproxy.runtime.worker import Worker

    environ = {name.upper(): str(value) for name, value in values.items()}
    if origin is not None:
        environ["ORIGIN"] = origin.url
    records: list[Any] = []
    loaded = loads(with_listener(text), environ=environ)
    worker = Worker(loaded, record=recorded(records))
    await worker.start()
    return Gateway(worker, records)
