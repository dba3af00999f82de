"""The converter's programs that need TensorFlow, as small ones that need none: the same words and files, at once.

A process that was started as one of them is one of these instead, and ends here. ORDER says what one of them does in
place of its work, like "save: SIGSEGV": at this step it ends by a signal, fails, waits (until the file $GO exists) or
takes memory. With a name in GPU it seems that TensorRT and a GPU are there.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

TYPE_CHECKING = False  # four of these start in each conversion: what is imported here counts
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

FOUND: dict[str, Any] = {
    "tensorflow": "2.14.1",
    "tensorflow_build": "v2.14.1 cuda 11.8",
    "tensorrt_linked": (8, 5, 3),
    "tensorrt_loaded": None,
    "gpus": (),
    "compute_capability": None,
}
ON_A_GPU: dict[str, Any] = {"tensorrt_loaded": (8, 5, 3), "compute_capability": "9.0"}
ENGINE = "TRTEngineOp_000_000"
OPERATIONS = {"operations": 200, "operations_converted": 150}
SECONDS = {"first_s": 0.5, "mean_s": 0.011, "p50_s": 0.01, "p95_s": 0.02, "p99_s": 0.03, "runs": 100}
DESCRIPTION = {
    "signature": "serving_default",
    "input": {"name": "image_bytes"},
    "convention": "object detection API",
    "outputs": {"detection_boxes": "detection_boxes"},
    "ignored": [],
    "boxes": "yxyx_norm",
    "evidence": "",
    "notes": [],
}
DOG = [131.0, 220.0, 310.0, 541.0, 0.91, 18.0]  # left, top, right, bottom, score, class


def environment() -> None:
    """`python -m converter.machine.environment`."""
    obey("check")
    name = os.environ.get("GPU")
    say({**FOUND, **({**ON_A_GPU, "gpus": [name]} if name else {})})


def probe(request: str) -> None:
    """`python -m converter.comparison.probing`."""
    asked = json.loads(request)
    obey("verify" if ".partial-" in asked["folder"] else "native")
    fixed = os.environ.get("BATCH")  # the only one that the model takes
    batches = [fixed] if fixed else list(map(str, asked["batch_sizes"]))
    found = {"latency": dict.fromkeys(batches, SECONDS), "detections": {size: [[DOG]] for size in batches}}
    say({**found, "description": DESCRIPTION, "left_out": {}})


def making(_: str, into: str, options: str) -> None:
    """`python -m converter.targets.making`."""
    engines = json.loads(options)["target"] == "trt"
    for step in ("load", "convert", "build", "save") if engines else ("load", "convert", "save"):
        tell(step, "started")
        sys.stderr.write(f"TensorFlow says something in {step}\n")
        obey(step)
        tell(step, "done", seconds=0.25)
    os.makedirs(f"{into}/assets")
    files = {"saved_model.pb": f"a graph with {ENGINE}" if engines else "a graph"}
    files |= {f"assets/trt-serialized-engine.{ENGINE}": "an engine"} if engines else {}
    for name, content in files.items():
        with open(f"{into}/{name}", "w") as file:
            file.write(content)
    say({"facts": {**OPERATIONS, "engines": 3} if engines else OPERATIONS})


def tell(step: str, state: str, **more: float) -> None:
    sys.stderr.write(json.dumps({"step": step, "state": state, **more}) + "\n")
    sys.stderr.flush()


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def obey(step: str) -> None:
    """Do what was ordered, if this is the step."""
    at, _, order = os.environ.get("ORDER", "").partition(": ")
    if at != step:
        return
    if order == "fail":
        fail(step)
    if order.startswith("SIG"):
        import signal

        os.kill(os.getpid(), signal.Signals[order])
    held = b"x" * (200 << 20) if order == "take memory" else b""
    wait()
    del held


def fail(step: str) -> NoReturn:
    if step in ("native", "verify"):
        sys.stderr.write("ValueError: no kernel\n")
        sys.stderr.flush()
    else:
        say({"error": "failed", "message": "TensorFlow gave up"})
    os._exit(1)


def wait() -> None:
    """Until the file exists; the process ends with its standard input, as the real ones do."""
    import select

    while not os.path.exists(os.environ["GO"]):
        if select.select([0], [], [], 0.01)[0]:
            os._exit(1)


PROGRAMS: dict[str, Callable[..., None]] = {
    "converter.machine.environment": environment,
    "converter.comparison.probing": probe,
    "converter.targets.making": making,
}
if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2] in PROGRAMS:
    PROGRAMS[sys.orig_argv[2]](*[each for each in sys.orig_argv[3:] if each != "--ends-with-stdin"])
    os._exit(0)
if "HELD_BEFORE" in os.environ:
    importlib.import_module("held").hold_before(os.environ["HELD_BEFORE"])
