"""What the demo prints."""

import shlex

from gwproxy.demo.guide import TRIES, Try, command, guide, table

GATEWAY = "http://127.0.0.1:8080"


def test_columns_are_aligned_and_lines_have_no_blank_end():
    assert table([("a", "1", "x"), ("long", "22", "y")]) == ["  a     1   x", "  long  22  y"]


def test_command_can_be_pasted_into_a_shell():
    line = Try("/x?a=1&b=2", 200, "", "-d '{}'")
    assert shlex.split(command(line, GATEWAY)) == ["curl", "-d", "{}", f"{GATEWAY}/x?a=1&b=2"]


def test_refusals_are_among_what_to_try():
    assert {200, 201, 302, 401, 404, 405, 504} <= {line.status for line in TRIES}


def test_guide_has_services_notes_and_every_command():
    text = guide(GATEWAY, {"users": "http://127.0.0.1:3001"}, ["Port 3002 is taken."])
    assert "  users  http://127.0.0.1:3001" in text
    assert "Port 3002 is taken." in text
    assert all(command(line, GATEWAY) in text for line in TRIES)


def test_guide_leaves_out_what_it_has_nothing_to_say_of():
    text = guide(GATEWAY, {}, [])
    assert "Sample services" not in text
    assert "\n\n\n" not in text


def test_guide_fits_a_wide_terminal():
    assert max(map(len, guide(GATEWAY, {"users": "http://127.0.0.1:3001"}, []).splitlines())) <= 132
