"""Where the sample services listen when a port is taken or a variable names somebody's own service."""

import socket
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from gwproxy.demo import services
from gwproxy.demo.services import SAMPLES, pick_ports, plan_services, start_services, url_of

pytestmark = pytest.mark.xdist_group("demo")

SAMPLES_FOLDER = Path(services.__file__).parent
VARIABLES = {sample.variable for sample in SAMPLES.values()}


@contextmanager
def busy_port(host: str = "127.0.0.1"):
    """A port on which somebody else listens."""
    with socket.create_server((host, 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_free_port_is_taken_as_wanted():
    port = free_port()
    assert pick_ports({"users": port}) == ({"users": port}, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_busy_port_is_left_alone_and_told(host):
    with busy_port(host) as port:
        ports, notes = pick_ports({"users": port})
    assert ports["users"] != port
    assert notes == [f"Port {port} is taken, so users listens on {ports['users']}."]


def test_no_two_services_get_the_same_port():
    with busy_port() as port:
        ports, notes = pick_ports(dict.fromkeys(("a", "b", "c"), port))
    assert len(set(ports.values())) == 3
    assert len(notes) == 3


def test_picked_ports_keep_the_order_they_were_wanted_in():
    with busy_port() as port:
        ports, _ = pick_ports({"a": port, "b": free_port(), "c": port})
    assert list(ports) == ["a", "b", "c"]


def test_plan_points_every_variable_at_its_service():
    plan = plan_services({"HOME": "/nowhere"})
    assert set(plan.ports) == set(SAMPLES)
    assert plan.environ == {"HOME": "/nowhere"} | {
        sample.variable: url_of(plan.ports[name]) for name, sample in SAMPLES.items()
    }


def test_variables_are_those_of_the_configuration():
    text = "".join(
        (SAMPLES_FOLDER / name).read_text(encoding="utf-8") for name in ("routes.toml", "demo.toml")
    )
    assert all(f'"${{{name}:-http://' in text for name in VARIABLES)


def test_service_that_a_variable_names_is_left_alone():
    secret = "http://me:secret@orders.internal"
    plan = plan_services({"ORDER_SERVICE_URL": secret, "USER_SERVICE_URL": ""})
    assert set(plan.ports) == set(SAMPLES) - {"orders"}
    assert plan.environ["ORDER_SERVICE_URL"] == secret
    assert "ORDER_SERVICE_URL is set, so the sample orders is not started." in plan.notes
    assert "secret" not in "".join(plan.notes)


async def test_port_that_was_lost_meanwhile_ends_what_had_started():
    first = free_port()
    with busy_port() as second, pytest.raises(OSError, match=str(second)):
        await start_services({"users": first, "orders": second})
    assert pick_ports({"users": first})[0] == {"users": first}


async def test_closed_services_give_their_ports_back():
    running = await start_services({"users": 0, "orders": 0})
    ports = dict(running.ports)
    await running.close()
    await running.close()
    assert pick_ports(ports) == (ports, [])


async def test_closing_does_not_wait_for_an_endless_stream():
    async with aiohttp.ClientSession() as session:
        async with await start_services({"playground": 0}) as running:
            url = f"{url_of(running.ports['playground'])}/events?count=3600&interval=60"
            answer = await session.get(url)
            assert await answer.content.readline() == b"id: 1\n"
        with pytest.raises(aiohttp.ClientError):
            await answer.content.read()
