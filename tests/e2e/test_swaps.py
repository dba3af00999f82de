"""Swaps under load: nobody feels them, and of what was swapped out nothing is left."""

import pytest

from tests.serving import Server, assert_gone, children
from tests.traffic import traffic

pytestmark = pytest.mark.tensorflow

RELOADS = 4  # and a conversion: five swaps
PAUSE_S = 1.0


def test_swaps_under_load_fail_no_request_and_leave_no_process(server: Server, photos: dict[str, bytes]) -> None:
    pictures, before = list(photos.values()), children(server.process.pid)
    with (
        traffic(server.url, pictures, connections=8, pause_s=PAUSE_S, backend="frozen") as to_frozen,
        traffic(server.url, pictures, connections=8, pause_s=PAUSE_S, backend="auto") as to_auto,
    ):
        to_frozen.wait_for(20)
        used = [server.worker_pid("frozen")]
        job = server.ended(server.convert(target="frozen"))
        assert (job["state"], job["reason"]) == ("succeeded", "")
        for _ in range(RELOADS):
            used.append(server.worker_pid("frozen"))
            swapped = server.admin("POST", "/admin/reload", json={"backend": "frozen"})
            assert (swapped.status_code, swapped.json()["state"]) == (200, "standby"), swapped.text
        to_frozen.wait_for(20)
        to_auto.wait_for(20)
    for sent in (to_frozen, to_auto):
        assert (sent.errors, set(sent.statuses)) == ([], {200})
    assert len({*used, server.worker_pid("frozen")}) == RELOADS + 2, "each swap started a worker"
    assert_gone(used)
    assert len(children(server.process.pid)) == len(before)
