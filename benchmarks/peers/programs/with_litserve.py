"""LitServe: batches formed by its server, run in two worker processes, one for each core."""

import sys
from typing import Annotated, Any

import litserve
from fastapi import Body

from benchmarks.peers.programs.model import IN_FLIGHT, Model

BATCH = 4


class Detector(litserve.LitAPI):
    """The model, in each worker."""

    def setup(self, device: str) -> None:
        """Load it."""
        self.model = Model(sys.argv[1])

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        """The picture is the body."""
        return request

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Pictures stay a list."""
        return inputs

    def predict(self, inputs: list[bytes]) -> list[list[dict[str, Any]]]:
        """Run a batch."""
        return self.model.detect(inputs)

    def unbatch(self, output: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
        """Answers are a list."""
        return output

    def encode_response(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """They are JSON as they are."""
        return output


if __name__ == "__main__":
    api = Detector(max_batch_size=BATCH, batch_timeout=0.002, api_path="/detect")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=IN_FLIGHT, timeout=60)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="critical")
