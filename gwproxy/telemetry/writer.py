"""Access log lines to a stream, gathered for a moment so that a line costs no system call of its own."""

from __future__ import annotations

import asyncio
import datetime
import sys
from typing import IO

import orjson

from gwproxy.telemetry.record import Record

GATHER_S = 0.2
MAX_WAITING = 10_000


class AccessLog:
    """Writes records as JSON lines, or as text for people. Above 10,000 waiting lines new ones are dropped, counted."""

    def __init__(self, form: str = "json", stream: IO[str] | None = None) -> None:
        self._line = _json if form == "json" else _for_people
        self._stream = stream or sys.stdout
        self._lines: list[str] = []
        self._handle: asyncio.TimerHandle | None = None
        self.dropped = 0

    def __call__(self, record: Record) -> None:
        """Take one record."""
        if len(self._lines) >= MAX_WAITING:
            self.dropped += 1
            return
        self._lines.append(self._line(record))
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(GATHER_S, self.flush)

    def flush(self) -> None:
        """Write what has been gathered. A stream that fails loses the lines, never a request."""
        self._handle = None
        lines, self._lines = self._lines, []
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except OSError:
            self.dropped += len(lines)

    def close(self) -> None:
        """Write what is left."""
        if self._handle is not None:
            self._handle.cancel()
        self.flush()


def _stamp(record: Record) -> str:
    moment = datetime.datetime.fromtimestamp(record.time, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(record: Record) -> str:
    # orjson escapes control characters, so no value can begin a line of its own.
    return orjson.dumps({**record.as_dict(), "time": _stamp(record)}).decode() + "\n"


def _for_people(record: Record) -> str:
    line = (
        f"{_stamp(record)} {record.status} {record.method} {record.host}{record.path} {record.total_ms:.1f}ms "
        f"{record.service or '-'} {record.target or '-'} {record.address or '-'} {record.request_id}"
    )
    line = line + f" {record.code}" if record.code else line
    # Refused, unresolved and failed TLS are one code: only the cause tells them apart.
    line = line + f" ({record.cause})" if record.cause else line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line) + "\n"
