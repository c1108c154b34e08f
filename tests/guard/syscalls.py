"""System calls a request, of a real gateway under strace: one caller, one service, one request after the other."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.exchange import AUTH, OWN, PROXY, ROUTES, Route

NEEDED = "strace"
COUNT = 200
ROOT = Path(__file__).parents[2]
# Their bodies come in as many reads as the kernel likes.
_VARIABLE = ("download_64k", "upload_64k")
ROUTES_BY_NAME = {route.name: route for route in ROUTES if route.name not in _VARIABLE}
_CALL = re.compile(r"^(?:\d+ +)?(?:<\.\.\. )?([a-z_0-9]+)")
# A turn of the loop that only a timer asked for (and libuv's look at its pid in it) belongs to the time that passes.
_BY_THE_CLOCK = re.compile(r"epoll_p?wait.* = 0$|getpid\(\)")
_HEAD_END = b"\r\n\r\n"


def missing() -> bool:
    return shutil.which(NEEDED) is None


def per_request(name: str) -> dict[str, float]:
    """Calls by name, each request's share."""
    route = ROUTES_BY_NAME[name]
    with tempfile.TemporaryDirectory() as folder, _service(route.answer or (lambda number: b"")) as service:
        log = Path(folder) / "strace"
        with _gateway(route, service, Path(folder), log) as port, _connected(port) as caller:
            caller.settimeout(20)
            for number in range(10):
                _ask(caller, route.request(number), route.status)
            _ask(caller, _marker("begin"))
            for number in range(COUNT):
                _ask(caller, route.request(number), route.status)
            _ask(caller, _marker("end"))
        texts = [file.read_text(errors="replace") for file in Path(folder).glob("strace.*")]
        # One file a process; the supervisor's has no request in it.
        [worker] = [text for text in texts if "/marker-end" in text]
        return {call: count / COUNT for call, count in _counted(worker).items()}


def _marker(name: str) -> bytes:
    return b"GET /marker-%b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n" % name.encode()


def _counted(text: str) -> Counter[str]:
    """Between the reads that bring the marker requests; the first marker's own exchange stands for the last one's."""
    lines = text.splitlines()
    begin, end = (
        next(i for i, line in enumerate(lines) if f"/marker-{name}" in line) for name in ("begin", "end")
    )
    found: Counter[str] = Counter()
    for line in lines[begin:end]:
        match = _CALL.match(line)
        if match and not line.endswith("<unfinished ...>") and not _BY_THE_CLOCK.search(line):
            found[match[1]] += 1
    return found


def _ask(caller: socket.socket, request: bytes, status: int = 0) -> None:
    """Raises AssertionError for another status: counts of a failure would look like a saving, or hide one."""
    caller.sendall(request)
    head = _read_message(caller)
    if status and not head.startswith(b"HTTP/1.1 %d " % status):
        raise AssertionError(f"expected {status}, came {head[:100]!r}")


def _read_message(sock: socket.socket) -> bytes:
    """A head and what its Content-Length says; b"" at the end."""
    data = b""
    while _HEAD_END not in data:
        piece = sock.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(_HEAD_END)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    left = (int(length[1]) if length else 0) - len(body)
    while left > 0:
        left -= len(sock.recv(left))
    return head


@contextlib.contextmanager
def _service(answer: Callable[[int], bytes]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            number = 0
            while _read_message(sock):
                number += 1
                sock.sendall(answer(number))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=serve_one, args=(sock,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@contextlib.contextmanager
def _gateway(route: Route, service: int, folder: Path, log: Path) -> Iterator[int]:
    port = _free_port()
    file = folder / "gateway.toml"
    assert route.config in (PROXY, AUTH, OWN)
    file.write_text(route.config.replace("@PORT@", str(port)).replace("@ORIGIN@", str(service)))
    argv = [
        NEEDED,
        "-ff",
        "-qq",
        "-s",
        "64",
        "-o",
        str(log),
        sys.executable,
        "-m",
        "gwproxy",
        "run",
        str(file),
    ]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    with (folder / "gateway.log").open("wb") as own:
        process = subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=own, stderr=own, env=environ
        )
    try:
        _wait(port, process)
        yield port
    finally:
        # To the gateway itself: strace ends with it.
        subprocess.run(["kill", "-TERM", *_children(process.pid)], check=False)
        process.wait(20)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sock
