"""What stands before the router where a file has CORS or address rules: preflights, and requests that no route takes.

Both get hidden routes, which nobody wrote: the loop that serves requests knows nothing of all this, and a file
without such rules has the router's own `match` there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from gwproxy.config.addresses import Addresses
from gwproxy.config.cors import Cors
from gwproxy.errors import GatewayError
from gwproxy.exchange import Exchange, Reply
from gwproxy.snapshot.router import Router
from gwproxy.snapshot.types import CompiledRoute
from gwproxy.snapshot.versions import Versions, versioned
from gwproxy.steps.addresses import Door, Rule, rule_slices
from gwproxy.steps.cors import METHOD, Policy, is_preflight
from gwproxy.wire.fields import Fields

Matched = tuple[CompiledRoute, list[bytes]]

Match = Callable[[bytes, bytes, bytes, Fields], Matched]
"""Host, method, path and fields → the route that takes such a request, and the raw segments of its path."""


class Preflights:
    """Finds what preflights are about."""

    __slots__ = ("_foresee", "_match")

    def __init__(self, router: Router, versions: Versions) -> None:
        self._match = versioned(router.match, versions)
        # Which version a field will name is not known, and makes no difference: all versions of a route have its CORS.
        self._foresee = versioned(router.foresee, versions)

    def about(self, host: bytes, path: bytes, fields: Fields) -> Matched | None:
        """The route whose CORS answers a preflight: the one that the request would take which it is about.

        None where CORS has no say, so that the OPTIONS is a request like others. Raises GatewayError, as the request
        would be told, where there is no such route, and CORS would answer OPTIONS itself.
        """
        wanted = fields.get(METHOD) or b""
        try:
            route, raw = self._foresee(host, wanted, path, fields)
        except GatewayError:
            route, _ = self._match(host, b"OPTIONS", path, fields)
            if route.cors is None:
                return None
            raise
        return (route, raw) if route.cors is not None else None


def has_preflights(route: CompiledRoute) -> bool:
    """Whether CORS answers the preflights of a route; where every request is refused for its path, they are too."""
    return route.cors is not None and (route.version is None or not route.version.refuses_all)


class Shared:
    """What routes stand on that have the same rules: made once, while they are bound.

    Rules are told apart by what they are, and before that by which object: everybody's is the same one on each route,
    and to look all of a long list over for each would take seconds.
    """

    __slots__ = ("_doors", "_policies", "_policies_of", "_rules", "_rules_of")

    def __init__(self) -> None:
        self._doors: dict[tuple[int, ...], Door] = {}
        self._rules: dict[Addresses, Rule] = {}
        self._rules_of: dict[int, Rule] = {}
        self._policies: dict[Cors, Policy] = {}
        self._policies_of: dict[int, Policy] = {}

    def door(self, route: CompiledRoute) -> Generator[None, None, Door | None]:
        """The address rules of a route."""
        if not route.addresses:
            return None
        rules = []
        for written in route.addresses:
            rules.append((yield from self._rule(written)))
        key = tuple(map(id, rules))
        door = self._doors.get(key)
        if door is None:
            door = self._doors[key] = Door(rules)
        return door

    def _rule(self, written: Addresses) -> Generator[None, None, Rule]:
        rule = self._rules_of.get(id(written)) or self._rules.get(written)
        if rule is None:
            rule = yield from rule_slices(written)
            self._rules[written] = rule
        self._rules_of[id(written)] = rule
        return rule

    def policy(self, route: CompiledRoute) -> Policy | None:
        """The CORS of a route."""
        cors = route.cors
        if cors is None:
            return None
        policy = self._policies_of.get(id(cors)) or self._policies.get(cors)
        if policy is None:
            policy = self._policies[cors] = Policy(cors)
        self._policies_of[id(cors)] = policy
        return policy


class Entrance:
    """Matches requests. `hidden` are the routes of preflights by the place of the route that they are about; `nowhere`
    is the one of requests that no route takes, None where nothing is to be done about these.
    """

    __slots__ = ("_hidden", "_match", "_nowhere", "_preflights")

    def __init__(
        self, preflights: Preflights, match: Match, hidden: dict[int, CompiledRoute], nowhere: CompiledRoute | None
    ) -> None:
        self._preflights = preflights
        self._match = match
        self._hidden = hidden
        self._nowhere = nowhere

    def match(self, host: bytes, method: bytes, path: bytes, fields: Fields) -> Matched:
        """As the router's."""
        try:
            if method == b"OPTIONS":
                return self.find(host, method, path, fields)
            return self._match(host, method, path, fields)
        except GatewayError:
            if self._nowhere is None:
                raise
            return self._nowhere, []

    def find(self, host: bytes, method: bytes, path: bytes, fields: Fields) -> Matched:
        """As `match`, but what no route takes raises GatewayError."""
        if self._hidden and is_preflight(method, fields):
            found = self._preflights.about(host, path, fields)
            if found is not None:
                route, raw = found
                return self._hidden.get(route.index, route), raw
        return self._match(host, method, path, fields)

    def refuse(self, exchange: Exchange) -> Reply:
        """The responder of `nowhere`. Raises GatewayError, the one that `match` did not."""
        about = exchange.head.about
        self.find(about.host, exchange.method, exchange.path, about.fields)
        raise AssertionError("a route takes it after all")
