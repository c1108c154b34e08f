"""Patterns that compete segment by segment, matched without backtracking.

Below a node where a literal and a parameter both go on, a walk may have to come back, and a table of `a` and `:x`
thirteen deep makes it come back 8,192 times. So there the patterns are numbered, best first, and for each depth and
literal there is one integer with a bit for each pattern that accepts it: a match is a look-up and an AND a segment,
and the lowest bit left is the best pattern. The cost doesn't know what the table looks like.
"""

from __future__ import annotations

from collections.abc import Generator

from gwproxy.snapshot.pattern import PARAM, REST, STATIC, Pattern, rank
from gwproxy.snapshot.types import Leaf

PAUSE_EVERY = 2000
"""Segments between two places where a compilation may pause."""


class Contest:
    """Competing patterns from one depth on. `find` gives the leaves that match, best first."""

    __slots__ = ("_all", "_beyond", "_depths", "_ends", "_leaves")

    def __init__(self, leaves: list[Leaf]) -> None:
        self._leaves = leaves
        self._all = (1 << len(leaves)) - 1
        # For each depth: literal → patterns that accept it there, and those that accept any other non-empty segment.
        self._depths: list[tuple[dict[bytes, int], int]] = []
        # For each number of segments: the patterns that may end there.
        self._ends: list[int] = []
        self._beyond = 0

    def find(self, segments: list[bytes], at: int) -> list[Leaf]:
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
                return []
        if count < len(self._ends):
            alive &= self._ends[count]
        found: list[Leaf] = []
        while alive:
            lowest = alive & -alive
            found.append(self._leaves[lowest.bit_length() - 1])
            alive ^= lowest
        return found

    def set_tables(self, depths: list[tuple[dict[bytes, int], int]], ends: list[int], beyond: int) -> None:
        """Fill in what `build` has counted."""
        self._depths, self._ends, self._beyond = depths, ends, beyond


def build(entries: list[tuple[Pattern, Leaf]]) -> Generator[None, None, Contest]:
    """A contest of `entries` (the patterns as they are from here on). Yields now and then, so that a loop may turn."""
    entries = sorted(entries, key=lambda entry: rank(entry[0]))
    contest = Contest([leaf for _, leaf in entries])
    deepest = max(len(pattern) for pattern, _ in entries)
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
    return contest


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
        for count, (literal, accepted) in enumerate(self.literals.items()):
            own = bytearray(len(self.params))
            for byte, bit in accepted:
                own[byte] |= bit
            masks[literal] = _number(own) | (others if literal else anything)
            if count % 200 == 199:
                yield
        return masks, others


def _number(mask: bytearray) -> int:
    return int.from_bytes(mask, "little")
