"""What the demo prints."""

import shlex

from gwproxy.cli.explanation import explanation
from gwproxy.cli.typed_request import typed_request
from gwproxy.config.load import Loaded, load
from gwproxy.demo.guide import TRIES, Try, command, guide, table
from gwproxy.demo.run import DEMO_FILE
from gwproxy.snapshot.compile import compile
from gwproxy.snapshot.types import Snapshot

GATEWAY = "http://127.0.0.1:8080"
CREDENTIALS = {"user": "Authorization: Bearer a.b.c", "partner": "X-API-Key: gwk_x"}


def test_columns_are_aligned_and_lines_have_no_blank_end():
    assert table([("a", "1", "x"), ("long", "22", "y")]) == ["  a     1   x", "  long  22  y"]


def test_command_can_be_pasted_into_a_shell():
    line = Try("/x?a=1&b=2", 200, "", "-d '{}'")
    assert shlex.split(command(line, GATEWAY)) == ["curl", "-d", "{}", f"{GATEWAY}/x?a=1&b=2"]


def test_credential_is_a_variable_that_the_shell_fills_in():
    assert command(Try("/x", 200, "", "-i", who="user"), GATEWAY) == f'curl -H "$user" -i {GATEWAY}/x'


def test_refusals_are_among_what_to_try():
    assert {200, 201, 302, 401, 403, 404, 405, 429, 501, 504} <= {line.status for line in TRIES}


def test_every_route_of_the_reference_file_is_tried_and_answered():
    loaded = load(DEMO_FILE, {})
    snapshot = compile(loaded)
    answered = {key_of(loaded, snapshot, line) for line in TRIES if line.status in (200, 201, 501)}
    reference = {route.key for route in snapshot.routes if route.template.startswith("/api/")}
    assert len(reference) == 11
    assert reference <= answered


def key_of(loaded: Loaded, snapshot: Snapshot, line: Try) -> str:
    """The route that a line asks, as curl chooses the method."""
    method = "POST" if "-d " in line.options or "-X POST" in line.options else "GET"
    target = line.target.partition("?")[0]
    return str(explanation(loaded, snapshot, typed_request(method, target, ())).route.get("key", ""))


def test_guide_has_services_notes_and_every_command():
    text = guide(GATEWAY, {"users": "http://127.0.0.1:3001"}, ["Port 3002 is taken."], CREDENTIALS)
    assert "\nuser='Authorization: Bearer a.b.c'\npartner='X-API-Key: gwk_x'\n" in text
    assert "  users  http://127.0.0.1:3001" in text
    assert "Port 3002 is taken." in text
    assert all(command(line, GATEWAY) in text for line in TRIES)


def test_guide_leaves_out_what_it_has_nothing_to_say_of():
    text = guide(GATEWAY, {}, [])
    assert "Sample services" not in text
    assert "To try as somebody" not in text
    assert "\n\n\n" not in text


def test_guide_fits_a_wide_terminal():
    assert max(map(len, guide(GATEWAY, {"users": "http://127.0.0.1:3001"}, [], CREDENTIALS).splitlines())) <= 132
