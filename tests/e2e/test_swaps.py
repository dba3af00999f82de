"""Swaps under load: nobody feels them, and of what was swapped out nothing is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.serving import Server, assert_gone, children, copied, serving
from benchmarks.traffic import traffic
from tests.support.slower import SLOWER

pytestmark = [pytest.mark.heavy, pytest.mark.tensorflow]

RELOADS = 3  # and a conversion: four swaps
PAUSE_S = 3.0  # the sixteen take a part of a small machine, and the swaps have the rest


@pytest.fixture
def quick(model_folder: Path, tmp_path: Path) -> Iterator[Server]:
    """A server whose copy is soon made and judged, at batch 1 alone."""
    models = str(copied(model_folder, tmp_path / "models"))
    environ = {"DETECTOR_MODEL": models, "DETECTOR_COPIES": "frozen", "DETECTOR_MAX_BATCH": "1", **SLOWER}
    with serving({**environ, "DETECTOR_STARTUP_CONVERSION": "blocking", "DETECTOR_ADMIN_TOKEN": "secret"}) as running:
        running.wait_until_ready()
        yield running


def test_swaps_under_load_fail_no_request_and_leave_no_process(quick: Server, photos: dict[str, bytes]) -> None:
    pictures, before = list(photos.values()), children(quick.process.pid)
    with (
        traffic(quick.url, pictures, connections=8, pause_s=PAUSE_S, backend="frozen") as to_frozen,
        traffic(quick.url, pictures, connections=8, pause_s=PAUSE_S, backend="auto") as to_auto,
    ):
        to_frozen.wait_for(20)
        used = [quick.worker_pid("frozen")]
        job = quick.ended(quick.convert(target="frozen"))
        assert (job["state"], job["reason"]) == ("succeeded", "")
        for _ in range(RELOADS):
            used.append(quick.worker_pid("frozen"))
            swapped = quick.admin("POST", "/admin/reload", json={"backend": "frozen"})
            assert (swapped.status_code, swapped.json()["state"]) == (200, "standby"), swapped.text
        to_frozen.wait_for(20)
        to_auto.wait_for(20)
    for sent in (to_frozen, to_auto):
        assert (sent.errors, set(sent.statuses)) == ([], {200})
    assert len({*used, quick.worker_pid("frozen")}) == RELOADS + 2, "each swap started a worker"
    assert_gone(used)
    assert len(children(quick.process.pid)) == len(before)
