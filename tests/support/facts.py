"""What the servers of a set-up say of themselves, as far as it stays as it is while nobody changes it.

Every server is asked everything, whatever it is: that it doesn't know a command is an answer, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hiredis

from tests.support.sentinel import NAME
from tests.support.store_process import StoreProcess, until_true

GONE_S = 1.0
"""How long a server may take to notice that its clients have gone."""

READ_ONLY = {
    "acl|dryrun", "acl|getuser", "acl|list", "acl|log", "acl|users", "client|list", "cluster|count-failure-reports",
    "cluster|replicas", "cluster|slaves", "config|get", "config|resetstat", "lastsave", "latency|doctor",
    "latency|graph", "latency|histogram", "latency|history", "latency|latest", "latency|reset", "module|list",
    "replconf", "role", "slowlog|get", "slowlog|len", "slowlog|reset",
}  # fmt: skip
"""Commands of administration that change nothing but what `empty` (kept.py) sets back. A replica confirms with
`replconf` each second."""

INFO = {
    "process_id", "run_id", "loading", "async_loading", "rdb_bgsave_in_progress", "aof_enabled", "blocked_clients",
    "migrate_cached_sockets", "role", "connected_slaves", "master_host", "master_port", "master_link_status",
    "master_sync_in_progress", "master_failover_state", "master_replid", "master_replid2", "slave_priority",
    "slave_read_only", "replica_announced", "sentinel_masters", "sentinel_tilt", "sentinel_simulate_failure_flags",
}  # fmt: skip
"""Where only what is named is looked at: most of the rest are counters."""

MOMENTARY = {
    "link-pending-commands", "last-ping-sent", "last-ok-ping-reply", "last-ping-reply", "last-hello-message",
    "info-refresh", "role-reported-time", "slave-repl-offset",
}  # fmt: skip
"""What a sentinel tells of others that isn't looked at; all else, and what comes to it, is."""


def _info(answer: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in answer.decode().splitlines())
    return {name: value for name, _, value in lines if name in INFO}


def _config(answer: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(answer[::2], answer[1::2], strict=True))


def _bus(answer: bytes) -> list[str]:
    return [line for line in answer.decode().splitlines() if not line.startswith("cluster_stats_")]


def _nodes(answer: bytes) -> list[list[str]]:
    """Without when one last heard of the other, in the middle; they come in any order."""
    lines = (line.split() for line in answer.decode().splitlines())
    return sorted([*words[:4], *words[6:]] for words in lines)


def _watched(answer: list[list[bytes]]) -> list[dict[str, str]]:
    """Names and values of each that a sentinel watches; they come in any order."""
    words = [[word.decode() for word in each] for each in answer]
    pairs = [dict(zip(each[::2], each[1::2], strict=True)) for each in words]
    found = [{name: value for name, value in each.items() if name not in MOMENTARY} for each in pairs]
    return sorted(found, key=lambda each: each["name"])


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "INFO": _info,
    "CONFIG GET *": _config,
    "ACL LIST": list,
    "MODULE LIST": list,
    "CLUSTER INFO": _bus,
    "CLUSTER NODES": _nodes,
    "CLUSTER SLOTS": list,
    "SENTINEL MASTERS": _watched,
    f"SENTINEL REPLICAS {NAME}": _watched,
    f"SENTINEL SENTINELS {NAME}": _watched,
    "SENTINEL CONFIG GET *": list,
    "SENTINEL DEBUG": list,
    # Writes into its file, which is read below, what it knows and whom it voted for.
    "SENTINEL FLUSHCONFIG": bytes,
}


async def facts(process: StoreProcess) -> dict[str, Any]:
    """All that `process` says of itself, and its files."""
    found: dict[str, Any] = {}
    async with process.linked() as link:
        for question, reading in QUESTIONS.items():
            try:
                found[question] = reading(await link.ask(*question.split()))
            except hiredis.ReplyError as error:
                found[question] = str(error)
    found["files"] = sorted(path.name for path in process.folder.iterdir())
    found["conf"] = sorted((process.folder / "conf").read_text().splitlines())
    return found


async def told_to_change(process: StoreProcess) -> set[str]:
    """Commands of administration that it was told since CONFIG RESETSTAT; sentinels keep no count."""
    async with process.linked() as link:
        administration = {name.decode() for name in await link.ask("ACL", "CAT", "admin")}
        lines = (await link.ask("INFO", "commandstats")).decode().splitlines()
    told = {line.partition(":")[0].removeprefix("cmdstat_") for line in lines}
    return (told & administration) - READ_ONLY


async def others_gone(process: StoreProcess) -> None:
    """Returns once nobody is connected but servers and sentinels of the same set-up."""
    async with process.linked() as link:
        own = await link.ask("CLIENT", "ID")

        async def gone() -> bool:
            lines = (await link.ask("CLIENT", "LIST")).decode().splitlines()
            clients = (dict(word.partition("=")[::2] for word in line.split()) for line in lines)
            return all(int(each["id"]) == own or _belongs(each) for each in clients)

        await until_true(gone, GONE_S, what=f"nobody else is connected to {process!r}")


def _belongs(client: dict[str, str]) -> bool:
    """A replica, a primary, a sentinel: nobody else takes such a name."""
    return client["flags"] in ("S", "M") or client["name"].startswith("sentinel-")
