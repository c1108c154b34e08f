"""Which routes of one pattern may stand beside each other, and in which order they are tried."""

from __future__ import annotations

from gwproxy.config.load import Loaded
from gwproxy.config.problems import Problem
from gwproxy.snapshot.router import Router
from gwproxy.snapshot.types import Candidate, CompiledRoute, Leaf


def add_candidate(
    router: Router, route: CompiledRoute, routes: list[CompiledRoute], loaded: Loaded
) -> list[Problem]:
    """File `route` under each of its hosts; a Problem for each route there that could win at the same rank."""
    problems = []
    methods = None if "*" in route.methods else frozenset(method.encode() for method in route.methods)
    for host in route.hosts:
        leaf = router.leaf(host, route.pattern)
        candidate = Candidate(route, methods)
        problems += [
            _tie(loaded, route, other.route, host) for other in leaf.candidates if _ties(candidate, other)
        ]
        _insert(leaf, candidate)
    return problems


def _insert(leaf: Leaf, candidate: Candidate) -> None:
    leaf.candidates.append(candidate)
    if candidate.methods is not None and b"GET" in candidate.methods:
        # RFC 9110 section 9.3.2: HEAD is answered by GET, unless a route of its own answers it.
        candidate.methods |= {b"HEAD"}
    leaf.candidates.sort(key=_order)


def _order(candidate: Candidate) -> tuple[int, bool, bool]:
    """More conditions first; then those that name their methods; among them HEAD by name before HEAD by GET."""
    return -len(candidate.conditions), candidate.methods is None, "HEAD" not in candidate.route.methods


def _ties(one: Candidate, other: Candidate) -> bool:
    if len(one.conditions) != len(other.conditions):
        return False
    if one.methods is None or other.methods is None:
        if one.methods is not other.methods:
            return False
    elif not _written(one) & _written(other):
        return False
    wanted = dict(other.conditions)
    return not any(name in wanted and wanted[name] != value for name, value in one.conditions)


def _written(candidate: Candidate) -> frozenset[str]:
    return frozenset(candidate.route.methods)


def _tie(loaded: Loaded, route: CompiledRoute, other: CompiledRoute, host: str) -> Problem:
    shown = f" on host {host}" if host else ""
    return Problem(
        kind="duplicate_route", place=loaded.places.find((*route.where, "path")), key=f"{route.key}.path",
        found=f'"{route.template}"{shown}, which ties with {other.key} ("{other.template}")',
        hint="give one of them another method, host, path, or more header conditions",
    )  # fmt: skip
