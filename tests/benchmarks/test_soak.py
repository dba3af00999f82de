"""A short `make soak`, and that it tells a leak from what comes and goes."""

from pathlib import Path
from random import Random

import pytest

from benchmarks.serving import copied
from benchmarks.soak.clients import Client, clients
from benchmarks.soak.run import Plan, soak
from benchmarks.soak.watch import slope


def test_a_leak_is_told_from_memory_that_comes_and_goes() -> None:
    random = Random(1)
    flat = [(at / 2, 2 * 10**8 + random.choice((0, 0, 0, 10**8)) + random.randrange(10**6)) for at in range(600)]
    leaking = [(moment, size + int(10_000 * 30 * moment)) for moment, size in flat]  # 10 kB of 30 requests a second
    assert abs(slope(flat, window_s=10)) < 0.1
    assert slope(leaking, window_s=10) == pytest.approx(18, rel=0.02)


def test_what_a_client_raises_is_not_lost() -> None:
    def fail() -> Client:
        raise LookupError("of a client")

    with pytest.raises(LookupError, match="of a client"), clients(2, fail, lambda *_: None, seed="1") as stop:
        assert stop.wait(10)


@pytest.mark.heavy
@pytest.mark.tensorflow
def test_half_a_minute_of_everything_harms_nothing(model_folder: Path, tmp_path: Path) -> None:
    rows = soak(
        copied(model_folder, tmp_path / "yolox_nano"), Plan(seconds=30, seed=20261125, copy="frozen", leak=False)
    )
    assert [row for row in rows if not row.holds] == []
    assert len(rows) > 10
