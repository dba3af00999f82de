"""TensorFlow Serving's REST API: https://www.tensorflow.org/tfx/serving/api_rest."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from app.api import parameters
from app.api.access import TOKEN
from app.api.dialects import bodies, pairs, tensors
from app.api.dialects.examples import protocol_errors
from app.api.dialects.json_bodies import Reader, the_one
from app.api.dialects.named import posted
from app.api.dialects.steps import Steps
from app.api.discretion import discreet
from app.api.headers import one_of_each
from app.api.pipeline import MAX_PICTURES, Pipeline
from app.api.serving import Serving, Tensor, Tensors
from app.errors import BadRequest, NotFound
from converter.description import SERVING

_B64 = "b64"
_FORMS = ("instances", "inputs")
_PREDICT, _OTHER_VERBS = ":predict", ("classify", "regress")
_FORM = 'the JSON must be an object with "instances" (row form) or "inputs" (column form), and not with both'
_TYPES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "signature_name": {"type": "string"},
                    "instances": {"type": "array", "items": {}},
                    "inputs": {},
                    "parameters": {"type": "object", "description": "`threshold`, `backend` or `timeout_ms`."},
                },
            }
        }
    },
}


def routes(pipeline: Pipeline) -> APIRouter:
    """Status, metadata and :predict, for the served version or by its number."""
    router = APIRouter(tags=["TensorFlow Serving"], dependencies=[TOKEN])
    for path, shown in (("/v1/models/{name}", True), ("/v1/models/{name}/versions/{version}", False)):
        # Before the others, for which this too is the name of a model.
        router.add_api_route(
            f"{path}{_PREDICT}",
            _predict(pipeline),
            name="serving_predict",
            include_in_schema=shown,
            summary="The signature's outputs for JPEG files",
            **posted(_BODY),
        )
        for verb in _OTHER_VERBS:
            router.add_api_route(f"{path}:{verb}", _refuse, methods=["POST"], name=verb, include_in_schema=False)
        _add_model(router, pipeline.serving, path, shown=shown)
    return router


async def _refuse(request: Request) -> Response:
    raise NotFound(f"of the signature's methods only {_PREDICT} is served here")


def _add_model(router: APIRouter, serving: Serving, path: str, *, shown: bool) -> None:
    errors = protocol_errors(404, 422, 503)

    @router.get(path, summary="Is the model served?", include_in_schema=shown, responses=errors)
    async def serving_status(name: str, version: str | None = None) -> dict[str, Any]:
        if (version or name).endswith(_PREDICT):  # the path of a route that has POST
            raise NotFound(f"{_PREDICT} is asked for by POST")
        return _status(serving, serving.model(name, version).version)

    @router.get(f"{path}/metadata", summary="The signature's tensors", include_in_schema=shown, responses=errors)
    async def serving_metadata(name: str, version: str | None = None) -> dict[str, Any]:
        model = serving.model(name, version)
        spec = {"name": model.name, "signature_name": "", "version": model.version}
        return {"model_spec": spec, "metadata": {"signature_def": _signature_def(serving.tensors())}}


def _predict(pipeline: Pipeline) -> Any:
    serving, steps = pipeline.serving, Steps()

    async def predict(request: Request) -> Response:
        serving.model(**request.path_params)
        headers = one_of_each(request.scope["headers"])
        reader = Reader(await bodies.whole(request), steps)
        data, signature = await reader.parsed(), serving.tensors()
        wanted = list(signature.outputs)
        pictures = [await reader.picture(each) for each in _encoded(data, signature)]
        reader.check_used(pictures)
        timeout = headers.get(parameters.TIMEOUT_HEADER)
        said = parameters.of_tensors(data.get("parameters", {}), timeout, query=pairs.in_query(request))
        backend = serving.backend_for(wanted, said.backend)
        asked = tensors.asked(pictures, said, backend, signature=signature)
        async with pipeline.answering(request, asked) as answered:
            first, outputs = tensors.gathered(answered.results, signature, wanted, threshold=said.threshold)
            answer = _rows(outputs, signature, len(pictures)) if _is_row(data) else _columns(outputs)
            body = to_json(answer, inf_nan_mode="null")  # JSON has no word for what is not finite
        return Response(body, headers={"X-Backend": first.backend}, media_type="application/json")

    return predict


def _status(serving: Serving, version: str) -> dict[str, Any]:
    reason = serving.unready()
    told = {"error_code": "OK" if reason is None else "UNAVAILABLE", "error_message": discreet(reason or "")}
    word = "AVAILABLE" if reason is None else "LOADING"
    return {"model_version_status": [{"version": version, "state": word, "status": told}]}


def _signature_def(signature: Tensors) -> dict[str, Any]:
    """A SignatureDefMap as protobuf's JSON has it."""
    sides = {"inputs": signature.inputs, "outputs": signature.outputs}
    told = {side: {name: _info(each) for name, each in found.items()} for side, found in sides.items()}
    word = {"method_name": "tensorflow/serving/predict", "defaults": {}}
    return {"signature_def": {signature.signature: {**told, **word}}}


def _info(tensor: Tensor) -> dict[str, Any]:
    sides = tensor.shape or ()
    dims = [{"size": str(-1 if side is None else side), "name": ""} for side in sides]
    shape = {"dim": dims, "unknown_rank": tensor.shape is None}
    return {"dtype": f"DT_{_TYPES.get(tensor.dtype, tensor.dtype.upper())}", "tensor_shape": shape, "name": tensor.name}


def _is_row(data: object) -> bool:
    """Whether pictures are given in rows and not in columns."""
    if (named := the_one(data, _FORMS)) is None:
        raise BadRequest(_FORM)
    return named == "instances"


def _encoded(data: Mapping[str, Any], signature: Tensors) -> Sequence[object]:
    """What stands for each picture; BadRequest if the JSON is no request for this signature."""
    is_row = _is_row(data)
    if (named := data.get("signature_name")) not in (None, "", SERVING, signature.signature):
        raise BadRequest(f"there is no signature {str(named)[:60]!r}; {signature.signature!r} is served")
    found = data["instances"] if is_row else _column(data["inputs"], signature)
    if not isinstance(found, list) or not found:
        raise BadRequest(f'{_FORM}: each is a list with a {{"b64": …}} for each picture')
    if len(found) > MAX_PICTURES:
        raise BadRequest(f"the request has {len(found)} pictures; the limit is {MAX_PICTURES}")
    return [_text(each, signature) for each in found]


def _column(inputs: object, signature: Tensors) -> object:
    """The values of the one input, which may be named; one that stands alone is a column of one."""
    inputs = _unnamed(inputs, signature)
    return [inputs] if isinstance(inputs, str | dict) else inputs


def _text(item: object, signature: Tensors) -> object:
    """The base64 of one picture: `{"b64": …}`, bare, or either of them by the input's name."""
    item = _only(_unnamed(item, signature))
    if isinstance(item, dict) and set(item) == {_B64}:
        item = item[_B64]
    if isinstance(item, list | int | float):
        raise BadRequest(f'the input {signature.picture!r} is taken as JPEG files, {{"b64": …}}, and not as numbers')
    return item


def _only(item: object) -> object:
    """What a list of one picture has, as of the shape [N, 1]."""
    return item[0] if isinstance(item, list) and len(item) == 1 and isinstance(item[0], str | dict) else item


def _unnamed(given: object, signature: Tensors) -> object:
    """What stands under the input's name, if it is named."""
    if not isinstance(given, dict) or set(given) == {_B64}:
        return given
    unknown = sorted(set(given) - {signature.picture})
    if unknown:
        raise BadRequest(f"there is no input {unknown[0][:60]!r} to be given; pictures go to {signature.picture!r}")
    return given.get(signature.picture)


def _rows(outputs: Mapping[str, tensors.Array], signature: Tensors, count: int) -> dict[str, Any]:
    columns = {name: _listed(name, array) for name, array in outputs.items()}
    for name in columns if signature.unbatched else signature.shared:
        columns[name] = [columns[name]] * count
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def _columns(outputs: Mapping[str, tensors.Array]) -> dict[str, Any]:
    columns = {name: _listed(name, array) for name, array in outputs.items()}
    return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}


def _listed(name: str, array: tensors.Array) -> Any:
    """Texts of an output whose name ends in `_bytes` are told as base64."""
    return _texts(array.tolist(), binary=name.endswith("_bytes")) if array.dtype.kind == "O" else array.tolist()


def _texts(value: Any, *, binary: bool) -> Any:
    if isinstance(value, list):
        return [_texts(each, binary=binary) for each in value]
    return {_B64: base64.b64encode(value).decode()} if binary else bytes(value).decode("utf-8", "replace")
