"""What a model or a copy is known by: all files below its folder, also those behind links."""

from collections.abc import Callable
from pathlib import Path

import pytest

from converter.disk import trees


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


FILES = {"saved_model.pb": b"graph", "variables/data": b"weights", "assets.extra/labels.txt": b"1 person"}


@pytest.mark.parametrize(
    ("files", "same"),
    [
        ({**FILES, "assets.extra/labels.txt": b"1 dog"}, True),
        ({**FILES, "variables/data": b"weighty"}, False),
        ({"saved_model.pb": b"graph", "variables/other": b"weights"}, False),
        ({**FILES, "assets.extra/detector.json": b"{}"}, False),
    ],
)
def test_the_source_is_known_by_names_and_contents_but_not_by_its_labels(
    tmp_path: Path, files: dict[str, bytes], *, same: bool
) -> None:
    first = trees.source_sha256(write(tmp_path / "a", FILES))
    assert (trees.source_sha256(write(tmp_path / "b", files)) == first) is same


def link_folder(model: Path) -> Path:
    (model / "variables").rename(model.parent / "elsewhere")
    (model / "variables").symlink_to(model.parent / "elsewhere")
    return model.parent / "elsewhere" / "data"


def link_file(model: Path) -> Path:
    (model / "variables" / "data").rename(model.parent / "blob")
    (model / "variables" / "data").symlink_to("../../blob")
    return model.parent / "blob"


def link_into_labels(model: Path) -> Path:
    (model / "variables").rename(model / "assets.extra" / "weights")
    (model / "variables").symlink_to("assets.extra/weights")
    return model / "assets.extra" / "weights" / "data"


def link_to_labels(model: Path) -> Path:
    (model / "variables" / "data").rename(model / "assets.extra" / "data")
    (model / "variables").rmdir()
    (model / "variables").symlink_to("assets.extra")
    return model / "assets.extra" / "data"


def link_through_links(model: Path) -> Path:
    weights = link_folder(model)
    (model.parent / "second").symlink_to("elsewhere")
    (model / "variables").unlink()
    (model / "variables").symlink_to("../second")
    return weights


@pytest.mark.parametrize("link", [link_folder, link_file, link_into_labels, link_to_labels, link_through_links])
def test_weights_behind_a_link_count(link: Callable[[Path], Path], tmp_path: Path) -> None:
    model = write(tmp_path / "1", FILES)
    plain = trees.source_sha256(model)
    weights = link(model)
    before = trees.source_sha256(model)
    assert (before == plain) or link is link_to_labels, "links themselves make no difference"
    weights.write_bytes(b"weighty")
    assert trees.source_sha256(model) != before
    assert trees.size_bytes(model) >= len(b"graph" + b"weights")


LOOPS: dict[str, str] = {
    "here": ".",
    "above": "..",
    "variables/top": "..",
    "variables/self": "self",
    "deep": "variables",
}


def test_links_that_run_in_a_circle_end(tmp_path: Path) -> None:
    model = write(tmp_path / "models" / "1", FILES)
    for name, aim in LOOPS.items():
        (model / name).symlink_to(aim)
    first = trees.source_sha256(model)
    assert trees.source_sha256(model) == first
    assert trees.size_bytes(model) == sum(map(len, FILES.values()))
    (model / "variables" / "data").write_bytes(b"weighty")
    assert trees.source_sha256(model) != first


def test_folders_that_link_to_the_next_one_twice_are_entered_once_each(tmp_path: Path) -> None:
    for level in range(40):
        folder = tmp_path / str(level)
        folder.mkdir()
        for name in ("left", "right"):
            (folder / name).symlink_to(f"../{level + 1}")
    (tmp_path / "40").mkdir()
    (tmp_path / "40" / "weights").write_bytes(b"some")
    before = trees.source_sha256(tmp_path / "0")
    (tmp_path / "40" / "weights").write_bytes(b"more")
    assert trees.source_sha256(tmp_path / "0") != before


def test_which_of_two_folders_a_link_leads_to_counts(tmp_path: Path) -> None:
    model = write(tmp_path / "1", {"a/data": b"a", "b/data": b"b"})
    found = set()
    for aim in ("a", "b"):
        (model / "z").unlink(missing_ok=True)
        (model / "z").symlink_to(aim)
        found |= {trees.source_sha256(model), trees.copy_sha256(model)}
    assert len(found) == 2
