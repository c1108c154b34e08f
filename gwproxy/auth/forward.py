"""Asking somebody else who is calling: what is sent, and what the answer means. How it is asked is egress's to know.

The credential is all that is asked: the headers and cookies that carry it, and which request they came with. So an
answer is only ever remembered for a request about which the very same would be asked.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

from gwproxy.auth.method import Later
from gwproxy.auth.places import Place, Query
from gwproxy.auth.principal import ONCE, Identities, Principal, Proof, Unjudged, Unproved
from gwproxy.auth.source import Watcher
from gwproxy.auth.table import Proofs
from gwproxy.drive import Turns
from gwproxy.errors import GatewayError, Phase
from gwproxy.exchange import Exchange
from gwproxy.wire.fields import Fields, Line

COOKIE: Final = b"cookie"
_BETWEEN: Final = re.compile(r"[,\s]+")


class Answered(NamedTuple):
    """What somebody answered."""

    status: int
    fields: Fields


Ask = Callable[[bytes, Exchange], Awaitable[Answered]]
"""Field lines, and the exchange that they are about → the answer. Raises Unjudged where there is none."""


class AnswerNames(NamedTuple):
    """Lower-case names of the answer's fields that say who the caller is."""

    id: bytes
    role: bytes
    permissions: bytes
    tier: bytes
    tenant: bytes


class Sent:
    """The headers and cookies that somebody else judges, as the place of a credential.

    Of the Cookie field only `cookies` are the credential, a "*" ends a prefix. `others` are the places of other
    authenticators' credentials, as a file writes them: what stands there is theirs, and shown to no judge who does not
    name it in full.
    """

    __slots__ = ("_cookies", "_headers", "_others", "_prefixes", "_queries")

    # What is proved is never remembered by its head (principal.ONCE); that a head has no credential may well be.
    remembered = True

    def __init__(self, headers: Sequence[str], cookies: Sequence[str], others: Iterable[str] = ()) -> None:
        self._headers = frozenset(name.lower().encode() for name in headers)
        self._cookies = frozenset(name.encode() for name in cookies if not name.endswith("*"))
        self._prefixes = tuple(name[:-1].encode() for name in sorted(cookies) if name.endswith("*"))
        apart = [source.partition(":") for source in others]
        self._others = frozenset(name.encode() for kind, _, name in apart if kind == "cookie") - self._cookies
        self._queries = tuple(Query(name) for kind, _, name in apart if kind == "query")

    @property
    def names(self) -> frozenset[bytes] | None:
        """As Place's."""
        return self._headers | {COOKIE}

    @property
    def where(self) -> tuple[object, ...]:
        """As Place's."""
        return "sent", *self._parts()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sent) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[object, ...]:
        return self._headers, self._cookies, self._prefixes, self._others, self._queries

    def find(self, exchange: Exchange) -> bytes | None:
        """All that is asked about this request; None where it has no credential."""
        found = [self._taken(line) for line in exchange.head.about.fields.kept]
        credential = b"".join(found)
        return credential + self._about(exchange) if credential else None

    def without(self, line: Line) -> bytes:
        """As Place's: the other cookies stay as they were written."""
        if line[1] in self._headers:
            return b""
        return self._cookie(line, mine=False) if line[1] == COOKIE else line[2]

    def query_without(self, query: bytes) -> bytes:
        """As Place's."""
        return query

    def _taken(self, line: Line) -> bytes:
        if line[1] in self._headers:
            return line[2]
        return self._cookie(line, mine=True) if line[1] == COOKIE else b""

    def _cookie(self, line: Line, *, mine: bool) -> bytes:
        """The field with only the cookies that are the credential, or with only the others."""
        pairs = [pair.strip(b" \t") for pair in line[3].split(b";")]
        some = [pair for pair in pairs if self._is_mine(pair.partition(b"=")[0]) is mine]
        if len(some) == len(pairs):
            return line[2]
        return b"Cookie: %b\r\n" % b"; ".join(some) if some else b""

    def _is_mine(self, name: bytes) -> bool:
        name = name.strip(b" \t")
        return name in self._cookies or (name.startswith(self._prefixes) and name not in self._others)

    def _about(self, exchange: Exchange) -> bytes:
        """Which request it is about, in the fields that such services know."""
        sender = exchange.sender
        facts = (
            (b"Method", exchange.method), (b"Proto", sender.proto), (b"Host", sender.host),
            (b"Uri", self._uri(exchange.head.target)), (b"For", sender.address.encode()),
        )  # fmt: skip
        return b"".join([b"X-Forwarded-%b: %b\r\n" % fact for fact in facts])

    def _uri(self, target: bytes) -> bytes:
        path, mark, query = target.partition(b"?")
        query = mark + query
        for place in self._queries:
            query = place.query_without(query)
        return path + query


class ForwardAuth:
    """Somebody else's judgement. `cache_s`: how long one holds that lets in; 0 where each is asked for anew."""

    __slots__ = ("_ask", "_cache_s", "_identities", "_names", "_proofs", "challenge", "name", "place")

    turns: Turns | None = None

    def __init__(
        self, name: str, place: Place, challenge: bytes, ask: Ask, names: AnswerNames, identities: Identities,
        cache_s: float = 0.0,
    ) -> None:  # fmt: skip
        self.name = name
        self.place = place
        self.challenge = challenge
        self._ask = ask
        self._names = names
        self._identities = identities
        self._cache_s = cache_s
        self._proofs = Proofs()

    def known(self, credential: bytes, now: float) -> Proof | None:
        """The proof of a judgement that still holds for this very question."""
        proof = self._proofs.get(credential, now)
        return Proof(proof.principal, ONCE) if proof is not None else None

    def watch(self, watcher: Watcher) -> None:
        """Nobody is told when a judgement changes."""

    def prove(self, credential: bytes, exchange: Exchange, now: float) -> Later:
        """Ask. Raises GatewayError (`loop_detected`)."""
        if exchange.sender.looped:
            raise GatewayError("loop_detected", "The request has been here before", phase=Phase.ROUTE)
        return Later(lambda: self._prove(credential, exchange, now))

    async def _prove(self, credential: bytes, exchange: Exchange, now: float) -> Proof:
        """Raises Unproved for 401, GatewayError (`forbidden`) for 403, Unjudged for all that is no judgement."""
        answer = await self._ask(credential, exchange)
        if answer.status == 403:
            # The caller is known, and may not: 401 would have it prove who it is again and again.
            raise GatewayError(
                "forbidden", "Insufficient permissions", phase=Phase.POLICY, cause=f"{self.name}: answered 403"
            )
        if answer.status == 401:
            raise Unproved("answered 401")
        if not 200 <= answer.status < 300:
            raise Unjudged(f"{self.name} answered {answer.status}")
        principal = self._principal(answer.fields)
        if self._cache_s:
            self._proofs.add(credential, Proof(principal, now + self._cache_s))
        return Proof(principal, ONCE)

    def _principal(self, fields: Fields) -> Principal:
        names = self._names
        id_ = self._told(fields, names.id)
        if not id_:
            raise Unjudged(f"{self.name} let somebody in, and did not say who")
        roles = [role.strip() for role in self._told(fields, names.role).split(",")]
        permissions = _BETWEEN.split(self._told(fields, names.permissions))
        try:
            return self._identities.principal(
                self.name, id_, roles=[role for role in roles if role],
                permissions=[each for each in permissions if each], tier=self._told(fields, names.tier),
                tenant=self._told(fields, names.tenant),
            )  # fmt: skip
        except Unproved as fault:
            raise Unjudged(f"{self.name} named a caller: {fault}") from None

    def _told(self, fields: Fields, name: bytes) -> str:
        """What a field says, once; empty where it is not there."""
        values = fields.get_all(name)
        if len(values) > 1:
            raise Unjudged(f"{self.name} answered more than one {name.decode()}")
        try:
            return values[0].decode() if values else ""
        except UnicodeDecodeError:
            raise Unjudged(f"{self.name} answered a {name.decode()} that is not UTF-8") from None
