"""What the gateway proves to services."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem
from gwproxy.config.rules.routes import no_condition


def of_services(loaded: Loaded) -> Iterator[Problem]:
    """A header with a secret in it is none that frames a message, or that the gateway writes for other ends."""
    for name, service in loaded.config.services.items():
        header = service.credentials.header if service.credentials is not None else None
        if header is not None and no_condition(header.name):
            key: Key = ("services", name, "credentials", "header", "name")
            hint = "the gateway writes or reads this header itself: name another"
            yield loaded.problem("bad_header", key, found=loaded.shown(key, header.name), hint=hint)
