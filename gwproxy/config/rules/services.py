"""What a service says about its connections."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.either import targets_of
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem


def tls(loaded: Loaded) -> Iterator[Problem]:
    """TLS that proves nothing is legal and said; TLS settings without TLS do nothing."""
    for name, service in loaded.config.services.items():
        key: Key = ("services", name, "tls")
        targets = targets_of(service)
        encrypted = any(target.url.lower().startswith("https:") for target in targets)
        if not targets:
            # They are missing, which is told: nothing is known about the connections.
            continue
        if key in loaded.places and ("defaults", "services", "tls") not in loaded.places and not encrypted:
            yield loaded.problem("no_effect", key, hint="none of the service's addresses is https")
        elif encrypted and not service.tls.verify:
            hint = "anybody on the way can read and change what passes; name your own authority in tls.ca"
            yield loaded.problem("tls_unverified", (*key, "verify"), found="false", hint=hint)
