"""What the tests of versions share: two services, ways to say a version, and requests."""

from __future__ import annotations

from tests.support.client import Answer

SERVICES = """
[services.old]
url = "${ORIGIN}/old"
[services.new]
url = "${ORIGIN}/new"
"""


def sources(*names: str, rest: str = "") -> str:
    """[versioning] with these sources, in this order."""
    written = ", ".join(f'"{name}"' for name in names)
    return f"[versioning]\nfrom = [{written}]\n{rest}\n"


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()


def version(answer: Answer) -> str | None:
    return answer.header("X-API-Version")
