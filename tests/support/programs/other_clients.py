"""A program in the environment of other servers' clients: has one of them ask, and writes what it got as JSON.

other_clients.py WHICH URL GRPC PHOTO [FOLDER]
"""

import asyncio
import base64
import json
import subprocess
import sys
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

MODEL = "yolox_nano"


def triton(client: ModuleType, server: Any, photo: bytes, **how: Any) -> dict[str, Any]:
    """All outputs of two pictures, in one request and in three at once."""
    told = server.get_model_metadata(MODEL, **how)
    name, outputs = told["inputs"][0]["name"], [each["name"] for each in told["outputs"]]
    pair = client.InferInput(name, [2], "BYTES")
    pair.set_data_from_numpy(np.array([photo, photo], np.object_))
    wanted = [client.InferRequestedOutput(each) for each in outputs]
    found = server.infer(MODEL, [pair], outputs=wanted, request_id="mine")
    return {
        "ready": [server.is_server_live(), server.is_server_ready(), server.is_model_ready(MODEL, "1")],
        "told": told,
        "outputs": {each: found.as_numpy(each).tolist() for each in outputs},
    }


def triton_http(url: str, _: str, photo: bytes) -> dict[str, Any]:
    """Over HTTP: binary, JSON, gzip, asynchronous."""
    client = import_module("tritonclient.http")
    server = client.InferenceServerClient(url.removeprefix("http://"))
    found = triton(client, server, photo)
    alone = client.InferInput("image_bytes", [1], "BYTES")
    alone.set_data_from_numpy(np.array([photo], np.object_))
    plain = [client.InferRequestedOutput("detection_scores", binary_data=False)]
    as_json = server.infer(MODEL, [alone], outputs=plain, request_compression_algorithm="gzip")
    later = [server.async_infer(MODEL, [alone], parameters={"threshold": 0.5}) for _ in range(3)]
    found["scores"] = as_json.as_numpy("detection_scores").tolist()
    found["later"] = [each.get_result().as_numpy("detection_scores").tolist() for each in later]
    return found


def triton_grpc(_: str, address: str, photo: bytes) -> dict[str, Any]:
    """Over gRPC: in turn, and asynchronous."""
    client, several = import_module("tritonclient.grpc"), import_module("tritonclient.grpc.aio")
    found = triton(client, client.InferenceServerClient(address), photo, as_json=True)
    alone = client.InferInput("image_bytes", [1], "BYTES")
    alone.set_data_from_numpy(np.array([photo], np.object_))

    async def later() -> list[Any]:
        async with several.InferenceServerClient(address) as server:
            asked = [server.infer(MODEL, [alone], parameters={"threshold": 0.5}) for _ in range(3)]
            return [each.as_numpy("detection_scores").tolist() for each in await asyncio.gather(*asked)]

    return {**found, "later": asyncio.run(later())}


def kserve(url: str, _: str, photo: bytes) -> dict[str, Any]:
    """KServe's inference client, which sends and takes binary data."""
    package = import_module("kserve")

    async def ask() -> dict[str, Any]:
        async with package.InferenceRESTClient(package.RESTConfig(protocol="v2", timeout=60)) as client:
            ready = [await client.is_server_live(url), await client.is_server_ready(url)]
            pair = package.InferInput("image_bytes", [2], "BYTES")
            pair.set_data_from_numpy(np.array([photo, photo], np.object_), binary_data=True)
            request = package.InferRequest(MODEL, [pair], parameters={"binary_data_output": True})
            found = await client.infer(url, request, model_name=MODEL)
            outputs = {each.name: each.as_numpy().tolist() for each in found.outputs}
            told = {"inputs": [{"name": "image_bytes"}]}
            return {"ready": [*ready, await client.is_model_ready(url, MODEL)], "told": told, "outputs": outputs}

    return asyncio.run(ask())


def hugging_face(url: str, _: str, photo: bytes) -> dict[str, Any]:
    """Bytes as they are; and with a parameter, which makes it send JSON."""
    client = import_module("huggingface_hub").InferenceClient(model=f"{url}/models/{MODEL}")
    pair = client.object_detection(photo), client.object_detection(photo, threshold=0.8)
    return {"found": [[[each.label, each.score, dict(each.box)] for each in found] for found in pair]}


def generated(url: str, folder: str, photo: bytes) -> dict[str, Any]:
    """A client that openapi-python-client makes of the document."""
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{url}/openapi.json"]
    subprocess.run([*command, "--meta", "none", "--output-path", f"{folder}/detector"], check=True, capture_output=True)
    sys.path.insert(0, folder)
    ask, models = import_module("detector.api.detection.detect"), import_module("detector.models")
    file, client = import_module("detector.types").File, import_module("detector.client").Client(base_url=url)
    form = next(kind for name, kind in vars(models).items() if name.endswith("DetectForm"))
    said = next(kind for name, kind in vars(models).items() if name.endswith("DetectJson"))
    bodies = {
        "raw": file(payload=BytesIO(photo)),
        "form": form(images=[file(payload=BytesIO(photo), file_name=f"{name}.jpg") for name in "ab"]),
        "json": said(image=base64.b64encode(photo).decode(), threshold=0.5),
    }
    return {name: ask.sync(client=client, body=body).to_dict() for name, body in bodies.items()}


if __name__ == "__main__":
    which, url, other, path = sys.argv[1:]
    programs = {each.__name__: each for each in (triton_http, triton_grpc, kserve, hugging_face, generated)}
    json.dump(programs[which](url, other, Path(path).read_bytes()), sys.stdout)
