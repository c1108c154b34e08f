"""Who may be missing when the bench proves that it works."""

import configparser
import re

import pytest

from bench import peers, smoke
from bench.peers import PEERS, ROOT
from bench.smoke import ALL

PEERS_BY_PIP = sorted(name for name, peer in PEERS.items() if peer.wheels)
ALL_BY_PIP = sorted(name for name, peer in ALL.items() if peer.wheels)


@pytest.fixture
def ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


@pytest.fixture
def without(monkeypatch):
    """Makes peers missing: `without("caddy")`."""

    def leave_out(*names):
        monkeypatch.setattr(peers, "missing", lambda peer, *_: "gone" if peer.name in names else None)

    return leave_out


@pytest.mark.parametrize("name", ALL)
def test_smoke_fails_where_ci_promises_everybody(name, ci, without):
    without(name)
    present, clean = smoke._present("python")
    assert name not in [contender.name for contender in present]
    assert not clean


def test_missing_peer_is_only_said_outside_ci(monkeypatch, without, capsys):
    monkeypatch.delenv("CI", raising=False)
    without("caddy", "haproxy")
    assert smoke._present("python")[1]
    assert "haproxy is missing: gone" in capsys.readouterr().out


def test_gwproxy_is_never_missing_unnoticed(monkeypatch, without):
    monkeypatch.delenv("CI", raising=False)
    without("gwproxy")
    assert not smoke._present("python")[1]


def test_no_one_is_asked_for_a_peer_that_is_not_built_for_the_architecture(ci, without, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    without(*ALL_BY_PIP)
    assert smoke._present("python")[1]
    without("nginx")
    assert not smoke._present("python")[1]


def test_pip_is_asked_for_peers_on_the_architectures_that_the_table_names():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = {}
    for line in parser["options.extras_require"]["bench"].strip().splitlines():
        found = re.fullmatch(r'(\w+)-\w+>=[\d.]+; platform_machine in "([\w ]+)"', line)
        assert found is not None, line
        asked[found[1]] = tuple(found[2].split())
    assert asked == {name: PEERS[name].wheels for name in PEERS_BY_PIP}


def test_pip_that_fails_on_the_peers_fails_the_whole():
    """`check` keeps the names of what failed, and exits by them."""
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "pip install" in line and "[bench]" in line]
    assert lines == ["check \"pip install '.[bench]'\" pip install -qq '.[bench]'"]
