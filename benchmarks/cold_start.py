"""From nothing to the first answer, and the memory it takes, beside a bare script: `python -m benchmarks.cold_start`.

The bare script imports TensorFlow, loads the model, calls it once with one photo and ends. The server is started and
asked until it answers 200. Both in turn, in an order that alternates. Also a part of `make bench`.
"""

import argparse
import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.settings import bundled_model
from benchmarks.raw import PHOTOS
from benchmarks.serving import Server, serving

_BARE = """
import sys
import tensorflow as tf
call = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
name = next(iter(call.structured_input_signature[1]))
outputs = call(**{name: tf.constant([open(sys.argv[2], "rb").read()])})
_ = [tensor.numpy() for tensor in outputs.values()]
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS:")))
"""
Start = Mapping[str, float]


def main() -> int:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(table(measure(bundled_model(), args.rounds)))
    return 0


def measure(model: Path, rounds: int) -> dict[str, list[Start]]:
    """Seconds and MB of each start; `model` is the folder of its versions."""
    found: dict[str, list[Start]] = {"bare": [], "server": []}
    for number in range(rounds):
        for name in list(found)[:: -1 if number % 2 else 1]:
            found[name].append(_bare(model) if name == "bare" else _server(model))
    return found


def table(found: Mapping[str, Sequence[Start]]) -> str:
    """The medians in Markdown."""

    def median(name: str, key: str) -> float:
        return statistics.median(one[key] for one in found[name])

    bare_s, server_s, bare_mb = median("bare", "seconds"), median("server", "seconds"), median("bare", "mb")
    worker_mb, api_mb = median("server", "mb"), median("server", "api_mb")
    return "\n".join(
        [
            "| | seconds to the first answer | memory, MB |",
            "|---|---|---|",
            f"| a bare script | {bare_s:.2f} | {bare_mb:.0f} |",
            f"| the server | {server_s:.2f} ({server_s / bare_s:.2f} times) | worker {worker_mb:.0f} "
            f"({worker_mb / bare_mb:.2f} times), API {api_mb:.0f} |",
        ]
    )


def _bare(model: Path) -> Start:
    began = time.perf_counter()
    command = [sys.executable, "-c", _BARE, str(model / "1"), str(PHOTOS[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"seconds": time.perf_counter() - began, "mb": int(done.stdout) / 1024}


def _server(model: Path) -> Start:
    began = time.perf_counter()
    with serving({"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": ""}) as server:
        while not _answers(server):
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        server.wait_until_settled()
        return {"seconds": seconds, "mb": _rss_mb(server.worker_pid("native")), "api_mb": _rss_mb(server.process.pid)}


def _answers(server: Server) -> bool:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            return False
        connection.request("POST", "/detect", PHOTOS[0].read_bytes(), {"Content-Type": "image/jpeg"})
        return connection.getresponse().status == 200
    except OSError:
        if server.process.poll() is not None:
            raise RuntimeError(server.log.read_text()) from None
        return False
    finally:
        connection.close()


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    sys.exit(main())
