"""Addresses that cannot be listened on: which, why, where they are written, and what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gwproxy.config.load import loads
from gwproxy.runtime.listeners import ListenError, listen_on, told_with_place


def refusal(address: str) -> str:
    with pytest.raises(ListenError) as error:
        listen_on(address)
    return str(error.value)


def test_port_that_is_held_is_told_with_its_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        assert refusal(address) == (
            f"cannot listen on {address}: address already in use; choose another port, or stop what holds it"
        )


def test_address_of_another_machine_is_told() -> None:
    assert refusal("192.0.2.1:0").endswith("; this machine has no such address")


def test_name_that_nobody_knows_is_told() -> None:
    assert refusal("nobody.invalid:80").startswith("cannot listen on nobody.invalid:80: ")


def test_plain_file_in_a_socket_s_place_is_left_alone_and_told(tmp_path: Path) -> None:
    file = tmp_path / "x.sock"
    file.write_text("mine", encoding="utf-8")
    assert refusal(f"unix:{file}") == (
        f"cannot listen on unix:{file}: file exists; "
        "a file is there that is no socket: choose another path, or remove the file"
    )
    assert file.read_text(encoding="utf-8") == "mine"


def test_socket_that_another_listens_on_is_told(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/x.sock"
    with listen_on(path):
        assert refusal(path).endswith("in use; choose another path, or stop what listens there")


def test_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/x.sock"
    listen_on(path).close()
    listen_on(path).close()


def test_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refusal(f"unix:{tmp_path}/no/x.sock").endswith("; make the folder that it is to be in")


def test_place_of_the_address_is_told() -> None:
    loaded = loads('[gateway]\nlisten = [\n  "127.0.0.1:0",\n  "192.0.2.1:1",\n]')
    with pytest.raises(ListenError) as error, told_with_place(loaded):
        listen_on("192.0.2.1:1")
    assert str(error.value).startswith("routes.toml:4:3: gateway.listen[1]: cannot listen on 192.0.2.1:1: ")


def test_address_that_is_not_in_the_file_has_no_place() -> None:
    with pytest.raises(ListenError) as error, told_with_place(loads("")):
        listen_on("192.0.2.1:1")
    assert str(error.value).startswith("cannot listen on 192.0.2.1:1: ")
