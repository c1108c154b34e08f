"""`gwproxy limits`: what is left to a caller is told, and given back, wherever it is counted, whatever workers do."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gwproxy.config.load import loads
from gwproxy.limits.known import Known, StoreUnavailable
from gwproxy.runtime import callers, messages
from gwproxy.runtime.callers import Callers
from gwproxy.runtime.channel import LARGEST
from gwproxy.runtime.control import Unanswerable
from gwproxy.runtime.folder import SOCKET
from gwproxy.runtime.looking import seen
from gwproxy.runtime.messages import Look, Seen
from gwproxy.runtime.starting import started
from tests.docs.pages import ROOT, blocks
from tests.docs.test_operations import alike, shell
from tests.support.scripted import send, take_request, tell, wait_for

LIMITED = """
[gateway]
listen = ["127.0.0.1:0"]
workers = {workers}
[state]
timeout = "2s"
[limits]
global = {{ requests = 1000, window = "600s" }}
ipv6_prefix = 56
[tiers.anonymous]
requests = 3
window = "600s"
quota = {{ requests = 50, period = "month" }}
[[routes]]
path = "/a"
respond = {{ status = 200 }}
[[routes]]
path = "/project"
respond = {{ status = 200 }}
limit = {{ requests = 2, window = "600s", by = "header:X-Project" }}
"""
US = "127.0.0.1"


@pytest.fixture
def limited(tmp_path):
    def write(workers: int = 1) -> Path:
        file: Path = tmp_path / "routes.toml"
        file.write_text(LIMITED.format(workers=workers))
        return file

    return write


async def status_of(connect, port: int, path: str = "/a", lines: str = "") -> int:
    return (await (await connect(port)).ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())).status


async def statuses(connect, port: int, count: int) -> list[int]:
    return [await status_of(connect, port) for _ in range(count)]


async def shown(gwproxy, principal: str = US) -> Any:
    code, out, err = await gwproxy.told("limits", "show", principal, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


async def said(gwproxy, line: bytes) -> Any:
    """What the control socket answers."""

    def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(gwproxy.folder / "gwproxy" / SOCKET))
            sock.sendall(line + b"\n")
            return sock.makefile("rb").readline()

    return json.loads(await asyncio.to_thread(ask))


# -- in this process


async def test_what_is_left_is_told_as_often_as_asked_and_given_back_when_asked(limited, gwproxy, connect):
    port = await (await gwproxy("run", limited())).port()
    code, out, err = await gwproxy.told("limits", "show", US)
    assert (code, out, err) == (0, f"nothing is known of {US}\n", "")
    assert await statuses(connect, port, 2) == [200, 200]
    for _ in range(2):
        code, out, err = await gwproxy.told("limits", "show", US)
        assert (code, err) == (0, "")
        assert [line.split() for line in out.splitlines()] == [
            ["limit", "left", "next", "key"],
            ["anonymous", "1", "of", "3", "tier:anonymous"],
            ["anonymous-month", "48", "of", "50", "tier:anonymous:month"],
        ]  # fmt: skip
    assert await statuses(connect, port, 2) == [200, 429]
    _, out, _ = await gwproxy.told("limits", "show", US)
    assert re.search(r"^anonymous +0 of 3 +in (10\.0|9\.\d)m +tier:anonymous$", out, re.MULTILINE), out
    assert await gwproxy.told("limits", "reset", US) == (0, f"{US} has all permits of 2 limits again\n", "")
    assert await gwproxy.told("limits", "reset", US) == (0, f"nothing was known of {US}\n", "")
    assert await statuses(connect, port, 4) == [200, 200, 200, 429]


async def test_json_tells_it_for_programs(limited, gwproxy, connect):
    port = await (await gwproxy("run", limited())).port()
    assert await shown(gwproxy) == {"principal": US, "who": f"a:{US}", "limits": [], "more": 0}
    assert await statuses(connect, port, 4) == [200, 200, 200, 429]
    found = await shown(gwproxy)
    window, quota = found["limits"]
    assert 500_000_000 < window.pop("wait_us") <= 600_000_000
    assert window == {
        "key": "tier:anonymous", "name": "anonymous", "kind": "exact", "requests": 3,
        "window_us": 600_000_000, "left": 0,
    }  # fmt: skip
    assert (quota["key"], quota["left"], quota["wait_us"]) == ("tier:anonymous:month", 47, 0)


async def test_caller_of_a_header_is_another(limited, gwproxy, connect):
    port = await (await gwproxy("run", limited())).port()
    assert await status_of(connect, port, "/project", "X-Project: lamp 7\r\n") == 200
    found = await shown(gwproxy, "header:x-project=lamp 7")
    assert [(one["name"], one["left"]) for one in found["limits"]] == [("route", 1)]
    assert (await shown(gwproxy, "header:X-Project=lamp 8"))["limits"] == []
    code, out, _ = await gwproxy.told("limits", "reset", "header:X-Project=lamp 7")
    assert (code, out) == (0, "header:X-Project=lamp 7 has all permits of 1 limit again\n")


async def test_network_is_the_one_of_the_file_in_force(limited, gwproxy):
    await (await gwproxy("run", limited())).port()
    assert (await shown(gwproxy, "2001:db8::ff:0:0:0:1"))["who"] == "a:2001:db8::/56"


async def test_store_that_fails_is_told(limited, gwproxy, tmp_path):
    file = limited()
    file.write_text(file.read_text().replace("[state]", f'[state]\nurl = "unix://{tmp_path}/nobody"'))
    await (await gwproxy("run", file)).port()
    for verb in ("show", "reset"):
        code, out, err = await gwproxy.told("limits", verb, US)
        assert (code, out) == (1, "")
        assert "No such file" in err


# -- in several


async def test_two_workers_tell_what_both_have_counted_and_both_forget(limited, gwproxy, connect):
    port = await (await gwproxy("run", limited(2))).port()
    await gwproxy.until_serving(2)
    flat = await asyncio.gather(*(statuses(connect, port, 2) for _ in range(32)))
    assert sum(status == 200 for some in flat for status in some) == 3
    assert [(one["name"], one["left"]) for one in (await shown(gwproxy))["limits"]] == [
        ("anonymous", 0), ("anonymous-month", 47),
    ]  # fmt: skip
    assert await gwproxy.told("limits", "reset", US) == (0, f"{US} has all permits of 2 limits again\n", "")
    assert (await shown(gwproxy))["limits"] == []
    # Were one worker to remember whom it has refused, fewer would be let in.
    flat = await asyncio.gather(*(statuses(connect, port, 2) for _ in range(32)))
    assert sum(status == 200 for some in flat for status in some) == 3


async def test_worker_that_stands_still_holds_nobody_up(limited, gwproxy, connect):
    port = await (await gwproxy("run", limited(2))).port()
    found = await gwproxy.until_serving(2)
    assert (await statuses(connect, port, 1)) == [200]
    stopped = found["workers"][0]["pid"]
    os.kill(stopped, signal.SIGSTOP)
    # It ends after 2 s, and has forgotten everybody then.
    assert await gwproxy.told("limits", "reset", US) == (0, f"{US} has all permits of 2 limits again\n", "")
    assert stopped not in [worker["pid"] for worker in (await gwproxy.status())["workers"]]


async def test_only_worker_that_ends_meanwhile_is_told(limited, gwproxy):
    await (await gwproxy("run", limited())).port()
    [worker] = (await gwproxy.until_serving(1))["workers"]
    os.kill(worker["pid"], signal.SIGSTOP)
    for verb in ("show", "reset"):
        code, out, err = await gwproxy.told("limits", verb, US)
        assert (code, out) == (1, "")
        assert "have ended: ask again" in err
        [worker] = (await gwproxy.until_serving(1))["workers"]
        os.kill(worker["pid"], signal.SIGSTOP)


class Worker:
    """One as the supervisor knows it, that says what it is told to; "" is nothing, ever."""

    def __init__(self, answer: str | Seen | None, began: float = 0.0, fresh: bool = True) -> None:
        self.answer = answer
        self.began = began
        self.fresh = fresh
        self.asked: list[Look] = []

    def __repr__(self) -> str:
        return "worker 7 (pid 8)"

    async def look(self, message: Look) -> str | Seen | None:
        self.asked.append(message)
        return await asyncio.get_running_loop().create_future() if self.answer == "" else self.answer


def callers_of(*workers: Worker) -> Callers:
    return Callers(lambda: workers, lambda: 64)  # type: ignore[arg-type, return-value]


async def test_silent_worker_is_given_up_and_named(monkeypatch):
    monkeypatch.setattr(callers, "LOOK_S", 0.05)
    for verb in (callers_of(Worker("")).show, callers_of(Worker(Seen(1, forgotten=2)), Worker("")).reset):
        with pytest.raises(Unanswerable, match=r"worker 7 \(pid 8\) said nothing within 0.05 s"):
            await verb(US)


async def test_newest_worker_that_turns_is_asked_and_the_next_where_it_ends():
    old, new, stands = Worker(Seen(1, more=5), 1.0), Worker(None, 2.0), Worker("", 3.0, fresh=False)
    assert (await callers_of(old, new, stands).show(US)).more == 5
    assert [len(one.asked) for one in (old, new, stands)] == [1, 1, 0]


async def test_reset_reaches_all_and_tells_the_largest_count():
    workers = [Worker(Seen(1, forgotten=count)) for count in (0, 3, 1)] + [Worker(None)]
    assert (await callers_of(*workers).reset(US)).limits == 3
    assert [look.reset for one in workers for look in one.asked] == [True] * 4
    assert len({look.number for one in workers for look in one.asked}) == 4


async def test_failure_of_one_worker_is_the_failure_of_the_reset():
    with pytest.raises(Unanswerable, match="pid 8.*: full"):
        await callers_of(Worker(Seen(1, forgotten=3)), Worker(Seen(2, error="full"))).reset(US)


@pytest.mark.parametrize("verb", ["show", "reset"])
async def test_no_worker_that_serves_is_told(verb):
    with pytest.raises(Unanswerable, match="no worker serves"):
        await getattr(callers_of(), verb)(US)


# -- a worker's answer


class Store:
    """A store that knows what it is told to."""

    def __init__(self, known: list[Known] | Exception) -> None:
        self._known = known

    async def known(self, who: str) -> list[Known]:
        if isinstance(self._known, Exception):
            raise self._known
        return self._known


@pytest.mark.parametrize(("length", "told"), [(10, 450), (1000, 40), (70_000, 0)])
async def test_answer_is_one_packet_however_many_and_long_the_names(length: int, told: int):
    known = [Known("k" * length, "n", "exact", 1 << 40, 1 << 50, 1 << 40, 1 << 50) for _ in range(500)]
    found = await seen(Store(known), Look(1, "a:1"))  # type: ignore[arg-type]
    assert len(messages.encode(found)) < LARGEST
    assert len(found.known) + found.more == 500
    assert len(found.known) >= told


async def test_whatever_the_store_does_there_is_an_answer():
    for error in (StoreUnavailable("full" * 30_000), KeyError("oops")):
        found = await seen(Store(error), Look(1, "a:1"))  # type: ignore[arg-type]
        assert found.error
        assert len(messages.encode(found)) < 1000
    assert "does not serve" in (await seen(None, Look(1, "a:1"))).error


@contextmanager
def file_in_memory() -> Iterator[int]:
    fd = os.memfd_create("config")
    yield fd
    os.close(fd)


async def test_message_that_a_draining_worker_does_not_know_changes_nothing(scripted, connect, origin):
    asked, answer = asyncio.Event(), asyncio.Event()
    slow = await scripted([take_request(), tell(asked), wait_for(answer),
                           send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")])  # fmt: skip
    text = f'[services.s]\nurl = "{slow.url}"\n[[routes]]\npath = "/*"\nservice = "s"\n'
    pid, ours = started(os.environ)
    unknown = messages.encode(["Unheard", 1, "of"])
    with ours, socket.create_server((US, 0)) as listener, file_in_memory() as file:
        ours.settimeout(20)
        os.write(file, messages.packed(loads(text)))
        prepare = messages.Prepare(1, "i", ("x",))
        ours.send(unknown)
        socket.send_fds(ours, [messages.encode(prepare)], [file, listener.fileno()])
        ours.send(messages.encode(messages.Swap(1)))
        caller = await connect(listener.getsockname()[1])
        await caller.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(asked.wait(), 20)
        ours.send(messages.encode(messages.Drain(20.0)))
        for _ in range(50):
            ours.send(unknown)
        answer.set()
        assert (await caller.read_answer()).status == 200
        found = await asyncio.to_thread(os.waitpid, pid, 0)
        assert os.waitstatus_to_exitcode(found[1]) == 0


# -- wrong uses


@pytest.mark.parametrize("verb", ["show", "reset"])
async def test_who_is_no_caller_is_wrong_use_with_what_can_be_written(verb, gwproxy):
    code, out, err = await gwproxy.told("limits", verb, "header:=a")
    assert (code, out) == (2, "")
    assert "'header:=a' names no caller: write an address (203.0.113.7, 2001:db8::1), the id of" in err
    assert (await gwproxy.told("limits", verb))[0] == 2


@pytest.mark.parametrize("verb", ["show", "reset"])
async def test_no_gateway_is_told_as_by_other_verbs(verb, gwproxy):
    code, out, err = await gwproxy.told("limits", verb, US)
    assert (code, out) == (1, "")
    assert err == (await gwproxy.told("status"))[2]
    assert "no gateway runs in" in err


MALFORMED = [
    (b'{"verb": "limits_show"}', "limits_show takes principal, and nothing else"),
    (b'{"verb": "limits_show", "arguments": {}}', "limits_show takes principal"),
    (b'{"verb": "limits_show", "arguments": {"principal": "127.0.0.1", "x": "y"}}', "limits_show takes principal"),
    (b'{"verb": "limits_show", "arguments": {"principal": 7}}', "limits_show takes principal"),
    (b'{"verb": "limits_reset", "arguments": ["127.0.0.1"]}', "limits_reset takes principal"),
    (b'{"verb": "limits_reset", "arguments": null}', "limits_reset takes principal"),
    (b'{"verb": "limits_reset", "arguments": {"self": "a"}}', "limits_reset takes principal"),
    (b'{"verb": "status", "arguments": {"principal": "127.0.0.1"}}', "status takes no arguments"),
    (b'{"verb": "limits_show", "arguments": {"principal": "header:"}}', "write an address"),
    (b'{"verb": "limits_show", "arguments": {"principal": "header:a=\\ud800"}}', "write an address"),
    (b'{"verb": "limits_show", "arguments": {"principal": "' + b"\\ud800" * 9000 + b'"}}', "write an address"),
]


async def test_arguments_that_are_none_are_answered_so_and_the_gateway_serves_on(limited, gwproxy):
    await (await gwproxy("run", limited())).port()
    for line, says in MALFORMED:
        answer = await said(gwproxy, line)
        assert list(answer) == ["error"], line
        assert says in answer["error"], line
    assert (await gwproxy.status())["state"] == "serving"


async def test_verb_without_arguments_may_leave_them_out(limited, gwproxy):
    await (await gwproxy("run", limited())).port()
    assert (await said(gwproxy, b'{"verb": "status"}'))["state"] == "serving"
    assert (await said(gwproxy, b'{"verb": "status", "arguments": {}}'))["state"] == "serving"


# -- the page


async def test_transcript_of_the_page_is_true(gwproxy, tmp_path):
    page = ROOT / "docs" / "cli.md"
    [text] = [block for block in blocks(page, "toml") if block.startswith("# callers.toml\n")]
    [transcript] = [block for block in blocks(page, "console") if block.startswith("$ curl")]
    file = tmp_path / "callers.toml"
    file.write_text(f'{text}[gateway]\nlisten = ["127.0.0.1:0"]\n')
    port = await (await gwproxy("run", str(file))).port()
    environ = {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(gwproxy.folder)}
    for part in re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]:
        line, _, printed = part.partition("\n")
        assert alike(await shell(line.replace("8080", str(port)), tmp_path, environ)) == alike(printed), line
