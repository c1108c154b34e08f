"""Which requests have lines, and what those do not show: chosen in the file, changed by a reload."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.until import until

FILE = """
[gateway]
listen = ["127.0.0.1:0"]
healthz = "/healthz"
[log]
file = "{log}"
{choice}
[[routes]]
path = "/*"
respond = {{ status = 200 }}
[[routes]]
path = "/quiet"
access_log = false
respond = {{ status = 200 }}
[[routes]]
path = "/reset/:token/of/:user"
respond = {{ status = 200 }}
[[routes]]
path = "/down"
maintenance = true
respond = {{ status = 200 }}
"""
GET = b"GET %b HTTP/1.1\r\nHost: a\r\nX-Request-Id: %b\r\n\r\n"


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


async def serving(gwproxy, tmp_path: Path, choice: str = "") -> tuple[int, Path]:
    log = tmp_path / "access.log"
    (tmp_path / "routes.toml").write_text(FILE.format(log=log, choice=choice))
    return await (await gwproxy("run", str(tmp_path / "routes.toml"))).port(), log


async def test_a_route_can_do_without_lines_and_health_has_none(gwproxy, connect, tmp_path: Path):
    port, log = await serving(gwproxy, tmp_path)
    caller = await connect(port)
    for path in (b"/quiet", b"/healthz", b"/loud"):
        assert (await caller.ask(GET % (path, b"x"))).status == 200
    await until(lambda: lines(log))
    assert [line["path"] for line in lines(log)] == ["/loud"]
    # Counted all the same.
    await gwproxy.until(lambda found: found["tally"]["exchanges"] == 3)


async def test_secrets_by_name_are_in_no_line_be_they_in_query_or_path(gwproxy, connect, tmp_path: Path):
    port, log = await serving(gwproxy, tmp_path, 'redact = ["Session-ID", "user"]')
    caller = await connect(port)
    await caller.ask(GET % (b"/x?session_id=abc&page=2&token=def&Session-Id=ghi", b"x"))
    await caller.ask(GET % (b"/reset/t0psecret/of/alice?a=b", b"x"))
    await until(lambda: len(lines(log)) == 2)
    assert [line["path"] for line in lines(log)] == [
        "/x?session_id=[redacted]&page=2&token=[redacted]&Session-Id=[redacted]",
        "/reset/[redacted]/of/[redacted]?a=b",
    ]


async def test_a_sample_is_about_its_share_and_has_all_failures(gwproxy, connect, tmp_path: Path):
    port, log = await serving(gwproxy, tmp_path, "sample = 0.25")
    caller = await connect(port)
    for _ in range(800):
        await caller.ask(GET % (b"/x", b"x"))
    for _ in range(20):
        assert (await caller.ask(GET % (b"/down", b"x"))).status == 503
    await until(lambda: sum(line["status"] == 503 for line in lines(log)) == 20)
    # Six standard deviations of a binomial with n = 800, p = 1/4.
    assert abs(sum(line["status"] == 200 for line in lines(log)) - 200) < 75


async def test_share_and_secrets_change_by_reload(gwproxy, connect, tmp_path: Path):
    port, log = await serving(gwproxy, tmp_path, "sample = 0.000001")
    caller = await connect(port)
    await caller.ask(GET % (b"/before?pin=1", b"x"))
    (tmp_path / "routes.toml").write_text(FILE.format(log=log, choice='redact = ["pin"]'))
    assert (await gwproxy.told("reload"))[0] == 0
    await caller.ask(GET % (b"/after?pin=1", b"x"))
    await until(lambda: lines(log))
    assert [line["path"] for line in lines(log)] == ["/after?pin=[redacted]"]
