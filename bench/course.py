"""The ground of one run: the origin, the contenders, and how long everything may last."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import origin, peers, tokens
from bench.peers import Ground, Peer
from bench.process import Child, Ports
from bench.prove import Proof, prove, wait_until_routed


@dataclass(frozen=True, slots=True)
class Contender:
    """One column of a comparison; `against` has gwproxy twice, from two checkouts."""

    name: str
    peer: Peer
    python: str
    tree: Path


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is measured. `quick` shortens what is not counted in rounds."""

    rounds: int = 7
    seconds: float = 5.0
    warmup_s: float = 2.0
    quick: bool = False


@dataclass(slots=True)
class Running:
    contender: Contender
    child: Child
    port: int

    @property
    def name(self) -> str:
        return self.contender.name


@dataclass(slots=True)
class Course:
    """A context in which contenders are started and surely ended."""

    contenders: Sequence[Contender]
    limits: Limits
    say: Callable[[str], None]
    notes: list[str] = field(default_factory=list)
    proofs: dict[str, Proof] = field(default_factory=dict)
    ports: Ports = field(default_factory=Ports)
    origin_port: int = 0
    folder: Path = Path()
    _stack: ExitStack = field(default_factory=ExitStack)
    _starts: int = 0

    def __enter__(self) -> Course:
        name = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="gwproxy-bench-"))
        self.folder = Path(name)
        # Workers that dropped root must still reach the files.
        self.folder.chmod(0o755)
        self.origin_port = self.ports.take()
        child = origin.start(self.folder / "origin", self.origin_port)
        self._stack.callback(child.stop)
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    @property
    def wants_token(self) -> bool:
        """Whether somebody here lets nobody in without one: then everybody gets it, for all to be asked the same."""
        return any(contender.peer.token for contender in self.contenders)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            self.say(f"  note: {text}")

    def start(self, contender: Contender, origin_port: int | None = None) -> Running:
        """Starts one contender; the caller stops it (`started` does so by itself)."""
        self._starts += 1
        folder = self.folder / f"{self._starts}-{contender.peer.name}"
        port = self.ports.take()
        if contender.peer.store:
            self._stack.callback(peers.start_store(folder).stop)
        ground = Ground(port, origin_port or self.origin_port, folder, contender.python, contender.tree)
        child = peers.start(contender.peer, ground)
        wait_until_routed(port, _fields(contender.peer))
        return Running(contender, child, port)

    def proven(self, stack: ExitStack) -> list[Running]:
        """All contenders that came up and reached the origin, until the stack closes."""
        found = []
        for contender in self.contenders:
            try:
                running = self.start(contender)
            except Exception as error:  # a peer that fails must not take the others along
                self.note(f"{contender.name} left out: {error}")
                continue
            stack.callback(running.child.stop)
            if self._prove(running):
                found.append(running)
        return found

    def _prove(self, running: Running) -> bool:
        proof = prove(running.port, _fields(running.contender.peer))
        if running.name not in self.proofs:
            self.say(f"  {running.name}: {proof.line()}")
        self.proofs[running.name] = proof
        if not proof.reached:
            self.note(f"{running.name} left out: {proof.line()}")
        return proof.reached


def _fields(peer: Peer) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.KNOWN}"} if peer.token else {}
