"""Memory of a device and copies to it and back: the CPU's own, and a GPU's whose runtime stands in for CUDA's."""

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from converter.model import cuda
from converter.model.device import KINDS, Device
from tests.support.converter.cudart import Runtime


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Its memory of the GPU is the CPU's."""
    stand_in = Runtime()
    monkeypatch.setattr("converter.model.cuda.runtime", lambda: stand_in)
    of_the_cpu = Device("cpu").place
    monkeypatch.setattr(Device, "place", lambda _, shape, kind: of_the_cpu(shape, kind))
    return stand_in


def test_a_gpu_is_written_to_and_read_by_its_own_runtime(runtime: Runtime) -> None:
    device, values = Device("cuda"), np.arange(6, dtype=np.float16).reshape(2, 3)
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


def test_memory_of_what_was_read_is_used_again_once_nobody_holds_it(runtime: Runtime) -> None:
    device = Device("cuda")
    value = device.place((4,), np.float32)
    places = {device.read(value).ctypes.data for _ in range(5)}
    held = device.read(value)[1:2]
    gc.collect()
    other = device.read(value)
    assert len(places) == 1
    assert {held.ctypes.data - 4, other.ctypes.data} == {*runtime.given}
    assert not runtime.freed


def test_where_no_pinned_memory_is_left_it_is_usual_memory() -> None:
    device = Device("cpu")
    value = device.place((4,), np.int32)
    device.write(np.arange(4, dtype=np.int32), value.data_ptr())
    first, second = device.read(value), device.read(value)
    first[:] = 9
    assert second.tolist() == [0, 1, 2, 3]


def test_readers_in_many_threads_get_memory_of_their_own(runtime: Runtime) -> None:
    device = Device("cuda")
    values = [device.place((1000,), np.int64) for _ in range(8)]
    for number, value in enumerate(values):
        device.write(np.full(1000, number, np.int64), value.data_ptr())

    def same(number: int) -> Any:
        return all((device.read(values[number]) == number).all() for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(same, range(8)))
    assert len(runtime.given) <= 2 * 8


def test_a_copy_that_fails_says_so_and_leaves_no_error_behind(runtime: Runtime) -> None:
    device = Device("cuda")
    value = device.place((4,), np.int32)
    runtime.most = 0
    with pytest.raises(RuntimeError, match="could not copy 16 bytes: its error 1"):
        device.read(value)
    assert runtime.last_error == 0, "others would find it"


def test_without_cuda_s_runtime_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.model.cuda._LIBRARIES", ("libcudart.so.none",))
    with pytest.raises(ImportError, match=r"libcudart\.so\.none"):
        cuda.runtime()
    with pytest.raises(ImportError):
        Device("cuda")
