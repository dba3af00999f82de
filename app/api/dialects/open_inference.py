"""The Open Inference Protocol, as KServe and Triton speak it over HTTP: https://github.com/kserve/open-inference-protocol."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

import app
from app.api import parameters
from app.api.access import TOKEN
from app.api.dialects import binary_tensors, bodies, pairs, tensors
from app.api.dialects.binary_tensors import DATATYPES, HEADER
from app.api.dialects.examples import protocol_errors
from app.api.dialects.named import posted
from app.api.dialects.steps import Steps
from app.api.headers import one_of_each
from app.api.pipeline import Pipeline
from app.api.serving import Serving, Tensor, Tensors
from app.errors import BadRequest

SERVER, PLATFORM = "detection-server", "tensorflow_savedmodel"
EXTENSIONS = ("binary_tensor_data",)
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string"},
                    "inputs": {"type": "array", "items": {"type": "object"}},
                    "outputs": {"type": "array", "items": {"type": "object"}},
                    "parameters": {"type": "object", "description": "`threshold`, `backend` or `timeout_ms`."},
                },
            }
        }
    },
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that is asked for."""

    name: str
    binary: bool


def routes(pipeline: Pipeline) -> APIRouter:
    """Health, metadata and inference, for the served version or by its number."""
    router = APIRouter(tags=["Open Inference Protocol"], dependencies=[TOKEN])
    _add_server(router, pipeline.serving)
    for path, shown in (("/v2/models/{name}", True), ("/v2/models/{name}/versions/{version}", False)):
        _add_model(router, pipeline.serving, path, shown=shown)
        router.add_api_route(
            f"{path}/infer",
            _infer(pipeline),
            name="model_infer",
            include_in_schema=shown,
            summary="The signature's outputs for JPEG files",
            **posted(_BODY),
        )
    return router


def _add_server(router: APIRouter, serving: Serving) -> None:
    @router.get("/v2", summary="Which server this is, and which extensions it has", responses=protocol_errors())
    @router.get("/v2/", include_in_schema=False)
    async def server_metadata() -> dict[str, Any]:
        return {"name": SERVER, "version": app.__version__, "extensions": EXTENSIONS}

    @router.get("/v2/health/live", summary="Is the process alive?")
    async def server_live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/v2/health/ready", summary="Is a backend warm?", responses=protocol_errors(503, token=False))
    async def server_ready() -> dict[str, bool]:
        serving.check_ready()
        return {"ready": True}


def _add_model(router: APIRouter, serving: Serving, path: str, *, shown: bool) -> None:
    errors = protocol_errors(404, 422, 503)

    @router.get(path, summary="The signature's tensors", include_in_schema=shown, responses=errors)
    async def model_metadata(name: str, version: str | None = None) -> dict[str, Any]:
        model, signature = serving.model(name, version), serving.tensors()
        sides = {"inputs": signature.inputs, "outputs": signature.outputs}
        told = {side: [described(each) for each in found.values()] for side, found in sides.items()}
        return {"name": model.name, "versions": [model.version], "platform": PLATFORM, **told}

    @router.get(
        f"{path}/ready",
        summary="Is a backend of the model warm?",
        include_in_schema=shown,
        responses=errors,
    )
    async def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        model = serving.model(name, version)
        serving.check_ready()
        return {"name": model.name, "ready": True}


def _infer(pipeline: Pipeline) -> Any:
    serving, steps = pipeline.serving, Steps()

    async def infer(request: Request) -> Response:
        serving.model(**request.path_params)
        headers = one_of_each(request.scope["headers"])
        read = await binary_tensors.read(await bodies.whole(request), headers, steps)
        signature = serving.tensors()
        wanted = wanted_outputs(read.data, signature)
        pictures = await read.pictures(signature)
        timeout = headers.get(parameters.TIMEOUT_HEADER)
        said = parameters.of_tensors(read.parameters, timeout, query=pairs.in_query(request))
        names, its_id = [each.name for each in wanted], _id(read.data)
        backend = serving.backend_for(names, said.backend)
        asked = tensors.asked(pictures, said, backend, signature=signature)
        async with pipeline.answering(request, asked) as answered:
            first, outputs = tensors.gathered(answered.results, signature, names, threshold=said.threshold)
            named = {"model_name": answered.model.name, "model_version": answered.model.version, **its_id}
            head = {**named, "parameters": {"backend": first.backend}}
            return _response(head, wanted, outputs, first.backend)

    return infer


def wanted_outputs(data: Mapping[str, Any], signature: Tensors) -> Sequence[Wanted]:
    """The outputs that are asked for, all of them if none is named; BadRequest if one is not there or comes twice."""
    everywhere = binary_tensors.flag(binary_tensors.parameters_of(data), "binary_data_output", default=False)
    asked = data.get("outputs")
    if asked in (None, []):
        asked = [{"name": name} for name in signature.outputs]
    wanted = [_wanted(each, signature, everywhere) for each in binary_tensors.objects(asked, "outputs")]
    (name, times), *_ = Counter(each.name for each in wanted).most_common(1)
    if times > 1:  # else clients could ask for answers of any size
        raise BadRequest(f"the output {name!r} is asked for {times:,} times")
    return wanted


def _wanted(asked: Mapping[str, Any], signature: Tensors, everywhere: bool) -> Wanted:
    name, said = str(asked.get("name"))[:100], binary_tensors.parameters_of(asked)
    if name not in signature.outputs:
        raise BadRequest(f"there is no output {name!r}; there are: {', '.join(sorted(signature.outputs))}")
    if "classification" in said:
        raise BadRequest(f"the output {name!r} is asked for as a classification, which is not given here")
    binary_tensors.check_not_shared(said, f"the output {name!r}")
    return Wanted(name, binary_tensors.flag(said, "binary_data", default=everywhere))


def _id(data: Mapping[str, Any]) -> dict[str, str]:
    """The request's id, if it has one, as it goes back; half of a surrogate pair, which JSON can name, is no text."""
    given = data.get("id")
    if given in (None, ""):
        return {}
    if type(given) not in (str, int):  # a bool is an int too
        raise BadRequest('"id" must be a string')
    return {"id": str(given).encode("utf-8", "replace").decode()}


def described(tensor: Tensor) -> dict[str, Any]:
    """A tensor as the protocol's metadata have it."""
    shape = [-1 if side is None else side for side in tensor.shape or ()]
    return {"name": tensor.name, "datatype": DATATYPES.get(tensor.dtype, tensor.dtype.upper()), "shape": shape}


def _response(
    head: Mapping[str, Any], wanted: Sequence[Wanted], outputs: Mapping[str, tensors.Array], backend: str
) -> Response:
    """JSON, and behind it what is wanted as binary."""
    told, pieces = [], []
    for each in wanted:
        array = outputs[each.name]
        item = {"name": each.name, "datatype": binary_tensors.datatype(array), "shape": array.shape}
        if each.binary:
            pieces.append(binary_tensors.packed(array))
            told.append({**item, "parameters": {"binary_data_size": len(pieces[-1])}})
        else:
            told.append({**item, "data": binary_tensors.listed(array)})
    body = to_json({**head, "outputs": told}, inf_nan_mode="null")  # JSON has no word for what is not finite
    headers = {"X-Backend": backend}
    if not pieces:
        return Response(body, headers=headers, media_type="application/json")
    headers[HEADER] = str(len(body))
    return Response(b"".join([body, *pieces]), headers=headers, media_type="application/octet-stream")
