"""The table of one host's routes: literal by literal down a trie, and a contest where literals meet parameters."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator

from gwproxy.snapshot import contest as contests
from gwproxy.snapshot.contest import PAUSE_EVERY, Contest
from gwproxy.snapshot.types import Candidate, Leaf
from gwproxy.wire.pattern import PARAM, REST, Pattern


class Found:
    """What matches a path. Without a contest `leaves` is all of it, best first; with one `rests` come behind it."""

    __slots__ = ("_alive", "_contest", "leaves", "rests")

    def __init__(self, leaves: list[Leaf], contest: Contest | None = None, alive: int = 0) -> None:
        self._contest = contest
        self._alive = alive
        # None where there is a contest, whose leaves may be thousands and are looked at one by one.
        self.leaves = leaves if contest is None else None
        self.rests = leaves

    def __bool__(self) -> bool:
        return bool(self._alive or self.rests)

    def lazily(self, method: bytes) -> Iterator[Leaf]:
        """The leaves that may take `method`, best first."""
        if self._contest is not None:
            yield from self._contest.leaves(self._alive, method)
        yield from self.rests

    def allowed(self, holds: Callable[[Candidate], bool]) -> set[bytes]:
        """The methods of all routes that match and whose conditions hold."""
        allowed: set[bytes] = set()
        leaves: Iterable[Leaf] = self.rests
        if self._contest is not None:
            allowed = self._contest.methods(self._alive)
            leaves = (*self._contest.conditional(self._alive), *self.rests)
        for leaf in leaves:
            for candidate in leaf.candidates:
                if candidate.methods is not None and holds(candidate):
                    allowed |= candidate.methods
        return allowed


class Node:
    """What may follow one path. `rest` also matches the path itself, without what would follow."""

    __slots__ = ("contest", "leaf", "param", "rest", "static")

    def __init__(self) -> None:
        self.static: dict[bytes, Node] = {}
        self.param: Node | None = None
        self.rest: Leaf | None = None
        self.leaf: Leaf | None = None
        self.contest: Contest | None = None


class Table:
    """All patterns of one host."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root = Node()

    def leaf(self, pattern: Pattern) -> Leaf:
        """The leaf of `pattern`, made if it is not there. Only before `finish`."""
        node = self._root
        for kind, literal in pattern:
            if kind == REST:
                if node.rest is None:
                    node.rest = Leaf(pattern)
                return node.rest
            if kind == PARAM:
                node.param = node = node.param or Node()
            else:
                node = node.static.setdefault(literal, Node())
        if node.leaf is None:
            node.leaf = Leaf(pattern)
        return node.leaf

    def finish(self) -> Generator[None, None, None]:
        """Make contests where they are needed. Yields now and then."""
        stack = [(self._root, 0)]
        visited = 0
        while stack:
            node, depth = stack.pop()
            visited += 1
            if visited % PAUSE_EVERY == 0:
                yield
            if node.param is not None and node.static:
                entries: list[tuple[Pattern, Leaf]] = []
                for entry in _entries(node, depth):
                    entries.append(entry)
                    if len(entries) % PAUSE_EVERY == 0:
                        yield
                node.contest = yield from contests.build(entries)
                node.static, node.param = {}, None
            else:
                stack += [(child, depth + 1) for child in node.static.values()]
                if node.param is not None:
                    stack.append((node.param, depth + 1))

    def find(self, segments: list[bytes]) -> Found:
        """What matches, best first."""
        node = self._root
        rests: list[Leaf] = []
        for at, segment in enumerate(segments):
            if node.rest is not None:
                rests.append(node.rest)
            if node.contest is not None:
                alive = node.contest.find(segments, at)
                rests.reverse()
                return Found(rests, node.contest, alive) if alive else Found(rests)
            child = node.static.get(segment)
            if child is None:
                child = node.param
                if child is None or not segment:
                    rests.reverse()
                    return Found(rests)
            node = child
        if node.rest is not None:
            rests.append(node.rest)
        rests.reverse()
        return Found([node.leaf, *rests] if node.leaf is not None else rests)


def _entries(top: Node, depth: int) -> Generator[tuple[Pattern, Leaf], None, None]:
    """Every pattern below `top`, cut to what stands below it. Its own rest stays with it."""
    stack = [*top.static.values()]
    if top.param is not None:
        stack.append(top.param)
    while stack:
        node = stack.pop()
        for leaf in (node.leaf, node.rest):
            if leaf is not None:
                yield leaf.pattern[depth:], leaf
        stack += node.static.values()
        if node.param is not None:
            stack.append(node.param)
