"""Which SavedModels are detectors, and what is said of those that are none."""

import pytest

from tests.support.converter.made import OddModels

pytestmark = pytest.mark.tensorflow

TWO, OLD, MORE = "two_signatures", "old_with_threshold", "detector_with_more_outputs"
DETECTORS = [
    "detector",
    "detector_of_unknown_shape",
    "detector_of_one_picture_after_all",
    "key_beside",
    "in_base64",
]
REFUSED = [
    ("empty", "empty is not a SavedModel: it has no saved_model.pb"),
    ("garbage", "TensorFlow can't load garbage: "),
    ("no_signature", "the model has no signature 'serving_default'; it has: none"),
    (
        "other_signature",
        "the model has no signature 'serving_default'; it has: classify; name it by DETECTOR_SIGNATURE=classify",
    ),
    (
        "two_inputs",
        "the signature takes 2 inputs (jpegs, threshold), not one, and no value is known for threshold (float32 ())",
    ),
    ("examples", "the input 'inputs' takes serialized tf.Example messages, which the graph parses, and no JPEG files"),
    ("pixels", "the input 'images' is uint8 (None, 3, 416, 416); JPEG files as strings of shape (N,) are needed"),
    ("one_picture", "the input 'jpeg' is string (); JPEG files as strings of shape (N,) are needed"),
    ("classifier", "the signature lacks the output 'detection_boxes', 'detection_scores', "),
    ("no_count", "the signature lacks the output 'num_detections'; it gives: detection_boxes (float32 (None, 3, 4)), "),
    ("flat_boxes", "the output 'detection_boxes' has the shape (3, 4), which is not a detector's"),
    ("five_corners", "the output 'detection_boxes' has the shape (1, 3, 5), which is not a detector's"),
    ("scores_by_class", "the output 'detection_scores' has the shape (1, 3, 80), which is not a detector's"),
]


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_taken_whatever_its_input_is_called(odd_models: OddModels, name: str) -> None:
    assert odd_models.said[name] == "jpegs"


@pytest.mark.parametrize(("name", "sentence"), REFUSED)
def test_what_is_no_detector_is_refused_naming_the_tensor(odd_models: OddModels, name: str, sentence: str) -> None:
    assert odd_models.said[name].startswith(sentence)
    assert "\n" not in odd_models.said[name]


def test_the_signatures_that_a_copy_does_not_have_are_told(odd_models: OddModels) -> None:
    assert odd_models.said[TWO] == "jpegs, classify, tensorflow/serving/regress"


def test_an_output_without_a_side_for_pictures_is_known(odd_models: OddModels) -> None:
    assert odd_models.said[MORE] == "jpegs, features once"


def test_an_input_with_a_value_of_its_own_keeps_it(odd_models: OddModels) -> None:
    assert odd_models.said[OLD] == "jpegs, 0.7 is 0"


def test_the_tables_have_every_odd_model(odd_models: OddModels) -> None:
    taken = {name for name, said in odd_models.said.items() if said.partition(", ")[0] == "jpegs"}
    assert taken == {*DETECTORS, TWO, OLD, MORE}
    assert set(odd_models.said) == taken | {name for name, _ in REFUSED}
