"""All outputs of a model, by picture."""

from typing import Any

import numpy as np

from converter.model.detections import BOXES, CLASSES, COUNT, SCORES
from converter.model.prediction import predict_whole
from tests.support.app import jpegs
from tests.support.converter.reading import DESCRIPTION


class Model:
    """Two rows for each picture; beside them what such models give too."""

    description, shared = DESCRIPTION, frozenset({"anchors"})

    def outputs(self, files: Any) -> Any:
        return self.every(files)

    def every(self, files: Any) -> Any:
        n = len(files)
        return {
            BOXES: np.zeros((n, 2, 4), np.float32),
            SCORES: np.full((n, 2), 0.5, np.float32),
            CLASSES: np.ones((n, 2), np.float32),
            COUNT: np.full(n, 2.0, np.float32),
            "key": np.array([b"%d\0" % number for number in range(n)], object),
            "anchors": np.ones((3, 4), np.float32),
            "flat": np.zeros((7 * n, 4), np.float32),
        }


def test_each_picture_has_its_part_and_what_is_for_all_of_them_as_it_is() -> None:
    photo = jpegs.photo()
    found = predict_whole(Model(), [photo] * 3, [(64, 48, 1)] * 2)
    assert len(found) == 2
    for number, each in enumerate(found):
        assert each.raw is not None
        assert {name: value.shape for name, value in each.raw.items()} == {
            BOXES: (2, 4),
            SCORES: (2,),
            CLASSES: (2,),
            COUNT: (),
            "key": (),
            "anchors": (3, 4),  # as many rows as pictures, by chance
        }
        assert each.raw["key"].tolist() == b"%d\0" % number
