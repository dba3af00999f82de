"""SavedModels that a newer TensorFlow and Keras wrote (tests/support/models/newest) are served, copied, or refused."""

from pathlib import Path

import pytest

from converter.comparison import probe
from converter.contract import CopyRefused
from converter.description import Declared
from converter.machine.child import Limits
from converter.progress import silent
from converter.targets import KINDS, making
from tests.support.places import ROOT

pytestmark = pytest.mark.tensorflow

NEWEST = ROOT / "tests" / "support" / "models" / "newest"
_BOXES = "yxyx_norm"  # their weights are random: nothing that they find moves along
DECLARED = {"keras": Declared(input_scale="0..255", boxes=_BOXES), "jpegs": Declared(boxes=_BOXES)}


@pytest.mark.parametrize("name", DECLARED)
def test_one_is_served_and_its_onnx_copy_finds_the_same(name: str, tmp_path: Path) -> None:
    declared, limits = DECLARED[name], Limits.within(200)
    native = probe.run(probe.Request(folder=NEWEST / name / "1", batch_sizes=(2,), declared=declared), limits=limits)
    options = KINDS["onnx"].options(batch_sizes=(2,), declared=declared)
    making.make(NEWEST / name / "1", tmp_path / "copy", options, progress=silent(), limits=limits)
    native.description.write(tmp_path / "copy")
    copy = probe.run(probe.Request(folder=tmp_path / "copy", target="onnx", batch_sizes=(2,)), limits=limits)
    for ours, theirs in zip(native.detections["2"], copy.detections["2"], strict=True):
        assert len(ours.boxes) > 5
        assert ours.boxes == pytest.approx(theirs.boxes, abs=0.1)
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-4)


def test_one_with_an_unknown_operation_is_refused_by_its_name_and_the_version_that_wrote_it() -> None:
    with pytest.raises(CopyRefused, match=r"doesn't know: DecodeWebP \(it was written by TensorFlow 2\.21\.0\)"):
        probe.run(probe.Request(folder=NEWEST / "webp" / "1"), limits=Limits.within(60))
