"""How a worker process begins."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from gwproxy.runtime.python import python
from gwproxy.runtime.upgrade import VARIABLE

# What systemd tells its main process is nobody else's; a store or a worker that read it would speak in our name.
_OURS: Final = (
    "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID", VARIABLE,
)  # fmt: skip


def started(environ: Mapping[str, str]) -> tuple[int, socket.socket]:
    """A new worker process, and our end of its channel. Raises OSError for want of processes, memory, descriptors."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its, ExitStack() as failed:
        failed.callback(ours.close)
        # Where none is left for watching it, it is better not started.
        os.close(os.pidfd_open(os.getpid()))
        process = subprocess.Popen(
            [*python(), "-m", "gwproxy.runtime.child", str(its.fileno())],
            pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, process_group=0,
            env={name: value for name, value in environ.items() if name not in _OURS},
        )  # fmt: skip
        failed.pop_all()
    # It is reaped by its pidfd, as those are that an earlier supervisor has left.
    process.returncode = 0
    return process.pid, ours
