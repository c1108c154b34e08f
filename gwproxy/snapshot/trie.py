"""The table of one host's routes: literal by literal down a trie, and a contest where literals meet parameters."""

from __future__ import annotations

from collections.abc import Generator

from gwproxy.snapshot import contest as contests
from gwproxy.snapshot.contest import Contest
from gwproxy.snapshot.pattern import PARAM, REST, Pattern
from gwproxy.snapshot.types import Leaf


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
            if visited % 1000 == 0:
                yield
            if node.param is not None and node.static:
                node.contest = yield from contests.build(list(_entries(node, depth)))
                node.static, node.param = {}, None
            else:
                stack += [(child, depth + 1) for child in node.static.values()]
                if node.param is not None:
                    stack.append((node.param, depth + 1))

    def find(self, segments: list[bytes]) -> list[Leaf]:
        """The leaves whose patterns match, best first."""
        node = self._root
        rests: list[Leaf] = []
        found: list[Leaf] = []
        at = 0
        for segment in segments:
            if node.rest is not None:
                rests.append(node.rest)
            if node.contest is not None:
                found = node.contest.find(segments, at)
                break
            child = node.static.get(segment)
            if child is None:
                child = node.param
                if child is None or not segment:
                    break
            node = child
            at += 1
        else:
            if node.rest is not None:
                rests.append(node.rest)
            if node.leaf is not None:
                if not rests:
                    return [node.leaf]
                found = [node.leaf]
        rests.reverse()
        return found + rests


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
