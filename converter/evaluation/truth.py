"""What is in the pictures: a file of annotations in COCO's format, checked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from converter.contract import BadOptions
from converter.model import sampling


class Category(BaseModel):
    """A kind of object."""

    id: int
    name: str = ""


class Box(BaseModel):
    """An object in a picture: left, top, width and height in pixels."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float | None = None
    iscrowd: Literal[0, 1] = 0


class _Picture(BaseModel):
    id: int
    file_name: str


class _File(BaseModel):
    images: list[_Picture] = Field(min_length=1)
    annotations: list[Box] = Field(min_length=1)
    categories: list[Category] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Truth:
    """The pictures, their objects and the kinds of these; boxes of other pictures are left out."""

    ids: tuple[int, ...]  # of the pictures, as the file has them
    files: tuple[Path, ...]  # likewise
    boxes: Sequence[Box]
    categories: Sequence[Category]  # by id
    absent: int = 0  # pictures that were left out since their files are not there


def read(annotations: Path, folder: Path, *, partial: bool = False) -> Truth:
    """The annotations of the pictures in `folder`; `partial`: of those that are there.

    BadOptions if the file is of another format, or a picture is missing or broken: a model would be blamed for it.
    """
    file = _parsed(annotations)
    files = {picture.id: folder / _checked(picture.file_name, annotations) for picture in file.images}
    there = {number: path for number, path in files.items() if path.is_file()}
    if len(there) < len(files) and not partial:
        raise BadOptions(_lacking(folder, annotations, [files[number].name for number in files.keys() - there.keys()]))
    if not there:
        raise BadOptions(f"{folder.absolute().name} has no picture that {annotations.name} names")
    _check_pictures(there.values())
    boxes = [box for box in file.annotations if box.image_id in there]
    if not boxes:
        raise BadOptions(f"{annotations.name} has no object in these pictures")
    categories = sorted(file.categories, key=lambda each: each.id)
    _check_categories(boxes, categories, annotations)
    return Truth(tuple(there), tuple(there.values()), boxes, categories, len(files) - len(there))


def _lacking(folder: Path, annotations: Path, names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{folder.absolute().name} lacks {min(names)}{more} of {annotations.name} (--partial leaves them out)"


def _parsed(path: Path) -> _File:
    try:
        return _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadOptions(f"{path.name} can't be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadOptions(f"{path.name} is not a file of COCO annotations: {where}: {first['msg']}") from error


def _checked(name: str, annotations: Path) -> str:
    parts = PurePath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise BadOptions(f"{annotations.name} names {name!r}, which lies outside of the pictures' folder")
    return name


def _check_categories(boxes: Iterable[Box], categories: Iterable[Category], annotations: Path) -> None:
    if unknown := {box.category_id for box in boxes} - {each.id for each in categories}:
        raise BadOptions(f"{annotations.name} has objects of category {min(unknown)}, which is none of its categories")


def _check_pictures(paths: Iterable[Path]) -> None:
    for path in paths:
        if not sampling.usable(path):
            raise BadOptions(f"{path.name} is not a readable JPEG file")
