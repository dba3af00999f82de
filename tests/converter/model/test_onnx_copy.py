"""A copy for ONNX Runtime, loaded and run, made by hand: no model and no TensorFlow."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from converter.description import DESCRIPTION_NAME
from converter.model import jpeg
from converter.model.detections import BOXES, COUNT, SCORES
from converter.model.onnx_copy import OnnxCopy
from converter.model.onnx_layout import LAYOUT_NAME, NETWORK, Decode
from converter.model.providers import CPU
from tests.support.converter import graphs, pictures
from tests.support.converter.reading import from_outputs

FILES = [pictures.jpeg(), pictures.jpeg(64, 48, 1), pictures.jpeg(9, 5, 4)]


@pytest.fixture
def copy(tmp_path: Path) -> OnnxCopy:
    return OnnxCopy(graphs.copy(tmp_path / "1_onnx"), providers=[CPU])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pictures_of_several_sizes_and_colours_share_a_batch(copy: OnnxCopy, count: int) -> None:
    outputs = copy.outputs(FILES[:count])
    brightness = [jpeg.decode(data, Decode(channels=3)).mean() / 255 for data in FILES[:count]]
    np.testing.assert_allclose(outputs[SCORES][:, 0], brightness, atol=1e-6)
    assert (outputs[BOXES].shape, outputs[COUNT].tolist()) == ((count, 1, 4), [1] * count)


def test_outputs_are_a_detectors(copy: OnnxCopy) -> None:
    (found,) = from_outputs(copy.outputs(FILES[:1]), [(33, 31)])
    assert (found.boxes.tolist(), found.classes.tolist()) == ([[0, 0, 33, 31]], [18])


def test_it_runs_in_several_threads_at_once(copy: OnnxCopy) -> None:
    alone = [copy.outputs([data])[SCORES] for data in FILES]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda index: copy.outputs([FILES[index % 3]])[SCORES], range(60)))
    for index, scores in enumerate(together):
        np.testing.assert_array_equal(scores, alone[index % 3])


def test_a_file_that_tensorflow_refuses_is_refused(copy: OnnxCopy) -> None:
    with pytest.raises(jpeg.Undecodable):
        copy.outputs([FILES[0], FILES[1][:-2]])
    with pytest.raises(jpeg.NotReproducible):
        copy.outputs([b"\x89PNG"])


def test_the_decoder_is_the_graphs(tmp_path: Path) -> None:
    fast = OnnxCopy(graphs.copy(tmp_path / "fast"), providers=[CPU]).outputs(FILES[:1])[SCORES]
    small = Decode(channels=3, ratio=8, dct_method="INTEGER_ACCURATE")
    other = OnnxCopy(graphs.copy(tmp_path / "small", decode=small), providers=[CPU]).outputs(FILES[:1])[SCORES]
    assert other == pytest.approx(jpeg.decode(FILES[0], small).mean() / 255)
    assert other != fast


def test_a_decoder_that_can_not_be_followed_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(jpeg.NotReproducible, match="acceptable fraction"):
        OnnxCopy(graphs.copy(tmp_path / "1_onnx", decode=Decode(acceptable_fraction=0.5)), providers=[CPU])


def test_it_says_what_its_network_runs_on(copy: OnnxCopy) -> None:
    assert set(copy.assigned.nodes) == {"CPU"}
    assert copy.assigned.fallback is None


def test_all_that_this_machine_has_is_asked_for_by_itself(tmp_path: Path) -> None:
    assert OnnxCopy(graphs.copy(tmp_path / "1_onnx")).outputs(FILES[:1])[COUNT].tolist() == [1]


@pytest.mark.parametrize("name", [LAYOUT_NAME, DESCRIPTION_NAME, NETWORK])
def test_a_broken_copy_is_not_loaded(name: str, tmp_path: Path) -> None:
    folder = graphs.copy(tmp_path / "1_onnx")
    (folder / name).write_bytes(b"{}")
    with pytest.raises(Exception, match=f"{LAYOUT_NAME}|{DESCRIPTION_NAME}|Protobuf|ModelProto"):
        OnnxCopy(folder, providers=[CPU])


def test_a_closed_copy_lets_its_sessions_go(copy: OnnxCopy) -> None:
    copy.close()
    with pytest.raises(KeyError):
        copy.outputs(FILES[:1])


def test_tensorflow_is_not_imported(tmp_path: Path) -> None:
    folder = graphs.copy(tmp_path / "1_onnx")
    program = (
        "import sys, pathlib; from converter.model.onnx_copy import OnnxCopy; "
        "OnnxCopy(pathlib.Path(sys.argv[1])); print({'tensorflow', 'onnx'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program, str(folder)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "set()\n"


def test_a_copy_that_does_not_say_what_it_is_is_not_loaded(tmp_path: Path) -> None:
    folder = graphs.copy(tmp_path / "1_onnx")
    (folder / DESCRIPTION_NAME).unlink()
    with pytest.raises(ValueError, match=f"1_onnx has no {DESCRIPTION_NAME}"):
        OnnxCopy(folder, providers=[CPU])
