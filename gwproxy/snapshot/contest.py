"""Patterns that compete segment by segment, matched without backtracking.

Below a node where a literal and a parameter both go on, a walk may have to come back, and a table of `a` and `:x`
thirteen deep makes it come back 8,192 times. So there the patterns are numbered, best first, and for each depth and
literal there is one integer with a bit for each pattern that accepts it: a match is a look-up and an AND a segment,
and the lowest bit left is the best pattern. The cost doesn't know what the table looks like.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from gwproxy.snapshot.types import Leaf
from gwproxy.wire.pattern import PARAM, REST, STATIC, Pattern

PAUSE_EVERY = 1000
"""Segments between two places where a compilation may pause."""


class Contest:
    """Competing patterns from one depth on. Those that match are one integer, a bit a leaf, the best lowest."""

    __slots__ = (
        "_all",
        "_any_method",
        "_beyond",
        "_by_method",
        "_conditional",
        "_depths",
        "_ends",
        "_leaves",
    )

    def __init__(self, leaves: list[Leaf]) -> None:
        self._leaves = leaves
        self._all = (1 << len(leaves)) - 1
        # For each depth: literal → patterns that accept it there, and those that accept any other non-empty segment.
        self._depths: list[tuple[dict[bytes, int], int]] = []
        # For each number of segments: the patterns that may end there; and those that may end anywhere beyond.
        self._ends: list[int] = []
        self._beyond = 0
        # Leaves with a route, free of conditions, for a method; for any; and those whose conditions must be looked at.
        self._by_method: dict[bytes, int] = {}
        self._any_method = 0
        self._conditional = 0

    def find(self, segments: list[bytes], at: int) -> int:
        """The leaves whose patterns match `segments` from index `at` on."""
        alive = self._all
        depths = self._depths
        count = len(segments) - at
        if count >= len(self._ends):
            alive = self._beyond
            count = len(depths)
        for depth in range(count):
            literals, others = depths[depth]
            alive &= literals.get(segments[at + depth], others)
            if not alive:
                return 0
        return alive & self._ends[count] if count < len(self._ends) else alive

    def leaves(self, alive: int, method: bytes) -> Iterator[Leaf]:
        """Of the leaves `alive` those that may take `method`, best first."""
        alive &= self._by_method.get(method, 0) | self._any_method | self._conditional
        while alive:
            lowest = alive & -alive
            yield self._leaves[lowest.bit_length() - 1]
            alive ^= lowest

    def methods(self, alive: int) -> set[bytes]:
        """The methods that routes without conditions on the leaves `alive` take."""
        return {method for method, mask in self._by_method.items() if alive & mask}

    def conditional(self, alive: int) -> Iterator[Leaf]:
        """Of the leaves `alive` those that have routes with conditions."""
        return self.leaves(alive & self._conditional, b"")

    def set_tables(self, depths: list[tuple[dict[bytes, int], int]], ends: list[int], beyond: int) -> None:
        """Fill in what `build` has counted."""
        self._depths, self._ends, self._beyond = depths, ends, beyond

    def set_methods(self, by_method: dict[bytes, int], any_method: int, conditional: int) -> None:
        """Fill in what `build` has counted."""
        self._by_method, self._any_method, self._conditional = by_method, any_method, conditional


def build(entries: list[tuple[Pattern, Leaf]]) -> Generator[None, None, Contest]:
    """A contest of `entries` (the patterns as they are from here on). Yields now and then, so that a loop may turn."""
    # All share the way to here, so that their whole ranks sort as what is left of them does.
    entries = sorted(entries, key=_rank)
    leaves = [leaf for _, leaf in entries]
    contest = Contest(leaves)
    yield
    deepest = max(map(len, [pattern for pattern, _ in entries]))
    size = (len(entries) + 7) // 8
    depths = [_Depth(size) for _ in range(deepest)]
    ends = [bytearray(size) for _ in range(deepest + 1)]
    beyond = bytearray(size)
    done = 0
    for number, (pattern, _) in enumerate(entries):
        byte, bit = number >> 3, 1 << (number & 7)
        for depth, (kind, literal) in enumerate(pattern):
            if kind == REST:
                _accept_rest(depths[depth:], ends[depth:], beyond, byte, bit)
            else:
                depths[depth].accept(kind, literal, byte, bit)
        if pattern[-1][0] != REST:
            ends[len(pattern)][byte] |= bit
        done += len(pattern)
        if done > PAUSE_EVERY:
            done = 0
            yield
    tables: list[tuple[dict[bytes, int], int]] = []
    for level in depths:
        tables.append((yield from level.masks()))
    contest.set_tables(tables, [_number(end) for end in ends], _number(beyond))
    yield from _methods(contest, leaves, size)
    return contest


def _rank(entry: tuple[Pattern, Leaf]) -> tuple[int, ...]:
    return entry[1].rank


def _methods(contest: Contest, leaves: list[Leaf], size: int) -> Generator[None, None, None]:
    by_method: dict[bytes, bytearray] = {}
    any_method, conditional = bytearray(size), bytearray(size)
    for number, leaf in enumerate(leaves):
        byte, bit = number >> 3, 1 << (number & 7)
        for candidate in leaf.candidates:
            if candidate.conditions:
                conditional[byte] |= bit
            elif candidate.methods is None:
                any_method[byte] |= bit
            else:
                for method in candidate.methods:
                    by_method.setdefault(method, bytearray(size))[byte] |= bit
        if number % PAUSE_EVERY == PAUSE_EVERY - 1:
            yield
    masks = {method: _number(mask) for method, mask in by_method.items()}
    contest.set_methods(masks, _number(any_method), _number(conditional))


def _accept_rest(depths: list[_Depth], ends: list[bytearray], beyond: bytearray, byte: int, bit: int) -> None:
    for level in depths:
        level.anything[byte] |= bit
    for end in ends:
        end[byte] |= bit
    beyond[byte] |= bit


class _Depth:
    """The patterns of one depth while they are counted."""

    def __init__(self, size: int) -> None:
        self.anything = bytearray(size)
        self.params = bytearray(size)
        self.literals: dict[bytes, list[tuple[int, int]]] = {}

    def accept(self, kind: int, literal: bytes, byte: int, bit: int) -> None:
        """Pattern `byte`/`bit` accepts this segment here."""
        if kind == PARAM:
            self.params[byte] |= bit
        elif kind == STATIC:
            self.literals.setdefault(literal, []).append((byte, bit))

    def masks(self) -> Generator[None, None, tuple[dict[bytes, int], int]]:
        """Literal → mask, and the mask for every other segment. An empty segment is no parameter's value."""
        anything = _number(self.anything)
        others = anything | _number(self.params)
        masks: dict[bytes, int] = {b"": anything}
        done = 0
        for literal, accepted in self.literals.items():
            own = bytearray(len(self.params))
            for byte, bit in accepted:
                own[byte] |= bit
            masks[literal] = _number(own) | (others if literal else anything)
            done += len(accepted) + 10
            if done > PAUSE_EVERY:
                done = 0
                yield
        return masks, others


def _number(mask: bytearray) -> int:
    return int.from_bytes(mask, "little")
