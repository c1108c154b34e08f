"""Paths of routes: their patterns, and what becomes of them on the way to the service."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from gwproxy.config.either import all_routes, path_key
from gwproxy.config.loaded import Loaded
from gwproxy.config.problems import Key, Problem, did_you_mean
from gwproxy.config.routes import Aggregation, Route

_PARAM: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART_FIELD: Final = re.compile(r"\{([^}]*)\}")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f?#\\]|%(?![0-9A-Fa-f]{2})")


def params_of(path: str) -> list[str]:
    """Names of a path's :param segments, in their order, as often as they stand there."""
    return [segment[1:] for segment in path.split("/") if segment.startswith(":")]


def is_wildcard(path: str) -> bool:
    """Whether a path ends in a `*` segment."""
    return path.endswith("/*")


def patterns(loaded: Loaded) -> Iterator[Problem]:
    """What is asked for: segments of text, :param or a last *."""
    for key, route in all_routes(loaded.config):
        yield from _pattern(loaded, path_key(key), route.path)
        if key[0] == "gateway" and (params_of(route.path) or is_wildcard(route.path)):
            hint = "one path is enough: write it without :param and *"
            yield loaded.problem("bad_path", path_key(key), found=loaded.shown(path_key(key), route.path), hint=hint)


def service_paths(loaded: Loaded) -> Iterator[Problem]:
    """What the service gets can only be made of what the route's path has."""
    for index, route in enumerate(loaded.config.routes):
        if route.service_path is not None:
            yield from service_path_faults(loaded, ("routes", index, "service_path"), route.service_path, route)


def service_path_faults(loaded: Loaded, key: Key, path: str, route: Route) -> Iterator[Problem]:
    """What a route cannot make this path of."""
    yield from _pattern(loaded, key, path, once=False)
    yield from _known_params(loaded, key, params_of(path), route)
    if is_wildcard(path) and not is_wildcard(route.path):
        hint = "end path in /* too, or leave the * out"
        yield loaded.problem("unknown_param", key, found='"*"', hint=hint)


def cache_tags(loaded: Loaded) -> Iterator[Problem]:
    """A :param in a tag is one of the path's."""
    for index, route in enumerate(loaded.config.routes):
        for place, tag in enumerate(route.cache.tags if route.cache else ()):
            named = re.findall(r":([A-Za-z_][A-Za-z0-9_]*)", tag)
            yield from _known_params(loaded, ("routes", index, "cache", "tags", place), named, route)


def part_paths(loaded: Loaded) -> Iterator[Problem]:
    """A part's path is made of the aggregation's params and of other parts' fields."""
    for index, aggregation in enumerate(loaded.config.aggregations):
        names = [part.name for part in aggregation.parts]
        for place, part in enumerate(aggregation.parts):
            key: Key = ("aggregations", index, "parts", place, "path")
            yield from _known_params(loaded, key, params_of(part.path), aggregation)
            for field in _PART_FIELD.findall(part.path):
                name = field.partition(".")[0]
                if name not in names or name == part.name:
                    others = [other for other in names if other != part.name]
                    hint = did_you_mean(name, others)
                    yield loaded.problem(
                        "unknown_part", key, found=loaded.shown(key, "{" + field + "}"), hint=hint
                    )


def strip_prefixes(loaded: Loaded) -> Iterator[Problem]:
    """What is cut off must be what the path begins with, by whole segments, and fixed text."""
    for index, route in enumerate(loaded.config.routes):
        prefix = route.strip_prefix
        if prefix is None:
            continue
        wanted = prefix.rstrip("/").split("/")
        begins = route.path.split("/")[: len(wanted)] == wanted
        if not begins or any(segment[:1] in (":", "*") for segment in wanted):
            hint = f"path is {loaded.shown(('routes', index, 'path'), route.path)}"
            expected = "the path's first segments, whole and without :param"
            key: Key = ("routes", index, "strip_prefix")
            yield loaded.problem(
                "bad_path", key, found=loaded.shown(key, prefix), expected=expected, hint=hint
            )


def _pattern(loaded: Loaded, key: Key, path: str, *, once: bool = True) -> Iterator[Problem]:
    fault = path_fault(path)
    if fault:
        yield loaded.problem("bad_path", key, found=loaded.shown(key, path), hint=fault)
    for name, count in Counter(params_of(path)).items():
        if once and count > 1:
            yield loaded.problem(
                "duplicate_param", key, found=loaded.shown(key, f":{name}"), hint="give each its own name"
            )


def path_fault(path: str) -> str:
    """Why a path can never be asked for, as a cure; empty where it can."""
    segments = path.split("/")[1:]
    if not path.startswith("/"):
        return "begin it with /"
    if _FORBIDDEN.search(path):
        return "blanks, ?, #, backslashes and a lone % never stand in a path; percent-encode them"
    if any("*" in segment for segment in segments[:-1]) or ("*" in segments[-1] and segments[-1] != "*"):
        return "* can only be the whole of the last segment"
    if any(segment in (".", "..") for segment in segments):
        return "dot segments are refused before routes are looked at"
    if any(segment.startswith(":") and not _PARAM.fullmatch(segment[1:]) for segment in segments):
        return "after : comes a name of letters, digits and _"
    return ""


def _known_params(
    loaded: Loaded, key: Key, named: Iterable[str], route: Route | Aggregation
) -> Iterator[Problem]:
    known = params_of(route.path)
    for name in dict.fromkeys(named):
        if name not in known:
            hint = did_you_mean(name, known) if known else "its path has none"
            yield loaded.problem("unknown_param", key, found=loaded.shown(key, f":{name}"), hint=hint)
