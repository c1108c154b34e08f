"""One request's way through the places of its limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gwproxy.drive import Waiter
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Reply
from gwproxy.limits.alone import Alone
from gwproxy.limits.errand import Timer
from gwproxy.limits.lease import Lease, Leases
from gwproxy.limits.leased_level import LeaseStore, Level
from gwproxy.limits.refused import Refused

Held = tuple[Lease, int]
"""Whose permit, and until when it may be spent."""
Found = dict[int, tuple[int, int]]
"""What the store has just said of some limits: what is left, and when there is more."""


class Plan(Protocol):
    """The limits of its route."""

    alone: Alone
    leases: Leases
    levels: list[Level]
    refused: Refused
    store: LeaseStore

    def refusal(
        self, exchange: Exchange, keys: list[str], found: Found, refusing: int, wait: int, now: int
    ) -> Reply:
        """What a caller is told whom the limit `refusing` refuses."""

    def tell(self, exchange: Exchange, keys: list[str], found: Found, now: int, here: int) -> None:
        """Tell the tightest of the caller's own limits."""

    def looked(self, keys: list[str], fields: bytes) -> None:
        """What a caller was told who is refused by everybody's limit."""


class Asking(Waiter):
    """Set when all is decided, or nothing can be."""

    __slots__ = (
        "_began", "_exchange", "_found", "_held", "_keys", "_last", "_looking", "_now", "_open", "_plan", "_refusing",
        "_timer", "_why",
    )  # fmt: skip

    def __init__(self, plan: Plan, exchange: Exchange, keys: list[str], held: list[Held]) -> None:
        super().__init__()
        self._plan = plan
        self._exchange = exchange
        self._keys = keys
        self._held = held
        self._began = 0
        self._found: Found = {}
        self._last: list[int] = []
        self._now = 0
        self._refusing: tuple[int, int] | None = None
        self._open = 0
        self._timer: Timer | None = None
        self._looking = False
        self._why = ""

    def cancel(self) -> None:
        """The caller has left: what the record tells of the exchange is decided."""
        super().cancel()
        self._exchange = self._exchange.apart()

    def begin(self, empty: list[int], asked: list[int]) -> None:
        """Fill leases that are elsewhere, and then ask the caller's own place for all the rest."""
        levels = self._plan.levels
        self._last = sorted([*asked, *(at for at in empty if not levels[at].place)])
        by_place: dict[str, list[int]] = {}
        for at in empty:
            if levels[at].place:
                by_place.setdefault(levels[at].place, []).append(at)
        if by_place:
            if self._last:
                # Of both calls together.
                self._timer = Timer(self._plan.store.timeout_s, self._late)
            self._ask(list(by_place.values()))
        else:
            self._ask_last()

    def look(self, refusing: int, wait: int, asked: list[int]) -> None:
        """A limit of everybody's refuses: see what is left of the caller's own, and whether one refuses for longer."""
        self._refusing, self._last, self._looking = (wait, refusing), asked, True
        self._ask_last()

    def _late(self) -> None:
        """Not all have answered in time. What the others give still goes to the leases."""
        self._open, self._why = 0, "no answer in time"
        self._end()

    def _ask_last(self) -> None:
        last, self._last = self._last, []
        self._ask([last])

    def _ask(self, places: list[list[int]]) -> None:
        plan = self._plan
        self._began = plan.store.local.now_us()
        self._open = len(places)
        for place in places:
            part = Part(self, place, [self._keys[at] for at in place], list(self._wanted(place)), plan.levels)
            server = plan.store.server_for(part.keys[0])
            if server.trouble:
                part.give_up(server.trouble)
            else:
                server.ask(part)

    def _wanted(self, place: list[int]) -> Iterator[int]:
        """How many permits to ask for, of each; 0 is one, without a lease."""
        for at in place:
            level = self._plan.levels[at]
            if self._looking:
                yield -1
            elif not level.lease:
                yield 0
            else:
                lease = self._plan.leases.have(self._keys[at], level.begin, level.lease)
                yield lease.wanted(self._began)

    def decided(self, part: Part, now: int, refusing: int, wait: int, told: list[tuple[int, int, int]]) -> None:
        """A place has answered: `told` has what is left, when there is more, and how many permits it gave, of each."""
        plan, began = self._plan, self._began
        self._now = max(self._now, now)
        for at, (left, renews, granted), wanted in zip(part.place, told, part.wanted, strict=True):
            level = plan.levels[at]
            self._found[at] = left, renews
            if wanted > 0:
                lease = plan.leases.have(self._keys[at], level.begin, level.lease)
                lease.asking = lease.asking and wanted == 1 < lease.size
                until = began + level.spec.lease_us
                if level.renews_end and renews:
                    # A permit of this period is none of the next.
                    until = min(until, began + renews)
                lease.fill(granted, until, left, began + renews, plan.store.local.now_us())
                if granted and self._open:
                    lease.left -= 1
                    self._held.append((lease, until))
        if refusing:
            # From when it was asked: what another process has told of it is not to be earlier than what holds here.
            plan.refused.add(part.keys[refusing - 1], began + wait)
            if self._refusing is None or wait > self._refusing[0]:
                self._refusing = wait, part.place[refusing - 1]
        self._one_less()

    def gave_up(self, part: Part, why: str) -> None:
        """A place gives no answer."""
        for at, wanted in zip(part.place, part.wanted, strict=True):
            if wanted > 0:
                lease = self._plan.leases.get(self._keys[at])
                if lease is not None:
                    lease.asking = False
        self._why = self._why or why or "no reason was given"
        self._one_less()

    def _one_less(self) -> None:
        if self._open:
            # Else it is too late.
            self._open -= 1
            if not self._open:
                self._end()

    def _end(self) -> None:
        """All that were asked have answered, or will not."""
        if self._why or self._refusing is not None:
            now = self._plan.store.local.now_us()
            for lease, until in self._held:
                lease.give_back(until, now)
            self._held.clear()
        if self._last and not self._why:
            # Nothing is taken there where it is refused already: only to tell.
            self._looking = self._refusing is not None
            self._ask_last()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._refusing is not None:
            wait, refusing = self._refusing
            now = self._now or self._plan.store.local.now_us()
            self.set(self._plan.refusal(self._exchange, self._keys, self._found, refusing, wait, now))
            if self._looking and not self._why:
                self._plan.looked(self._keys, self._exchange.limits)
        elif self._why:
            self._alone()
        else:
            here = self._began
            self._plan.tell(self._exchange, self._keys, self._found, self._now, here)
            self.set(None)

    def _alone(self) -> None:
        try:
            self.set(self._plan.alone.check(self._exchange, self._why))
        except GatewayError as error:
            self.fail(error)


class Part:
    """What one place is asked of one request."""

    __slots__ = ("_asking", "keys", "most", "numbers", "place", "wanted", "word")

    def __init__(
        self, asking: Asking, place: list[int], keys: list[str], wanted: list[int], levels: list[Level]
    ) -> None:
        self._asking = asking
        self.place = place
        self.keys = keys
        self.wanted = wanted
        self.word = " ".join(f"{levels[at].start}{lease}" for at, lease in zip(place, wanted, strict=True))
        self.most = max(levels[at].most for at in place)
        self.numbers = 2 + 2 * len(place) + sum(lease > 0 for lease in wanted)

    def settle(self, now: int, numbers: list[int]) -> None:
        """As the server's Check."""
        told, at = [], 2
        for lease in self.wanted:
            told.append((numbers[at], numbers[at + 1], numbers[at + 2] if lease > 0 else 0))
            at += 3 if lease > 0 else 2
        self._asking.decided(self, now, numbers[0], numbers[1], told)

    def give_up(self, why: str) -> None:
        """As the server's Check."""
        self._asking.gave_up(self, why)
