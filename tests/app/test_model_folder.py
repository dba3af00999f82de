from pathlib import Path

import pytest

from app.model_folder import NoModel, find, id_space, read_labels


def make(folder: Path, *names: str) -> Path:
    """Folders of these names below `folder`, each with a graph."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").touch()
    return folder


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1"], "1"),
        (["1", "2"], "2"),
        (["9", "10"], "10"),
        (["2", "0010", "9"], "0010"),
        (["20260101", "3"], "20260101"),
    ],
)
def test_the_newest_version_is_the_largest_number(versions: list[str], newest: str, tmp_path: Path) -> None:
    model = find(make(tmp_path / "street", *versions))
    assert (model.name, model.version) == ("street", newest)
    assert model.folder == (tmp_path / "street" / newest).resolve()


def test_copies_and_other_folders_beside_the_versions_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "1", "1_trt", "1_frozen", "9_trt", "v10", "backup", "1.5", "-3", "²")
    (tmp_path / "11").mkdir()  # half copied: it has no graph yet
    (tmp_path / "12").touch()
    assert find(tmp_path).version == "1"


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [("street/3", "street", "3"), ("detector", "detector", "unversioned"), ("street/3_trt", "3_trt", "unversioned")],
)
def test_a_savedmodel_given_directly_may_have_any_name(folder: str, name: str, version: str, tmp_path: Path) -> None:
    make(tmp_path, folder)
    model = find(tmp_path / folder)
    assert (model.name, model.version, model.folder) == (name, version, tmp_path.resolve() / folder)


def test_a_relative_path_and_a_link_become_the_real_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "street/1")
    (tmp_path / "current").symlink_to("street")
    monkeypatch.chdir(tmp_path)
    model = find(Path("current"))
    assert (model.name, model.folder) == ("street", tmp_path.resolve() / "street" / "1")


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=r"no model at .*/nowhere: no such file or folder"):
        find(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["empty", "versions_without_graph", "file", "only_copies"])
def test_no_savedmodel_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "versions_without_graph" / "1").mkdir(parents=True)
    (tmp_path / "file").write_text("a model, honestly")
    make(tmp_path / "only_copies", "1_trt")
    with pytest.raises(NoModel, match=rf"{name} is no SavedModel .* no version folder .* like .*/{name}/1"):
        find(tmp_path / name)


def test_labels_come_with_the_model(saved_model: Path) -> None:
    assert find(saved_model).labels == {64: "tram", 65: "traffic light"}


def test_a_model_may_have_no_labels(tmp_path: Path) -> None:
    assert find(make(tmp_path, "1")).labels == {}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        ("1 person\n", {1: "person"}),
        ("1 person\r\n13  stop sign \r\n", {1: "person", 13: "stop sign"}),
        ("0 Straßenbahn\n7 路面電車", {0: "Straßenbahn", 7: "路面電車"}),
    ],
)
def test_labels_are_lines_of_an_id_and_a_name(text: str, labels: dict[int, str], tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == labels


@pytest.mark.parametrize(
    "line", [b"person", b"18", b"dog 18", b"-1 dog", b"1.5 dog", b"\xc2\xb2 dog", b"3 Stra\xdfe"], ids=repr
)
def test_a_line_that_is_no_label_is_told_with_its_number(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"1 person\n" + line + b"\n")
    with pytest.raises(NoModel, match=r"labels.txt"):
        read_labels(path)


def test_the_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("1 person\n2 bicycle\ndog\n")
    with pytest.raises(NoModel, match=r"^line 3 of .*labels.txt is not a class id and a name, like '18 dog'$"):
        read_labels(path)


def test_names_alone_are_counted_from_one(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("person\nbicycle\ntraffic light\n")
    assert read_labels(path) == {1: "person", 2: "bicycle", 3: "traffic light"}
    model = find(make(tmp_path / "street", "1"), path)
    assert model.labels[3] == "traffic light"
    with pytest.raises(NoModel, match="there is no file of labels at"):
        find(tmp_path / "street", tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([*range(1, 81)], "80 classes, 1 to 80 without gaps, as contiguous ids of COCO are"),
        ([*range(80)], "80 classes, 0 to 79 without gaps, as contiguous ids of COCO are"),
        ([*range(1, 80), 90], "COCO's 80 classes with its own ids, 1 to 90 with 10 gaps"),
        ([1, 2, 5], "3 classes, 1 to 5, 2 gaps"),
        ([], "no names: classes are called by their ids"),
    ],
)
def test_the_space_of_ids_is_told(ids: list[int], words: str) -> None:
    assert id_space(dict.fromkeys(ids, "something")) == words
