"""A service that closes a connection when it has been idle for a while, as every server does, to the millisecond.

It knows each request by its X-Id, so that what it saw twice can be told.
"""

from __future__ import annotations

import random
from collections import Counter

from tests.support.serving import Served
from tests.support.wire import Ended, Wire

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


class IdleCloser(Served):
    """Closes `idle_s` after its last answer, give or take a millisecond; by FIN, or by RST for `by_reset` of them."""

    def __init__(self, idle_s: float, by_reset: float = 0.0, seed: int = 1) -> None:
        super().__init__()
        self.idle_s = idle_s
        self.by_reset = by_reset
        self.times: Counter[bytes] = Counter()
        self.closed_idle = 0
        self._random = random.Random(seed)

    async def serve(self, wire: Wire, number: int) -> None:
        try:
            while True:
                head = await wire.read_until(b"\r\n\r\n", self._limit_s() if wire.arrived else None)
                said = head.index(b"X-Id: ") + 6
                mark = head[said : head.index(b"\r\n", said)]
                self.times[mark] += 1
                wire.transport.write(ANSWER % (len(mark), mark))
        except TimeoutError:
            self.closed_idle += 1
            if self._random.random() < self.by_reset:
                wire.reset()
        except Ended:
            return

    def _limit_s(self) -> float:
        return max(self.idle_s + self._random.uniform(-0.001, 0.001), 0.0005)
