"""What this machine has for making and serving copies. Asked in a child process.

The questions have an order that must be kept: asking TensorFlow for the loaded TensorRT version without the library
ends the process by SIGABRT, although `is_tensorrt_enabled()` said False before. So the child prints each fact as it
learns it, and the parent reads how far it came. Run by itself: `python -m converter.machine.environment`.
"""

import contextlib
import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import metadata
from typing import Any

from converter.machine import child, nvidia

TIMEOUT_S = 120.0
FOR_ONNX = ("onnxruntime", "onnx", "tf2onnx", "simplejpeg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The facts; None means not known or not there."""

    driver: str | None = None  # NVIDIA's, like 550.54.15
    tensorflow: str | None = None
    tensorflow_build: str | None = None  # its commit and the CUDA it was built for: a version has several builds
    tensorrt_linked: tuple[int, int, int] | None = None  # None: a TensorFlow without TF-TRT
    tensorrt_loaded: tuple[int, int, int] | None = None
    gpus: tuple[str, ...] = ()
    gpu_memory_bytes: tuple[int, ...] = ()  # of each of `gpus`; empty if not known
    compute_capability: str | None = None  # of the first of `gpus`
    onnx: tuple[str, ...] = ()  # the packages for ONNX copies that are there
    versions: Mapping[str, str] = field(default_factory=dict)  # of those
    crash: str | None = None  # how the child ended, if it did not end well
    log: tuple[str, ...] = field(default=(), repr=False)  # its last lines


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a target can be made and served here; if not, a short code and a sentence."""

    available: bool
    code: str = ""
    reason: str = ""


def probe(environ: Mapping[str, str] | None = None, *, timeout_s: float = TIMEOUT_S) -> Environment:
    """Ask in a child process, which takes some seconds (it imports TensorFlow). Never raises for what it finds."""
    try:
        ended = child.run("converter.machine.environment", limits=child.Limits.within(timeout_s), environ=environ)
    except child.OverLimit:
        return Environment(crash=f"it did not answer in {timeout_s:g} s")
    return _parse(ended)


def dotted(version: tuple[int, int, int] | None) -> str | None:
    """8.5.3 for (8, 5, 3)."""
    return None if version is None else ".".join(map(str, version))


def library_name(found: Environment) -> str:
    """The file that TensorFlow opens: the major version's up to 2.14, the exact version's from 2.15 on."""
    linked = found.tensorrt_linked or (0, 0, 0)
    release = tuple(int(part) for part in (found.tensorflow or "0.0").split(".")[:2])
    return f"libnvinfer.so.{dotted(linked) if release >= (2, 15) else linked[0]}"


def without_gpu(found: Environment) -> str:
    """A sentence that says why TensorFlow has no GPU."""
    if found.driver is None:
        return "TensorFlow sees no NVIDIA GPU: there is no NVIDIA driver"
    return "TensorFlow sees no NVIDIA GPU; there is a driver, so CUDA's libraries are missing or the GPU is hidden"


def _parse(ended: child.Ended) -> Environment:
    known = {item.name for item in fields(Environment)}
    found = Environment(**{name: fact for name, fact in _facts(ended.stdout).items() if name in known})
    if ended.returncode == 0:
        return found
    how = ended.signal_name or f"exit code {ended.returncode}"
    return replace(found, crash=f"it ended by {how}", log=tuple(ended.stderr.splitlines()[-5:]))


def _facts(stdout: str) -> dict[str, Any]:
    """Those that were told, by name; what else is in the output is somebody else's, or was cut off by a crash."""
    facts: dict[str, Any] = {}
    for line in stdout.splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                facts.update(json.loads(line))
    return {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in facts.items()}


def _tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def _ask() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    there = [name for name in FOR_ONNX if importlib.util.find_spec(name)]
    _tell(driver=nvidia.driver(), onnx=there, versions=_versions(there))
    import tensorflow as tf

    _tell(tensorflow=tf.__version__)
    _tell(tensorflow_build=_build(tf.version.GIT_VERSION, tf.sysconfig.get_build_info()))
    _ask_tftrt()
    _ask_gpus(tf)


def _versions(packages: Sequence[str]) -> dict[str, str]:
    """By package; several distributions may have one, like onnxruntime and onnxruntime-gpu."""
    distributions = metadata.packages_distributions()
    found = {name: sorted({metadata.version(each) for each in distributions.get(name, ())}) for name in packages}
    return {name: ", ".join(versions) for name, versions in found.items() if versions}


def _ask_tftrt() -> None:
    try:
        from tensorflow.compiler.tf2tensorrt import _pywrap_py_utils as tftrt
    except ImportError:
        return
    if tuple(tftrt.get_linked_tensorrt_version()) != (0, 0, 0):
        _tell(tensorrt_linked=tftrt.get_linked_tensorrt_version())
        if tftrt.is_tensorrt_enabled():  # without this question first, the next one may end the process
            _tell(tensorrt_loaded=tftrt.get_loaded_tensorrt_version())


def _ask_gpus(tf: Any) -> None:
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    capability = details[0].get("compute_capability") if details else None
    _tell(
        gpus=[detail.get("device_name", "unknown") for detail in details],
        compute_capability=".".join(map(str, capability)) if capability else None,
    )
    if details:
        _tell(gpu_memory_bytes=nvidia.memory_bytes())


def _build(commit: str, info: Mapping[str, Any]) -> str:
    """Of tf.sysconfig.get_build_info(), which differs between wheels of one version."""
    if not info.get("is_cuda_build"):
        return f"{commit} cpu"
    return f"{commit} cuda {info.get('cuda_version', 'unknown')} cudnn {info.get('cudnn_version', 'unknown')}"


def as_json(found: Environment) -> dict[str, Any]:
    """The facts for a machine to read."""
    return {key: value for key, value in asdict(found).items() if key != "log"}


if __name__ == "__main__":
    child.begin()
    _ask()
