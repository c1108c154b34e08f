"""Python's collector is kept from what a change of configuration makes and lets go of."""

from __future__ import annotations

import gc

from gwproxy.runtime.collector import undisturbed
from gwproxy.runtime.worker import release


def test_nothing_is_collected_while_a_slice_is_made_however_much_it_makes():
    seen: list[object] = []

    def watch(phase: str, info: dict[str, int]) -> None:
        seen.append(phase)

    threshold = gc.get_threshold()
    gc.set_threshold(100, 1, 1)
    gc.callbacks.append(watch)
    try:
        with undisturbed():
            seen.clear()
            made = [[n] for n in range(10_000)]
            during = list(seen)
        frozen = gc.get_freeze_count()
    finally:
        gc.callbacks.remove(watch)
        gc.set_threshold(*threshold)
        gc.unfreeze()
    assert not during
    assert frozen >= len(made)
    assert gc.isenabled()


def test_collector_stays_off_where_it_was_off():
    gc.disable()
    try:
        with undisturbed():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


class Part:
    """Tells when it is freed."""

    freed = 0

    def __del__(self) -> None:
        Part.freed += 1


def test_what_is_replaced_is_freed_bit_by_bit_and_wholly():
    Part.freed = 0
    parts: list[object] = [Part() for _ in range(1234)]
    freed = [Part.freed for _ in release(parts)]
    assert Part.freed == 1234
    steps = [after - before for before, after in zip(freed, [*freed[1:], Part.freed], strict=True)]
    assert max(steps) == 500
