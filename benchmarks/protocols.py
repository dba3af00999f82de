"""Each protocol's throughput beside /detect's, one server: python -m benchmarks.protocols [--rounds 1].

The same photo at 32 connections; /detect is measured anew beside each protocol, before it and behind it in turn, and
the ratio is the median of the rounds. gRPC is asked by a program in Python, which takes its share of the same cores.
Needs wrk (Debian's package `wrk`).
"""

import argparse
import asyncio
import base64
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import grpc
from open_inference.grpc import protocol

from benchmarks.serving import free_port, serving

HERE = Path(__file__).parent
PHOTO = HERE.parent / "tests" / "data" / "dog.jpg"
MODEL = "yolox_nano"
BINARY = "Inference-Header-Content-Length"

Body = tuple[str, str, bytes, Mapping[str, str]]  # path, type, body, headers
Rate = Callable[[], float]


def main() -> int:
    """Measure; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    args = parser.parse_args()
    bind = f"127.0.0.1:{free_port()}"
    environ = {"DETECTOR_COPIES": "", "DETECTOR_SHADOW_SHARE": "0", "DETECTOR_GRPC_BIND": bind}
    with serving(environ) as server, tempfile.TemporaryDirectory() as folder:
        server.wait_until_ready()
        file = Path(folder) / "body"
        rates: dict[str, Rate] = {
            name: partial(rate, server.url, body, file, args) for name, body in bodies(PHOTO.read_bytes()).items()
        }
        rates["Open Inference, gRPC"] = lambda: asyncio.run(grpc_rate(bind, PHOTO.read_bytes(), args))
        own = rates.pop("own")
        own()  # the first seconds are slower
        for name, other in rates.items():
            pairs = [_pair(own, other, own_first=bool(number % 2)) for number in range(args.rounds)]
            print(json.dumps({"protocol": name, **_told(pairs)}), flush=True)
    return 0


def _pair(own: Rate, other: Rate, *, own_first: bool) -> tuple[float, float]:
    """Answers a second of both."""
    if own_first:
        return own(), other()
    found = other()
    return own(), found


def _told(pairs: list[tuple[float, float]]) -> dict[str, object]:
    ratios = [other / own for own, other in pairs]
    per_second = round(statistics.median(other for _, other in pairs), 1)
    return {
        "per_second": per_second,
        "of_own": round(statistics.median(ratios), 3),
        "ratios": [*map("{:.3f}".format, ratios)],
    }


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


async def grpc_rate(bind: str, photo: bytes, args: argparse.Namespace) -> float:
    """The same over gRPC, each of so many clients asking again at once."""
    tensor = protocol.ModelInferRequest.InferInputTensor(name="image_bytes", datatype="BYTES", shape=[1])
    raw = struct.pack("<I", len(photo)) + photo
    message = protocol.ModelInferRequest(model_name=MODEL, inputs=[tensor], raw_input_contents=[raw])
    data, answers, end = message.SerializeToString(), 0, time.perf_counter() + args.seconds
    async with grpc.aio.insecure_channel(bind) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

        async def client() -> None:
            nonlocal answers
            while time.perf_counter() < end:
                await ask(data)
                answers += 1

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(args.connections)))
        return answers / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
