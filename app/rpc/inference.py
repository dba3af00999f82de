"""The methods of the Open Inference Protocol's service, translated to the pipeline and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from open_inference.grpc import protocol

import app
from app.api import outside, parameters
from app.api.dialects import binary_tensors, open_inference, tensors
from app.api.dialects.open_inference import EXTENSIONS, PLATFORM, SERVER
from app.api.pipeline import Pipeline
from app.api.serving import Tensor, Tensors
from app.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Metadata:
    """What comes with a call."""

    request: outside.Request
    seconds_left: float | None  # until the client's deadline


class Inference:
    """One method of the service each; every one takes its message and gives its answer, or raises a ServiceError."""

    METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline, self._serving = pipeline, pipeline.serving

    async def ServerLive(self, _: Any, __: Metadata) -> Any:  # the protocol's name, as all here
        """The process is alive."""
        return protocol.ServerLiveResponse(live=True)

    async def ServerReady(self, _: Any, __: Metadata) -> Any:
        """Whether a backend is warm."""
        return protocol.ServerReadyResponse(ready=self._serving.unready() is None)

    async def ModelReady(self, asked: Any, _: Metadata) -> Any:
        """The same for the model of this name."""
        self._serving.model(asked.name, asked.version)
        return protocol.ModelReadyResponse(ready=self._serving.unready() is None)

    async def ServerMetadata(self, _: Any, __: Metadata) -> Any:
        """Which server this is."""
        return protocol.ServerMetadataResponse(name=SERVER, version=app.__version__, extensions=EXTENSIONS)

    async def ModelMetadata(self, asked: Any, _: Metadata) -> Any:
        """The signature's tensors."""
        model, signature = self._serving.model(asked.name, asked.version), self._serving.tensors()
        return protocol.ModelMetadataResponse(
            name=model.name,
            versions=[model.version],
            platform=PLATFORM,
            inputs=[_described(each) for each in signature.inputs.values()],
            outputs=[_described(each) for each in signature.outputs.values()],
        )

    async def ModelInfer(self, asked: Any, call: Metadata) -> Any:
        """The signature's outputs for JPEG files."""
        model, signature = self._serving.model(asked.model_name, asked.model_version), self._serving.tensors()
        pictures = _pictures(asked, signature)
        said = parameters.of_tensors({**_deadline(call), **_values(asked.parameters)})
        names = [each.name for each in open_inference.wanted_outputs(_outputs(asked), signature)]
        backend = self._serving.backend_for(names, said.backend)
        wanted = tensors.asked(pictures, said, backend, signature=signature)
        async with self._pipeline.answering(call.request, wanted) as answered:
            first, outputs = tensors.gathered(answered.results, signature, names, threshold=said.threshold)
            answer = protocol.ModelInferResponse(
                model_name=model.name,
                model_version=answered.model.version,
                id=asked.id,
                outputs=[_told(name, array) for name, array in outputs.items()],
                raw_output_contents=[binary_tensors.packed(array) for array in outputs.values()],
            )
            answer.parameters["backend"].string_param = first.backend
        return answer


def _described(tensor: Tensor) -> Any:
    return protocol.ModelMetadataResponse.TensorMetadata(**open_inference.described(tensor))


def _told(name: str, array: tensors.Array) -> Any:
    return protocol.ModelInferResponse.InferOutputTensor(
        name=name, datatype=binary_tensors.datatype(array), shape=array.shape
    )


def _values(found: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as plain values."""
    kinds = {name: value.WhichOneof("parameter_choice") for name, value in found.items()}
    return {name: getattr(found[name], kind) for name, kind in kinds.items() if kind}


def _deadline(call: Metadata) -> dict[str, int]:
    seconds = call.seconds_left
    return {} if seconds is None or seconds > 1e6 else {"timeout_ms": max(1, int(1000 * seconds))}


def _outputs(asked: Any) -> dict[str, Any]:
    return {"outputs": [{"name": each.name, "parameters": _values(each.parameters)} for each in asked.outputs]}


def _pictures(asked: Any, signature: Tensors) -> Sequence[bytes]:
    """The JPEG files in the one input that takes pictures, however they are put into the message."""
    inputs = [
        {
            "name": each.name,
            "datatype": each.datatype,
            "shape": list(each.shape),
            "parameters": _values(each.parameters),
        }
        for each in asked.inputs
    ]
    tensor = binary_tensors.only_input({"inputs": inputs}, signature)
    raw = asked.raw_input_contents
    if raw and (len(raw) != 1 or asked.inputs[0].contents.bytes_contents):
        raise BadRequest("raw_input_contents must have one entry for each input, which then has no contents")
    if raw:
        found = list(binary_tensors.elements(memoryview(raw[0]), len(raw[0])))
    else:
        found = list(asked.inputs[0].contents.bytes_contents)
    binary_tensors.check_shape(tensor, len(found))
    return found
