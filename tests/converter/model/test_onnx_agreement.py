"""Copies for ONNX Runtime find what their originals find, wherever the graph was cut; or the cut is refused."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.settings import bundled_model
from tests.support.converter.made import program

pytestmark = pytest.mark.tensorflow

LEAST_IOU = 0.99
MOST_SCORE_DIFFERENCE = {"FP32": 1e-3, "FP16": 1e-2}
AT_THE_DECODER = ["layout.json", "network.onnx", "picture.onnx"]
AFTER_A_HEAD = ["head", "layout.json", "network.onnx"]
NO_LOOP = "its pictures are decoded outside of any loop that tf.map_fn makes today"


@dataclass(frozen=True)
class Copies:
    """What onnx_agreement.py said, by model, and its folder."""

    said: dict[str, Any]
    root: Path


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    root = tmp_path_factory.mktemp("onnx")
    photos = (Path("converter", "photos"), Path("tests", "data"))
    return Copies(json.loads(program("onnx_agreement.py", root, bundled_model() / "1", *photos)), root)


@pytest.mark.parametrize(
    ("model", "precision", "boxes"),
    [
        ("bundled", "FP32", 10),
        ("bundled", "FP16", 10),
        ("ssd", "FP32", 200),
        ("ssd", "FP16", 200),
        ("loop", "FP32", 1000),
        ("loop", "FP16", 1000),
        ("gray", "FP32", 1000),
        ("old_loop", "FP32", 1000),
        ("one_picture", "FP32", 1000),
        ("read_twice", "FP32", 1000),
        ("boxes_by_class", "FP32", 1000),
        ("heavy", "FP32", 1000),
    ],
)
def test_a_copy_finds_the_same_objects(copies: Copies, model: str, precision: str, boxes: int) -> None:
    agreed = copies.said[model][precision]["agreed"]
    assert set(agreed) == ({"1"} if model == "one_picture" else {"1", "4"})
    for found in agreed.values():
        assert found["boxes"] >= boxes
        assert found["others"] == 0
        assert found["least_iou"] >= LEAST_IOU
        assert found["largest_score_difference"] <= MOST_SCORE_DIFFERENCE[precision]


@pytest.mark.parametrize(
    ("model", "parts", "why"),
    [
        ("bundled", AT_THE_DECODER, {}),
        ("ssd", AT_THE_DECODER, {}),
        ("gray", AT_THE_DECODER, {}),
        ("old_loop", AFTER_A_HEAD, {"head": NO_LOOP}),
        ("one_picture", AFTER_A_HEAD, {"head": NO_LOOP}),
        ("read_twice", AFTER_A_HEAD, {"head": "other operations read the files too: PartitionedCall/StringLength"}),
        (
            "boxes_by_class",
            [*AT_THE_DECODER, "tail"],
            {
                "tail": "ONNX has no counterpart for CombinedNonMaxSuppression "
                "(PartitionedCall/combined_non_max_suppression/CombinedNonMaxSuppression)"
            },
        ),
    ],
)
def test_only_what_onnx_does_not_have_is_left_to_tensorflow(
    copies: Copies, model: str, parts: list[str], why: dict[str, str]
) -> None:
    assert copies.said[model]["why"] == why
    assert copies.said[model]["FP32"]["parts"] == parts


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            "dilated",
            "ONNX has no counterpart for Dilation2D (PartitionedCall/Dilation2D), in the middle of its network: "
            "PartitionedCall/Conv2D_1 comes after",
        ),
        ("blind", "what it answers doesn't depend on the pictures"),
    ],
)
def test_what_can_not_be_cut_is_refused_in_a_sentence(copies: Copies, model: str, sentence: str) -> None:
    assert copies.said[model] == {"refused": sentence}


def test_the_decoder_of_the_copy_does_what_the_graph_says(copies: Copies) -> None:
    def decode(model: str) -> dict[str, Any]:
        folder = copies.root / f"{model}_copies" / "FP32"
        found: dict[str, Any] = json.loads((folder / "layout.json").read_text())["decode"]
        return found

    usual = {"ratio": 1, "try_recover_truncated": False, "acceptable_fraction": 1.0}
    assert decode("bundled") == {**usual, "channels": 3, "fancy_upscaling": True, "dct_method": ""}
    assert decode("gray") == {**usual, "channels": 1, "fancy_upscaling": False, "dct_method": "INTEGER_ACCURATE"}


@pytest.mark.parametrize("model", ["bundled", "ssd"])
def test_half_precision_takes_little_more_than_half_the_room(copies: Copies, model: str) -> None:
    whole, half = (copies.said[model][precision]["bytes"] for precision in ("FP32", "FP16"))
    assert 0.5 < half / whole < 0.6
    assert copies.said[model]["FP16"]["operations_in_fp16"] > 30


@pytest.mark.heavy
def test_raw_boxes_and_scores_of_a_retinanet_agree() -> None:
    said = json.loads(program("onnx_retinanet.py"))
    assert max(said["FP32"][name] for name in ("scores", "boxes", "boxes_in_anchors")) <= 1e-4
    assert max(said["FP16"][name] for name in ("scores", "boxes", "boxes_in_anchors")) <= 2e-3
    assert said["FP16"]["bytes"] < 0.6 * said["FP32"]["bytes"]
