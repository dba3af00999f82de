"""Models of other formats: what they are, and how people come from there to a SavedModel."""

from collections.abc import Iterable, Mapping
from pathlib import Path

# What a file is, by the end of its name, and what to do with it.
_BY_NAME: Mapping[str, str] = {
    "saved_model.pb": "it is a SavedModel's graph: name the folder that it lies in",
    "saved_model.pbtxt": "it is a SavedModel in text form, which is not read: "
    "load it with tf.saved_model.load and write it with tf.saved_model.save",
    ".h5": "it is a Keras file: load it with tf.keras.models.load_model and write it with model.export(folder), "
    "or with tf.saved_model.save(model, folder)",
    ".keras": "it is a Keras archive: load it with keras.models.load_model and write it with model.export(folder)",
    ".tflite": "it is a TensorFlow Lite model, which can't be turned back: export the SavedModel that it was made from",
    ".onnx": "it is an ONNX model: make a SavedModel of it with onnx2tf, or export one where it was trained; "
    "the server makes ONNX copies itself",
    ".pb": "it is a frozen graph, which has no signature: export a SavedModel in its place, as "
    "tf.compat.v1.saved_model.simple_save does",
    ".pt": "it is a PyTorch model: export it as a SavedModel, as `yolo export format=saved_model` does",
    ".zip": "it is an archive: unpack it and name the folder that has saved_model.pb",
    ".engine": "it is a TensorRT engine, which runs on one kind of GPU: name the SavedModel that it was made from",
    ".ckpt": "it is a checkpoint, which has weights and no graph: export a SavedModel from it, as the object detection "
    "API's exporter_main_v2.py does",
    "model.json": "it is a TensorFlow.js model, which can't be turned back: export the SavedModel it was made from",
    ".safetensors": "it is a file of weights without a graph: export a SavedModel from the program that it belongs to",
}
_SAME: Mapping[str, str] = {
    ".hdf5": ".h5",
    ".pth": ".pt",
    ".torchscript": ".pt",
    ".plan": ".engine",
    ".trt": ".engine",
    ".index": ".ckpt",
    ".meta": ".ckpt",
    "checkpoint": ".ckpt",
    ".weights": ".safetensors",
    **dict.fromkeys((".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), ".zip"),
}
_BY_START: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF", ".h5"),
    (4, b"TFL3", ".tflite"),
    (0, b"PK\x03\x04", ".zip"),
    (0, b"\x1f\x8b", ".zip"),
)


def of_file(path: Path) -> str:
    """What a file is and what to do, as a clause."""
    found = _known(path) or _by_start(path)
    return (
        _BY_NAME[found] if found else "it is a file of no kind that is known: name the folder that has saved_model.pb"
    )


def of_folder(entries: Iterable[Path]) -> str | None:
    """What there is in place of a SavedModel among a folder's entries and what to do; None for nothing known."""
    files = (entry for entry in sorted(entries) if _known(entry) and entry.is_file())
    found = next(files, None)
    return None if found is None else f"it has {found.name}, and {of_file(found)}"


def _known(path: Path) -> str | None:
    """The key of what a file is by its name."""
    name = path.name.lower()
    if name.startswith("ckpt-") or ".ckpt" in name:
        return ".ckpt"
    ends = (_SAME.get(end, end) for end in (name, path.suffix.lower()))
    return next((end for end in ends if end in _BY_NAME), None)


def _by_start(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        return None
    return next((found for at, magic, found in _BY_START if start[at:].startswith(magic)), None)
