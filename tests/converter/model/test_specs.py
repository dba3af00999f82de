"""What a signature's tensors are, told by their names, types and shapes, or by a person."""

from typing import Any

import pytest

from converter.contract import UnusableModel
from converter.description import API, COLUMNS, KERAS, RAW, ROWS_OF_SIX, TPU, Declared
from converter.model.spec import Spec
from converter.model.specs import describe_signature, find_head
from converter.outputs import BOXES, CLASSES, COUNT, NAMES, ROWS, SCORES

Specs = dict[str, Spec]
JPEGS: Specs = {"jpegs": Spec("string", (None,), "(None,)")}


def specs(**shapes: str) -> Specs:
    """Tensors by names: `_N_M_4` is float32 (None, None, 4), and may begin with another type."""
    return {name.replace("__0", ":0"): spec(text) for name, text in shapes.items()}


def spec(text: str) -> Spec:
    dtype, *sides = text.split("_")
    shape = tuple(None if side in "NM" else int(side) for side in sides)
    return Spec(dtype or "float32", shape, str(shape))


def described(gives: Specs, takes: Specs = JPEGS, **declared: Any) -> Any:
    return describe_signature(takes, gives, Declared(**declared))


NMS = {"a": "_N_M_4", "b": "_N_M", "c": "_N_M"}
FOUND: list[tuple[Specs, str, dict[str, str]]] = [
    (specs(boxes="_N_M_4", confidence="_N_M", labels="_N_M", num_detections="int32_N"), KERAS, {COUNT: COUNT}),
    (
        specs(detection_boxes="_N_M_4", detection_scores="_N_M", detection_classes="_N_M", num_detections="_N_1"),
        API,
        {},
    ),
    (specs(boxes="_N_M_4", classes="_N_M", detections="_N_M_7"), TPU, {ROWS: ROWS}),
    (specs(output_0="_1_300_6"), ROWS_OF_SIX, {ROWS: "output_0"}),
    (specs(a="_N_M_4", b="int64_N_M", c="_N_M", d="int32_N"), COLUMNS, {SCORES: "c", CLASSES: "b", COUNT: "d"}),
    (
        specs(a="_N_M_4", labels="_N_M", scores="_N_M", d="_N_1"),
        COLUMNS,
        {SCORES: "scores", CLASSES: "labels", COUNT: "d"},
    ),
    (specs(a="_M_4", b="_M", c="int64_M", d="string_M", e_text="string_M"), COLUMNS, {CLASSES: "c", NAMES: "e_text"}),
    (specs(output_0="_1_84_8400"), RAW, {BOXES: BOXES}),
    (specs(output_0="_N_25200_85"), RAW, {COUNT: COUNT}),
]


@pytest.mark.parametrize(("gives", "convention", "roles"), FOUND)
def test_outputs_are_known_by_a_whole_convention_or_by_their_shapes(
    gives: Specs, convention: str, roles: dict[str, str]
) -> None:
    found = described(gives)
    assert found.convention == convention
    assert roles.items() <= found.outputs.items()
    assert found.unbatched == ("_M_4" not in str(gives) and len(next(iter(gives.values())).shape or ()) == 2)


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        (specs(**NMS, d="_N_M"), "it gives: a (float32 (None, None, 4)), b (float32 (None, None))"),
        (specs(output_0="_1_84_84"), "if 'output_0' is a network's head, before NMS, export the model with NMS inside"),
        (specs(a="_1_300_6", b="_1_300_6"), "or rows=NAME for rows with all of it"),
        (
            specs(detection_boxes="_N_M_4", detection_scores="_N_M", detection_classes="_N_M"),
            "lacks the output 'num_det",
        ),
        (specs(boxes="_N_M_8", scores="_N_M", classes="_N_M"), "'boxes' has the shape (None, None, 8), which is not a"),
    ],
)
def test_other_outputs_are_refused_with_their_shapes_and_the_setting(gives: Specs, says: str) -> None:
    with pytest.raises(UnusableModel) as refused:
        described(gives)
    assert says in str(refused.value)


def test_a_person_says_what_is_what() -> None:
    gives = specs(**NMS, d="_N_M", e="_1_84_84", f="_1_9_7")
    found = described(gives, outputs="boxes=a, scores=d:0, classes=b")
    assert (found.convention, found.outputs, found.ignored) == (
        COLUMNS,
        {BOXES: "a", SCORES: "d", CLASSES: "b"},
        ("c", "e", "f"),
    )
    assert described(gives, outputs="rows=f:0").convention == TPU
    head = find_head(gives, Declared(outputs="head=e", boxes="xywh_norm"))
    assert (head and (head.name, head.objectness, head.order)) == ("e", False, "xywh")
    assert described(gives, outputs="head=e", boxes="xywh_norm").boxes == "xyxy_norm"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("boxes=a,scores=b,classes=z", "DETECTOR_OUTPUTS names 'z', which the signature doesn't give: a (float32"),
        ("boxes=a,scores=b", "DETECTOR_OUTPUTS must name boxes, scores and classes, or rows, or head"),
        ("box=a", "'box=a' is not one of boxes, scores, classes, count"),
        ("rows=a,rows=b", "rows is named twice, by a and by b"),
    ],
)
def test_what_a_person_says_wrongly_is_told(text: str, says: str) -> None:
    with pytest.raises(UnusableModel) as refused:
        described(specs(**NMS), outputs=text)
    assert says in str(refused.value)


PICTURES: Specs = specs(images="_1_64_64_3", key="string_N")
TWO: Specs = specs(image_bytes="string_N", key="string_N")


@pytest.mark.parametrize(
    ("takes", "name"),
    [(PICTURES, "images"), (TWO, "image_bytes"), (specs(image__0="uint8_N_N_N_N"), "image"), (JPEGS, "jpegs")],
)
def test_pictures_are_found_among_the_inputs(takes: Specs, name: str) -> None:
    found = described(specs(**NMS), takes, input_scale="0..1")
    assert found.input.name == name


@pytest.mark.parametrize(
    ("takes", "says"),
    [
        (specs(a="string_N", b="string_N"), "which takes pictures can't be read: a (string (None,)), b (string"),
        (
            specs(image="string_N", t="_1"),
            "takes 2 inputs (image, t), not one, and no value is known for t (float32 (1,))",
        ),
        (specs(image="float16_1_8_8_3"), "takes float16 pictures, and their scale can't be told"),
        (specs(image="float64_1_8_8_3"), "the input 'image' is float64"),
    ],
)
def test_other_inputs_are_refused(takes: Specs, says: str) -> None:
    with pytest.raises(UnusableModel) as refused:
        described(specs(**NMS), takes)
    assert says in str(refused.value)
    filled = describe_signature(specs(image="string_N", t="_1"), specs(**NMS), Declared(), filled=["t"])
    assert filled.input.name == "image"
