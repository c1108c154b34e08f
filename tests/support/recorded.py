"""Records written into a real store, as an operator's own program would write them."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol

from gwproxy.state.records import key_of
from tests.support.cluster import StoreCluster
from tests.support.sentinel import StoreSentinel
from tests.support.store_process import StoreProcess

StoreKind = StoreProcess | StoreCluster | StoreSentinel


class Asked(Protocol):
    async def ask(self, *command: Any) -> Any: ...


async def holder(store: StoreKind, key: str) -> Asked:
    """Who has a key."""
    if isinstance(store, StoreCluster):
        return store.owner(await store.slot_of(key))
    return await store.primary() if isinstance(store, StoreSentinel) else store


def name_of(key: str) -> str:
    """Of the record of an API key."""
    return hashlib.sha256(key.encode()).hexdigest()


async def put(store: StoreKind, family: str, name: str, record: object, prefix: str = "gw") -> None:
    """Bytes are written as they are, everything else as JSON."""
    key = key_of(prefix, family, name)
    text = record if isinstance(record, bytes) else json.dumps(record).encode()
    await (await holder(store, key)).ask("SET", key, text)


async def put_key(store: StoreKind, key: str, **record: object) -> None:
    await put(store, "key:partners", name_of(key), record)


async def take_key(store: StoreKind, key: str) -> None:
    name = key_of("gw", "key:partners", name_of(key))
    await (await holder(store, name)).ask("DEL", name)


async def looked_up(store: StoreProcess) -> int:
    """How many records the server was asked for, ever."""
    calls = (await store.told("commandstats")).get("cmdstat_getrange", "calls=0,")
    return int(calls.removeprefix("calls=").partition(",")[0])
