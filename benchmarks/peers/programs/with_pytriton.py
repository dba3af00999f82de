"""PyTriton: Triton's dynamic batches, given to two functions. A picture comes as a tensor of the V2 protocol."""

import json
import sys
from typing import Any

import numpy as np
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.peers.programs.model import IN_FLIGHT, Model

BATCH = 4


def main(folder: str, port: int) -> None:
    """Serve the model."""
    model = Model(folder)

    def detect(requests: list[Any]) -> list[dict[str, Any]]:
        """Run a batch; PyTriton gives the tensors of several requests, each with its batch of one."""
        found = model.detect([request["image"][0, 0] for request in requests])
        return [{"objects": np.array([[json.dumps(one).encode()]], dtype=object)} for one in found]

    config = TritonConfig(
        http_address="127.0.0.1", http_port=port, allow_grpc=False, allow_metrics=False, log_verbose=0
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="detect",
            infer_func=[detect] * IN_FLIGHT,
            inputs=[Tensor(name="image", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="objects", dtype=bytes, shape=(1,))],
            config=ModelConfig(
                batching=True, max_batch_size=BATCH, batcher=DynamicBatcher(max_queue_delay_microseconds=2000)
            ),
        )
        triton.serve()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
