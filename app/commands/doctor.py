"""What serving and conversion need and what of it is missing here, as facts for a program and lines for a person."""

import functools
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app import model_folder
from converter import targets
from converter.contract import BadOptions, CopyRefused, Report
from converter.disk import checks, locks, places, trees
from converter.disk.hashes import FileHash, sha256
from converter.identity import identify
from converter.machine import environment, memory, system
from converter.machine.environment import Availability, Environment
from converter.model import sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The model that the settings name; a `problem` is a sentence, and then the rest is not known."""

    name: str = ""
    version: str = ""
    folder: str = ""
    size_bytes: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a copy goes and what stands there now."""

    folder: str
    writable: bool
    free_bytes: int
    enough: bool  # twice the model's size is free: a copy takes about once that
    exists: bool
    refused: str | None  # a code and a sentence, if what stands there may not be loaded here
    unlocked: str | None  # a sentence, if its file system can't lock files


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The pictures on which an INT8 copy would be calibrated."""

    folder: str | None
    pictures: int
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All that was found."""

    settings: tuple[str, ...]  # sentences about those that are wrong
    environment: Environment
    available_bytes: int  # of memory
    model: Source
    calibration: Calibration
    places: Mapping[str, Place]  # by target; empty without a model
    targets: Mapping[str, Availability]


def examine(
    *,
    model: Path,
    cache: Path | None,
    calibration_images: Path | None,
    problems: Sequence[str],
    ask: Callable[[], Environment] = environment.probe,
) -> Diagnosis:
    """Look at everything, which takes some seconds; `problems` are sentences about the settings."""
    source = _source(model)
    found = ask()
    refusal = functools.partial(_refusal, Path(source.folder), found=found, file_hash=functools.cache(sha256))
    places = {} if source.problem else {target: _place(source, target, cache, refusal) for target in targets.KINDS}
    return Diagnosis(
        settings=tuple(problems),
        environment=found,
        available_bytes=memory.available_bytes(),
        model=source,
        calibration=_calibration(calibration_images),
        places=places,
        targets={target: kind.availability(found) for target, kind in targets.KINDS.items()},
    )


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The facts for a machine to read."""
    found = diagnosis.environment
    library = environment.library_name(found) if found.tensorrt_linked else None
    about_this = {
        "system": system.name(),
        "lacking": system.lacking(),
        "python": platform.python_version(),
        "tensorrt_library": library,
    }
    return {
        "settings": {"problems": list(diagnosis.settings)},
        "environment": about_this | environment.as_json(found),
        "memory": {"available_bytes": diagnosis.available_bytes},
        "model": asdict(diagnosis.model),
        "calibration_images": asdict(diagnosis.calibration),
        "folder": {target: asdict(place) for target, place in diagnosis.places.items()},
        "targets": {target: asdict(answer) for target, answer in diagnosis.targets.items()},
    }


def as_text(diagnosis: Diagnosis) -> str:
    """The facts for a person to read, one a line; what no terminal can show is escaped."""
    text = "\n".join(f"{label:12} {words}" for label, words in _lines(diagnosis))
    return text.encode(errors="backslashreplace").decode()


def _source(path: Path) -> Source:
    try:
        model = model_folder.find(path)
        size = trees.size_bytes(model.folder)
    except model_folder.NoModel as error:
        return Source(problem=str(error))
    except OSError as error:
        return Source(problem=f"{path} can't be read: {error.strerror}")
    return Source(name=model.name, version=model.version, folder=str(model.folder), size_bytes=size)


def _place(source: Source, target: str, cache: Path | None, refusal: Callable[[Path, str], str | None]) -> Place:
    folder = places.location(Path(source.folder), target, cache=cache)
    into = next(parent for parent in folder.absolute().parents if os.path.exists(parent))  # the rest is made
    free = shutil.disk_usage(into).free
    exists = os.path.exists(folder)
    return Place(
        folder=str(folder),
        writable=into.is_dir() and os.access(into, os.W_OK | os.X_OK),
        free_bytes=free,
        enough=free >= 2 * source.size_bytes,
        exists=exists,
        refused=refusal(folder, target) if exists else None,
        unlocked=locks.problem(folder.parent),
    )


def _refusal(model: Path, folder: Path, target: str, *, found: Environment, file_hash: FileHash) -> str | None:
    """Why a server would refuse this copy, whatever options its settings ask for, as far as this machine is known."""
    kind = targets.kind(target)
    try:
        checks.check_kind(folder, kind)
        if (report := Report.read(folder)) and not found.crash:
            checks.check(folder, kind, identify(model, report.options, found, file_hash=file_hash))
    except CopyRefused as error:
        return f"{error.reason}: {error}"
    except (OSError, ValueError) as error:
        return f"incomplete: {folder.name}: {error}"
    return None


def _calibration(folder: Path | None) -> Calibration:
    if folder is None:
        return Calibration(folder=None, pictures=0, problem=None)
    try:
        return Calibration(folder=str(folder), pictures=len(sampling.pictures(folder)), problem=None)
    except BadOptions as error:
        return Calibration(folder=str(folder), pictures=0, problem=str(error))


def _lines(diagnosis: Diagnosis) -> Iterator[tuple[str, str]]:
    found, model = diagnosis.environment, diagnosis.model
    yield "system", system.name()
    if sentence := system.lacking():
        yield "", sentence
    yield "Python", platform.python_version()
    yield "TensorFlow", _tensorflow(found)
    yield "TensorRT", _tensorrt(found)
    yield "ONNX Runtime", _onnx_runtime(found)
    yield "driver", found.driver or "none: no NVIDIA driver was found"
    yield "GPU", _gpus(found)
    yield "memory", f"{memory.in_words(diagnosis.available_bytes)} are available"
    yield from (("settings", words) for words in diagnosis.settings or ("nothing is wrong with them",))
    size = memory.in_words(model.size_bytes)
    yield "model", model.problem or f"{model.name}, version {model.version}: {size} in {model.folder}"
    yield "calibration", _pictures(diagnosis.calibration)
    for target, answer in diagnosis.targets.items():
        yield target, "can be made here" if answer.available else f"can't be made here: {answer.code}: {answer.reason}"
        if place := diagnosis.places.get(target):
            yield "  folder", _room(place, model)
            yield "  copy", _copy(place)


def _tensorflow(found: Environment) -> str:
    if found.tensorflow is None:
        return f"not found: {found.log[-1]}" if found.log else "not found"
    return f"{found.tensorflow} (build {found.tensorflow_build or 'not known'})"


def _tensorrt(found: Environment) -> str:
    linked, loaded = environment.dotted(found.tensorrt_linked), environment.dotted(found.tensorrt_loaded)
    if loaded:
        return f"{loaded} (TensorFlow is built for {linked})"
    if found.crash:
        return "not known: the check of TensorFlow failed"
    if linked is None:
        return "none: TensorFlow is built without TF-TRT"
    library = environment.library_name(found)
    return f"not loaded: no {library} along LD_LIBRARY_PATH (TensorFlow is built for {linked})"


def _onnx_runtime(found: Environment) -> str:
    if "onnxruntime" not in found.onnx:
        return "not found: pip install '.[onnx]'"
    from converter.model import providers

    names = ", ".join(name.removesuffix("ExecutionProvider") for name in providers.available(tensorrt=True))
    return f"{providers.VERSION}, which can use {names}"


def _gpus(found: Environment) -> str:
    if found.gpus:
        sizes = found.gpu_memory_bytes if len(found.gpu_memory_bytes) == len(found.gpus) else (0,) * len(found.gpus)
        named = [
            f"{gpu}, {memory.in_words(size)}" if size else gpu for gpu, size in zip(found.gpus, sizes, strict=True)
        ]
        return f"{'; '.join(named)} (compute capability {found.compute_capability or 'not known'})"
    if found.crash:
        return "not known: the check of TensorFlow failed"
    return f"none: {environment.without_gpu(found)}"


def _pictures(calibration: Calibration) -> str:
    if calibration.folder is None:
        return "none: an INT8 copy needs DETECTOR_CALIBRATION_IMAGES, a folder of JPEG files"
    return calibration.problem or f"{calibration.pictures} JPEG files in {calibration.folder}"


def _room(place: Place, model: Source) -> str:
    free = f"{memory.in_words(place.free_bytes)} are free"
    if not place.writable:
        return f"{place.folder} can't be written: DETECTOR_CACHE must name a folder that can"
    if not place.enough:
        return f"{place.folder} can be written, but only {free}, less than twice the model's size"
    return f"{place.folder} can be written, {free}{f'; but {place.unlocked}' if place.unlocked else ''}"


def _copy(place: Place) -> str:
    if not place.exists:
        return "none has been made yet"
    return f"refused: {place.refused}" if place.refused else "nothing is wrong with its files"
