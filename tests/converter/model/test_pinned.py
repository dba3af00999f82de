"""Memory that a GPU reads by itself, from a runtime that stands in for CUDA's."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import pytest

from converter.model.pinned import Pinned


class Runtime:
    """Gives memory as cudaMallocHost does, as long as there is some."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.most = most
        self.given: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.freed: list[int] = []
        self.last_error = 0

    def cudaMallocHost(self, place: "ctypes._Pointer[ctypes.c_void_p]", size: ctypes.c_size_t) -> int:
        if size.value > self.most:
            self.last_error = 2
            return 2
        made = ctypes.create_string_buffer(size.value)
        self.given[ctypes.addressof(made)] = made
        ctypes.cast(place, ctypes.POINTER(ctypes.c_void_p))[0] = ctypes.addressof(made)
        return 0

    def cudaGetLastError(self) -> int:
        found, self.last_error = self.last_error, 0
        return found

    def cudaFreeHost(self, place: ctypes.c_void_p) -> int:
        self.freed.append(place.value or 0)
        return 0


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


def test_one_place_is_filled_again_until_a_larger_picture_comes(runtime: Runtime) -> None:
    pinned = Pinned(runtime)
    rooms = [pinned.room(size) for size in (1000, 2000, 10, 5000)]
    assert [room is not None and room.nbytes for room in rooms] == [2000, 2000, 2000, 10000]
    assert (len(runtime.given), runtime.freed) == (2, []), "somebody may read it still"
    del rooms
    assert runtime.freed == [*runtime.given][:1]


def test_each_thread_has_its_own_until_it_ends(runtime: Runtime) -> None:
    pinned = Pinned(runtime)
    with ThreadPoolExecutor(1) as pool:
        ours, theirs = pinned.room(10), pool.submit(pinned.room, 10).result()
        assert ours is not None
        assert theirs is not None
        ours[:] = 1
        assert not theirs.any()
        assert runtime.freed == []
    del theirs
    assert runtime.freed == [*runtime.given][1:]


def test_there_is_none_for_the_largest_pictures(runtime: Runtime) -> None:
    pinned = Pinned(runtime)
    assert pinned.room((16 << 20) + 1) is None
    assert runtime.given == {}
    room = pinned.room(16 << 20)
    assert room is not None
    assert room.nbytes == 16 << 20


def test_what_the_driver_refuses_is_not_asked_for_again() -> None:
    runtime = Runtime(most=3000)
    pinned = Pinned(runtime)
    assert pinned.room(1000) is not None
    assert pinned.room(2500) is None
    assert runtime.last_error == 0, "others would find it"
    runtime.most = 1 << 30
    assert pinned.room(2500) is None
    assert pinned.room(2000) is not None, "what there was is still there"


def test_without_cuda_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.model.pinned._LIBRARIES", ("libcudart.so.none",))
    assert Pinned().room(10) is None
