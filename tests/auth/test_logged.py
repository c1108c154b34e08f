"""No line of the access log has a credential in it, whatever the configuration calls the place where it stands."""

from __future__ import annotations

import signal
from pathlib import Path

SECRET = "swordfish"
FILE = """
[gateway]
listen = ["127.0.0.1:0"]
[log]
file = "{log}"
[auth.links]
type = "api_key"
from = "query:way-in"
[[routes]]
path = "/known"
requires_auth = true
respond = {{}}
[[routes]]
path = "/open"
requires_auth = false
respond = {{}}
"""


async def test_credential_of_the_query_is_in_no_line(gwproxy, connect, tmp_path: Path):
    log, file = tmp_path / "log", tmp_path / "own.toml"
    file.write_text(FILE.format(log=log), encoding="utf-8")
    process = await gwproxy("run", str(file))
    port = await process.port()
    for path, status in (("known", 401), ("open", 200), ("nowhere", 404)):
        answer = await (await connect(port)).ask(
            f"GET /{path}?a=b&way-in={SECRET}&Way_In={SECRET} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        )
        assert answer.status == status
    process.signal(signal.SIGTERM)
    await process.end()
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert not any(SECRET in line for line in lines)
    assert all("a=b" in line for line in lines)
