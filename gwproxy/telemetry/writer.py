"""Access log lines to a file or to stdout, by a thread of their own: a full disk or a reader who has gone fails nobody.

The loop only makes lines, many at a time. Every tenth of a second what has been gathered goes to the thread, which may
wait for its descriptor as long as it likes; what would wait beyond 10,000 lines is dropped, and counted. Lines stay
whole: a file is opened for appending, and to a pipe no more than PIPE_BUF bytes go at once, which the kernel keeps
together however many workers write.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
import threading
from collections.abc import Iterable
from io import BytesIO
from queue import SimpleQueue
from typing import Final
from zlib import crc32

from gwproxy.exchange import Exchange
from gwproxy.telemetry.line import Lines
from gwproxy.telemetry.secrets import secret_names
from gwproxy.telemetry.text import ForPeople

log = logging.getLogger("gwproxy")

GATHER_S: Final = 0.1
MOST_WAITING: Final = 10_000
Batch = tuple[BytesIO, int]
"""Whole lines, up to where it stands, and how many."""
MOST_ROOMS: Final = 2
LAST_S: Final = 1.0
"""How long the end of the process waits for what is still to be written."""
STDOUT: Final = 1


class AccessLog:
    """Writes a line for each exchange. `path`: the file, else stdout; `form`: "json", or "text" for people."""

    def __init__(self, form: str = "json", path: str = "") -> None:
        self._lines = Lines() if form == "json" else ForPeople()
        self._least = 0
        self._path = path
        self._room = BytesIO()
        self._taken = 0
        self._handed = 0
        self._most = MOST_WAITING
        self._full = False
        self._handle: asyncio.TimerHandle | None = None
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._sink = _Sink(path)
        self._trouble = ""
        self.dropped = 0
        self._thread = threading.Thread(
            target=self._sink.work, args=(self._queue,), name="access-log", daemon=True
        )
        self._thread.start()

    def __call__(self, ended: list[Exchange], epoch: float) -> None:
        """Take exchanges that have ended. `epoch`: when by the wall's clock the monotonic one stood at 0."""
        ended = [one for one in ended if one.route is None or one.route.logged]
        if least := self._least:
            ended = [one for one in ended if one.status >= 500 or crc32(one.correlation_id) >= least]
        if self._taken + len(ended) > self._most:
            self._look()
            free = self._most - self._taken
            if free < len(ended):
                self.dropped += len(ended) - free
                self._full = True
                del ended[free:]
        if not ended:
            return
        lines, made = self._lines(ended, epoch)
        self._room.write(lines)
        self._taken += made
        self.dropped += len(ended) - made
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(GATHER_S, self._tick)

    def use(self, sample: float, redact: Iterable[str]) -> None:
        """From here a share of `sample` has lines, and they show nothing of what is named `redact`.

        All requests of one correlation id have lines or none has, here and at other gateways with the same share.
        """
        self._least = round((1 - sample) * 2**32)
        self._lines.secret = secret_names(redact)

    def _look(self) -> None:
        """How many lines may have been taken in all, by what the thread has done of them."""
        self._most = self._sink.done + MOST_WAITING

    def _tick(self) -> None:
        self._handle = None
        self._look()
        self._hand_over()
        self._tell()
        if self._handed > self._sink.done:
            # How these fare is to be told as well, even if no others come.
            self._handle = asyncio.get_running_loop().call_later(GATHER_S, self._tick)

    def _hand_over(self) -> None:
        count, self._handed = self._taken - self._handed, self._taken
        if count:
            self._queue.put((self._room, count))
            self._room = self._sink.room()

    def _tell(self) -> None:
        """Say once that lines cannot be written, and once that they can again."""
        trouble = self._sink.trouble or ("it takes no more, and 10,000 lines wait" if self._full else "")
        self._full = False
        if trouble != self._trouble:
            where = self._path or "stdout"
            if trouble:
                log.error("access log lines are lost: %s: %s", where, trouble)
            else:
                log.info("access log lines are written again: %s", where)
            self._trouble = trouble

    @property
    def lost(self) -> int:
        """Lines that were dropped, for want of room or by a failure to write."""
        return self.dropped + self._sink.failed

    def reopen(self) -> None:
        """Write to a new file under the old name from here: the old one has been moved away."""
        self._hand_over()
        self._sink.moved = True

    def close(self) -> None:
        """Write what is left; a second is the most that is waited for it."""
        if self._handle is not None:
            self._handle.cancel()
        self._hand_over()
        self._queue.put(None)
        self._thread.join(LAST_S)
        left = self._taken - self._sink.done
        if left:
            log.error("access log: %d lines could not be written before the end", left)


class _Sink:
    """The thread's half. `done` counts lines that are written or lost, `failed` the lost ones."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._rooms: list[BytesIO] = []
        self.moved = False
        self.done = 0
        self.failed = 0
        self.trouble = ""

    def room(self) -> BytesIO:
        """Where lines can gather: memory that has been used before costs a tenth of what new memory does."""
        try:
            return self._rooms.pop()
        except IndexError:
            return BytesIO()

    def work(self, queue: SimpleQueue[Batch | None]) -> None:
        """Write batch after batch, until None."""
        while (batch := queue.get()) is not None:
            room, count = batch
            try:
                self._open()
                with room.getbuffer() as whole:
                    self._put(whole[: room.tell()])
                self.trouble = ""
            except OSError as error:
                # What of this batch got through can't be told; all of it counts as lost.
                self.failed += count
                self.trouble = error.strerror or str(error)
                self._close()
            self.done += count
            if len(self._rooms) < MOST_ROOMS:
                room.seek(0)
                self._rooms.append(room)
        self._close()

    def _open(self) -> None:
        if self.moved:
            self.moved = False
            self._close()
        if self._fd >= 0:
            return
        if self._path:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        else:
            self._fd = os.dup(STDOUT)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _put(self, lines: memoryview) -> None:
        if stat.S_ISREG(os.fstat(self._fd).st_mode):
            self._write(lines)
            return
        begin = 0
        while begin < len(lines):
            # The last end of a line that fits; a line that does not fit goes by itself.
            fits = bytes(lines[begin : begin + select.PIPE_BUF]).rfind(b"\n") + 1
            end = begin + (fits or bytes(lines[begin:]).index(b"\n") + 1)
            self._write(lines[begin:end])
            begin = end

    def _write(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                # Somebody who shares our stdout has made it non-blocking; we never do.
                select.select([], [self._fd], [])
