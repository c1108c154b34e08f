"""docs/timeouts.md: its defaults are those of the configuration, its table of resends that of the code."""

from __future__ import annotations

import itertools
import re

from gwproxy.config.load import loads
from gwproxy.config.units import Duration
from gwproxy.egress.pool import LONG_IDLE_S
from gwproxy.egress.request import IDEMPOTENT, may_resend
from gwproxy.ingress.connection import LINGER_BYTES, LINGER_S
from gwproxy.ingress.serving import MAX_REQUESTS
from gwproxy.wire.flow import HIGH
from tests.docs.pages import ROOT, text_of

PAGE = text_of(ROOT / "docs" / "timeouts.md")
PLAIN = loads('[services.a]\nurl = "http://a"\n').config
ROWS = re.findall(r"^\| `([\w.]+)` \| (\S+?)(?:, \S+)? \| ([^|]+?) \|", PAGE, re.MULTILINE)


def default(key: str, where: str) -> Duration | None:
    held = PLAIN.gateway if where == "`[gateway]`" else PLAIN.services["a"]
    for name in key.split("."):
        held = getattr(held, name)
    return held


def test_defaults_are_those_of_the_configuration():
    shown = {key: (where, text) for key, where, text in ROWS}
    assert len(shown) == 10
    for key, (where, text) in shown.items():
        value = default(key, where)
        seconds = text.replace(" s", "s").replace(" min", "m").replace(" h", "h")
        assert seconds == ("none" if value is None else str(value)), key


def test_figures_of_the_text_are_those_of_the_code():
    assert (HIGH, LINGER_S, LINGER_BYTES, MAX_REQUESTS, LONG_IDLE_S) == (65536, 2.0, 262144, 10_000, 1.5)
    assert all(word.decode() in PAGE for word in IDEMPOTENT)


def test_table_of_resends_is_the_rule():
    names = ("reused", "answered", "replayable", "idempotent", "written")
    lines = re.findall(r"^\| (yes|no) \|(.*)\| (\*\*yes\*\*|no) \|$", PAGE, re.MULTILINE)
    table = [([first, *(cell.strip() for cell in rest.split("|"))], last) for first, rest, last in lines]
    for facts in itertools.product((True, False), repeat=5):
        words = ["yes" if fact else "no" for fact in facts]
        says = [last for cells, last in table if all(c in ("", w) for c, w in zip(cells, words, strict=True))]
        assert len(says) == 1, facts
        assert may_resend(**dict(zip(names, facts, strict=True))) == (says[0] == "**yes**")
