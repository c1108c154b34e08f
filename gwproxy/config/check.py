"""Everything that can be said against a configuration whose values have the right types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Problem
from gwproxy.config.rules import (
    access,
    addresses,
    auth,
    cors,
    credentials,
    forward_auth,
    identity,
    in_vain,
    let_in,
    limits,
    listeners,
    paths,
    records,
    references,
    routes,
    services,
    tenants,
    ties,
    urls,
    versions,
)

Rule = Callable[[Loaded], Iterator[Problem]]

# Rules that need not know all the names that a configuration has.
OF_ONE_FILE: Final[tuple[Rule, ...]] = (
    urls.services,
    urls.state,
    urls.key_sets,
    urls.redirects,
    cors.origins,
    cors.credentials,
    cors.without_origins,
    cors.methods,
    addresses.route_hosts,
    addresses.networks,
    let_in.networks,
    let_in.without_effect,
    let_in.nobody,
    listeners.listeners,
    listeners.admin_token,
    services.tls,
    credentials.of_services,
    forward_auth.sent,
    forward_auth.urls,
    forward_auth.overlaps,
    identity.key,
    identity.header,
    identity.without_effect,
    auth.permissions,
    auth.key_sources,
    auth.credentials,
    auth.repeated_keys,
    auth.repeated_users,
    auth.signers,
    auth.samples,
    in_vain.algorithms,
    in_vain.in_the_clear,
    in_vain.nobody_known,
    in_vain.covered,
    in_vain.one_header,
    tenants.domains,
    tenants.templates,
    limits.limits,
    limits.tenants,
    limits.failures,
    limits.durable,
    limits.stores,
    records.durable,
    records.without_store,
    references.parts,
    routes.methods,
    routes.repeated_methods,
    routes.headers,
    routes.conditions,
    routes.bodies,
    routes.without_service,
    routes.merges,
    paths.patterns,
    paths.service_paths,
    paths.cache_tags,
    paths.part_paths,
    paths.strip_prefixes,
    versions.sources,
    versions.prefix,
    versions.alike,
    versions.dates,
    versions.paths,
    ties.ties,
)
RULES: Final[tuple[Rule, ...]] = (
    *OF_ONE_FILE,
    references.services,
    references.limits,
    references.tiers,
    references.roles,
    references.authenticators,
    forward_auth.services,
    identity.without_tokens,
    auth.authentication,
    auth.tiers,
    tenants.sources,
    tenants.names,
    tenants.required,
    tenants.of_callers,
    access.tiers,
    access.anonymous,
    access.stars,
    tenants.plans,
    records.default_plan,
    tenants.targets,
    tenants.filled,
    versions.places,
    versions.default,
    versions.ends,
    versions.services,
)


def check(loaded: Loaded, rules: tuple[Rule, ...] = RULES) -> list[Problem]:
    """All problems across keys, errors and warnings, in the order of the files' lines."""
    return ordered((problem for rule in rules for problem in rule(loaded)), loaded.files)


def ordered(problems: Iterable[Problem], files: tuple[str, ...]) -> list[Problem]:
    """By file as read, then by line; a mistake in a default is told once, not for each route that has it."""
    rank = {name: index for index, name in enumerate(files)}
    first: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        first.setdefault(
            (problem.place, problem.kind, problem.key.rpartition(".")[2], problem.found), problem
        )
    return sorted(
        first.values(), key=lambda each: (rank.get(each.place.file, 0), each.place.line, each.place.column)
    )
