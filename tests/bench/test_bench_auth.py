"""Callers of the bench who prove who they are: gateways believe them, and every request has its token."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socketserver
import sys
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import jwt
import pytest

from bench import auth, tokens, wrk
from bench.auth_keys import KINDS
from bench.cli import _check_tokens
from bench.course import Contender, Course, Limits
from bench.exchange import AUTH, PROXY
from bench.peers import KNOWN, ROOT, TEMPLATES
from bench.workloads import WORKLOADS
from gwproxy.config.load import loads

TAKING_TOKENS = sorted(name for name, peer in KNOWN.items() if peer.token)
OF_GWPROXY = [name for name in TAKING_TOKENS if name.startswith("gwproxy")]
OF_ENVOY = [name for name in TAKING_TOKENS if name.startswith("envoy")]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def contender(name: str) -> Contender:
    return Contender(name, KNOWN[name], sys.executable, ROOT)


def claims(token: str) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(
        token, tokens.SECRET, ["HS256"], audience=tokens.AUDIENCE, issuer=tokens.ISSUER
    )
    return found


def test_there_are_peers_of_both_kinds():
    assert OF_GWPROXY == ["gwproxy-all", "gwproxy-auth", "gwproxy-flooded"]
    assert OF_ENVOY == ["envoy-all", "envoy-auth"]


@pytest.mark.parametrize("name", OF_GWPROXY)
def test_gwproxys_files_ask_for_the_tokens_of_the_bench(name: str):
    text = (TEMPLATES / f"{name}.toml").read_text().replace("@PORT@", "0").replace("@ORIGIN@", "9")
    config = loads(text, environ={}).config
    session = config.auth.methods["session"]
    assert (session.key, session.issuer, session.audience) == (tokens.SECRET, tokens.ISSUER, tokens.AUDIENCE)
    assert [route.permissions for route in config.routes] == [(tokens.PERMISSION,)]


@pytest.mark.parametrize("name", OF_ENVOY)
def test_envoys_files_ask_for_the_same_tokens(name: str):
    text = (TEMPLATES / f"{name}.yaml").read_text()
    found = re.search(r"inline_string: '(.*)'", text)
    assert found is not None
    [key] = json.loads(found[1])["keys"]
    assert urlsafe_b64decode(key["k"] + "==").decode() == tokens.SECRET
    assert f"issuer: {tokens.ISSUER}\n" in text
    assert f"audiences: [{tokens.AUDIENCE}]\n" in text


def test_forged_token_differs_in_its_signature_only():
    known, forged = tokens.KNOWN.rsplit(".", 1), tokens.FORGED.rsplit(".", 1)
    assert known[0] == forged[0]
    assert len(known[1]) == len(forged[1])
    with pytest.raises(jwt.InvalidSignatureError):
        claims(tokens.FORGED)


def test_one_who_wants_a_token_has_everybody_asked_with_it():
    limits = Limits()
    assert not Course([contender("gwproxy"), contender("envoy")], limits, print).wants_token
    assert Course([contender("gwproxy"), contender("envoy-all")], limits, print).wants_token


def test_peer_that_wants_tokens_is_not_measured_where_there_are_none():
    parser = argparse.ArgumentParser()
    proving = [name for name, workload in WORKLOADS.items() if workload.proves]
    assert {"small", "head", "varied", "upload", "close"} <= set(proving)
    _check_tokens(parser, proving, [contender("gwproxy-auth")])
    _check_tokens(parser, ["latency"], [contender("gwproxy")])
    with pytest.raises(SystemExit):
        _check_tokens(parser, ["small", "latency"], [contender("gwproxy-auth")])


@contextmanager
def asked() -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers every head, and keeps what came."""
    heads: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while line := self.rfile.readline():
                head += line
                if line == b"\r\n":
                    length = re.search(rb"Content-Length: (\d+)", head)
                    self.rfile.read(int(length[1]) if length else 0)
                    heads.append(head)
                    head = b""
                    self.wfile.write(ANSWER)

    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Threads(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_address[1], heads
        finally:
            server.shutdown()


def token_of(head: bytes) -> str:
    [found] = re.findall(rb"\r\nAuthorization: Bearer (\S+)\r\n", head)
    return str(found.decode())


@pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk")
@pytest.mark.parametrize("script", [None, "head.lua", "upload.lua"])
def test_every_request_of_a_workload_has_the_same_token(script: str | None, tmp_path):
    load = wrk.Load("/small", connections=2, script=script).with_token(tmp_path)
    with asked() as (port, heads):
        assert not wrk.run(load, port, 1).faults
    assert {token_of(head) for head in heads} == {tokens.KNOWN}


@pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk")
def test_callers_of_varied_take_turns(tmp_path):
    load = wrk.Load("/varied/", connections=1, script="varied.lua", many=True).with_token(tmp_path)
    with asked() as (port, heads):
        assert not wrk.run(load, port, 1).faults
    found = [token_of(head) for head in heads[: tokens.MANY]]
    assert len(found) > 50
    lines = (tmp_path / "tokens").read_text().split()
    # wrk has tried the script before, so that the first to be asked with is not the first of the file.
    at = lines.index(found[0])
    assert found == [*lines[at:], *lines[:at]][: len(found)]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk")
def test_nobody_has_a_token_where_none_is_wanted():
    with asked() as (port, heads):
        assert not wrk.run(wrk.Load("/varied/", 1, "varied.lua", many=True), port, 1).faults
    assert heads
    assert not any(b"Authorization" in head for head in heads)


async def test_every_way_to_prove_who_is_calling_has_its_line():
    lines: list[str] = []
    await auth.in_one_process(1, auth.Counts(5, 3, 4), lines.append)
    names = [pair[1].name for pair in auth.SEEN] + [kind.name for kind in KINDS]
    assert [name for name in names if not any(line.startswith(name) for line in lines)] == []


async def test_figures_of_callers_who_are_refused_are_none():
    forged = auth._seen("forged", tokens.line(tokens.FORGED), AUTH)
    plain = auth._seen("plain", tokens.line(tokens.FORGED), PROXY)
    with pytest.raises(AssertionError, match="forged"):
        await auth.kept_us((plain, forged), 1, 3)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_another_issuers_tokens_are_not_timed(kind):
    """A key of the same kind that the configuration has not got."""
    with kind.config(AUTH) as config:
        other = replace(kind, make=lambda: tokens.SECRET[::-1]) if kind.algorithm == "HS256" else replace(kind)
        line = tokens.line(other.token(0))
        assert line != tokens.line(kind.token(0))
        with pytest.raises(AssertionError):
            await auth.best_us(auth._seen("other", line, config), 1, 2)
