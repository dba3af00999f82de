"""BentoML: an API with adaptive batches, called in two threads. A picture comes as a file of a form."""

import os
import sys
from pathlib import Path
from typing import Any

import bentoml

from benchmarks.peers.programs.model import BATCH, IN_FLIGHT, Model

# Longer than any request here waits, since BentoML refuses what it would not answer in time.
LATENCY_MS = 20_000


@bentoml.service(threads=IN_FLIGHT, workers=1, traffic={"timeout": 60}, metrics={"enabled": False})
class Detector:
    """The model."""

    def __init__(self) -> None:
        self.model = Model(os.environ["PEER_MODEL"])

    @bentoml.api(route="/detect", batchable=True, max_batch_size=BATCH, max_latency_ms=LATENCY_MS)
    def detect(self, images: list[Path]) -> list[list[dict[str, Any]]]:
        """Run a batch."""
        return self.model.detect([image.read_bytes() for image in images])


if __name__ == "__main__":
    os.environ |= {"PEER_MODEL": sys.argv[1], "BENTOML_DO_NOT_TRACK": "True"}
    service = "benchmarks.peers.programs.with_bentoml:Detector"
    options = ["--host", "127.0.0.1", "--port", sys.argv[2], "--quiet"]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", service, *options])
