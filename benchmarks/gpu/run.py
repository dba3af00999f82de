"""A part from its first point to its last: what is known already is passed over, each point is written at once."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu import crops, http, models
from benchmarks.gpu.models import Model
from benchmarks.gpu.parts import COPIES, Part, Settings, is_layout
from benchmarks.gpu.points import Points
from benchmarks.gpu.raw import Request
from benchmarks.serving import Server
from converter import stored
from converter.comparison import agreement
from converter.comparison.matching import compare
from converter.comparison.probe import STRICT
from converter.model import sampling
from converter.model.detections import Detections
from converter.targets import KINDS
from converter.tolerance import Tolerance

SETTLE_S = 2.0  # of load before the first point
BESIDE_S = 10.0  # of load where two are beside each other
BESIDE_MIB = "24000"  # of each backend where two are beside each other and nobody says


class OutOfTime(Exception):
    """The minutes of a part are over; the same command goes on where it stopped."""


@dataclass(frozen=True)
class How:
    """What is the same for all points of a run."""

    work: Path
    points: Points
    connections: Mapping[int, float]  # seconds of each point over HTTP
    layouts: tuple[str, ...]
    raw_seconds: float
    orders_seconds: float
    settings: Settings
    precision: str
    run: str  # points of several runs may be in one file
    photo: Path
    images: Path  # a folder of small ones, on which servers judge copies
    compared: Path | None  # the same for `agreement` and `mixed`; None: crops that are made
    end: float  # by time.monotonic()

    def check_time(self) -> None:
        """OutOfTime if it is."""
        if time.monotonic() > self.end:
            raise OutOfTime


def run(part: Part, how: How) -> None:
    """All points of a part."""
    for variant in part.variants:
        settings = {**how.settings, **variant}
        model = models.model(how.work, part.model, how.precision, settings)
        _DOES[part.does](part, replace(how, settings=settings), model)


def build(part: Part, how: How, model: Model) -> None:
    """Make the copy if it is one and is not there."""
    seconds = models.build(model, part.backend)
    if seconds is not None:
        how.points.add(_key(part, how, step="build", sizes=model.sizes), {"seconds": seconds})


def load(part: Part, how: How, model: Model) -> None:
    """The raw call, then the same over HTTP."""
    build(part, how, model)
    _raw(part, how, model, [_key(part, how, step=layout) for layout in how.layouts])
    asked = how.connections.items()
    keys = {count: _key(part, how, step="http", connections=count, seconds=seconds) for count, seconds in asked}
    left = {each: key for each, key in keys.items() if not how.points.has(key)}
    if not left or part.backend == "mixed":  # it is no backend of the server
        return
    how.check_time()
    copies = (part.backend,) if part.backend in COPIES else ()
    with http.served(model.folder, copies, _environ(how), how.images) as server:
        found = http.standing(server, part.backend)
        how.points.add(_key(part, how, step="served"), found)
        if found["state"] not in ("active", "standby"):
            raise RuntimeError(f"{part.backend} is {found['state']}: {found.get('reason')}")
        http.wrk(server, part.backend, connections=max(left), seconds=SETTLE_S, photo=how.photo)
        for connections, key in left.items():
            how.check_time()
            how.points.add(key, _loaded(server, part.backend, connections, key["seconds"], how))


def orders(part: Part, how: How, model: Model) -> None:
    """Batch sizes in random order and in falling order, of one caller."""
    build(part, how, model)
    _raw(part, how, model, [_key(part, how, step="orders")], orders_s=how.orders_seconds)


def mix(part: Part, how: How, model: Model) -> None:
    """Callers at once, each with batches of any size, against what each photo gets alone."""
    build(part, how, model)
    _raw(part, how, model, [_key(part, how, step="mixed")], mixed_s=how.orders_seconds, images=_crops(how))


def agree(part: Part, how: How, model: Model) -> None:
    """Native's detections at each batch size against those of each copy that is there, photos of several sizes."""
    backends = ["native", *(name for name in COPIES if model.copy(name).is_dir())]
    files = {name: how.work / f"{part.model}-{name}.detections.json" for name in backends}
    for name, file in files.items():
        how.check_time()
        key = _key(part, how, step="detections", of=name)
        _raw(replace(part, backend=name), how, model, [key], detections=file, images=_crops(how))
    native = _read(files["native"])
    for name in backends[1:]:
        for size, found in _read(files[name]).items():
            key = _key(part, how, step="agreement", of=name, batch=int(size))
            how.points.add(key, _compared(native[size], found))


def beside(part: Part, how: How, model: Model) -> None:
    """`onnx` and `trt` in one server within a limit each: what they hold, and both loaded at once."""
    copies = tuple(name for name in ("onnx", "trt") if model.copy(name).is_dir())
    limit = {"DETECTOR_GPU_MEMORY_MIB": BESIDE_MIB} if http.memory() else {}
    within = replace(how, settings={**limit, **how.settings})
    with http.served(model.folder, copies, _environ(within), how.images) as server:
        for name in ("native", *copies):
            how.points.add(_key(part, within, step="beside", of=name), http.standing(server, name))
        for name in copies:
            key = _key(part, within, step="beside loaded", of=name)
            how.points.add(key, _loaded(server, name, 32, BESIDE_S, how))


def _loaded(server: Server, backend: str, connections: int, seconds: float, how: How) -> dict[str, Any]:
    return http.load(server, backend, connections=connections, seconds=seconds, photo=how.photo)


_DOES: Mapping[str, Callable[[Part, How, Model], None]] = {
    "build": build,
    "load": load,
    "orders": orders,
    "mixed": mix,
    "agreement": agree,
    "beside": beside,
}


def _key(part: Part, how: How, **more: Any) -> dict[str, Any]:
    key = {"model": part.model, "backend": part.backend, "precision": how.precision, **more}
    return {**key, "settings": dict(sorted(how.settings.items())), **({"run": how.run} if how.run else {})}


def _crops(how: How) -> Path:
    return how.compared or crops.written(how.work / "crops")


def _environ(how: How) -> Settings:
    return {"DETECTOR_PRECISION": how.precision, "DETECTOR_CALIBRATION_IMAGES": str(sampling.PHOTOS), **how.settings}


def _raw(part: Part, how: How, model: Model, keys: list[dict[str, Any]], **more: Any) -> None:
    """Have a process of its own take those steps that are not known yet."""
    left = {key["step"]: key for key in keys if not how.points.has(key)}
    if not left:
        return
    how.check_time()
    request = _request(part, how, model, layouts=tuple(filter(is_layout, left)), **more)
    for line in _lines([sys.executable, "-m", "benchmarks.gpu.raw", stored.to_json(request)]):
        told = json.loads(line)
        step = told.pop("step")
        how.points.add(left.get(step) or _key(part, how, step=f"raw {step}"), told)


def _request(part: Part, how: How, model: Model, **more: Any) -> Request:
    """The same as the server's worker would be told."""
    folder, settings = model.copy(part.backend), how.settings
    in_flight, memory = (settings.get(f"DETECTOR_{name}") for name in ("BATCHES_IN_FLIGHT", "GPU_MEMORY_MIB"))
    engines = part.backend in KINDS and KINDS[part.backend].has_engines
    given = "DETECTOR_BATCH_SIZES" in settings
    return Request(
        backend=part.backend,
        folder=folder,
        seconds=how.raw_seconds,
        max_batch=int(settings.get("DETECTOR_MAX_BATCH", 8)),
        engine_sizes=models.engine_sizes(folder) if engines else (),
        sizes=tuple(map(int, model.sizes.split(","))) if given else (),
        in_flight=int(in_flight) if in_flight else None,
        memory_mib=int(memory) if memory else None,
        photo=how.photo,
        **more,
    )


def _lines(command: list[str]) -> Iterator[str]:
    """The JSON that a program prints; RuntimeError if it fails."""
    environ = {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ, **STRICT}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        for line in process.stdout or ():
            if line.startswith("{"):
                yield line
    if process.returncode:
        raise RuntimeError(f"the raw call ended with exit code {process.returncode}")


def _read(file: Path) -> Any:
    return json.loads(file.read_text())


def _compared(ours: list[Any], theirs: list[Any]) -> dict[str, Any]:
    limits = Tolerance()
    pairs = zip(map(_detections, ours), map(_detections, theirs), strict=True)
    found = agreement.total(compare(one, other, limits, photo=str(photo)) for photo, (one, other) in enumerate(pairs))
    verdict = found.verdict(limits)
    return {"verdict": verdict.word, "reason": verdict.reason}


def _detections(rows: list[list[float]]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))
