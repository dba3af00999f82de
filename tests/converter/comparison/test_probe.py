"""A model run in a child at each batch size: how fast it was, what it found, and how each way to fail is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.settings import bundled_model
from converter.comparison import probe
from converter.comparison.probe import Probed
from converter.comparison.probing import FEWEST_RUNS, MOST_RUNS
from converter.contract import ConversionFailed, CopyRefused, UnusableModel
from converter.machine.child import Limits
from converter.model import sampling
from tests.support.converter.running import fake_model, machine, picture


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return fake_model(tmp_path)


def with_fake_tensorflow(monkeypatch: pytest.MonkeyPatch, **says: Any) -> None:
    """Children that start from now on find a fake TensorFlow, which says and does this."""
    for name, value in machine(**says).items():
        monkeypatch.setenv(name, value)


def run(folder: Path, *sizes: int, images: Path | None = None, **limits: Any) -> Probed:
    request = probe.Request(folder=folder, target="frozen", batch_sizes=sizes, images=images)
    return probe.run(request, limits=Limits.within(**{"seconds": 60, **limits}))


# What it finds


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_each_picture_has_its_own_detections_whatever_the_batch(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path, size: int
) -> None:
    with_fake_tensorflow(monkeypatch)
    shapes = [(10, 20), (300, 200), (40, 40)]
    for number, shape in enumerate(shapes):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(picture(*shape))
    (tmp_path / "pictures" / "grey.jpg").unlink()
    found = run(model, size, images=tmp_path / "pictures").detections[str(size)]
    assert [each.classes.tolist() for each in found] == [[len(picture(*shape))] for shape in shapes]
    for each, (width, height) in zip(found, shapes, strict=True):
        np.testing.assert_allclose(each.boxes, [[0.2 * width, 0.1 * height, 0.4 * width, 0.3 * height]], rtol=1e-5)


def test_without_a_folder_it_is_run_on_the_packaged_photos_and_their_variations(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    with_fake_tensorflow(monkeypatch)
    found = run(model, 8).detections["8"]
    assert [each.classes.tolist() for each in found] == [[len(photo)] for photo in sampling.pictures(None)]


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, bytes]) -> Probed:
    """The bundled model run on four photos, by one and by three."""
    folder = tmp_path_factory.mktemp("four")
    for name in sorted(photos)[:4]:
        (folder / f"{name}.jpg").write_bytes(photos[name])
    return run(bundled_model() / "1", 1, 3, images=folder)


@pytest.mark.tensorflow
def test_the_bundled_model_finds_the_same_in_batches_of_either_size(bundled: Probed) -> None:
    one, three = bundled.detections["1"], bundled.detections["3"]
    assert len(one) == len(three) == 4
    for alone, together in zip(one, three, strict=True):
        assert alone.classes.tolist() == together.classes.tolist()
        np.testing.assert_allclose(alone.scores, together.scores, atol=1e-3)
        np.testing.assert_allclose(alone.boxes, together.boxes, atol=1)
    assert sum(map(len, one)) > 4


@pytest.mark.tensorflow
def test_its_latency_is_told_by_batch_size_without_the_first_run(bundled: Probed) -> None:
    assert list(bundled.latency) == ["1", "3"]
    for figures in bundled.latency.values():
        assert FEWEST_RUNS <= figures["runs"] <= MOST_RUNS
        assert 0 < figures["min_s"] <= figures["p50_s"] <= figures["p95_s"] <= figures["p99_s"] <= figures["max_s"]
        assert figures["min_s"] <= figures["mean_s"] <= figures["max_s"]
    assert bundled.latency["1"]["first_s"] > bundled.latency["1"]["p50_s"], "it does what the others need not"


# How it fails


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
        ({"raises": "why " * 99 + "x"}, "probe_failed", f"the copy does not run: RuntimeError: {'why ' * 99}x"),
        ({"ends_with": 7}, "probe_failed", "the copy does not run: it said nothing"),
    ],
)
def test_a_copy_that_does_not_run_is_refused_with_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, model: Path, says: dict[str, Any], reason: str, sentence: str
) -> None:
    with_fake_tensorflow(monkeypatch, **says)
    with pytest.raises(CopyRefused) as refusal:
        run(model, 1)
    assert (refusal.value.reason, str(refusal.value)) == (reason, sentence)


def test_what_is_no_savedmodel_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_fake_tensorflow(monkeypatch)
    (tmp_path / "1_trt").mkdir()
    with pytest.raises(CopyRefused) as refusal:
        run(tmp_path / "1_trt", 1)
    assert str(refusal.value) == "the copy does not run: 1_trt is not a SavedModel: it has no saved_model.pb"


@pytest.mark.parametrize(
    ("says", "limits", "sentence"),
    [
        ({"hangs": True}, {"seconds": 1}, "running the model took longer than it may, and was ended"),
        ({"ends_by": "SIGKILL"}, {}, "running the model was ended by SIGKILL"),
        ({"takes_mib": 600}, {"memory_bytes": 400 << 20}, "MiB of memory, 400 are allowed, and was ended"),
    ],
)
def test_one_that_takes_too_much_fails_and_is_not_called_bad(
    monkeypatch: pytest.MonkeyPatch, model: Path, says: dict[str, Any], limits: dict[str, Any], sentence: str
) -> None:
    with_fake_tensorflow(monkeypatch, **says)
    with pytest.raises(ConversionFailed, match=sentence):
        run(model, 1, **limits)


def test_an_original_with_more_weights_than_a_copy_can_hold_is_not_run(
    monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    with_fake_tensorflow(monkeypatch, ends_by="SIGABRT", at="run original")
    request = probe.Request(folder=model, most_weights_bytes=3 * 10**8)
    with pytest.raises(UnusableModel, match=r"the model has 0\.4 GB of weights, .* which ends at 2 GB"):
        probe.run(request, limits=Limits.within(60))


def test_the_child_may_not_fall_back_to_native_segments(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    with_fake_tensorflow(monkeypatch, raises="allowed: $TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION")
    with pytest.raises(CopyRefused, match="RuntimeError: allowed: False"):
        run(model, 1)
