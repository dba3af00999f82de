"""Whether the files in a folder are those of a copy of some kind, told without loading anything."""

from pathlib import Path

from converter.model import engines
from converter.model.onnx_layout import HEAD, LAYOUT_NAME, NETWORK, PICTURE, TAIL, Layout

_SAVED = "saved_model.pb"


def is_model(folder: Path) -> bool:
    """Whether `folder` has a SavedModel or a copy of any kind."""
    return (folder / _SAVED).is_file() or (folder / LAYOUT_NAME).is_file()


def mistake(folder: Path, target: str) -> tuple[str, str] | None:
    """A short word and a sentence, if `folder` has no copy of the kind `target`; OSError if it can't be read."""
    if target == "trt":
        return _named("no_engine", engines.lacking(folder))
    if target == "onnx":
        return _named("not_what_it_says", _no_layout(folder)) or _named("incomplete", _lacking(folder))
    return _named("not_what_it_says", _other(folder))


def _named(word: str, sentence: str | None) -> tuple[str, str] | None:
    return (word, sentence) if sentence else None


def _other(folder: Path) -> str | None:
    if (folder / LAYOUT_NAME).is_file():
        return "it is a copy for ONNX Runtime and must be offered as one"
    if engines.find(folder).nodes:
        return "its graph has TensorRT engines, so it is a TF-TRT copy and must be offered as one"
    return None


def _no_layout(folder: Path) -> str | None:
    if (folder / LAYOUT_NAME).is_file() or not (folder / _SAVED).is_file():
        return None
    return f"it is a SavedModel: a copy for ONNX Runtime has a {LAYOUT_NAME}"


def _lacking(folder: Path) -> str | None:
    """The first part that the layout names and that isn't there."""
    try:
        layout = Layout.read(folder)
    except ValueError as error:
        return str(error)
    files = [Path(NETWORK)]
    files += [Path(PICTURE)] if layout.picture else []
    files += [Path(name, _SAVED) for name, part in ((HEAD, layout.head), (TAIL, layout.tail)) if part]
    missing = [str(path) for path in files if not (folder / path).is_file()]
    return f"{missing[0]} is missing, which its {LAYOUT_NAME} names" if missing else None
