"""Tables for people and JSON for later."""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench.rounds import CAPPED_BELOW, Throughput
from bench.stats import FULL_ROUNDS, ratio, shown, spread

OUT = Path(__file__).parent / "out"


def throughput_table(result: Throughput, references: tuple[str, ...]) -> list[str]:
    beside = [name for name in references if name in result.samples]
    head = [
        "proxy",
        "requests/s",
        "IQR",
        *(f"× {name}" for name in beside),
        "cpu µs/request",
        "proxy's core",
    ]
    rows = [_throughput_row(result, name, beside) for name in result.samples]
    lines = table(head, rows)
    rounds = max((len(found) for found in result.samples.values()), default=0)
    if rounds < FULL_ROUNDS:
        lines.append(f"({rounds} rounds: a full run has {FULL_ROUNDS})")
    return lines


def _throughput_row(result: Throughput, name: str, beside: list[str]) -> list[str]:
    rates = result.rates(name)
    own = spread([rate for rate in rates if rate is not None])
    share = result.middle(name, "proxy_core")
    return [
        name,
        f"{own.median:,.0f}" if own else "void",
        f"{own.relative:.0%}" if own else "–",
        *(shown(ratio(rates, result.rates(other))) for other in beside),
        f"{result.middle(name, 'cpu_us'):.1f}",
        f"{share:.0%}" + (" (capped by load)" if share < CAPPED_BELOW else ""),
    ]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, padded so that it reads in a terminal too."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return [line(head), line(["-" * width for width in widths]), *map(line, rows)]


def write_json(run: dict[str, object]) -> Path:
    OUT.mkdir(exist_ok=True)
    path = OUT / time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime())
    path.write_text(json.dumps(run, indent=1))
    return path
