"""MLServer: its adaptive batches, called in two threads. A picture is base64 in the JSON of the V2 protocol."""

import asyncio
import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import StringCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.programs.model import IN_FLIGHT, Model

BATCH = 4


class Detector(MLModel):
    """The model."""

    async def load(self) -> bool:
        """Load it."""
        self.model = Model(self.settings.parameters.uri)
        self.threads = ThreadPoolExecutor(IN_FLIGHT)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run a batch."""
        found = await asyncio.get_running_loop().run_in_executor(self.threads, self._run, payload)
        outputs = [StringCodec.encode_output("objects", found)]
        return InferenceResponse(model_name=self.name, outputs=outputs)

    def _run(self, payload: InferenceRequest) -> list[str]:
        jpegs = [base64.b64decode(picture) for picture in payload.inputs[0].data]
        return [json.dumps(found) for found in self.model.detect(jpegs)]


async def main(folder: str, port: int) -> None:
    """Serve the model."""
    # Without worker processes: requests would be pickled to them.
    settings = Settings(
        host="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_endpoint=None, parallel_workers=0, debug=False
    )
    parameters = ModelParameters(uri=folder)
    model = ModelSettings(
        name="detect", implementation=Detector, max_batch_size=BATCH, max_batch_time=0.002, parameters=parameters
    )
    server = MLServer(settings)
    await server.start([model])


if __name__ == "__main__":
    with TemporaryDirectory() as empty:
        sys.path.append(str(Path(empty)))
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
