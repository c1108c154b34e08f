"""What survives a reload: the pools of each service's targets, the resolver, the wheel."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

from gwproxy.auth.records import KeyRecord, TenantRecord
from gwproxy.auth.source import Source
from gwproxy.auth.threads import Threads
from gwproxy.deadlines import Wheel
from gwproxy.drive import Turns
from gwproxy.egress.connect import Connector
from gwproxy.egress.pool import Pool
from gwproxy.egress.resolver import Resolver
from gwproxy.limits.level import MOST
from gwproxy.limits.memory import MemoryStore
from gwproxy.limits.store import Store
from gwproxy.runtime.issuers import Issuers
from gwproxy.runtime.records import Lookups
from gwproxy.snapshot.credentials import SourceSpec
from gwproxy.snapshot.types import ServiceSpec, TargetSpec, TlsSpec
from gwproxy.state.records import Records, RecordsSpec

if TYPE_CHECKING:
    from gwproxy.auth.signatures.nonces import SeenNonces

log = logging.getLogger("gwproxy")

_Key = tuple[str, TargetSpec, TlsSpec, object]


class Live:
    """Pools by service, target and the way they are connected to: what a reload left alone keeps its connections.

    `draining`: the gateway ends.
    """

    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self.draining = False
        self.resolver = Resolver(wheel.clock)
        self.limits: Store = MemoryStore()
        self._pools: dict[_Key, Pool] = {}
        self._used: set[_Key] = set()
        self.issuers = Issuers()
        self.threads = Threads()
        self.turns = Turns()
        self._nonces: dict[str, SeenNonces] = {}
        self._lookups = Lookups()

    def pools(self, service: ServiceSpec) -> list[tuple[Pool, int]]:
        """The pools of a service's targets, with their weights. Raises OSError, ssl.SSLError for unusable TLS files."""
        found = []
        for target in service.targets:
            key = (service.name, target, service.tls if target.tls else TlsSpec(), service.pool)
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._new(service, target)
            self._used.add(key)
            found.append((pool, target.weight))
        return found

    def _new(self, service: ServiceSpec, target: TargetSpec) -> Pool:
        tls = tls_context(service.tls, target.name) if target.tls else None
        connector = Connector(
            target.host,
            target.port,
            self.resolver,
            unix=target.unix,
            tls=tls,
            server_name=service.tls.server_name,
        )
        return Pool(
            target.name, service.name, target.prefix, target.authority, self.wheel, connector,
            max_connections=service.pool.max_connections, idle_timeout_s=service.pool.idle_timeout_s,
            max_age_s=service.pool.max_age_s,
        )  # fmt: skip

    def key_source(self, spec: SourceSpec) -> Source:
        """Where keys are fetched. Raises OSError, ssl.SSLError for an unusable `ca`."""
        return self.issuers.source(spec)

    def nonces(self, name: str) -> SeenNonces:
        """The nonces that the authenticator of this name has met: a reload lets no signed request in again."""
        from gwproxy.auth.signatures.nonces import SeenNonces

        return self._nonces.setdefault(name, SeenNonces())

    def key_records(self, spec: RecordsSpec) -> Records[KeyRecord]:
        """Where API keys are looked up."""
        return self._lookups.keys(spec, self.limits)

    def tenant_records(self, spec: RecordsSpec) -> Records[TenantRecord]:
        """Where tenants are looked up."""
        return self._lookups.tenants(spec, self.limits)

    def forget_used(self) -> None:
        """A binding begins: whatever it doesn't ask for will be retired by `retire_unused`."""
        self._used.clear()
        self.issuers.forget_used()
        self._lookups.forget_used()
        self.limits.forget_used()

    def settle_in(self, callers: int = MOST) -> None:
        """The binding is in force. `callers` are the most that a limit remembers."""
        self.retire_unused()
        self.limits.settle_in(callers)

    def retire_unused(self) -> None:
        """Pools of targets that are gone close when their requests end, and keys that nobody uses are not fetched."""
        for key in [key for key in self._pools if key not in self._used]:
            self._pools.pop(key).retire()
        self.issuers.retire_unused()
        self._lookups.retire_unused()

    @property
    def all_pools(self) -> list[Pool]:
        """Every pool in use."""
        return list(self._pools.values())

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()
        self.threads.close()
        await self.issuers.close()
        await self.resolver.close()
        await self.limits.close()
        self.wheel.close()


def tls_context(spec: TlsSpec, target: str) -> ssl.SSLContext:
    """The client side of TLS as `spec` says. Raises OSError or ssl.SSLError for files that cannot be used."""
    context = ssl.create_default_context(cafile=spec.ca or None)
    context.set_alpn_protocols(["http/1.1"])
    if spec.cert:
        context.load_cert_chain(spec.cert, spec.key or None)
    if not spec.verify:
        log.warning(
            "TLS to %s is NOT verified (tls.verify = false): anybody between could answer for it", target
        )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
