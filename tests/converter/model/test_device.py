"""Memory of a device and copies to it and back: the CPU's own, and a GPU's whose runtime stands in for CUDA's."""

import ctypes
import gc
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from converter.model import cuda
from converter.model.device import KINDS, Device
from converter.model.onnx_rows import Batch, Rows
from tests.support.converter.cudart import Runtime, gpu


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def device(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Device:
    return gpu(runtime, monkeypatch)


def test_a_gpu_is_written_to_and_read_by_its_own_runtime(device: Device, runtime: Runtime) -> None:
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    first, second = (device.place((2, 3), np.float16) for _ in range(2))
    device.write(values, first.data_ptr())
    device.move(first, second)
    np.testing.assert_array_equal(device.read(second), values)
    assert runtime.copied == [12, 12, 12]
    assert runtime.flags == 4, "threads that wait for it sleep"


def test_each_type_comes_back_as_it_was() -> None:
    device = Device("cpu")
    for kind in KINDS.values():
        value = device.place((2, 2), kind)
        device.write(np.eye(2, dtype=kind), value.data_ptr())
        found = device.read(value)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, np.eye(2, dtype=kind))


def test_rows_of_another_shape_are_not_written(device: Device) -> None:
    rows, others = (Rows("boxes", (2, sides), np.float32, device) for sides in (4, 3))
    rows.fill(np.arange(16, dtype=np.float32).reshape(2, 8)[:, ::2])
    for wrong in (np.zeros((3, 4), np.float32), np.zeros((1, 4), np.float32), others):
        with pytest.raises(ValueError, match=r"'boxes' has the shape \(\d, \d\), and \(2, 4\) is expected"):
            rows.fill(wrong)
    assert device.read(rows.value).tolist() == [[0, 2, 4, 6], [8, 10, 12, 14]]


def test_pixels_with_gaps_between_them_are_written_without(device: Device) -> None:
    bound: list[Any] = []

    class Binding:
        def bind_input(self, *given: Any) -> None:
            bound.extend(given)

    batch, pixels = Batch([], device), np.arange(24, dtype=np.uint8).reshape(2, 4, 3)[:, ::2]
    batch.bind(Binding(), 0, "pixels", pixels)
    name, *_, shape, at = bound
    assert (name, shape) == ("pixels", (2, 2, 3))
    assert ctypes.string_at(at, math.prod(shape)) == pixels.tobytes()


def test_memory_of_what_was_read_is_used_again_once_nobody_holds_it(device: Device, runtime: Runtime) -> None:
    value = device.place((4,), np.float32)
    places = {device.read(value).ctypes.data for _ in range(5)}
    held = device.read(value)[1:2]
    other = device.read(value)
    assert len(places) == 1
    assert {held.ctypes.data - 4, other.ctypes.data} == {*runtime.given}
    assert not runtime.freed


def test_it_goes_back_when_the_device_is_closed_and_when_it_is_gone(device: Device, runtime: Runtime) -> None:
    values = [device.place((size,), np.uint8) for size in (3, 5)]
    held = device.read(values[0])
    device.read(values[1])
    place = device.pinned.take()
    assert place.room(7) is not None
    device.pinned.give_back(place)
    del place
    device.close()
    assert len(runtime.freed) == 2
    del held, device
    gc.collect()
    assert sorted(runtime.freed) == sorted(runtime.given)


def test_results_do_not_take_the_memory_of_pictures(
    device: Device, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("converter.model.pinned._MOST", 1000)
    held = [device.read(device.place((600,), np.uint8)) for _ in range(2)]
    assert [memory.ctypes.data in runtime.given for memory in held] == [True, False]
    assert device.pinned.take().room(300) is not None


def test_where_the_driver_has_no_memory_left_it_is_usual_memory(device: Device, runtime: Runtime) -> None:
    runtime.most = 0
    value = device.place((4,), np.int32)
    device.write(np.arange(4, dtype=np.int32), value.data_ptr())
    first, second = device.read(value), device.read(value)
    first[:] = 9
    assert second.tolist() == [0, 1, 2, 3]
    assert not runtime.given
    assert runtime.last_error == 0, "others would find it"


def test_what_is_empty_asks_for_none(device: Device, runtime: Runtime) -> None:
    assert device.read(device.place((0, 4), np.float32)).shape == (0, 4)
    assert not runtime.given


def test_readers_in_many_threads_get_memory_of_their_own(device: Device, runtime: Runtime) -> None:
    values = [device.place((1000,), np.int64) for _ in range(8)]
    for number, value in enumerate(values):
        device.write(np.full(1000, number, np.int64), value.data_ptr())

    def same(number: int) -> Any:
        return all((device.read(values[number]) == number).all() for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(same, range(8)))
    assert len(runtime.given) <= 2 * 8


def test_a_copy_that_fails_says_so_and_leaves_no_error_behind(device: Device, runtime: Runtime) -> None:
    value = device.place((4,), np.int32)
    runtime.broken = True
    with pytest.raises(RuntimeError, match="could not copy 16 bytes: its error 1"):
        device.read(value)
    assert runtime.last_error == 0, "others would find it"


def test_without_cuda_s_runtime_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.model.cuda._LIBRARIES", ("libcudart.so.none",))
    with pytest.raises(ImportError, match=r"libcudart\.so\.none"):
        cuda.runtime()
    with pytest.raises(ImportError):
        Device("cuda")


def test_nor_is_there_one_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(driver=False)
    with pytest.raises(ImportError, match="CUDA does not work: its error 35"):
        gpu(runtime, monkeypatch)
    assert runtime.last_error == 0, "others would find it"
