"""A model is called before it serves as traffic will call it."""

import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from app.backends.backend import BatchFailed
from app.backends.warming import rehearse
from converter.model.detections import Detections

SIZES = (1, 2, 4)


def test_every_size_is_called_beside_others_in_an_order_that_changes() -> None:
    called, meet = Counter[int](), threading.Barrier(2)

    def call(jpegs: Sequence[bytes], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        called[len(jpegs)] += 1
        meet.wait(10)  # for one beside it
        return []

    assert rehearse(call, SIZES, 2) == 2
    assert called == dict.fromkeys(SIZES, 4)


def test_fewer_batches_are_in_flight_where_so_many_find_no_memory(capsys: pytest.CaptureFixture[str]) -> None:
    failures = [BatchFailed("exhausted", "no memory")]

    def call(jpegs: Sequence[bytes], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        if failures:
            raise failures.pop()
        return []

    assert rehearse(call, SIZES, 4) == 2
    assert "4 batches at once do not work, half as many are tried: no memory" in capsys.readouterr().out
