"""Counters as they are told to others: plain, sparse, and made to be added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gwproxy.telemetry.record import Counters

K = TypeVar("K")


class Served(Struct, frozen=True):
    """How long exchanges took: log-linear buckets (telemetry/histogram.py) of their time in all, and of the time to
    the first byte of a service's answer.
    """

    total: dict[int, int] = {}
    first_byte: dict[int, int] = {}


class Tally(Struct, frozen=True):
    """What has been done, by one worker or by many: integers that only grow.

    `by_service` has what the gateway answered itself under the name "".
    """

    exchanges: int = 0
    tries: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    log_lost: int = 0
    by_status: dict[int, int] = {}
    by_code: dict[str, int] = {}
    by_service: dict[str, Served] = {}


def tally(counters: Counters, log_lost: int = 0) -> Tally:
    """The counters of this process; `log_lost` lines of its access log could not be written."""
    return Tally(
        exchanges=counters.exchanges,
        tries=counters.tries,
        bytes_in=counters.bytes_in,
        bytes_out=counters.bytes_out,
        log_lost=log_lost,
        by_status={status: count for status, count in enumerate(counters.by_status) if count},
        by_code=dict(counters.by_code),
        by_service={
            name: Served(dict(each.total), dict(each.first_byte)) for name, each in counters.by_service.items()
        },
    )


def parts(whole: Tally, services: int) -> Iterator[Tally]:
    """The same in pieces: each tells all but of the services, and of at most `services` of these."""
    names = list(whole.by_service)
    for at in range(0, len(names) or 1, services):
        some = {name: whole.by_service[name] for name in names[at : at + services]}
        yield replace(whole, by_service=some)


def merged(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    found = list(tallies)
    services = dict.fromkeys(name for each in found for name in each.by_service)
    return Tally(
        exchanges=sum(each.exchanges for each in found),
        tries=sum(each.tries for each in found),
        bytes_in=sum(each.bytes_in for each in found),
        bytes_out=sum(each.bytes_out for each in found),
        log_lost=sum(each.log_lost for each in found),
        by_status=_summed(each.by_status for each in found),
        by_code=_summed(each.by_code for each in found),
        by_service={
            name: _together([each.by_service[name] for each in found if name in each.by_service])
            for name in services
        },
    )


def _together(served: list[Served]) -> Served:
    return Served(_summed(each.total for each in served), _summed(each.first_byte for each in served))


def _summed(counts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    total: dict[K, int] = {}
    for each in counts:
        for key, count in each.items():
            total[key] = total.get(key, 0) + count
    return total
