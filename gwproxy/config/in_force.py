"""What this version accepts and checks, but does not do yet: told by check, by the log at start, and by explain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from gwproxy.config.problems import Key, dotted
from gwproxy.config.schema import Config

# ignored: as if it were not written. 501: let in, but answered 501.
Effect = Literal["ignored", "501"]


class Notice(Struct, frozen=True):
    """One feature that is not in force: what becomes of it, the first key that asks for it, and how many do."""

    feature: str
    effect: Effect
    key: str
    count: int
    text: str

    def __str__(self) -> str:
        more = f" and {self.count - 1} more" if self.count > 1 else ""
        return f"{self.key}{more}: {self.text}"


def not_in_force(config: Config) -> list[Notice]:
    """One Notice for each feature that the configuration uses and this version does not have."""
    found: tuple[tuple[str, Effect, Iterable[Key], str], ...] = (
        (
            "aggregations",
            "501",
            _aggregations(config),
            "aggregations do not exist yet: answered 501 once let in",
        ),
        ("retries", "ignored", _of_services(config, "retries"), "requests are not sent again yet"),
        ("circuit breakers", "ignored", _of_services(config, "circuit_breaker"), "circuits never open yet"),
        (
            "health checks",
            "ignored",
            _of_services(config, "health_check"),
            "targets are not asked for health yet",
        ),
        ("balancing", "ignored", _balances(config), "targets are taken in turn, by weight, whatever it says"),
        ("cache", "ignored", _caches(config), "answers are not kept yet: every request reaches the service"),
        ("admin", "ignored", [("admin",)] if config.admin else [], "there is no admin listener yet"),
    )
    return [_notice(feature, effect, list(keys), text) for feature, effect, keys, text in found if any(keys)]


def _notice(feature: str, effect: Effect, keys: list[Key], text: str) -> Notice:
    return Notice(feature, effect, dotted(keys[0]), len(keys), text)


def _aggregations(config: Config) -> list[Key]:
    return [("aggregations", index) for index in range(len(config.aggregations))]


def _of_services(config: Config, field: str) -> list[Key]:
    return [("services", name, field) for name, service in config.services.items() if getattr(service, field)]


def _balances(config: Config) -> list[Key]:
    services = config.services.items()
    return [("services", name, "balance") for name, service in services if service.balance != "round_robin"]


def _caches(config: Config) -> list[Key]:
    return [("routes", index, "cache") for index, route in enumerate(config.routes) if route.cache]
