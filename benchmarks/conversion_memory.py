"""What conversions hold at their peak.

    python -m benchmarks.conversion_memory [--megabytes 100 700] [--targets onnx] [--precision FP16] [--steps]

For each size a SavedModel is made: photos are decoded in its graph, its weights are random convolutions and products.
Each conversion runs as `python -m converter`; what it and its children hold is summed every 50 ms, as each process'
share (the proportional set size; shared pages count once).
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

_LOOK_S = 0.05
_SIDE, _CHANNELS = 64, 512


@dataclass(frozen=True, slots=True)
class Peak:
    """What one conversion took."""

    megabytes: float
    seconds: float
    during: str  # the step in which it held most
    ended: str  # "made", or its last words
    by_step: dict[str, float]


def main() -> int:
    """Measure and print a table in Markdown; 1 if a conversion failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 700])
    parser.add_argument("--targets", nargs="+", default=["frozen", "onnx"])
    parser.add_argument("--precision", default="FP32", help="of ONNX copies")
    parser.add_argument("--memory-limit-mib", type=int, default=12000)
    parser.add_argument("--steps", action="store_true", help="say what was held in each step too")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)  # one model, in a process of its own
    args = parser.parse_args()
    if args.make:
        _make(args.make, args.megabytes[0])
        return 0
    print(
        "| weights, MB | target | peak, MB | of the weights | most while | seconds | |\n|---|---|---|---|---|---|---|"
    )
    failed = False
    for megabytes in args.megabytes:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model" / "1"
            made = [sys.executable, "-m", "benchmarks.conversion_memory", "--make", str(model)]
            subprocess.run([*made, "--megabytes", str(megabytes)], check=True, stderr=subprocess.DEVNULL)
            for target in args.targets:
                peak = measure(model, target, args.precision, args.memory_limit_mib)
                failed |= peak.ended != "made"
                times = f"{peak.megabytes / megabytes:.1f}"
                cells = (
                    megabytes,
                    target,
                    f"{peak.megabytes:,.0f}",
                    times,
                    peak.during,
                    f"{peak.seconds:.0f}",
                    peak.ended,
                )
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)
                if args.steps:
                    print({step: round(held) for step, held in peak.by_step.items()}, flush=True)
    return int(failed)


def measure(model: Path, target: str, precision: str, limit_mib: int) -> Peak:
    """One conversion, which is ended if it holds more than `limit_mib`."""
    command = [sys.executable, "-m", "converter", str(model), "--target", target, "--precision", precision]
    # What they mean can't be found out from photos: its objects don't move along with the pictures.
    command += ["--boxes", "yxyx_norm", "--memory-limit-mib", str(limit_mib)]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as words:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=words, text=True)
        held: dict[str, float] = {}
        while process.poll() is None:
            step = _step(words)
            held[step] = max(held.get(step, 0.0), sum(map(_share, _family(process.pid))) / 1e6)
            time.sleep(_LOOK_S)
        said = _text(words).strip().splitlines()
    seconds = time.monotonic() - began
    during = max(held, key=held.__getitem__)
    return Peak(held[during], seconds, during, "made" if process.returncode == 0 else said[-1], held)


def _step(words: Any) -> str:
    """The step that the converter said last."""
    lines = [json.loads(line) for line in _text(words).splitlines() if line.startswith("{")]
    return str(lines[-1].get("step", "")) if lines else ""


def _text(words: Any) -> str:
    return os.pread(words.fileno(), 1 << 20, 0).decode(errors="replace")


def _family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _share(pid: int) -> int:
    """Bytes of a process, with its share of what others hold too; 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def _make(folder: Path, megabytes: int) -> None:
    """A detector with so many megabytes of weights, half of them in convolutions."""
    import tensorflow as tf

    random, wide = tf.random.Generator.from_seed(1), _CHANNELS * 4

    def weights(count: float, *shape: int) -> list[Any]:
        deviation = (2 / math.prod(shape[:-1])) ** 0.5
        return [tf.Variable(random.normal(shape, stddev=deviation)) for _ in range(max(1, round(count)))]

    module: Any = tf.Module()
    module.kernels = weights(1, 3, 3, 3, _CHANNELS)
    module.kernels += weights(megabytes * 5e5 / (_CHANNELS**2 * 9 * 4), 3, 3, _CHANNELS, _CHANNELS)
    module.matrices = [*weights(megabytes * 5e5 / (wide**2 * 4), wide, wide), *weights(1, wide, 12)]
    spec = tf.TensorSpec([None], tf.string, name="image_bytes")
    module.serve = tf.function(partial(_serve, module), input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def _serve(module: Any, image_bytes: Any) -> dict[str, Any]:
    """Three boxes a photo."""
    import tensorflow as tf

    def decoded(jpeg: Any) -> Any:
        return tf.image.resize(tf.io.decode_jpeg(jpeg, channels=3), [_SIDE, _SIDE])

    pictures = tf.map_fn(decoded, image_bytes, fn_output_signature=tf.TensorSpec([_SIDE, _SIDE, 3], tf.float32))
    values = pictures / 255.0
    for kernel in module.kernels:
        values = tf.nn.relu(tf.nn.conv2d(values, kernel, _SIDE // 2 if kernel.shape[2] == 3 else 1, "SAME"))
    values = tf.reshape(values, [-1, _CHANNELS * 4])
    for matrix in module.matrices[:-1]:
        values = tf.nn.relu(tf.matmul(values, matrix))
    corners = tf.reshape(tf.sigmoid(tf.matmul(values, module.matrices[-1])), [-1, 3, 4]) / 2
    count = tf.shape(corners)[0]
    return {
        "detection_boxes": tf.concat([corners[..., :2], corners[..., :2] + corners[..., 2:]], -1),
        "detection_scores": tf.tile([[0.9, 0.7, 0.5]], [count, 1]),
        "detection_classes": tf.tile([[1.0, 2.0, 3.0]], [count, 1]),
        "num_detections": tf.fill([count], 3.0),
    }


if __name__ == "__main__":
    sys.exit(main())
