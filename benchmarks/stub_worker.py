"""A worker program without a model: it answers each picture at once, with 100 fixed rows of which 8 are above 0.25."""

from collections.abc import Sequence

import numpy as np

from app.backends import child
from app.backends.backend import Facts
from converter.model.detections import Detections
from converter.model.orientation import Shown

_ROWS, _GOOD_ROWS = 100, 8


class Stub:
    """See `child.Runner`; as the worker of `onnx` it takes three batches at once on two cores."""

    def __init__(self, options: child.WorkerOptions) -> None:
        self.facts = Facts(
            batch_sizes=(1, options.max_batch),
            batches_in_flight=options.batches_in_flight or 3,
            padded=False,
            device="CPU",
            load_seconds=0,
            warm_seconds=0,
            signature={},
        )
        corners = np.linspace((1, 2, 300, 200), (100, 200, 500, 400), _ROWS, dtype=np.float32)
        scores = np.linspace(0.9, 0.3, _GOOD_ROWS), np.linspace(0.2, 0.01, _ROWS - _GOOD_ROWS)
        classes = np.arange(_ROWS, dtype=np.int32) % 80
        self._found = Detections(corners, np.concatenate(scores).astype(np.float32), classes)

    def finish(self) -> bool:
        """Nothing is left to be done."""
        return False

    def run(self, jpegs: Sequence[bytes], _: Sequence[Shown], *, raw: bool = False) -> list[Detections]:
        """The same for each."""
        return [self._found] * len(jpegs)


if __name__ == "__main__":
    child.main(Stub)
