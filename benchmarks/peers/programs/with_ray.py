"""Ray Serve: one replica that makes batches, two of which are called at once."""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.programs.model import IN_FLIGHT, Model

BATCH = 4


@serve.deployment(max_ongoing_requests=512, ray_actor_options={"num_cpus": 1})
class Detector:
    """The model."""

    def __init__(self, folder: str) -> None:
        self.model = Model(folder)
        self.threads = ThreadPoolExecutor(IN_FLIGHT)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.002, max_concurrent_batches=IN_FLIGHT)
    async def run(self, jpegs: list[bytes]) -> list[list[dict[str, Any]]]:
        """Run a batch."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self.model.detect, jpegs)

    async def __call__(self, request: Request) -> list[dict[str, Any]]:
        """The objects in one picture."""
        found: list[dict[str, Any]] = await self.run(await request.body())
        return found


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])}, logging_config={"log_level": "ERROR"})
    serve.run(Detector.bind(sys.argv[1]), route_prefix="/detect")  # type: ignore[attr-defined]  # the decorator's
    while True:
        time.sleep(60)
