"""Runs a SavedModel once at every batch size in a process of its own, and times it.

For a TF-TRT copy the process forbids TensorFlow to fall back to its native segments
(`TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=False`): only then does an answer prove that TensorRT ran.
Run by itself: `python -m converter.probe FOLDER 1,8`.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converter import child, sampling
from converter.contract import CopyRefused

STRICT = {"TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION": "False"}
TIMEOUT_S = 600.0
RUNS = 10


def run(folder: Path, batch_sizes: Sequence[int], *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Latency by batch size: `first_s`, then `mean_s` of the runs after it (as in Google's 2019 article).

    CopyRefused if the copy does not load, does not run, or runs only by falling back to native segments.
    """
    sizes = ",".join(map(str, batch_sizes))
    environ = {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ, **STRICT}
    try:
        done = child.run("converter.probe", str(folder), sizes, timeout_s=timeout_s, environ=environ)
    except subprocess.TimeoutExpired as error:
        raise CopyRefused("probe_failed", f"the copy did not answer within {timeout_s:g} s") from error
    if done.returncode == 0:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result
    if "disallowed engine native segment" in done.stderr:
        raise CopyRefused("native_fallback", "the copy runs only by falling back to TensorFlow's native segments")
    if done.returncode < 0:
        raise CopyRefused("probe_failed", f"the copy ended its process by {signal.Signals(-done.returncode).name}")
    raise CopyRefused("probe_failed", f"the copy does not run: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _measure(folder: Path, batch_sizes: Sequence[int]) -> dict[str, Any]:
    import tensorflow as tf

    from converter.signature import first_line, load

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    model, signature = load(folder, may_have_engines=True)
    photos = sampling.packaged()
    latency = {}
    for size in batch_sizes:
        seconds = []
        for _ in range(1 + RUNS):
            start = time.perf_counter()
            try:
                outputs = signature(tf.constant(sampling.batch(photos, size)))
                _ = [tensor.numpy() for tensor in outputs.values()]
            except tf.errors.OpError as error:
                print(error, file=sys.stderr)
                sys.exit(f"at batch size {size}: {first_line(error)}")
            seconds.append(time.perf_counter() - start)
        latency[str(size)] = {"first_s": round(seconds[0], 4), "mean_s": round(statistics.mean(seconds[1:]), 5)}
    del model
    return latency


if __name__ == "__main__":
    if child.ENDS_WITH_STDIN in sys.argv:
        child.end_with_stdin()
    print(json.dumps(_measure(Path(sys.argv[1]), [int(size) for size in sys.argv[2].split(",")])))
