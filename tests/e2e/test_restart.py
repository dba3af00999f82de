"""A server that was killed and starts again: it knows its jobs, and nothing half-made is left of the one it was at."""

import signal
from pathlib import Path

import pytest

from benchmarks.serving import assert_gone, copied, descendants, serving
from tests.support.slower import SLOWER

pytestmark = [pytest.mark.heavy, pytest.mark.tensorflow]


def test_killed_while_it_converts_a_server_tells_so_when_it_is_back(
    model_folder: Path, tmp_path: Path, photos: dict[str, bytes]
) -> None:
    environ = {
        "DETECTOR_MODEL": str(copied(model_folder, tmp_path / "models")),
        "DETECTOR_COPIES": "frozen",
        "DETECTOR_MAX_BATCH": "1",
        "DETECTOR_ADMIN_TOKEN": "secret",
        **SLOWER,
    }
    with serving(environ) as first:
        first.wait_until_ready()
        (made,) = first.admin("GET", "/convert/jobs").json()
        assert made["state"] == "succeeded", "a finished job is there after a restart"
        begun = first.convert(target="frozen", batch_sizes=[1])
        first.wait_until(lambda: first.job(begun)["step"] == "native")
        left = descendants(first.process.pid)
        assert len(left) >= 2, "a worker, the converter and perhaps its child"
        assert first.stop(sig=signal.SIGKILL) == -signal.SIGKILL
        assert_gone(left)
    with serving(environ) as second:
        second.wait_until_ready()
        cut_off = second.job(begun)
        assert (cut_off["state"], cut_off["reason"]) == ("failed", "interrupted: the server ended while it ran")
        assert cut_off["finished"] > cut_off["created"]
        second.wait_until(lambda: second.model()["backends"]["frozen"]["state"] == "standby")
        assert second.admin("GET", "/convert/jobs").json()[:2] == [cut_off, made], "nothing had to be made again"
        assert second.admin("GET", f"/convert/jobs/{made['id']}/report").json() == made["report"]
        assert second.detect(photos["dog"], backend="frozen").status_code == 200
