"""What the tests of processes share: a file to serve."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

FILE = """
[gateway]
listen = {listen}
workers = {workers}
drain_timeout = "{drain}"
{gateway}
[log]
format = "text"
access = false
[services.origin]
url = "{url}"
timeout = "{timeout}"
[[routes]]
path = "/*"
method = "*"
service = "origin"
[[routes]]
path = "/mark"
respond = {{ status = 200, body = "{mark}" }}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a configuration, and gives the name of its file."""

    def write(url: str = "http://127.0.0.1:1", **values: object) -> str:
        usual = {"workers": 2, "timeout": "5s", "drain": "10s", "gateway": "", "mark": "one", "url": url}
        usual["listen"] = f'["127.0.0.1:{values.pop("port", 0)}"]'
        file = tmp_path / "routes.toml"
        file.write_text(FILE.format(**usual | values), encoding="utf-8")
        return str(file)

    return write


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nobody listens on, most likely."""

    def free_port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return free_port
