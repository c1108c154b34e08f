"""Every failure of an exchange: which word tells it, whose fault it is, and what may follow.

The words and statuses are the table of docs/errors.md; library errors are translated into these once, where they
are caught, so that nothing behind that place needs to know asyncio's or the kernel's names for them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class Blame(enum.Enum):
    """Whose fault a failure is. Only a target's faults may ever count against the target."""

    CLIENT = "client"
    GATEWAY = "gateway"
    TARGET = "target"


class Phase(enum.Enum):
    """How far the exchange had come when it failed."""

    HEAD = "head"
    ROUTE = "route"
    POLICY = "policy"
    CONNECT = "connect"
    SEND = "send"
    ANSWER = "answer"
    BODY = "body"
    REPLY = "reply"


# word → (status, title). The title says the type of problem (RFC 9457 section 3.1.3), the same each time.
WORDS: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "Bad Request"),
    "ambiguous_path": (400, "Ambiguous Path"),
    "unsupported_version": (400, "Unsupported API Version"),
    "tenant_missing": (400, "Tenant Missing"),
    "unauthenticated": (401, "Authentication Required"),
    "forbidden": (403, "Forbidden"),
    "tier_forbidden": (403, "Forbidden"),
    "tenant_mismatch": (403, "Forbidden"),
    "tenant_inactive": (403, "Forbidden"),
    "address_denied": (403, "Forbidden"),
    "not_found": (404, "Not Found"),
    "method_not_allowed": (405, "Method Not Allowed"),
    "request_timeout": (408, "Request Timeout"),
    "version_gone": (410, "API Version Gone"),
    "body_too_large": (413, "Content Too Large"),
    "uri_too_long": (414, "URI Too Long"),
    "expectation_failed": (417, "Expectation Failed"),
    "rate_limited": (429, "Too Many Requests"),
    "head_too_large": (431, "Request Header Fields Too Large"),
    "internal_error": (500, "Internal Server Error"),
    "unsupported_transfer_coding": (501, "Not Implemented"),
    "not_implemented": (501, "Not Implemented"),
    "bad_gateway": (502, "Bad Gateway"),
    "maintenance": (503, "Service Unavailable"),
    "overloaded": (503, "Service Unavailable"),
    "state_unavailable": (503, "Service Unavailable"),
    "draining": (503, "Service Unavailable"),
    "too_many_connections": (503, "Service Unavailable"),
    "upstream_timeout": (504, "Gateway Timeout"),
    "http_version": (505, "HTTP Version Not Supported"),
    "loop_detected": (508, "Loop Detected"),
}

NO_MEMBERS: Final[Mapping[str, object]] = {}

CLIENT_CLOSED = 499
"""Logged, never sent: the caller left before its answer was whole."""


class GatewayError(Exception):
    """An exchange that cannot go on.

    `code` is a key of WORDS, `detail` one sentence for the caller (it never repeats what the caller or the service
    sent), `cause` what the log may know beyond it. `close` asks that the caller's connection end with the reply.
    `members` are further ones of the problem's body (RFC 9457 section 3.2).
    `unsent` says that no byte of the request was written to the target, so that another attempt is always allowed;
    `reused` that the connection had served before, so that a stale one may be the whole reason.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        blame: Blame = Blame.CLIENT,
        phase: Phase = Phase.HEAD,
        cause: str = "",
        close: bool = False,
        unsent: bool = False,
        reused: bool = False,
        retry_after_s: int = 0,
        fields: tuple[tuple[bytes, bytes], ...] = (),
        members: Mapping[str, object] = NO_MEMBERS,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.blame = blame
        self.phase = phase
        self.cause = cause
        self.close = close
        self.unsent = unsent
        self.reused = reused
        self.retry_after_s = retry_after_s
        self.fields = fields
        self.members = members

    @property
    def status(self) -> int:
        """The HTTP status of this failure."""
        return WORDS[self.code][0]

    def __repr__(self) -> str:
        return f"GatewayError({self.code}, {self.detail!r}, {self.phase.value}, {self.blame.value}, {self.cause!r})"


def refuse(code: str, detail: str) -> GatewayError:
    """The caller's request cannot be read any further: its connection ends with the reply."""
    return GatewayError(code, detail, close=True)
