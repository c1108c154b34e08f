"""What tiers and roles let callers do: that somebody gets where only known callers may ask, and that stars grant."""

from __future__ import annotations

from collections.abc import Iterator

from gwproxy.config.auth import known_callers
from gwproxy.config.either import all_routes, identity_of, requires_auth
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, dotted, show
from gwproxy.config.routes import Aggregation

ANONYMOUS = "anonymous"


def tiers(loaded: Loaded) -> Iterator[Problem]:
    """Of each kind of route that only known callers may ask, some tier's callers may."""
    auth = loaded.config.auth
    known = {name: tier for name, tier in loaded.config.tiers.items() if name != ANONYMOUS or _is_named(loaded)}
    if not known or not auth.methods or loaded.unsound.touches(("tiers",)):
        return
    lacking: dict[str, str] = {}
    for key, route in all_routes(loaded.config):
        kind = "aggregations" if isinstance(route, Aggregation) else "authenticated"
        if requires_auth(route) and not any(kind in tier.access for tier in known.values()):
            lacking.setdefault(kind, dotted(key))
    if lacking:
        name = auth.default_tier if auth.default_tier in known else next(iter(known))
        asked = ", and ".join(f"{show(kind)}, which {key} asks for" for kind, key in lacking.items())
        yield loaded.problem(
            "nobody_can_enter", ("tiers", name, "access"), found=f"[{', '.join(map(show, known[name].access))}]",
            hint=f"no tier has {asked}: every caller is answered 401 or 403",
        )  # fmt: skip


def anonymous(loaded: Loaded) -> Iterator[Problem]:
    """Who has proved nothing asks what is public, whatever its tier has for access."""
    tier = loaded.config.tiers.get(ANONYMOUS)
    key: Key = ("tiers", ANONYMOUS, "access")
    # To write what is so anyway does no harm.
    if tier is None or key not in loaded.places or set(tier.access) == {"public"} or loaded.unsound.touches(("auth",)):
        return
    if not _is_named(loaded):
        hint = "callers who have proved nothing may ask public routes and no others: leave it out"
        yield loaded.problem("no_effect", key, hint=hint)


def _is_named(loaded: Loaded) -> bool:
    """Whether the tier of those who have proved nothing is also that of some who have."""
    auth = loaded.config.auth
    return auth.default_tier == ANONYMOUS or any(entry.tier == ANONYMOUS for _, entry in known_callers(auth))


def stars(loaded: Loaded) -> Iterator[Problem]:
    """A * stands for something at the end of a permission only; elsewhere some route wants it as a letter."""
    config = loaded.config
    if any(identity_of(config, service) == "jwt" for service in config.services.values()):
        # A service that is told of them may read them in its own way.
        return
    wanted = {name for _, route in all_routes(config) for name in (*route.permissions, *route.permissions_all)}
    for key, name in _granted(loaded):
        before = name.removesuffix("*")
        if "*" in before and not any(each == name or (before != name and each.startswith(before)) for each in wanted):
            hint = 'only a * at the end stands for anything, as in "orders:*": here it is a letter, and grants nothing'
            yield loaded.problem("no_effect", key, found=loaded.shown(key, name), hint=hint)


def _granted(loaded: Loaded) -> Iterator[tuple[Key, str]]:
    for role, names in loaded.config.roles.items():
        yield from ((("roles", role, index), name) for index, name in enumerate(names))
    for key, entry in known_callers(loaded.config.auth):
        yield from (((*key, "permissions", index), name) for index, name in enumerate(entry.permissions))
