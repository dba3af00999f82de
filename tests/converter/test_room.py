"""A conversion that can't fit into memory is refused before any work, in a sentence that says why."""

from dataclasses import replace
from pathlib import Path

import pytest

from converter import room
from converter.contract import TargetUnavailable
from converter.kind import Kind, Memory
from converter.machine.child import Limits
from tests.support.proc import MIB, machine, write

KIND = Kind(
    name="some", title="Some copy", runner="tensorflow", steps=(), make=lambda *_: {}, memory=Memory(4, 900 * MIB)
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model with 700 MiB of weights that take no disk, on a machine of which 8 GiB are free."""
    write(machine(tmp_path) / "model/saved_model.pb", "graph")
    (tmp_path / "model/variables").mkdir()
    with (tmp_path / "model/variables/variables.data-00000-of-00001").open("wb") as file:
        file.truncate(700 * MIB)
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("free_mib", "allowed_mib", "limit_mib"),
    [(8192, None, 8192 - 819.2), (100, 2801, 2801), (8192, 30_000, 30_000)],
    ids=["what is free, less a margin", "what somebody chose", "more than is free"],
)
def test_what_fits_gets_a_limit(free_mib: int, allowed_mib: int | None, limit_mib: float, source: Path) -> None:
    limits = _checked(source, free_mib, allowed_mib)
    assert limits.memory_bytes == pytest.approx(limit_mib * MIB, abs=1)


@pytest.mark.parametrize(
    ("free_mib", "allowed_mib", "why"),
    [
        (
            4096,
            None,
            "3700 MiB of memory: 4096 MiB are free and 3686 MiB of them may be used "
            "(unless DETECTOR_CONVERT_MEMORY_MIB or --memory-limit-mib says otherwise)",
        ),
        (4096, 2700, "2800 MiB of memory: DETECTOR_CONVERT_MEMORY_MIB or --memory-limit-mib allows 2700 MiB"),
    ],
)
def test_what_does_not_fit_is_refused(free_mib: int, allowed_mib: int | None, why: str, source: Path) -> None:
    with pytest.raises(TargetUnavailable) as refusal:
        _checked(source, free_mib, allowed_mib)
    assert str(refusal.value) == f"the Some copy of 700 MiB of weights needs about {why}"


def test_more_weights_than_its_file_holds_are_left_to_whoever_loads_them(source: Path) -> None:
    little = replace(KIND, most_weights_bytes=699 * MIB)
    assert room.too_large(little, source)
    assert not room.too_large(KIND, source)
    assert not room.too_large(replace(KIND, most_weights_bytes=701 * MIB), source)
    limits = Limits.within(60)
    assert room.checked(little, source, limits, root=source.parent) is limits


def _checked(source: Path, free_mib: int, allowed_mib: int | None) -> Limits:
    root = source.parent
    write(root / "proc/meminfo", f"MemAvailable: {free_mib << 10} kB")
    return room.checked(KIND, source, Limits.within(60, allowed_mib and allowed_mib * MIB), root=root)
