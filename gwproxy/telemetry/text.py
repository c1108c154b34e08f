"""A record as one line of text, for people who watch."""

from __future__ import annotations

import datetime
import logging

from gwproxy.exchange import Exchange
from gwproxy.telemetry.line import LONGEST
from gwproxy.telemetry.record import Record
from gwproxy.telemetry.secrets import ALWAYS

log = logging.getLogger("gwproxy")


class ForPeople:
    """Renders exchanges as text; `secret` are names that are kept out."""

    def __init__(self) -> None:
        self.secret = ALWAYS

    def __call__(self, ended: list[Exchange], epoch: float) -> tuple[bytes, int]:
        """Lines of exchanges that have ended, and how many could be made.

        `epoch`: when by the wall's clock the monotonic one stood at 0.
        """
        lines = []
        for exchange in ended:
            try:
                lines.append(self._line(exchange, epoch))
            except Exception:
                log.exception("a line of the access log could not be made")
        return b"".join(lines), len(lines)

    def _line(self, exchange: Exchange, epoch: float) -> bytes:
        record = Record(exchange, epoch, self.secret)
        moment = datetime.datetime.fromtimestamp(record.time, datetime.UTC)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = (
            f"{stamp} {record.status} {record.method} {record.host}{record.path} {record.total_ms:.1f}ms "
            f"{record.service or '-'} {record.target or '-'} {record.address or '-'} {record.request_id}"
        )
        line = line + f" {record.code}" if record.code else line
        # Refused, unresolved and failed TLS are one code: only the cause tells them apart.
        line = line + f" ({record.cause})" if record.cause else line
        shown = ("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)).encode()
        if len(shown) >= LONGEST:
            shown = shown[: LONGEST - 5].decode("utf-8", "ignore").encode() + b" ..."
        return shown + b"\n"
