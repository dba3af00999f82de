"""Annotations read: what is there, what is refused with a sentence, and which category a class is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from converter.contract import BadOptions
from converter.evaluation import categories, truth
from converter.evaluation.truth import Truth
from converter.model.detections import Detections
from tests.support.app import jpegs
from tests.support.converter.rows import answer

BOX = {"image_id": 1, "category_id": 18, "bbox": [10, 10, 40, 30]}
GOOD: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "street.jpg", "width": 64}],
    "annotations": [{**BOX, "id": 5, "segmentation": []}],
    "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
}


def read(folder: Path, told: object = None, **changes: Any) -> Truth:
    """What is read of a file with this, beside the picture that it names."""
    (folder / "pictures").mkdir()
    (folder / "pictures" / "street.jpg").write_bytes(jpegs.photo())
    file = folder / "coco.json"
    file.write_text(json.dumps(GOOD if told is None else told))
    return truth.read(file, folder / "pictures", **changes)


def test_pictures_objects_and_categories_are_read(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert (found.ids, [path.name for path in found.files], found.absent) == ((1,), ["street.jpg"], 0)
    assert [(box.bbox, box.area, box.iscrowd) for box in found.boxes] == [((10, 10, 40, 30), None, 0)]
    assert [each.id for each in found.categories] == [18]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"annotations": []}, "coco.json is not a file of COCO annotations: annotations: "),
        ({"categories": None}, "coco.json is not a file of COCO annotations: categories: "),
        ({"annotations": [{**BOX, "bbox": [1, 2, 3]}]}, "annotations.0.bbox.3: "),
        ({"annotations": [{**BOX, "image_id": 9}]}, "coco.json has no object in these pictures"),
        ({"annotations": [BOX, {**BOX, "category_id": 9}]}, "coco.json has objects of category 9, which is none of"),
        ({"images": [{"id": 1, "file_name": "../street.jpg"}]}, "which lies outside of the pictures' folder"),
        ({"images": [*GOOD["images"], {"id": 2, "file_name": "road.jpg"}]}, "pictures lacks road.jpg of coco.json"),
    ],
    ids=["nothing", "no categories", "three numbers", "other pictures", "another category", "outside", "absent"],
)
def test_what_can_not_be_used_is_refused_with_a_sentence(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(BadOptions, match=re.escape(sentence)):
        read(tmp_path, GOOD | changes)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptions, match="not a file of COCO annotations"):
        read(tmp_path, "pictures")


def test_pictures_that_are_not_there_can_be_left_out(tmp_path: Path) -> None:
    images = [{"id": 2, "file_name": "road.jpg"}, *GOOD["images"]]
    found = read(tmp_path, GOOD | {"images": images, "annotations": [BOX, {**BOX, "image_id": 2}]}, partial=True)
    assert (found.ids, found.absent, len(found.boxes)) == ((1,), 1, 1)


def test_a_broken_picture_is_refused(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "pictures" / "street.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(BadOptions, match=r"^street.jpg is not a readable JPEG file$"):
        truth.read(tmp_path / "coco.json", tmp_path / "pictures")


# Which category a class is


def six(first: int) -> tuple[Truth, list[Detections]]:
    """Six objects of three categories with gaps, and a model that counts them from here, or (-1) by their ids."""
    ids = (1, 18, 90)
    boxes = [truth.Box(image_id=1, category_id=ids[number % 3], bbox=(100 * number, 0, 50, 50)) for number in range(6)]
    kinds = ids if first < 0 else (first, first + 1, first + 2)
    rows = [(100.0 * number, 0.0, 100.0 * number + 50, 50.0, 0.9, kinds[number % 3]) for number in range(6)]
    known = Truth((1,), (Path("1.jpg"),), boxes, [truth.Category(id=each) for each in ids])
    return known, [answer(*rows)]


@pytest.mark.parametrize(("first", "way"), [(-1, "ids"), (0, "from-0"), (1, "from-1")])
def test_what_it_finds_tells_which_category_a_class_is(first: int, way: str) -> None:
    known, found = six(first)
    told = categories.of(known, found)
    assert (told.way, told.evidence) == (way, "6 of 6 certain detections are on objects of their category")
    assert sorted(told.of_class.values()) == [1, 18, 90]


def test_what_tells_nothing_must_be_said() -> None:
    known, found = six(40)
    with pytest.raises(BadOptions, match=r"can't be told: by ids 0 of 6 certain .*; set --classes$"):
        categories.of(known, found)
    assert categories.of(known, found, "from-1").of_class == {1: 1, 2: 18, 3: 90}
