from pathlib import Path

import pytest

from app.model_folder import NoModel, find, id_space


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


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [
        ("exported/saved_model", "exported", "unversioned"),
        ("street/1/model.savedmodel", "street", "1"),
        ("street/2/saved_model", "street", "2"),
        ("street/saved_model/3", "street", "3"),
    ],
)
def test_a_savedmodel_is_found_where_exporters_put_it(folder: str, name: str, version: str, tmp_path: Path) -> None:
    make(tmp_path, folder)
    for asked in (tmp_path / folder.partition("/")[0], tmp_path / folder):
        model = find(asked)
        assert (model.name, model.version, model.folder) == (name, version, tmp_path.resolve() / folder)


def test_the_newest_version_counts_in_whatever_way_it_lies(tmp_path: Path) -> None:
    assert find(make(tmp_path, "1", "2/model.savedmodel", "3_trt")).version == "2"


@pytest.mark.parametrize("name", ["versions_without_graph", "only_copies"])
def test_no_savedmodel_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "versions_without_graph" / "1").mkdir(parents=True)
    make(tmp_path / "only_copies", "1_trt")
    with pytest.raises(NoModel, match=rf"{name} is not a SavedModel .* no version folder .* like .*/{name}/1$"):
        find(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("saved_model.pb", "name the folder that it lies in"),
        ("saved_model.pbtxt", "text form.* tf.saved_model.load"),
        ("frozen_inference_graph.pb", "frozen graph.* signature"),
        ("model.h5", "Keras file.* model.export"),
        ("model.keras", "Keras archive.* model.export"),
        ("detect.TFLITE", "TensorFlow Lite.* export the SavedModel"),
        ("yolov8n.onnx", "ONNX model.* onnx2tf"),
        ("best.pt", "PyTorch.* export"),
        ("model.tar.gz", "archive: unpack it"),
        ("model.zip", "archive: unpack it"),
        ("model.plan", "TensorRT engine"),
        ("checkpoint", "checkpoint.* exporter_main_v2"),
        ("ckpt-0.data-00000-of-00001", "checkpoint"),
        ("model.json", "TensorFlow.js"),
        ("weights.safetensors", "weights without a graph"),
    ],
)
def test_models_of_other_formats_are_named_with_what_to_do(name: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "model" / name
    path.parent.mkdir()
    path.touch()
    with pytest.raises(NoModel, match=f"{name} is not a SavedModel: it is an? .*{says}"):
        find(path)
    if name != "saved_model.pb":
        with pytest.raises(NoModel, match=f"model is not a SavedModel .* it has {name}, and it is an? .*{says}"):
            find(path.parent)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (b"\x89HDF\r\n", "Keras file"),
        (b"\0\0\0\0TFL3", "Lite"),
        (b"\x1f\x8b", "archive"),
        (b"so", "no kind that is known"),
    ],
)
def test_a_file_without_a_telling_name_is_known_by_its_start(start: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(start)
    with pytest.raises(NoModel, match=says):
        find(tmp_path / "model")


def test_a_savedmodel_that_lies_beside_or_below_is_named(tmp_path: Path) -> None:
    make(tmp_path / "export", "saved_model")
    (tmp_path / "export" / "frozen.pb").touch()
    make(tmp_path / "all", "street", "night_trt")
    (tmp_path / "nothing").mkdir()
    for path, says in [
        ("export/frozen.pb", "there is one in .*/export/saved_model"),
        ("all", "there is one in .*/street"),
        ("nothing", "is an empty folder"),
    ]:
        with pytest.raises(NoModel, match=f"{says}"):
            find(tmp_path / path)


def test_labels_come_with_the_model_and_are_settled_by_what_is_said_of_them(saved_model: Path, tmp_path: Path) -> None:
    file = find(saved_model).file
    assert file is not None
    assert file.names == {64: "tram", 65: "traffic light"}
    names = tmp_path / "names.txt"
    names.write_text("person\nbicycle\n")
    assert find(saved_model, names).labels == {}
    model = find(saved_model, names, 1)
    assert model.labels == {1: "person", 2: "bicycle"}
    assert model.label_evidence == "lines of names alone, the first is class 1: declared"


def test_labels_that_can_not_be_read_are_no_model(tmp_path: Path) -> None:
    assert find(make(tmp_path, "1")).file is None
    (tmp_path / "names.txt").write_text("1 person\ndog\n")
    with pytest.raises(NoModel, match=r"^line 2 of names.txt, read as lines: 'dog'|line 1 of names.txt"):
        find(tmp_path, tmp_path / "names.txt")
    with pytest.raises(NoModel, match="there is no file of labels at"):
        find(tmp_path, tmp_path / "none.txt")


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
