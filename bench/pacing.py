"""Slow sides: readers that take little at a time, and an origin that does so with uploads."""

from __future__ import annotations

import http.server
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHUNK = 65536
Watch = Callable[[], None]


class Pace:
    """Sleeps so that no more than `rate` bytes a second pass."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._start = time.monotonic()
        self._passed = 0

    def passed(self, size: int) -> None:
        self._passed += size
        ahead = self._passed / self._rate - (time.monotonic() - self._start)
        if ahead > 0.002:
            time.sleep(ahead)


def get(port: int, path: str, receive_buffer: int = 0) -> socket.socket:
    """A connection that has just sent its request."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode())
    return sock


def read_answer(sock: socket.socket, size: int, rate: float, watch: Watch) -> str:
    """Reads one answer of a known body size at a rate; returns what went wrong, or nothing."""
    pace, head, got = Pace(rate), b"", 0
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return "closed within the head"
        head += byte
    if not head.startswith(b"HTTP/1.1 200"):
        return head[:40].decode("latin-1")
    while got < size:
        data = sock.recv(CHUNK)
        if not data:
            return f"closed after {got} of {size} bytes"
        got += len(data)
        pace.passed(len(data))
        watch()
    return ""


def slow_readers(port: int, path: str, count: int, seconds: float, watch: Watch) -> str:
    """Many readers who take 16 KiB every tenth of a second each; nobody finishes."""
    socks = [get(port, path, receive_buffer=CHUNK) for _ in range(count)]
    got = [0] * count
    try:
        for sock in socks:
            sock.setblocking(False)
        end = time.monotonic() + seconds
        while (started := time.monotonic()) < end:
            for i, sock in enumerate(socks):
                got[i] += _some(sock)
            watch()
            time.sleep(max(0.0, 0.1 - (time.monotonic() - started)))
    except ConnectionError as error:
        return f"a reader was cut off: {error}"
    finally:
        for sock in socks:
            sock.close()
    starved = sum(size < CHUNK for size in got)
    return f"{starved} of {count} readers got less than 64 KiB" if starved else ""


def _some(sock: socket.socket) -> int:
    try:
        data = sock.recv(16384)
    except BlockingIOError:
        return 0
    if not data:
        raise ConnectionResetError("closed early")
    return len(data)


def upload(port: int, size: int, watch: Watch) -> str:
    """Sends a body as fast as it is taken and waits for the answer."""
    head = f"POST /sink HTTP/1.1\r\nHost: bench.example\r\nContent-Length: {size}\r\n\r\n"
    block, sent = bytes(CHUNK), 0
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(head.encode())
        sock.settimeout(0.05)
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            while sent < size:
                if selector.select(0.05):
                    sent += sock.send(block[: size - sent])
                watch()
        sock.settimeout(30)
        answer = sock.recv(CHUNK)
    return "" if answer.startswith(b"HTTP/1.1 200") else answer[:60].decode("latin-1")


class _SlowSink(http.server.BaseHTTPRequestHandler):
    """Takes uploads at the server's rate and says how much came."""

    protocol_version = "HTTP/1.1"
    rate = 0.0

    def do_GET(self) -> None:
        self._answer(0)

    def do_POST(self) -> None:
        pace, total = Pace(self.rate), 0
        for size in self._sizes():
            left = size
            while left and (data := self.rfile.read(min(CHUNK, left))):
                left -= len(data)
                total += len(data)
                pace.passed(len(data))
        self._answer(total)

    def _sizes(self) -> Iterator[int]:
        """Body parts: one by Content-Length, else the chunks."""
        if "Content-Length" in self.headers:
            yield int(self.headers["Content-Length"])
            return
        while size := int(self.rfile.readline(), 16):
            yield size
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, total: int) -> None:
        body = f'{{"received":{total}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the bench's output is its table."""


@contextmanager
def slow_sink(port: int, rate: float) -> Iterator[None]:
    handler = type("Sink", (_SlowSink,), {"rate": rate})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
