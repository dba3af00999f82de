"""A folder is taken for a copy for ONNX Runtime only if it has all that its layout names."""

from pathlib import Path

import pytest

from converter import targets
from converter.contract import CopyRefused
from converter.disk import checks
from converter.model.files import may_be_replaced
from converter.model.onnx_layout import Decode, Layout, Part

NETWORK = Part(reads=("picture_0",), writes=("detection_boxes",))
AT_THE_DECODER = {"decode": Decode(channels=3), "picture": Part(reads=("pixels",), writes=("picture_0",))}
AFTER_A_HEAD = {"head": Part(reads=("jpegs",), writes=("picture_0",))}
TAIL = {"tail": Part(reads=("network_0",), writes=("detection_boxes",))}
BOTH = ("network.onnx", "picture.onnx")


def written(folder: Path, parts: dict[str, object], *files: str) -> Path:
    """A copy with this layout and these files."""
    layout = Layout(input_name="jpegs", outputs=("detection_boxes",), network=NETWORK, **parts)  # type: ignore[arg-type]  # any
    layout.write(folder)
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(b"a graph")
    return folder


@pytest.mark.parametrize(
    ("parts", "files"),
    [
        (AT_THE_DECODER, BOTH),
        ({**AT_THE_DECODER, **TAIL}, (*BOTH, "tail/saved_model.pb")),
        (AFTER_A_HEAD, ("network.onnx", "head/saved_model.pb")),
    ],
)
def test_a_complete_copy_is_one(tmp_path: Path, parts: dict[str, object], files: tuple[str, ...]) -> None:
    assert targets.KINDS["onnx"].mistake(written(tmp_path, parts, *files)) is None
    assert may_be_replaced(tmp_path)


@pytest.mark.parametrize(
    ("parts", "files", "missing"),
    [
        (AT_THE_DECODER, ("picture.onnx",), "network.onnx"),
        (AT_THE_DECODER, ("network.onnx",), "picture.onnx"),
        (AFTER_A_HEAD, BOTH, "head/saved_model.pb"),
        ({**AT_THE_DECODER, **TAIL}, BOTH, "tail/saved_model.pb"),
    ],
)
def test_a_part_that_is_not_there_is_named(
    tmp_path: Path, parts: dict[str, object], files: tuple[str, ...], missing: str
) -> None:
    with pytest.raises(CopyRefused, match=f": {missing} is missing, which its layout.json names") as refusal:
        checks.check_kind(written(tmp_path, parts, *files), targets.KINDS["onnx"])
    assert refusal.value.reason == "incomplete"


def test_a_layout_that_can_not_be_understood_is_told(tmp_path: Path) -> None:
    (tmp_path / "layout.json").write_text("{}")
    with pytest.raises(CopyRefused, match=r"layout\.json can't be understood") as refusal:
        checks.check_kind(tmp_path, targets.KINDS["onnx"])
    assert refusal.value.reason == "incomplete"


def test_an_empty_folder_is_no_copy(tmp_path: Path) -> None:
    with pytest.raises(CopyRefused, match="can't be read: No such file or directory"):
        checks.check_kind(tmp_path, targets.KINDS["onnx"])


def test_a_saved_model_is_not_offered_as_one(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(CopyRefused, match=r"it is a SavedModel: a copy for ONNX Runtime has a layout\.json") as refusal:
        checks.check_kind(tmp_path, targets.KINDS["onnx"])
    assert refusal.value.reason == "not_what_it_says"


def test_it_is_not_offered_as_another_kind(tmp_path: Path) -> None:
    with pytest.raises(CopyRefused, match="it is a copy for ONNX Runtime and must be offered as one") as refusal:
        checks.check_kind(written(tmp_path, AT_THE_DECODER, *BOTH), targets.KINDS["frozen"])
    assert refusal.value.reason == "not_what_it_says"
