"""The runtime folder: one supervisor in each, its own user only, and nothing stale in the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from gwproxy.runtime.folder import FolderError, RuntimeFolder, default_folder

SOCKET = "control.sock"


async def test_second_gateway_on_one_folder_is_refused(write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    code, _, err = await gwproxy.told("run", write())
    assert code == 1
    assert f"another gateway (pid {process.process.pid}) has the runtime folder" in err
    assert "--runtime" in err
    assert (await gwproxy.status())["state"] == "serving"


async def test_folder_is_free_again_after_a_kill(write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    process.signal(signal.SIGKILL)
    await process.process.wait()
    code, _, err = await gwproxy.told("status")
    assert (code, "no gateway runs in" in err) == (1, True)
    again = await gwproxy("run", write())
    await again.port()
    assert (await gwproxy.status())["pid"] == again.process.pid


async def test_folder_and_socket_are_their_owners_alone(write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    folder = gwproxy.folder / "gwproxy"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600


async def test_status_is_for_people_too(write, gwproxy):
    process = await gwproxy("run", write())
    port = await process.port()
    code, out, _ = await gwproxy.told("status")
    assert code == 0
    assert f"listening on http://127.0.0.1:{port}" in out
    assert out.count("serving") == 3
    code, out, _ = await gwproxy.told("status", "--json")
    assert json.loads(out)["pid"] == process.process.pid


@pytest.mark.parametrize("said", [b"nonsense\n", b'{"verb": "explode"}\n', b"[]\n", b'{"verb": []}\n'])
async def test_what_is_not_understood_is_answered_so(said, write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(gwproxy.folder / "gwproxy" / SOCKET))
        sock.sendall(said)
        answer = json.loads(sock.makefile("rb").readline())
    assert "reload, status" in answer["error"]


async def test_endless_question_ends(write, gwproxy):
    process = await gwproxy("run", write())
    await process.port()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(gwproxy.folder / "gwproxy" / SOCKET))
        with pytest.raises(OSError, match="Broken pipe|reset"):
            sock.sendall(b"x" * (64 << 20))
    assert (await gwproxy.status())["state"] == "serving"


def test_folder_that_others_can_write_to_is_refused(tmp_path: Path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(FolderError, match="chmod 700"):
        RuntimeFolder.held(folder)


def test_folder_that_cannot_be_made_names_the_cure(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="--runtime"):
        RuntimeFolder.held(tmp_path / "file" / "run")


def test_default_is_systemds_then_the_users():
    both = {"RUNTIME_DIRECTORY": "/run/one:/run/two", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert default_folder(both) == Path("/run/one")
    assert default_folder({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/gwproxy")
    assert default_folder({}).name in ("gwproxy", f"gwproxy-{os.geteuid()}")
