"""Each protocol's throughput beside /detect's, one server, in turn: python -m benchmarks.protocols [--rounds 3].

The same photo at 32 connections; figures are medians of the rounds. Needs wrk (Debian's package `wrk`).
"""

import argparse
import base64
import json
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.serving import serving

HERE = Path(__file__).parent
PHOTO = HERE.parent / "tests" / "data" / "dog.jpg"
MODEL = "yolox_nano"
BINARY = "Inference-Header-Content-Length"

Body = tuple[str, str, bytes, Mapping[str, str]]  # path, type, body, headers


def main() -> int:
    """Measure; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--connections", type=int, default=32)
    args = parser.parse_args()
    rates: dict[str, list[float]] = {}
    with (
        serving({"DETECTOR_COPIES": "", "DETECTOR_SHADOW_SHARE": "0"}) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        server.wait_until_ready()
        for _ in range(args.rounds):
            for name, body in bodies(PHOTO.read_bytes()).items():
                rates.setdefault(name, []).append(rate(server.url, body, Path(folder) / "body", args))
    own = statistics.median(rates["own"])
    for name, found in rates.items():
        median = statistics.median(found)
        rounds = [round(each, 1) for each in found]
        of_own = round(median / own, 3)
        print(json.dumps({"protocol": name, "per_second": round(median, 1), "of_own": of_own, "rounds": rounds}))
    return 0


def bodies(photo: bytes) -> dict[str, Body]:
    """What a client of each protocol sends for one picture."""
    text = base64.b64encode(photo).decode()
    data = struct.pack("<I", len(photo)) + photo
    tensor = {"name": "image_bytes", "shape": [1], "datatype": "BYTES"}
    binary = {"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}]}
    head = json.dumps({**binary, "parameters": {"binary_data_output": True}}).encode()
    form = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + photo + b"\r\n--b--\r\n"
    as_json = "application/json"
    return {
        "own": ("/detect", "image/jpeg", photo, {}),
        "own, JSON": ("/detect", as_json, json.dumps({"image": text}).encode(), {}),
        "Hugging Face": (f"/models/{MODEL}", "application/octet-stream", photo, {}),
        "DeepStack": ("/v1/vision/detection", "multipart/form-data; boundary=b", form, {}),
        "Open Inference, binary": (
            f"/v2/models/{MODEL}/infer",
            "application/octet-stream",
            head + data,
            {BINARY: str(len(head))},
        ),
        "Open Inference, JSON": (
            f"/v2/models/{MODEL}/infer",
            as_json,
            json.dumps({"inputs": [{**tensor, "data": [text]}]}).encode(),
            {},
        ),
        "TensorFlow Serving": (
            f"/v1/models/{MODEL}:predict",
            as_json,
            json.dumps({"instances": [{"b64": text}]}).encode(),
            {},
        ),
    }


def rate(url: str, body: Body, file: Path, args: argparse.Namespace) -> float:
    """Answers a second."""
    path, kind, content, headers = body
    file.write_bytes(content)
    command = ["wrk", "-t1", f"-c{args.connections}", f"-d{args.seconds}s", "--timeout", "20s"]
    said = [f"{name}={value}" for name, value in headers.items()]
    script = ["-s", str(HERE / "protocol.lua"), url + path, "--", kind, str(file), *said]
    done = subprocess.run([*command, *script], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["not_2xx"]:
        raise RuntimeError(f"{path}: {found['not_2xx']} of {found['answers']} answers are errors")
    return float(found["answers"] / found["seconds"])


if __name__ == "__main__":
    sys.exit(main())
