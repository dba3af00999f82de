"""The files that come with the repository are the ones that their notes describe."""

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "yolox_nano"
PHOTOS = ROOT / "converter" / "photos"
DATA = ROOT / "tests" / "data"


def sums() -> dict[str, str]:
    lines = (MODEL / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


@pytest.mark.parametrize("name", sums())
def test_file_of_the_model_has_its_checksum(name: str) -> None:
    assert hashlib.sha256((MODEL / name).read_bytes()).hexdigest() == sums()[name]


def test_every_file_of_the_model_has_a_checksum() -> None:
    files = {str(p.relative_to(MODEL)) for p in (MODEL / "1").rglob("*") if p.is_file()}
    assert files == set(sums())


def test_labels_are_the_80_categories_of_coco() -> None:
    lines = (MODEL / "1" / "assets.extra" / "labels.txt").read_text().splitlines()
    labels = {int(number): name for number, name in (line.split(" ", 1) for line in lines)}
    assert len(labels) == len(lines) == len(set(labels.values())) == 80
    assert list(labels) == sorted(labels)
    assert (labels[1], labels[18], labels[47], labels[90]) == ("person", "dog", "cup", "toothbrush")


def test_model_says_whose_it_is() -> None:
    owner = "Copyright (c) 2021-2022 Megvii Inc."
    assert owner in (MODEL / "LICENSE").read_text()
    assert owner in (MODEL / "README.md").read_text()
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_weights_that_build_takes_are_those_of_the_readme() -> None:
    found = re.search(r'ONNX_SHA256 = "([0-9a-f]{64})"', (MODEL / "build.py").read_text())
    assert found is not None
    assert found[1] in (MODEL / "README.md").read_text()


@pytest.mark.parametrize("folder", [PHOTOS, DATA], ids=["photos", "data"])
def test_each_picture_has_its_terms_and_no_other(folder: Path) -> None:
    pictures = {path.name for path in folder.glob("*.jpg")}
    described = re.findall(r"^\| `(\w+\.jpg)` \|", (folder / "README.md").read_text(), re.MULTILINE)
    assert sorted(described) == sorted(pictures)


def test_each_picture_has_labels() -> None:
    described = {image["file_name"] for image in json.loads(labels())["images"]}
    assert {path.name for path in [*PHOTOS.glob("*.jpg"), *DATA.glob("*.jpg")]} <= described


def test_labels_use_the_categories_of_the_model() -> None:
    lines = (MODEL / "1" / "assets.extra" / "labels.txt").read_text().splitlines()
    ours = {(c["id"], c["name"]) for c in json.loads(labels())["categories"]}
    assert ours <= {(int(n), name) for n, name in (line.split(" ", 1) for line in lines)}


def labels() -> str:
    return (DATA / "photo_labels.json").read_text()
