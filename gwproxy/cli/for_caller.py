"""Who is calling, as far as a file alone can tell: keys that a running gateway fetches are not fetched here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

from gwproxy.auth.source import Watcher
from gwproxy.auth.threads import Threads
from gwproxy.drive import Turns
from gwproxy.exchange import Exchange
from gwproxy.limits.spec import LimitSpec
from gwproxy.snapshot.callers import Provers
from gwproxy.snapshot.credentials import SourceSpec
from gwproxy.snapshot.order import Check
from gwproxy.snapshot.types import CompiledRoute, ServiceSpec, Snapshot
from gwproxy.state.records import RecordsSpec
from gwproxy.steps.authenticate import Authenticate
from gwproxy.steps.limit import kind_of
from gwproxy.steps.stored_tenancy import EnterStoredTenant, FindStoredTenant

if TYPE_CHECKING:
    from gwproxy.auth.keys.key_set import KeySet
    from gwproxy.auth.signatures.nonces import SeenNonces


class NotHere(Exception):
    """Only a running gateway can find it out."""


class NotAsked:
    """An issuer that nobody asks for its keys."""

    keys: KeySet | None = None

    async def refreshed(self, kid: str | None) -> NoReturn:
        """Nobody is."""
        raise NotHere

    def watch(self, watcher: Watcher) -> None:
        """They never change."""


class NotLooked:
    """A store that nobody looks anything up in."""

    def kept(self, name: str, now: float) -> None:
        """Nothing is."""

    async def asked(self, name: str) -> NoReturn:
        """Nobody is."""
        raise NotHere


class NoThreads(Threads):
    """Threads of no loop."""

    def run(self, work: Callable[[], Any]) -> NoReturn:
        """There are none."""
        raise NotHere


class Free(Turns):
    """Turns of no loop: nobody is kept waiting."""

    def take(self) -> bool:
        """Always."""
        return True


class Offline:
    """What lives on, where nothing lives."""

    def __init__(self) -> None:
        self.threads: Threads = NoThreads()
        self.turns: Turns = Free()

    def nonces(self, name: str) -> SeenNonces:
        """None were met."""
        from gwproxy.auth.signatures.nonces import SeenNonces

        return SeenNonces()

    def key_records(self, spec: RecordsSpec) -> NotLooked:
        """Nobody to ask."""
        return NotLooked()

    def tenant_records(self, spec: RecordsSpec) -> NotLooked:
        """Nobody to ask."""
        return NotLooked()

    def key_source(self, spec: SourceSpec) -> NotAsked:
        """Nobody to ask."""
        return NotAsked()


def prover_of(snapshot: Snapshot, route: CompiledRoute) -> Authenticate | None:
    """What proves the callers of `route`."""
    return Provers(snapshot.auth, Offline(), None, lambda *_: _nobody, snapshot.forged).of(route)


async def _nobody(lines: bytes, exchange: Exchange) -> NoReturn:
    """Is not asked."""
    raise NotHere


def settled(outcome: object, check: Check) -> str:
    """Let `check` go on as far as it can without a loop. What of it is not known here; empty where it has come to
    its end. Raises GatewayError where it refuses.
    """
    if not isinstance(outcome, Coroutine):
        return ""
    try:
        outcome.send(None)
    except StopIteration:
        return ""
    except NotHere:
        pass
    finally:
        outcome.close()
    if isinstance(check, FindStoredTenant | EnterStoredTenant):
        return "the tenant is looked up by a running gateway in its store: whether it is served is not known here"
    return "only a running gateway can verify this credential: what it proves is not known here"


def who_of(exchange: Exchange, snapshot: Snapshot, route: CompiledRoute) -> str:
    """The caller in few words, and how its service is told of it where that is not by plain headers."""
    principal = exchange.sender.principal
    if principal is None:
        return "anonymous"
    facts = {
        "role": ", ".join(principal.roles), "tier": principal.tier, "tenant": principal.tenant,
    }  # fmt: skip
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    who = f"{principal.id}{f' ({told})' if told else ''}, by auth.{principal.via}"
    identity = snapshot.auth.identity if snapshot.auth is not None else None
    form = identity.forms.get(route.service) if identity is not None else None
    if identity is None or form is None:
        return who
    how = f"told by a token in {identity.header}" if form == "jwt" else "of whom the service is told nothing"
    return f"{who}, {how}"


def tenant_of(exchange: Exchange) -> str:
    """The tenant that the request is served for, with its plan; empty where it is for none."""
    tenant = exchange.sender.tenant
    return "" if tenant is None else f"{tenant.name}{f' (plan {tenant.plan})' if tenant.plan else ''}"


def service_for(snapshot: Snapshot, exchange: Exchange, route: CompiledRoute) -> ServiceSpec:
    """The service of a route, with the targets that this request's tenant has."""
    tenant = exchange.sender.tenant
    own = snapshot.tenancy.own.get(route.service, {}) if snapshot.tenancy is not None else {}
    everybodys = snapshot.services[route.service]
    return everybodys if tenant is None else own.get(tenant.name, everybodys)


def limits_met(exchange: Exchange, route: CompiledRoute) -> tuple[LimitSpec, ...]:
    """The limits that this caller meets."""
    by_kind = {(tier, plan): specs for tier, plan, specs in route.caller_limits}
    return by_kind.get(kind_of(exchange), route.limits)
