"""An ONNX copy as a GPU runs it: here by the same code on the CPU, without CUDA graphs."""

import contextlib
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from converter.model.detections import SCORES
from converter.model.device import Device
from converter.model.exclusive import SharedLock
from converter.model.jpeg import Undecodable
from converter.model.onnx_copy import OnnxCopy
from converter.model.onnx_ending import halves
from converter.model.onnx_gpu import OnGpu
from converter.model.onnx_lanes import Options
from converter.model.onnx_layout import COUNT, NETWORK
from converter.model.providers import CPU, CUDA, Share
from tests.support.converter import graphs, pictures
from tests.support.converter.cudart import Runtime, gpu

FILES = [pictures.jpeg(), pictures.jpeg(64, 48, 1), pictures.jpeg(9, 5, 4)]


def on_gpu(folder: Path, device: Device | None = None, **changes: Any) -> OnGpu:
    options = Options(device or Device("cpu"), [(CPU, {})], folder, 1, Share(2))
    return OnGpu(folder, replace(graphs.LAYOUT, **changes), options)


def counted(jpegs: list[bytes]) -> dict[str, Any]:
    return {COUNT: np.array(len(jpegs), np.int32)}


@pytest.fixture(params=[graphs.network, graphs.suppressing], ids=lambda made: made.__name__)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = graphs.copy(tmp_path / "1_onnx")
    graphs.written(made / NETWORK, request.param())
    return made


@pytest.fixture(params=["cpu", "gpu"])
def copy(folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnGpu]:
    """One whose copies are the CPU's, or those of a GPU that stands in."""
    opened = on_gpu(folder, gpu(Runtime(), monkeypatch) if request.param == "gpu" else None)
    yield opened
    opened.close()


def test_batches_of_all_sizes_in_several_threads_are_answered_as_by_one_session(copy: OnGpu, folder: Path) -> None:
    usual = OnnxCopy(folder, providers=[CPU])
    batches = [FILES[:count] for count in (1, 3, 2, 1, 2, 3)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: copy.run(batch, counted(batch)), batches))
    for batch, outputs in zip(batches, found, strict=True):
        for name, values in usual.outputs(batch).items():
            np.testing.assert_array_equal(outputs[name], values)
    assert copy.takes_jpegs
    assert not copy.notes


def test_what_was_decoded_by_others_is_written_as_it_is(folder: Path) -> None:
    copy = on_gpu(folder, picture=None, decode=None, pixels="brightness")
    values = {**counted(FILES[:2]), "brightness": np.array([0.25, 0.75], np.float32)}
    assert not copy.takes_jpegs
    assert copy.run(FILES[:2], values)[SCORES].tolist() == [[0.25], [0.75]]
    copy.close()


def test_a_file_that_can_not_be_decoded_disturbs_no_other_batch(copy: OnGpu, folder: Path) -> None:
    usual = OnnxCopy(folder, providers=[CPU])
    expected = usual.outputs(FILES)[SCORES]
    broken = [FILES[0], pictures.jpeg()[:40], *FILES]

    def spoilt(_: int) -> None:
        with pytest.raises(Undecodable):
            copy.run(broken, counted(broken))

    with ThreadPoolExecutor(4) as pool:
        failing = [pool.submit(spoilt, number) for number in range(20)]
        found = [pool.submit(copy.run, FILES, counted(FILES)) for _ in range(40)]
        for each in failing:
            each.result()
        for answer in found:
            np.testing.assert_array_equal(answer.result()[SCORES], expected)


def test_nor_does_it_leave_pixels_for_the_collector_to_find(copy: OnGpu) -> None:
    broken = [*FILES, pictures.jpeg()[:40]]
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        with contextlib.suppress(Undecodable):
            copy.run(broken, counted(broken))
        gc.collect()
        assert [each for each in gc.garbage if isinstance(each, Future)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def test_memory_for_the_largest_pictures_is_not_kept(copy: OnGpu, folder: Path) -> None:
    large = [pictures.jpeg(2400, 2400), *FILES]
    usual = OnnxCopy(folder, providers=[CPU])
    np.testing.assert_array_equal(copy.run(large, counted(large))[SCORES], usual.outputs(large)[SCORES])
    assert copy._pictures is not None
    ((batch,),) = copy._pictures._idle.values()
    assert 0 < batch._room.tensor_size_in_bytes() < 2400 * 2400 * 3


def test_closed_it_keeps_no_batches(copy: OnGpu) -> None:
    copy.run(FILES, counted(FILES))
    assert copy._pictures is not None
    assert copy._pictures._idle
    copy.close()
    assert not copy._pictures._idle


def test_every_lane_is_warmed(copy: OnGpu) -> None:
    with copy.warming():
        for count in (1, 2):
            copy.run(FILES[:count], counted(FILES[:count]))
    assert [sorted(lane.sized) for lane in copy._lanes._lanes] == [[1, 2], [1, 2]]


def test_the_ending_begins_with_what_is_slow_on_a_gpu() -> None:
    parts = halves(graphs.suppressing())
    assert parts.ending is not None
    front, ending = ({node.op_type for node in each.graph.node} for each in (parts.front, parts.ending))
    assert "NonMaxSuppression" in ending - front
    assert "Mul" in front - ending
    assert halves(graphs.network()).ending is None


def of_any_size(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim.add(dim_param="side")


def of_text(model: ModelProto) -> None:
    del model.graph.value_info[:]
    model.graph.node.add(op_type="Identity", input=["words"], output=["unread"])
    model.graph.input.add(name="words").type.tensor_type.elem_type = 8
    model.graph.output.add(name="unread").type.tensor_type.elem_type = 8
    model.graph.input[-1].type.tensor_type.shape.dim.add(dim_param="n")


@pytest.mark.parametrize(("change", "says"), [(of_any_size, "no fixed size"), (of_text, "'words' has a type")])
def test_a_network_that_can_not_be_run_so_says_why(change: Any, says: str, tmp_path: Path) -> None:
    folder, model = graphs.copy(tmp_path / "1_onnx"), graphs.network()
    change(model)
    graphs.written(folder / NETWORK, model)
    with pytest.raises(ValueError, match=says):
        on_gpu(folder)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_without_cuda_s_runtime_one_session_runs_all_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.model.cuda._LIBRARIES", ("libcudart.so.none",))
    copy = OnnxCopy(folder, providers=[CUDA, CPU])
    assert copy.notes == ["one session runs all batch sizes: none of libcudart.so.none is there"]
    np.testing.assert_array_equal(copy.outputs(FILES)[SCORES], OnnxCopy(folder, providers=[CPU]).outputs(FILES)[SCORES])


def test_who_is_alone_waits_for_those_who_share() -> None:
    lock, order, inside = SharedLock(), list[str](), threading.Event()

    def alone() -> None:
        inside.set()
        with lock.alone():
            order.append("alone")

    with ThreadPoolExecutor(1) as pool:
        with lock.shared(), lock.shared():
            waiting = pool.submit(alone)
            inside.wait(10)
            order.append("shared")
        waiting.result(10)
    assert order == ["shared", "alone"]
