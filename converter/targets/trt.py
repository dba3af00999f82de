"""TF-TRT copies: the operations that TensorRT knows are its engines, the rest stays TensorFlow's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.contract import PRECISIONS, Options
from converter.kind import ONE_PROTOBUF, Kind, Memory
from converter.machine.environment import Availability, Environment, dotted, library_name, without_gpu
from converter.model import engines
from converter.progress import Progress


def _make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    from converter.tftrt import convert

    return convert.make(source, into, options, progress)


def _needs(found: Environment) -> Availability:
    problems = [problem for problem in (_library_problem(found), _gpu_problem(found)) if problem]
    if not problems:
        return Availability(True)
    return Availability(False, problems[0][0], "; ".join(sentence for _, sentence in problems))


def _library_problem(found: Environment) -> tuple[str, str] | None:
    linked, loaded = found.tensorrt_linked, found.tensorrt_loaded
    if linked is None:
        return (
            "tf_without_tensorrt",
            f"TensorFlow {found.tensorflow} was built without TF-TRT (2.17 is the last with it)",
        )
    if loaded is None:
        return "library_missing", (
            f"TensorRT's library {library_name(found)} was not found: "
            f"TensorFlow {found.tensorflow} looks for it along LD_LIBRARY_PATH"
        )
    if loaded[0] != linked[0] or loaded < linked:
        return "version_mismatch", (
            f"TensorRT {dotted(loaded)} was found, but TensorFlow {found.tensorflow} needs {dotted(linked)} "
            f"or a later {linked[0]}.x"
        )
    return None


def _gpu_problem(found: Environment) -> tuple[str, str] | None:
    return None if found.gpus else ("no_gpu", without_gpu(found))


def _mistake(folder: Path) -> tuple[str, str] | None:
    lacking = engines.lacking(folder)
    return ("no_engine", lacking) if lacking else None


KIND = Kind(
    name="trt",
    title="TF-TRT copy",
    runner="tensorflow",
    steps=("load", "convert", "build", "save"),
    shaped_by=(
        "precision",
        "batch_sizes",
        "minimum_segment_size",
        "workspace_bytes",
        "cached_engines",
        "dynamic_shape",
        "profile_strategy",
        "calibration",
        "calibrated_on",
        "build_at_run_time",
        "save_engines",
        "denylist",
    ),
    precisions=PRECISIONS,
    wanted_on=frozenset({"gpu"}),
    most_weights_bytes=ONE_PROTOBUF,
    memory=Memory(times=20, plus_bytes=3 << 30),  # its yardstick's; TensorRT's libraries and its builder beside it
    has_engines=True,
    yardstick="frozen",
    needs=_needs,
    mistake=_mistake,
    make=_make,
)
