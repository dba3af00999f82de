"""The page about the API is under test: its answer to several pictures, and the names of a box' numbers."""

import re
from typing import Any

import pytest

from benchmarks.serving import Server
from tests.support.documents import answer_and_example
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = re.findall(r'^\| ([^|]+) \| `({"\w+": …[^`]*})`', PAGE, re.MULTILINE)
FORMS = [(form, re.findall(r'"(\w+)"', names)) for forms, names in ROWS for form in re.findall(r"`(\w+)`", forms)]
# Of a time, a random id and a score there is no telling the digits.
VARYING = {"id", "timing_ms"}


@pytest.mark.tensorflow
def test_several_pictures_get_the_answer_that_is_shown(server: Server) -> None:
    command, example = r"^\$ (curl .*-F image=@LICENSE.*)$", r'```json\n({\n  "id".*?"results".*?)```'
    found, shown = answer_and_example(PAGE, command, example, server.url)
    assert rounded(found) == rounded(shown)


def rounded(answer: Any) -> Any:
    """An answer without what varies, in scores of two digits and whole pixels."""
    if isinstance(answer, dict):
        return {name: None if name in VARYING else rounded(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [rounded(each) for each in answer]
    return round(answer, 0 if answer > 1 else 2) if isinstance(answer, float) else answer


def test_every_form_of_boxes_is_in_the_table() -> None:
    assert sorted(form for form, _ in FORMS) == ["cxcywh", "xywh", "xyxy", "xyxy_norm", "yxyx_norm"]


@pytest.mark.tensorflow
@pytest.mark.parametrize(("form", "names"), FORMS)
def test_a_box_has_the_names_that_the_table_says(
    form: str, names: list[str], server: Server, photos: dict[str, bytes]
) -> None:
    found = server.detect(photos["dog"], box=form).json()["detections"]
    assert all(sorted(each["box"]) == sorted(names) for each in found)
