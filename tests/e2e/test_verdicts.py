"""The gate on real copies: the real frozen one, and some that differ from native in one known way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.settings import bundled_model
from app.verdicts.loads import FEWEST_PAIRS, FEWEST_ROUNDS
from app.verdicts.verdict import IN_FLIGHT
from benchmarks.serving import Server, serving
from converter.comparison.agreement import Agreement
from converter.model.detections import Detections
from tests.support.agreeing import same_everywhere
from tests.support.altering import adds_up_to, fill, found_by, framed, put, word_of
from tests.support.models.shifts import MOVED_BY, PERSON, SURER_BY

pytestmark = pytest.mark.tensorflow

MOVED_IOU = (1 - MOVED_BY) ** 2 / (2 - (1 - MOVED_BY) ** 2)  # 0.822


@dataclass(frozen=True)
class VerdictSetup:
    """A server whose gate has `pictures`, what native finds in them, and the place of its frozen copy."""

    server: Server
    place: Path
    pictures: list[bytes]
    native: list[Detections]

    def judged(self, source: Path) -> dict[str, Any]:
        """What /model says of this copy after it was put in place and loaded."""
        put(source, self.place)
        answer = self.server.admin("POST", "/admin/reload", json={"backend": "frozen"})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = same_everywhere(self.server)["backends"]["frozen"]
        assert answer.json()["verdict"] == told["verdict"]
        return told

    def rules(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.get("/compare").json()["rules"]
        return found


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, bytes]) -> Iterator[VerdictSetup]:
    root = tmp_path_factory.mktemp("verdicts")
    put(bundled_model() / "1", root / "models" / "1")
    pictures = framed(photos.values())
    fill(root / "gate", pictures)
    environ = {
        "DETECTOR_MODEL": str(root / "models"),
        "DETECTOR_COPIES": "frozen",
        "DETECTOR_STARTUP_CONVERSION": "off",
        "DETECTOR_GATE_IMAGES": str(root / "gate"),
        "DETECTOR_GATE_SECONDS": "2",
        "DETECTOR_MAX_BATCH": "2",
        "DETECTOR_SHADOW_SHARE": "0",
        "DETECTOR_ADMIN_TOKEN": "secret",
    }
    with serving(environ) as server:
        server.wait_until_ready()
        server.wait_until(lambda: server.model()["backends"]["frozen"]["state"] == "unavailable")
        yield VerdictSetup(server, root / "models" / "1_frozen", pictures, found_by(server, "native", pictures))


def assert_numbers(told: dict[str, Any], expected: Agreement) -> None:
    """The verdict's numbers, at each batch size, are those."""
    assert set(told["verdict"]["agreement"]) == {"1", "2"}
    wanted = expected.to_json()
    for numbers in told["verdict"]["agreement"].values():
        for name in ("pictures", "native_boxes", "matched", "missing", "extra", "class_flips"):
            assert numbers[name] == wanted[name], name
        assert numbers["mean_iou"] == pytest.approx(wanted["mean_iou"], abs=0.002)
        assert numbers["largest_score_diff"] == pytest.approx(wanted["largest_score_diff"], abs=0.001)


def test_the_real_frozen_copy_is_judged_by_honest_measurement(setup: VerdictSetup, model_folder: Path) -> None:
    told = setup.judged(model_folder / "1_frozen")
    verdict, rules = told["verdict"], setup.rules()
    assert (rules["speedup"], rules["not_slower"]) == (1.02, 0.95)
    assert_numbers(told, adds_up_to(setup.native, setup.native))
    assert verdict["verdict"] in ("passed", "slower")
    assert verdict["verdict"] == word_of(verdict, rules)
    assert told["state"] == ("active" if verdict["verdict"] == "passed" else "standby")
    for size, ratio in verdict["native_over_copy"].items():
        assert ratio["pairs"] >= (FEWEST_ROUNDS if size == IN_FLIGHT else FEWEST_PAIRS)
        assert ratio["low"] <= ratio["value"] <= ratio["high"]
        assert 0.3 < ratio["value"] < 3, "the graph is the same"
        load = "with calls in flight" if size == IN_FLIGHT else f"at batch {size}"
        said = re.search(rf"([\d.]+) \(([\d.]+) to ([\d.]+)\) {load}", told["reason"])
        assert said
        numbers = [ratio[name] for name in ("value", "low", "high")]
        assert [float(each) for each in said.groups()] == pytest.approx(numbers, rel=0.01)


def test_one_class_that_is_surer_disagrees(setup: VerdictSetup, altered: Path) -> None:
    told = setup.judged(altered / "surer")
    shifted = [replace(each, scores=surer(each)) for each in setup.native]
    assert_numbers(told, adds_up_to(setup.native, shifted))
    assert told["verdict"]["agreement"]["1"]["largest_score_diff"] == pytest.approx(SURER_BY, abs=0.0005)
    assert told["verdict"]["agreement"]["1"]["mean_iou"] == pytest.approx(1, abs=0.0005)
    assert (told["state"], told["verdict"]["native_over_copy"]) == ("standby", {})
    assert told["reason"].startswith("disagrees: ")
    assert "largest score difference 0.1 (0.05 allowed)" in told["reason"]


def test_boxes_that_are_moved_disagree(setup: VerdictSetup, altered: Path) -> None:
    told = setup.judged(altered / "moved")
    for numbers in told["verdict"]["agreement"].values():
        assert numbers["mean_iou"] == pytest.approx(MOVED_IOU, abs=0.02)
        assert numbers["matched"] == numbers["native_boxes"] == adds_up_to(setup.native, setup.native).native_boxes
        assert numbers["largest_score_diff"] == pytest.approx(0, abs=0.001)
    assert (told["state"], told["verdict"]["native_over_copy"]) == ("standby", {})
    assert told["reason"].startswith("disagrees: mean IoU 0.8")


def test_a_copy_that_works_longer_is_slower(setup: VerdictSetup, altered: Path) -> None:
    told = setup.judged(altered / "slower")
    assert_numbers(told, adds_up_to(setup.native, setup.native))
    assert told["verdict"]["verdict"] == word_of(told["verdict"], setup.rules()) == "slower"
    assert all(ratio["value"] < 0.95 for ratio in told["verdict"]["native_over_copy"].values())
    assert told["state"] == "standby"
    assert told["reason"].startswith("slower: native ÷ frozen is 0.")
    assert setup.server.model()["active"] == "native"


def test_a_coarser_decode_gets_the_verdict_that_follows_from_its_answers(setup: VerdictSetup, altered: Path) -> None:
    told = setup.judged(altered / "coarser")
    expected = adds_up_to(setup.native, found_by(setup.server, "frozen", setup.pictures))
    assert_numbers(told, expected)
    assert told["verdict"]["verdict"] == word_of(told["verdict"], setup.rules())
    assert expected.largest_score_diff
    assert expected.largest_score_diff > 0, "it does differ"
    assert told["state"] == ("active" if told["verdict"]["verdict"] == "passed" else "standby")


def surer(found: Detections) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.where(found.classes == PERSON, np.minimum(found.scores + np.float32(SURER_BY), 1), found.scores)
