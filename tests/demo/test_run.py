"""The whole demo: what it prints is what it does."""

import asyncio
import os
import re
import signal
import socket
from contextlib import ExitStack, suppress

import pytest

from gwproxy.config.load import load
from gwproxy.config.problems import ConfigError
from gwproxy.demo.guide import TRIES, command
from gwproxy.demo.run import DEMO_FILE, demo, on_free_port, start
from gwproxy.demo.services import SAMPLES, plan_services
from gwproxy.runtime.signals import signals

# These and test_ports.py take the usual ports for a moment, so one process runs them all.
pytestmark = pytest.mark.xdist_group("demo")


def pasted(text: str) -> str:
    """The lines of the guide that set variables, as somebody pastes them."""
    return "".join(f"{line}\n" for line in text.splitlines() if re.match(r"\w+='", line))


async def status_of(line: str, before: str = "") -> int:
    """The status that the shell's curl gets, of several the last; streams that go on are left after some seconds."""
    quiet = f"{before}{line} -s -o /dev/null -w '%{{http_code}}' --max-time 7"
    curl = await asyncio.create_subprocess_shell(quiet, stdout=asyncio.subprocess.PIPE)
    out, _ = await curl.communicate()
    return int(out[-3:])


async def started(environ: dict[str, str], stop: asyncio.Event) -> tuple[asyncio.Task[None], str]:
    """A demo that runs, and what it said when it was ready."""
    said: asyncio.Queue[str] = asyncio.Queue()
    running = asyncio.create_task(demo(environ, stop, said.put_nowait))
    hearing = asyncio.create_task(said.get())
    await asyncio.wait({running, hearing}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        hearing.cancel()
        running.result()
    return running, hearing.result()


async def test_every_line_to_try_gets_the_status_it_promises():
    stop = asyncio.Event()
    running, text = await started({}, stop)
    gateway = text.partition(" serves ")[2].partition(";")[0]
    # One after another, as they are typed: all at once are more than the burst of somebody anonymous.
    statuses = [await status_of(command(line, gateway), pasted(text)) for line in TRIES]
    stop.set()
    await running
    promised = [(command(line, ""), line.status) for line in TRIES]
    assert [(line, status) for (line, _), status in zip(promised, statuses, strict=True)] == promised


async def test_stopped_demo_leaves_nothing_behind(level):
    stop = asyncio.Event()
    running, text = await started({}, stop)
    ports = {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", text)}
    assert len(ports) == len(SAMPLES) + 1
    assert all(answers(port) for port in ports)
    stop.set()
    await running
    assert not any(answers(port) for port in ports)


def answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_gateway_moves_from_a_busy_port_and_says_so():
    loaded = load(DEMO_FILE, plan_services({}).environ)
    usual = int(loaded.config.gateway.listen[0].rpartition(":")[2])
    with ExitStack() as held:
        with suppress(OSError):  # where somebody has the port already, it is as busy as this test wants it
            held.enter_context(socket.create_server(("127.0.0.1", usual)))
        moved, notes = on_free_port(loaded)
    port = int(moved.config.gateway.listen[0].rpartition(":")[2])
    assert port != usual
    assert notes == [f"Port {usual} is taken, so the gateway listens on {port}."]
    assert moved.config.routes == loaded.config.routes


async def test_service_of_the_users_own_is_listed_where_it_is():
    stop = asyncio.Event()
    running, text = await started({"USER_SERVICE_URL": "http://127.0.0.1:9"}, stop)
    stop.set()
    await running
    assert "USER_SERVICE_URL is set, so the sample users is not started." in text
    listed = text.partition("Sample services:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == list(SAMPLES)
    assert listed[0] == "  users       http://127.0.0.1:9 (yours)"


async def test_url_with_a_password_is_refused_and_not_repeated():
    with pytest.raises(ConfigError) as refused:
        await start({"USER_SERVICE_URL": "http://me:hush@127.0.0.1:9"})
    assert "hush" not in "".join(map(str, refused.value.problems))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal_asks_to_stop_who_has_nothing_to_reload(number):
    with signals(reloads=False) as asked:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(asked.stop.wait(), 5)


@pytest.mark.parametrize("loser", ["search", "gateway"])
async def test_port_lost_between_plan_and_start_is_planned_anew(loser, monkeypatch, level):
    tries = []

    def losing_once(loaded):
        moved, notes = on_free_port(loaded)
        tries.append(moved)
        if len(tries) == 1:
            address = (
                moved.config.gateway.listen[0] if loser == "gateway" else moved.config.services[loser].url
            )
            port = int(address.rpartition(":")[2])
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        return moved, notes

    monkeypatch.setattr("gwproxy.demo.run.on_free_port", losing_once)
    stop = asyncio.Event()
    with ExitStack() as held:
        running, _ = await started({}, stop)
        stop.set()
        await running
    assert len(tries) == 2
