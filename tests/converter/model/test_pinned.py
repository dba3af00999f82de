"""Memory that a GPU reads by itself, from a runtime that stands in for CUDA's."""

import pytest

from converter.model.pinned import Pinned
from tests.support.converter.cudart import Runtime


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


def test_without_a_runtime_there_is_none() -> None:
    assert Pinned(None).take().room(10) is None
