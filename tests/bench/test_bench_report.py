"""The tables, and what a round's samples turn into."""

from bench.report import table, throughput_table
from bench.rounds import Sample, Throughput


def sample(rate: float, core: float = 1.0, faults: str = "") -> Sample:
    return Sample(rate, 100, 0.001, 0.002, core, 0.9, 0.0, 0.0, 25.0, faults)


def test_faulty_round_counts_neither_in_the_median_nor_in_ratios():
    result = Throughput({"a": [sample(10), sample(999, faults="Non-2xx"), sample(12)]})
    assert result.rates("a") == [10, None, 12]
    assert "| a     | 11 " in throughput_table(result, ())[2]


def test_proxy_that_idled_is_marked_as_capped_by_the_load():
    result = Throughput({"a": [sample(10, core=0.6)], "b": [sample(5)]})
    lines = throughput_table(result, ("b",))
    assert "2.00 (one)" in lines[2]
    assert "capped" in lines[2]
    assert "capped" not in lines[3]


def test_reference_that_did_not_run_has_no_column():
    assert "envoy" not in "".join(throughput_table(Throughput({"a": [sample(1)]}), ("envoy",)))


def test_table_is_markdown_with_equal_widths():
    lines = table(["x", "long"], [["abc", "1"]])
    assert lines == ["| x   | long |", "| --- | ---- |", "| abc | 1    |"]
