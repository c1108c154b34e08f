"""The open-loop sender against a small local server, a second at most each."""

from __future__ import annotations

import shutil
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench import sender

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def serving(answer: bytes = ANSWER, stall_at: int = 0, stall_s: float = 0.0) -> Iterator[int]:
    """A server that answers every read, and stalls once in full at the nth."""
    count, lock = [0], threading.Lock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(4096):
                with lock:
                    count[0] += 1
                    if count[0] == stall_at:
                        time.sleep(stall_s)
                self.request.sendall(answer)

    with Threads(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def test_sends_as_many_as_intended_and_orders_its_percentiles():
    with serving() as port:
        seen = sender.send(port, rate=500, seconds=0.6, warmup=0.1, connections=8, idle=20)
    assert (seen.samples, seen.errors, seen.reconnects) == (300, 0, 0)
    assert (seen.idle, seen.idle_lost) == (20, 0)
    assert 0 < seen.p50 <= seen.p99 <= seen.p999 <= seen.max


def test_stall_is_felt_by_all_who_would_have_come_during_it():
    with serving(stall_at=100, stall_s=0.3) as port:
        seen = sender.send(port, rate=500, seconds=0.8, warmup=0, connections=4)
    # A closed loop would show four slow requests; 0.3 s hold about 150 of 400 here.
    assert seen.samples == 400
    assert seen.p50 < 100_000 < seen.p99
    assert 250_000 < seen.max < 700_000


def test_waiting_for_a_free_connection_is_not_the_senders_lag():
    with serving(stall_at=10, stall_s=0.3) as port:
        seen = sender.send(port, rate=300, seconds=0.5, warmup=0, connections=2)
    assert seen.max > 250_000
    assert seen.lag_p50 < 100_000


def test_other_statuses_are_errors():
    with serving(ANSWER.replace(b"200 OK", b"503 Bad")) as port:
        seen = sender.send(port, rate=100, seconds=0.2, warmup=0, connections=2)
    assert seen.errors == seen.samples == 20


def test_idle_connections_are_held_until_released():
    with serving() as port, sender.held_idle(port, 25) as opened:
        assert opened == 25
