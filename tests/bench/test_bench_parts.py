"""Other pure parts: shares of a core, templates, the proof's verdict."""

import json

import pytest

from bench import machine, origin
from bench.machine import Ticks
from bench.peers import KNOWN, TEMPLATES, Ground, render
from bench.prove import Proof
from bench.workloads import DEFAULT, WORKLOADS


def test_stolen_time_is_not_held_against_the_proxy():
    busy, stolen = machine.shares(Ticks(0, 0, 0), Ticks(80, 0, 20))
    assert (busy, stolen) == (1.0, 0.2)


def test_process_born_between_two_readings_counts_in_full():
    assert machine.foreign_share({1: 2.0}, {1: 2.5, 7: 0.5}, 2.0) == 0.5


def test_small_answer_has_the_size_that_the_figures_are_about():
    assert len(origin.small_json()) == 214
    assert json.loads(origin.small_json())["id"] == 4711


@pytest.mark.parametrize("name", KNOWN)
def test_templates_leave_no_placeholder(name, tmp_path):
    for template in KNOWN[name].templates:
        render(template, Ground(1234, 5678, tmp_path, "python", tmp_path))
        text = (tmp_path / template).read_text()
        assert not any(mark in text for mark in ("@PORT@", "@ORIGIN@", "@DIR@"))


def test_every_template_belongs_to_somebody():
    used = {template for peer in KNOWN.values() for template in peer.templates}
    assert {path.name for path in TEMPLATES.iterdir()} - used == {"origin.conf"}


def test_proof_names_what_is_missing():
    proof = Proof(True, request_id=False, forwarded_for=True, connections=30)
    assert "NO request id" in proof.line()
    assert "NO keeps connections" in proof.line()
    assert "NO forwarded-for" not in proof.line()


def test_default_workloads_exist():
    assert set(DEFAULT) <= set(WORKLOADS)
