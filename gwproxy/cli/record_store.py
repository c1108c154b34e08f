"""The store of keys and tenants, as the command line speaks to it: by redis-py, and without a gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from gwproxy.cli.told import Failed
from gwproxy.config.schema import State
from gwproxy.state.address import Address, Place, place_of
from gwproxy.state.records import LONGEST, key_of

WAIT_S: Final = 3.0
"""For one answer: people are patient."""
AT_ONCE: Final = 500
"""Keys that the server looks at in one step of SCAN, and records that are read together."""


class RecordStore:
    """Records of one family. `where` says to people which store it is."""

    def __init__(self, client: Any, where: str, prefix: str, family: str) -> None:
        self.where = where
        self._client = client
        self._prefix = prefix
        self._family = family

    def get(self, name: str) -> bytes:
        """What stands there, b"" for nothing; a little more than a record may have where it is too long."""
        found: bytes = self._client.getrange(self._key(name), 0, LONGEST)
        return found

    def put(self, name: str, record: bytes) -> None:
        """Write a record, in the place of another where there is one."""
        self._client.set(self._key(name), record)

    def remove(self, name: str) -> bool:
        """Whether there was one."""
        return bool(self._client.delete(self._key(name)))

    def all(self) -> dict[str, bytes]:
        """All records by name, as far as none is written meanwhile; of what is no string nothing but the name.

        The server looks through all its keys, some at a time: it goes on serving others.
        """
        names = sorted(set(self._names()))
        found: dict[str, bytes] = {}
        for at in range(0, len(names), AT_ONCE):
            some = names[at : at + AT_ONCE]
            with self._client.pipeline(**self._apart()) as pipeline:
                for name in some:
                    pipeline.getrange(self._key(name), 0, LONGEST)
                values = pipeline.execute(raise_on_error=False)
            for name, value in zip(some, values, strict=True):
                found[name] = value if isinstance(value, bytes) else b""
        return found

    def _apart(self) -> dict[str, bool]:
        # Nodes of a cluster have nothing to carry out as one.
        return {} if hasattr(self._client, "get_nodes") else {"transaction": False}

    def _names(self) -> Iterator[str]:
        before, _, behind = self._key("*").rpartition("*")
        for key in self._client.scan_iter(match=f"{_escaped(before)}*{behind}", count=AT_ONCE):
            name = key.decode("utf-8", "replace")
            yield name[len(before) : len(name) - len(behind)]

    def _key(self, name: str) -> str:
        return key_of(self._prefix, self._family, name)


def record_store(state: State, family: str) -> AbstractContextManager[RecordStore]:
    """The records of `family` in the store that `state` names. Raises Failed where it gives no answer, also later."""
    place = place_of(state.url)
    return _opened(place, state.prefix, family)


@contextmanager
def _opened(place: Place, prefix: str, family: str) -> Iterator[RecordStore]:
    from redis.exceptions import RedisError

    try:
        client = _client(place)
        try:
            yield RecordStore(client, str(place), prefix, family)
        finally:
            client.close()
    except (RedisError, OSError) as error:
        raise Failed(f"the store {place} gives no answer that helps: {error or type(error).__name__}") from None


def _client(place: Place) -> Any:
    from redis import Redis
    from redis.cluster import ClusterNode, RedisCluster

    who: dict[str, Any] = {"username": place.server.user or None, "password": place.server.password or None}
    wait: dict[str, Any] = {"socket_timeout": WAIT_S, "socket_connect_timeout": WAIT_S}
    if place.cluster:
        nodes = [ClusterNode(each.host, each.port) for each in place.addresses]  # type: ignore[no-untyped-call]
        return RedisCluster(startup_nodes=nodes, **who, **wait)
    server = _primary(place, wait) if place.primary else place.server
    return Redis(**_where(server), db=server.database, **who, **wait)


def _primary(place: Place, wait: dict[str, Any]) -> Address:
    from redis.sentinel import Sentinel

    sentinels = [(address.host, address.port) for address in place.addresses]
    asked: Any = Sentinel(sentinels, sentinel_kwargs=wait)  # type: ignore[no-untyped-call]
    try:
        host, port = asked.discover_master(place.primary)
    finally:
        for each in asked.sentinels:
            each.close()
    return place.server.at(host, port)


def _where(server: Address) -> dict[str, Any]:
    if server.path:
        return {"unix_socket_path": server.path}
    tls = {"ssl": True, "ssl_check_hostname": True} if server.tls else {}
    return {"host": server.host, "port": server.port, **tls}


def _escaped(text: str) -> str:
    """What stands for itself in a pattern of the server's."""
    return re.sub(r"([\[\]*?\\])", r"\\\1", text)
