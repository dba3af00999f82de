"""What `make bench-peers` is made of, without the other servers: they have environments of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import plot, tables
from benchmarks.peers.contestants import PEERS, Peer, as_v2_binary
from tests.support.places import ROOT

_LOAD = {"seconds": 4, "answers": 100, "not_2xx": 0, "broken": 0, "p50_ms": 10.0, "p99_ms": 20.0}


def server(rate: float) -> dict[str, Any]:
    loads = {name: {**_LOAD, "rate": rate} for name in ("1", "8", "32", "256", "among_broken")}
    return {**loads, "memory_mb": 700, "cold_s": 3.5}


def measured() -> dict[str, Any]:
    rounds = [
        {
            "seconds": 4,
            "raw": [{"split": {"rates": {"1 x 1": raw + more}, "p50_ms": 30.0}} for more in (-2, 2)],
            "servers": {"slow": server(raw / 2), "fast": server(raw * 0.9), "none": {"missing": "no such wheel"}},
        }
        for raw in (40.0, 50.0, 60.0)
    ]
    return {"machine": {"processor": "a processor", "cores": 2}, "rounds": rounds}


def test_ratios_are_to_the_raw_call_of_the_same_round() -> None:
    rows = tables.summary(measured()["rounds"])
    assert [row.name for row in rows] == ["fast", "slow", "none"]
    assert [row.figures.get("of raw 8") for row in rows] == [pytest.approx(0.9), 0.5, None]


def test_a_server_that_was_not_there_is_a_row_with_the_reason(tmp_path: Path) -> None:
    page = tmp_path / "cpu.md"
    page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
    for _ in range(2):
        tables.put_into(page, tables.rendered(measured()))
    lines = page.read_text().splitlines()
    assert [line for line in lines if "| none |" in line] == ["| none | no such wheel |" + " |" * 17]
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)
    assert "not measured" in plot.drawn(tables.summary(measured()["rounds"]))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.program)
def test_each_has_a_program_and_requirements_with_the_same_tensorflow(peer: Peer) -> None:
    folder = ROOT / "benchmarks" / "peers"
    assert (folder / "programs" / f"{peer.program}.py").is_file()
    lines = (folder / "requirements" / f"{peer.environment}.txt").read_text().splitlines()[1:]
    assert "tensorflow==2.14.1" in lines
    assert all("==" in line for line in lines)


def test_a_binary_tensor_stands_behind_a_header_of_one_length() -> None:
    for picture in (b"x" * 7, b"x" * 100_000):
        sent = as_v2_binary(picture)
        size = int(sent.header[1])
        (tensor,) = json.loads(sent.body[:size])["inputs"]
        assert tensor["parameters"]["binary_data_size"] == len(sent.body) - size
        assert (size, sent.body[-len(picture) :]) == (200, picture)
