"""TF-TRT end to end on this machine's GPU, as a log in Markdown: convert, serve, restart, compare.

    python -m benchmarks.gpu [--precision FP16] [--batch-sizes 1,8] MODEL_FOLDER

MODEL_FOLDER is a SavedModel; `<it>_trt` is made beside it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from converter import environment
from tests.serving import Server, serving
from tests.traffic import traffic

ROUNDS = 20
BACKENDS = ("native", "frozen", "trt")
PHOTOS = Path(__file__).parent.parent / "converter" / "photos"


def main() -> int:
    """Run all steps; 1 if TensorRT did not answer at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--precision", default="FP32")
    parser.add_argument("--batch-sizes", default="1,8")
    parser.add_argument("--existing", action="store_true", help="serve the copy that is there")
    args = parser.parse_args()
    found = environment.probe()
    print(f"TensorFlow {found.tensorflow}, TensorRT {environment.dotted(found.tensorrt_loaded)}, {found.gpus}\n")
    if not args.existing and not convert(args.model, args.precision, args.batch_sizes):
        return 1
    environ = {"DETECTOR_MODEL": str(args.model), "DETECTOR_COPIES": "trt,frozen", "DETECTOR_DRAIN_SECONDS": "0"}
    photos = {path.stem: path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))}
    with started("first start", environ) as server:
        answers(server, photos)
        throughput(server, list(photos.values()))
        series(server)
    with started("second start", {**environ, "DETECTOR_STARTUP_CONVERSION": "off"}) as server:
        return 0 if server.detect(photos["coffee"], backend="trt").status_code == 200 else 1


def convert(model: Path, precision: str, batch_sizes: str) -> bool:
    """`python -m converter`, its report in short."""
    command = [sys.executable, "-m", "converter", str(model), "--precision", precision, "--batch-sizes", batch_sizes]
    print(f"## python -m converter {model.name} --precision {precision} --batch-sizes {batch_sizes}\n", flush=True)
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(f"exit code {done.returncode} after {time.monotonic() - began:.0f} s")
    if done.returncode:
        return False
    report = json.loads(done.stdout)
    for key in ("identity", "seconds", "size_bytes", "probe"):
        print(f"- {key}: {json.dumps(report[key])}")
    facts = report["facts"]
    print(f"- engines: {facts['engines']}, operations: {facts['operations_converted']} of {facts['operations']}")
    print(f"- files: {', '.join(report['files'])}\n", flush=True)
    return True


@contextmanager
def started(title: str, environ: dict[str, str]) -> Iterator[Server]:
    """The server, once every backend that can serve does, with the time each took."""
    print(f"## {title}\n", flush=True)
    began = time.monotonic()
    with serving(environ) as server:
        server.wait_until_ready(within_s=300)
        print(f"ready after {time.monotonic() - began:.1f} s")
        settled = ("standby", "active", "refused", "unavailable")
        server.wait_until(
            lambda: all(item["state"] in settled for item in server.model()["backends"].values()), within_s=300
        )
        print(f"all backends settled after {time.monotonic() - began:.1f} s\n")
        for name, item in server.model()["backends"].items():
            print(f"- {name}: {json.dumps(item)}")
        print(flush=True)
        yield server
        print("log of the server:\n")
        lines = server.log.read_text().splitlines()
        print("\n".join(f"    {line[:300]}" for line in lines if "app.slot" in line or "app.copies" in line))
        print(flush=True)


def answers(server: Server, photos: dict[str, bytes]) -> None:
    """What each backend finds in each photo."""
    print("| photo | " + " | ".join(BACKENDS) + " |\n" + "|---" * (len(BACKENDS) + 1) + "|")
    for name, photo in photos.items():
        cells = []
        for backend in BACKENDS:
            body = server.detect(photo, backend=backend).json()
            found = [f"{item['label']} {item['score']:.4f}" for item in body.get("detections", [])]
            cells.append(", ".join(found) or body.get("error", "nothing"))
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(flush=True)


def throughput(server: Server, photos: list[bytes]) -> None:
    """Pictures per second and the median of `infer`, closed loop, all backends in one run."""
    print("| backend | connections | pictures/s | infer p50 ms |\n|---|---|---|---|")
    for connections in (1, 8, 32):
        for backend in BACKENDS:
            with traffic(server.url, photos, connections=connections, backend=backend) as sent:
                sent.wait_for(3 * connections)
                before, began = len(sent.answers), time.monotonic()
                sent.wait_for(ROUNDS * (connections + 10))
                rate = (len(sent.answers) - before) / (time.monotonic() - began)
            infer = sorted(r.json()["timing_ms"]["infer"] for _, r in sent.answers[before:] if r.status_code == 200)
            print(f"| {backend} | {connections} | {rate:.0f} | {infer[len(infer) // 2]:.1f} |", flush=True)
    print()


def series(server: Server) -> None:
    """The histogram of each backend, and what must be zero."""
    for backend in BACKENDS:
        labels = {"stage": "infer", "backend": backend}
        count = server.metric("detector_stage_duration_seconds_count", **labels)
        total = server.metric("detector_stage_duration_seconds_sum", **labels)
        print(f"- stage infer, {backend}: {count:.0f} times, mean {1000 * total / count:.2f} ms")
    for name in ("detector_trt_engines", "detector_trt_converted_ops_ratio", "detector_native_fallback_total"):
        print(f"- {name}: {server.metric(name):g}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
