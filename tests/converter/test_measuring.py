"""A copy that computes something else is no success, where it is known that it does."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from converter import targets
from converter.contract import ConversionFailed, Options, Order
from converter.disk.hashes import sha256
from converter.machine.child import Limits
from converter.measuring import Work, agreement, faithful
from converter.model.detections import Detections
from converter.progress import silent
from tests.support.converter.reports import IDENTITY
from tests.support.converter.rows import answer

FOUND = answer(*((120.0 * i, 10, 120.0 * i + 90, 70, 0.95 - 0.01 * i, i % 3) for i in range(30)))
OTHER = replace(FOUND, boxes=FOUND.boxes + 40)
REASON = "100 % of 180 boxes of 3 photos wrong (1 % is good, 5 % bad) at batch size 1"


def work(*, gpus: tuple[str, ...] = (), precision: str = "FP32", keep: bool = False) -> Work:
    order = Order(options=Options(target="frozen", precision=precision), keep_disagreeing=keep)
    found: Any = SimpleNamespace(gpus=gpus)
    places: dict[str, Any] = {"source": Path("model"), "place": Path("copy")}
    kind, limits = targets.KINDS["frozen"], Limits.within(60)
    told: dict[str, Any] = {"progress": silent(), "limits": limits, "file_hash": sha256}
    return Work(kind=kind, order=order, identity=IDENTITY, found=found, **told, **places)


def probed(**by_size: Detections) -> Any:
    return SimpleNamespace(detections={size.strip("b"): [found] * 3 for size, found in by_size.items()})


def looked_at(asked: Work, native: Any, copy: Any) -> dict[str, str]:
    return faithful(asked, native, copy, agreement(asked, native, copy))


def test_one_that_disagrees_is_a_failure_that_says_how_far() -> None:
    with pytest.raises(ConversionFailed) as failure:
        looked_at(work(), probed(b1=FOUND, b8=FOUND), probed(b1=OTHER, b8=OTHER))
    assert str(failure.value) == f"the copy computes something else than the model: {REASON}"


@pytest.mark.parametrize(
    ("asked", "native", "copy", "facts"),
    [
        (work(), probed(b1=FOUND), probed(b1=FOUND), {}),
        (work(), probed(b1=FOUND, b8=OTHER), probed(b1=OTHER, b8=FOUND), {}),
        (work(gpus=("H100",)), probed(b1=FOUND), probed(b1=OTHER), {}),
        (work(precision="FP16"), probed(b1=FOUND), probed(b1=OTHER), {}),
        (work(keep=True), probed(b1=FOUND), probed(b1=OTHER), {"parting": REASON}),
    ],
    ids=["agrees", "the model wavers itself", "on a GPU", "in FP16", "it is to be kept"],
)
def test_all_others_are_made(asked: Work, native: Any, copy: Any, facts: dict[str, str]) -> None:
    assert looked_at(asked, native, copy) == facts


def test_a_server_has_copies_compared_on_the_pictures_of_its_gate(tmp_path: Path) -> None:
    options = Options(target="frozen", images=tmp_path / "calibration")
    asked = replace(work(), order=Order(options=options))
    assert asked.compared_on == tmp_path / "calibration"
    asked = replace(asked, order=Order(options=options, pictures=tmp_path / "gate"))
    assert asked.compared_on == tmp_path / "gate"
