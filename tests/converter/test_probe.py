"""The strict run of a copy in a child: how each way to fail is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from converter import probe
from converter.contract import CopyRefused

FAKED = Path(__file__).parent / "faked"


@pytest.mark.parametrize(
    ("says", "reason", "sentence"),
    [
        (
            {"raises": "AbortedError: User disallowed engine native segment execution"},
            "native_fallback",
            "the copy runs only by falling back to TensorFlow's native segments",
        ),
        ({"ends_by": "SIGABRT"}, "probe_failed", "the copy ended its process by SIGABRT"),
        ({"ends_by": "SIGSEGV"}, "probe_failed", "the copy ended its process by SIGSEGV"),
        ({"raises": "no kernel"}, "probe_failed", "the copy does not run: RuntimeError: no kernel"),
        ({"ends_with": 7}, "probe_failed", "the copy does not run: it said nothing"),
    ],
)
def test_a_copy_that_does_not_run_is_refused_with_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: dict[str, Any], reason: str, sentence: str
) -> None:
    with_fake_tensorflow(monkeypatch, **says)
    with pytest.raises(CopyRefused) as refusal:
        probe.run(tmp_path, [1])
    assert (refusal.value.reason, str(refusal.value)) == (reason, sentence)


def test_a_copy_that_does_not_answer_in_time_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_fake_tensorflow(monkeypatch, hangs=True)
    with pytest.raises(CopyRefused, match="did not answer within 1 s"):
        probe.run(tmp_path, [1], timeout_s=1)


def test_the_child_may_not_fall_back_to_native_segments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_fake_tensorflow(monkeypatch, raises="allowed: $TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION")
    with pytest.raises(CopyRefused, match="RuntimeError: allowed: False"):
        probe.run(tmp_path, [1])


def with_fake_tensorflow(monkeypatch: pytest.MonkeyPatch, **says: Any) -> None:
    """Children that start from now on find a fake TensorFlow, which says this."""
    monkeypatch.setenv("PYTHONPATH", str(FAKED))
    monkeypatch.setenv("FAKE_TENSORFLOW", json.dumps(says))
