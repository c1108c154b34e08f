"""What the tests of tenants share: requests, credentials, and what a refusal says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.support.client import Answer
from tests.support.origin import Request
from tests.support.running import Gateway
from tests.support.tokens import SECRET, token

Start = Callable[..., Awaitable[Gateway]]

SESSION = f"""
[auth.session]
type = "jwt"
algorithms = ["HS256"]
key = "{SECRET}"
"""
UNKNOWN = (403, "tenant_inactive", "Invalid or inactive tenant")
MISSING = (400, "tenant_missing", "Tenant not specified")
MISMATCH = (403, "tenant_mismatch", "Not a member of this tenant")


def get(path: str, *fields: str, host: str = "localhost") -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()


def bearer(**claims: object) -> str:
    return f"Authorization: Bearer {token(claims)}"


def problem(answer: Answer) -> tuple[int, str, str]:
    told = answer.json()
    return answer.status, told["code"], told["detail"]


def told(sent: Request) -> tuple[str | None, str | None]:
    """The tenant and the plan that a service was told, each at most once."""
    return sent.header("X-Tenant-Id"), sent.header("X-Tenant-Plan")
