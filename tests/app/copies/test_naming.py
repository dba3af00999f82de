"""A worker that has just been loaded shows which classes the names belong to, before it serves."""

from pathlib import Path

import numpy as np
import pytest

from app.backends.backend import BatchFailed, ModelRefused, Spec
from app.copies.naming import named
from app.model_folder import Model, find
from converter.model.detections import Detections
from tests.support.fakes import FakeBackend

pytestmark = pytest.mark.anyio


@pytest.fixture
def model(saved_model: Path, tmp_path: Path) -> Model:
    (tmp_path / "names.txt").write_text("person\nbicycle\n")
    return find(saved_model, tmp_path / "names.txt")


def fresh(model: Model, *classes: int, score: float = 0.1) -> FakeBackend:
    """A worker that finds these in every photo."""
    backend = FakeBackend(Spec("native", model.folder, 8))
    rows = np.zeros((len(classes), 4), np.float32)
    backend.answer = lambda image: Detections(
        rows, np.full(len(classes), score, np.float32), np.array(classes, np.int32)
    )
    return backend


@pytest.mark.parametrize(("classes", "first"), [((0,), 0), ((1, 2), 1)])
async def test_what_it_finds_in_the_packaged_photos_settles_them(classes: tuple[int], first: int, model: Model) -> None:
    worker = fresh(model, *classes)
    settled = await named(model, worker)
    assert settled.labels == {first: "person", first + 1: "bicycle"}
    assert f"the first is class {first}" in settled.label_evidence
    assert len(worker.batches) == 5
    assert await named(settled, worker) is settled
    assert len(worker.batches) == 5, "it is asked once"


async def test_without_evidence_the_model_is_refused_with_the_setting(model: Model) -> None:
    with pytest.raises(ModelRefused, match="DETECTOR_LABEL_OFFSET"):
        await named(model, fresh(model, 0, score=0.01))
    broken = fresh(model, 0)
    broken.fails = lambda images: BatchFailed("colours", "the picture is grey")
    with pytest.raises(ModelRefused, match="DETECTOR_LABEL_OFFSET"):
        await named(model, broken)


async def test_ids_in_a_file_cost_no_look_at_photos(saved_model: Path) -> None:
    worker = fresh(find(saved_model))
    settled = await named(find(saved_model), worker)
    assert (settled.labels, worker.batches) == ({64: "tram", 65: "traffic light"}, [])
