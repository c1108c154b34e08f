"""`gwproxy demo`: the sample services, and the gateway in front of them, in one process."""

import asyncio
import errno
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from gwproxy.config.in_force import not_in_force
from gwproxy.config.loaded import Loaded
from gwproxy.config.rules.listeners import parse_listener
from gwproxy.config.schema import Config
from gwproxy.demo.guide import guide
from gwproxy.demo.services import HOST, SAMPLES, Plan, pick_ports, plan_services, start_services, url_of
from gwproxy.runtime.listeners import ListenError
from gwproxy.runtime.reading import read
from gwproxy.runtime.signals import signals
from gwproxy.runtime.worker import Worker

DEMO_FILE: Final = Path(__file__).with_name("demo.toml")
"""The open routes under /demo/; it includes the routes.toml beside it."""


def on_free_port(loaded: Loaded) -> tuple[Loaded, list[str]]:
    """The configuration listening where it says, or on a free port and with a sentence about that."""
    listener = parse_listener(loaded.config.gateway.listen[0])
    wanted = int(listener[1]) if listener is not None and listener[1].isdigit() else 0
    ports, notes = pick_ports({"the gateway": wanted})
    gateway = msgspec.structs.replace(loaded.config.gateway, listen=(f"{HOST}:{ports['the gateway']}",))
    config = msgspec.structs.replace(loaded.config, gateway=gateway)
    return msgspec.structs.replace(loaded, config=config), notes


def missing_features(config: Config) -> list[str]:
    """What the file shows and this version does not do yet, in two lines at most."""
    notices = not_in_force(config)
    ignored = [notice.feature for notice in notices if notice.effect == "ignored"]
    told = [f"{each.feature} ({each.effect})" for each in notices if each.effect != "ignored"]
    lines = (("Not in force yet: ", told), ("Not in force yet, and ignored: ", ignored))
    return [f"{opening}{', '.join(words)}." for opening, words in lines if words]


async def _start(environ: Mapping[str, str], held: AsyncExitStack) -> str:
    # The command line has this module for its word "demo": other verbs need not wait for what signs.
    from gwproxy.demo.callers import credentials_of

    plan = plan_services(environ)
    loaded, moved = on_free_port(read(DEMO_FILE, plan.environ).loaded)
    # First in, last out: services outlive the gateway, so that requests under way end as they would.
    await held.enter_async_context(await start_services(plan.ports))
    worker = Worker(loaded)
    held.push_async_callback(worker.stop)
    await worker.start()
    notes = (*plan.notes, *moved, *missing_features(loaded.config))
    credentials = credentials_of(loaded, time.time())
    return guide(url_of(worker.ports[0]), _where(loaded.config, plan), notes, credentials)


def _where(config: Config, plan: Plan) -> dict[str, str]:
    """Where each service is reached: the samples of `plan`, and those that are the user's own.

    A URL that was loaded may be shown: one with a user or password in it is refused.
    """
    return {
        name: url_of(plan.ports[name]) if name in plan.ports else f"{config.services[name].url} (yours)"
        for name in SAMPLES
    }


def _lost_a_port(error: BaseException) -> bool:
    return isinstance(error, ListenError) or (isinstance(error, OSError) and error.errno == errno.EADDRINUSE)


async def start(environ: Mapping[str, str]) -> tuple[str, AsyncExitStack]:
    """Starts services and gateway: the guide to them, and what to close at the end.

    A port that was free may be lost before it is listened on, to another demo perhaps. Then all is planned
    anew; the third time its OSError or ListenError is raised.
    """
    for more in (True, True, False):
        held = AsyncExitStack()
        try:
            return await _start(environ, held), held
        except BaseException as error:
            await held.aclose()
            if not (more and _lost_a_port(error)):
                raise
    raise AssertionError("the last try returns or raises")


async def demo(environ: Mapping[str, str], stop: asyncio.Event, say: Callable[[str], None]) -> None:
    """Serves until `stop` is set, and says through `say` what there is to try."""
    text, held = await start(environ)
    async with held:
        say(text)
        await stop.wait()
        with suppress(OSError):  # SIGHUP comes from a terminal that is gone
            say("Finishing what is under way; Ctrl-C again ends it at once.")


async def _until_signal(environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Raises CancelledError where a second signal cut the demo off."""
    with signals(reloads=False) as asked:
        serving = asyncio.create_task(demo(environ, asked.stop, say))
        at_once = asyncio.create_task(asked.at_once.wait())
        await asyncio.wait((serving, at_once), return_when=asyncio.FIRST_COMPLETED)
        at_once.cancel()
        serving.cancel()  # does nothing to one that has ended by itself
        await serving


def main(environ: Mapping[str, str], say: Callable[[str], None] = print) -> None:
    """Runs the demo until Ctrl-C, SIGTERM or SIGHUP; what the configuration or a port refuses is raised."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_until_signal(environ, say))
        except asyncio.CancelledError:
            raise SystemExit(130) from None
