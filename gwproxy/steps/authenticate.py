"""Who is calling: the credential of a request, verified once and then known.

What a caller has proved is kept with its `Sender`, which all requests of a connection share whose field lines are
alike: there a known caller costs two comparisons. On other connections a token that was verified before is one
look-up (auth/table.py). Only what is new is verified, and only after `[limits] auth_failures` has been asked.

Invariants: a request with two credentials in different places, or twice in one, proves nothing. No credential, proved
or not, reaches a service unless the route says so.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from gwproxy.auth.challenges import Challenges, Lines
from gwproxy.auth.method import Later, Method
from gwproxy.auth.places import Place, apart
from gwproxy.auth.principal import Principal, Proof, Unjudged, Unproved
from gwproxy.errors import Blame, GatewayError, Phase
from gwproxy.exchange import Exchange, Reply, Sender
from gwproxy.limits.decision import Plan
from gwproxy.wire.fields import Line

FOREVER = float("inf")
Tried = list[tuple[Method, Unproved | Unjudged]]
"""Methods that did not prove who is calling, each with its reason."""
DETAIL = "Authentication required"
Found = Sequence[tuple[Method, bytes]]


Tell = Callable[[Principal, float], tuple[bytes, float]]
"""A principal and the wall clock → the field lines that tell a service of it, and until when they may be told."""


class Authenticate:
    """What proves the callers of all routes that take the same authenticators.

    `methods` are tried in this order; credentials in `places` are taken out of what services get. `clock` is the
    wall's, in seconds. `tell` writes what services are told of a caller, in the place of the principal's own lines.
    """

    __slots__ = (
        "__weakref__", "_challenges", "_clock", "_failures", "_methods", "_names", "_places", "_remembers", "_tell",
        "seal",
    )  # fmt: skip

    def __init__(
        self, methods: Sequence[Method], places: Sequence[Place], failures: Plan | None = None,
        clock: Callable[[], float] = time.time, tell: Tell | None = None,
    ) -> None:  # fmt: skip
        self._tell = tell
        self._methods = tuple(methods)
        self._places = tuple(places)
        self._failures = failures
        self._clock = clock
        self._challenges = Challenges(method.challenge for method in methods)
        self._names = names_of(places)
        self._remembers = all(place.remembered for place in (*places, *(method.place for method in methods)))
        # What was remembered under another is not believed.
        self.seal = object()

    def forget(self) -> None:
        """Believe nothing that was proved until now: a key is no longer what it was."""
        self.seal = object()

    def required(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        """Let only known callers in. Raises GatewayError (`unauthenticated`, `state_unavailable`)."""
        known = exchange.sender
        if (
            known.by is self.seal and known.known is not None and known.known.principal is not None
            and known.until > self._clock()
        ):  # fmt: skip
            exchange.sender = known.known
            return None
        return self._judge(exchange, required=True)

    def optional(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        """Find out who is calling, and let everybody in: who proves nothing is anonymous."""
        known = exchange.sender
        if known.by is self.seal and known.until > self._clock():
            if known.known is not None:
                exchange.sender = known.known
            return None
        return self._judge(exchange, required=False)

    def _judge(self, exchange: Exchange, *, required: bool) -> Reply | Awaitable[Reply | None] | None:
        try:
            found = self._credentials(exchange)
        except Unproved as reason:
            self._unproved(exchange, str(reason), required=required)
            return None
        if not found:
            if required:
                raise self._unauthenticated(self._challenges.asked, "no credential")
            self._enter(exchange, None, FOREVER)
            return None
        now = self._clock()
        for method, credential in found:
            proof = method.known(credential, now)
            if proof is not None:
                self._enter(exchange, proof.principal, proof.until)
                return None
        if self._failures is not None:
            refusal = self._failures.used_up(exchange)
            if refusal is not None:
                return self._flooded(exchange, refusal, required=required)
        return self._verify(exchange, found, now, required=required)

    def _credentials(self, exchange: Exchange) -> list[tuple[Method, bytes]]:
        """The methods that take what a request has in one place, each with what it takes there.

        Raises Unproved where there are several credentials.
        """
        found: list[tuple[Method, bytes]] = []
        for method in self._methods:
            credential = method.place.find(exchange)
            if credential is not None:
                if found and apart(found[0][0].place, method.place, exchange):
                    raise Unproved("two credentials in one request")
                found.append((method, credential))
        return found

    def _verify(
        self, exchange: Exchange, found: Found, now: float, *, required: bool
    ) -> Reply | Awaitable[Reply | None] | None:
        """Try one method after another, at once as long as turns of the loop are free for it."""
        tried: Tried = []
        waiting: list[tuple[Method, Later]] = []
        for at, (method, credential) in enumerate(found):
            if method.turns is not None and not method.turns.take():
                return self._wait(exchange, found[at:], waiting, tried, required=required)
            proof = _tried(method, credential, exchange, now, tried)
            if isinstance(proof, Proof):
                self._enter(exchange, proof.principal, proof.until)
                return None
            if proof is not None:
                waiting.append((method, proof))
        if waiting:
            return self._wait(exchange, (), waiting, tried, required=required)
        self._none_proved(exchange, tried, required=required)
        return None

    async def _wait(
        self, exchange: Exchange, found: Found, waiting: list[tuple[Method, Later]], tried: Tried, *, required: bool
    ) -> Reply | None:
        """Try the methods of `found` in turns of theirs, then those that must ask somebody: only when no other has
        proved anything.
        """
        for method, credential in found:
            proof = None
            if method.turns is not None:
                await method.turns.mine()
                # By now another request may have proved the same, or used up what its address has.
                proof = method.known(credential, self._clock())
                refusal = None if proof or self._failures is None else self._failures.used_up(exchange)
                if refusal is not None:
                    return self._flooded(exchange, refusal, required=required)
            made = proof or _tried(method, credential, exchange, self._clock(), tried)
            if isinstance(made, Proof):
                self._enter(exchange, made.principal, made.until)
                return None
            if made is not None:
                waiting.append((method, made))
        for method, later in waiting:
            try:
                proof = await later
            except (Unproved, Unjudged) as reason:
                tried.append((method, reason))
            else:
                self._enter(exchange, proof.principal, proof.until)
                return None
        self._none_proved(exchange, tried, required=required)
        return None

    def _flooded(self, exchange: Exchange, refusal: Reply, *, required: bool) -> Reply | None:
        """From this address too much has failed: nothing is verified."""
        if required:
            return refusal
        exchange.limits, exchange.refused_by, exchange.code, exchange.error = b"", "", "", None
        self._enter(exchange, None, 0.0)
        return None

    def _none_proved(self, exchange: Exchange, tried: Tried, *, required: bool) -> None:
        """A credential that no method takes; where one of them could not say, that is no failure of the caller's."""
        reason = "; ".join(f"{method.name}: {why}" for method, why in tried)
        unjudged = next((why for _, why in tried if isinstance(why, Unjudged)), None)
        if unjudged is None:
            self._unproved(exchange, reason, required=required)
        elif required:
            raise GatewayError(
                unjudged.code, "Who is calling cannot be verified now", blame=Blame.GATEWAY,
                phase=Phase.POLICY, cause=reason, retry_after_s=1,
            )  # fmt: skip
        else:
            self._enter(exchange, None, 0.0)

    def _unproved(self, exchange: Exchange, reason: str, *, required: bool) -> None:
        """A credential that proves nothing: counted against its address."""
        if self._failures is not None:
            try:
                # Whether this was the last that is allowed is for the next one to see.
                self._failures.check(exchange.apart())
            except GatewayError as unavailable:
                reason += f" ({unavailable.cause})"
        if required:
            raise self._unauthenticated(self._challenges.refused(exchange), reason)
        self._enter(exchange, None, 0.0)

    def _unauthenticated(self, fields: Lines, cause: str) -> GatewayError:
        return GatewayError("unauthenticated", DETAIL, phase=Phase.POLICY, cause=cause, fields=fields)

    def _enter(self, exchange: Exchange, principal: Principal | None, until: float) -> None:
        """Go on as `principal`, and remember that until then."""
        sender = exchange.sender
        told = b""
        if principal is not None:
            told = principal.lines
            if self._tell is not None:
                told, fresh = self._tell(principal, self._clock())
                until = min(until, fresh)
        known = self._known(exchange, sender, principal, told)
        if not self._remembers:
            for place in self._places:
                exchange.query = place.query_without(exchange.query)
        elif until:
            sender.by, sender.until, sender.known = self.seal, until, known
        if known is not None:
            exchange.sender = known

    def _known(
        self, exchange: Exchange, sender: Sender, principal: Principal | None, identity: bytes
    ) -> Sender | None:
        """The sender as who it proved to be, without its credential; None where nothing is different about it."""
        kept, names = exchange.head.about.fields.kept, self._names
        lines = sender.lines
        # Nearly all can be seen by their name to be no credential's, and stay where they are.
        for line in kept if names is None else [line for line in kept if line[1] in names]:
            left = self._without(line)
            if left != line[2]:
                lines = replaced(lines, line[2], left)
        if principal is None and lines == sender.lines:
            return None
        known = sender.copy(lines + identity)
        known.principal = principal
        return known

    def _without(self, line: Line) -> bytes:
        for place in self._places:
            left = place.without(line)
            if left != line[2]:
                # What is left may have another place's credential in it: two cookies stand in one line.
                line = (line[0], line[1], left, left.partition(b":")[2].strip())
        return line[2]


def _tried(method: Method, credential: bytes, exchange: Exchange, now: float, tried: Tried) -> Proof | Later | None:
    """What `method` makes of a credential; None, and told in `tried`, where that is nothing."""
    try:
        return method.prove(credential, exchange, now)
    except (Unproved, Unjudged) as reason:
        tried.append((method, reason))
        return None


def replaced(lines: bytes, line: bytes, left: bytes) -> bytes:
    """Field lines with `left` in the place of one of them. A line may well be the end of another, X-Authorization's."""
    at = lines.find(line)
    while at > 0 and lines[at - 2 : at] != b"\r\n":
        at = lines.find(line, at + 1)
    return lines if at < 0 else lines[:at] + left + lines[at + len(line) :]


def names_of(places: Sequence[Place]) -> frozenset[bytes] | None:
    """The fields that credentials may stand in; None where that is no question of their names."""
    names: frozenset[bytes] = frozenset()
    for place in places:
        if place.names is None:
            return None
        names |= place.names
    return names


def closed(exchange: Exchange) -> None:
    """Refuse everybody: the route asks for an identity, and the configuration has no way to prove one.

    Raises GatewayError (`unauthenticated`).
    """
    raise GatewayError(
        "unauthenticated", DETAIL, phase=Phase.POLICY, cause="no [auth.NAME]",
        fields=((b"WWW-Authenticate", b"Bearer"),),
    )  # fmt: skip
