"""A real Redis or Valkey server of a test's own, on a unix socket."""

from __future__ import annotations

from pathlib import Path

from gwproxy.state.address import Address
from tests.support.store_process import StoreProcess


class StoreServer(StoreProcess):
    """One server. `folder` must have a short path: that of a unix socket is at most 107 bytes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "s"
        words = ("--port", "0", "--unixsocket", str(self.path), "--save", "", "--appendonly", "no")
        super().__init__(folder, Address(path=str(self.path)), *words)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def stop(self) -> None:
        await super().stop()
        self.path.unlink(missing_ok=True)
