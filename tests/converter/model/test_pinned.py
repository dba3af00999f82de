"""Memory that a GPU reads by itself, from a runtime that stands in for CUDA's."""

import ctypes

import pytest

from converter.model import cuda
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
    place = Pinned(runtime).take()
    rooms = [place.room(size) for size in (1000, 2000, 10, 5000)]
    assert [room is not None and room.nbytes for room in rooms] == [2000, 2000, 2000, 10000]
    assert (len(runtime.given), runtime.freed) == (2, []), "somebody may read it still"
    del rooms
    assert runtime.freed == [*runtime.given][:1]


def test_a_place_is_one_taker_s_until_it_is_given_back(runtime: Runtime) -> None:
    pinned = Pinned(runtime)
    ours, theirs = pinned.take(), pinned.take()
    ours_room, theirs_room = ours.room(10), theirs.room(10)
    assert ours_room is not None
    assert theirs_room is not None
    ours_room[:], theirs_room[:] = 1, 0
    assert ours_room.all()
    pinned.give_back(ours)
    assert pinned.take() is ours
    assert len(runtime.given) == 2


def test_there_is_none_for_the_largest_pictures(runtime: Runtime) -> None:
    place = Pinned(runtime).take()
    assert place.room((16 << 20) + 1) is None
    assert runtime.given == {}
    room = place.room(16 << 20)
    assert room is not None
    assert room.nbytes == 16 << 20


def test_all_places_together_are_limited(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setattr("converter.model.pinned._MOST", 5000)
    pinned = Pinned(runtime)
    first, second, third = pinned.take(), pinned.take(), pinned.take()
    assert [place.room(1000) is not None for place in (first, second, third)] == [True, True, False]
    del first
    assert third.room(1000) is not None, "what has gone back may be had again"


def test_what_the_driver_refuses_is_not_asked_for_again() -> None:
    runtime = Runtime(most=3000)
    pinned = Pinned(runtime)
    place = pinned.take()
    assert place.room(1000) is not None
    assert place.room(2500) is None
    assert runtime.last_error == 0, "others would find it"
    runtime.most = 1 << 30
    assert place.room(2500) is None
    assert pinned.take().room(10) is None
    assert place.room(2000) is not None, "what there was is still there"


def test_without_cuda_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter.model.cuda._LIBRARIES", ("libcudart.so.none",))
    assert cuda.runtime() is None
    cuda.wait_asleep(None)
    assert Pinned(None).take().room(10) is None
