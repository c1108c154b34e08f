"""Tables of routes for tests, and the rules of routing written down a second time, slowly.

`expected` is design's "Routing" read aloud: hosts exact, then the longest wildcard, then the routes of any host;
static before :param before * at every segment; more header conditions first, named methods before "*"; HEAD by GET
unless a route of its own answers it; 405 with the methods of all that would have matched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hypothesis import strategies as st

from gwproxy.config.load import loads
from gwproxy.errors import GatewayError
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.types import Snapshot
from gwproxy.wire.fields import REQUESTS, Fields, parse_fields


@dataclass(frozen=True)
class Row:
    """A route as a table has it; `name` is what its answer says."""

    name: str
    path: str
    methods: tuple[str, ...] = ("*",)
    hosts: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    pass_slashes: bool = False

    def toml(self) -> str:
        lines = ["[[routes]]", f'path = "{self.path}"', f'respond = {{ body = "{self.name}" }}']
        lines.append(f"methods = {list(self.methods)}")
        if self.hosts:
            lines.append(f"hosts = {list(self.hosts)}")
        if self.headers:
            lines.append(
                "headers = { " + ", ".join(f'{name} = "{value}"' for name, value in self.headers) + " }"
            )
        if self.pass_slashes:
            lines.append('encoded_slashes = "pass"')
        return "\n".join(lines) + "\n"

    @property
    def pattern(self) -> tuple[tuple[int, bytes], ...]:
        return tuple(map(segment, self.path.split("/")[1:]))


def segment(text: str) -> tuple[int, bytes]:
    if text == "*":
        return 2, b""
    return (1, b"") if text.startswith(":") else (0, unquote_to_bytes(text))


def snapshot(rows: Iterable[Row], gateway: str = "") -> Snapshot:
    return compile(loads(toml_of(rows, gateway)))


def toml_of(rows: Iterable[Row], gateway: str = "") -> str:
    return f"[gateway]\n{gateway}\n" + "\n".join(row.toml() for row in rows)


def fields_of(*pairs: tuple[str, str]) -> Fields:
    block = "\r\n".join(f"{name}: {value}" for name, value in (("Host", "a"), *pairs)).encode()
    return parse_fields(block, REQUESTS)


@dataclass(frozen=True)
class Asked:
    path: str
    method: str = "GET"
    host: str = "a"
    headers: tuple[tuple[str, str], ...] = ()


def answered(table: Snapshot, asked: Asked) -> str:
    """The name of the route that wins, or the refusal: `not_found`, `method_not_allowed: GET, HEAD`."""
    try:
        route, _ = table.router.match(
            asked.host.encode(), asked.method.encode(), asked.path.encode(), fields_of(*asked.headers)
        )
    except GatewayError as error:
        return error.code + "".join(f": {value.decode()}" for _, value in error.fields)
    assert route.fixed is not None
    return route.fixed.body.decode()


# -- the oracle


def expected(rows: Sequence[Row], asked: Asked, *, ignore_slash: bool = False) -> str:
    segments = [unquote_to_bytes(raw) for raw in asked.path.split("/")[1:]]
    slashes = any(b"/" in one for one in segments)
    here = [row for row in _of_host(rows, asked.host) if _matches(row, segments, ignore_slash)]
    held = [row for row in here if set(row.headers) <= set(asked.headers)]
    takers = [row for row in held if _takes(row, asked.method)]
    if takers:
        best = min(takers, key=lambda row: _rank(row, asked.method, ignore_slash))
        return "ambiguous_path" if slashes and not best.pass_slashes else best.name
    if slashes:
        return "ambiguous_path"
    allowed = {method for row in held for method in row.methods}
    allowed |= {"HEAD"} if "GET" in allowed else set()
    return f"method_not_allowed: {', '.join(sorted(allowed))}" if allowed else "not_found"


def _of_host(rows: Sequence[Row], host: str) -> list[Row]:
    named = {one for row in rows for one in row.hosts}
    if host in named:
        return [row for row in rows if host in row.hosts]
    wild = [one for one in named if one.startswith("*.") and host.endswith(one[1:]) and host != one[1:]]
    if wild:
        longest = max(wild, key=len)
        return [row for row in rows if longest in row.hosts]
    return [row for row in rows if not row.hosts]


def _plain(pattern: Sequence[object], empty: object) -> tuple[object, ...]:
    return tuple(pattern[:-1]) if pattern and pattern[-1] == empty else tuple(pattern)


def _matches(row: Row, segments: list[bytes], ignore_slash: bool) -> bool:
    pattern: Sequence = row.pattern
    if ignore_slash and pattern[-1][0] != 2:
        return _fits(_plain(pattern, (0, b"")), _plain(segments, b""))
    return _fits(pattern, segments)


def _fits(pattern: Sequence, segments: Sequence[bytes]) -> bool:
    if pattern and pattern[-1][0] == 2:
        segments, pattern = segments[: len(pattern) - 1], pattern[:-1]
    return len(pattern) == len(segments) and all(
        literal == one if kind == 0 else bool(one)
        for (kind, literal), one in zip(pattern, segments, strict=True)
    )


def _takes(row: Row, method: str) -> bool:
    return "*" in row.methods or method in row.methods or (method == "HEAD" and "GET" in row.methods)


def _rank(row: Row, method: str, ignore_slash: bool) -> tuple[object, ...]:
    pattern = _plain(row.pattern, (0, b"")) if ignore_slash else row.pattern
    kinds = tuple(kind for kind, _ in pattern)
    return kinds, -len(row.headers), "*" in row.methods, method not in row.methods


def ties(one: Row, other: Row) -> bool:
    """Whether both could win the same request at the same rank."""
    wanted = dict(other.headers)
    return (
        bool(set(one.hosts or ("",)) & set(other.hosts or ("",)))
        and one.pattern == other.pattern
        and len(one.headers) == len(other.headers)
        and not any(wanted.get(name, value) != value for name, value in one.headers)
        and bool(set(one.methods) & set(other.methods))
        and ("*" in one.methods) == ("*" in other.methods)
    )


def without_ties(rows: Sequence[Row]) -> list[Row]:
    kept: list[Row] = []
    for row in rows:
        if not any(ties(row, other) for other in kept):
            kept.append(row)
    return kept


# -- tables to try

# Few enough that routes often meet at one pattern, and some that go deep.
few = st.sampled_from(["/a", "/:p0", "/a/*", "/a/:p1", "/*", "/%61/b"])
deep = st.lists(st.sampled_from(["a", "b", ":x", ":x", "", "%61"]), min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from([parts, [*parts, "*"], ["*"]])
).map(
    lambda parts: "".join(f"/:p{n}" if part == ":x" else f"/{part}" for n, part in enumerate(parts))
)  # fmt: skip
patterns = few | few | deep
HOSTS = ["a.test", "b.a.test", "*.a.test", "*.test", "*.b.a.test"]
HEADERS = [("X-One", "1"), ("X-One", "2"), ("X-Two", "1")]
conditions = st.lists(st.sampled_from(HEADERS), max_size=2, unique_by=lambda pair: pair[0]).map(tuple)
asked_paths = st.lists(st.sampled_from(["a", "b", "c", "", "%61", "a%2Fb"]), min_size=1, max_size=5).map(
    lambda parts: "/" + "/".join(parts)
)


def rows(methods: Sequence[str]) -> st.SearchStrategy[list[Row]]:
    named = st.lists(st.sampled_from(methods), min_size=1, max_size=2, unique=True).map(tuple)
    one = st.builds(
        Row, name=st.just(""), path=patterns, methods=named | st.just(("*",)), headers=conditions | st.just(()),
        hosts=st.just(()) | st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True).map(tuple),
        pass_slashes=st.booleans(),
    )  # fmt: skip
    return st.lists(one, min_size=1, max_size=10).map(
        lambda found: [Row(f"r{n}", *_rest(row)) for n, row in enumerate(found)]
    )


def _rest(row: Row) -> tuple:
    return row.path, row.methods, row.hosts, row.headers, row.pass_slashes


def asks(methods: Sequence[str]) -> st.SearchStrategy[Asked]:
    return st.builds(
        Asked, path=asked_paths, method=st.sampled_from([*methods, "PATCH"]), headers=conditions,
        host=st.sampled_from(["", "a.test", "b.a.test", "c.a.test", "c.b.a.test", "xa.test", "other"]),
    )  # fmt: skip
